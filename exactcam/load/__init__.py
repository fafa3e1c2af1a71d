"""Loaders: from torch modules, ONNX files, exact network files and plain arrays."""
