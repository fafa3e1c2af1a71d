"""Small valid ONNX models that together use most operators, as seeds for changed ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from exactcam.loaders.from_onnx import read_onnx
from exactcam.model.network import Network
from tools.onnx_build import Row, model_of, nodes_of

_F = np.float32


def models() -> dict[str, Any]:
    """The models by name."""
    ones = np.ones(2, _F)
    image: list[Row] = [
        ("Conv", "x k b", "a", {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}),
        ("BatchNormalization", "a o o o o", "c", {"epsilon": 1e-3}),
        ("LeakyRelu", "c", "d", {"alpha": 0.25}),
        ("MaxPool", "d", "e", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        (
            "Resize",
            "e  s",
            "f",
            {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"},
        ),
        ("AveragePool", "f", "g", {"kernel_shape": [2, 2]}),
        ("Pad", "g p", "h", {"mode": "constant"}),
        ("ConvTranspose", "h t", "i", {"strides": [2, 2]}),
        ("Clip", "i lo hi", "j", {}),
        ("ReduceMean", "j ax", "y", {"keepdims": 0}),
    ]
    constants = {
        "k": np.full((2, 1, 3, 3), 0.5, _F),
        "b": ones,
        "o": ones,
        "s": _F([1, 1, 2, 2]),
        "p": np.int64([0, 0, 1, 0, 0, 0, 0, 1]),
        "t": np.ones((2, 1, 2, 2), _F),
        "lo": _F(-1),
        "hi": _F(1),
        "ax": np.int64([2]),
    }
    shapes: list[Row] = [
        ("Shape", "x", "n", {}),
        ("Gather", "n zero", "rows", {"axis": 0}),
        ("Unsqueeze", "rows zero1", "r1", {}),
        ("Concat", "r1 minus", "target", {"axis": 0}),
        ("Reshape", "x target", "a", {}),
        ("Transpose", "a", "b", {"perm": [1, 0]}),
        ("Slice", "b start end", "c", {}),
        ("Squeeze", "c", "d", {}),
        ("Expand", "d wide", "e", {}),
        ("Tile", "e rep", "f", {}),
        ("Split", "f", "g h", {"axis": 0, "num_outputs": 2}),
        ("Max", "g h", "i", {}),
        ("ConstantOfShape", "wide", "w", {}),
        ("Range", "zero three one", "q", {}),
        ("Cast", "q", "qf", {"to": 1}),
        ("Constant", "", "cv", {"value_float": 0.5}),
        ("Mul", "i cv", "j", {}),
        ("Add", "j qf", "k", {}),
        ("Where", "t w w", "w2", {}),
        ("Add", "k w2", "l", {}),
        ("Abs", "l", "y", {}),
    ]
    sizes = {
        "zero": np.int64(0),
        "zero1": np.int64([0]),
        "one": np.int64(1),
        "three": np.int64(3),
        "minus": np.int64([-1]),
        "start": np.int64([0]),
        "end": np.int64([3]),
        "wide": np.int64([2, 3]),
        "rep": np.int64([2, 1]),
        "t": np.asarray(True),
    }
    dense: list[Row] = [
        ("Gemm", "x w b", "a", {"transB": 1, "alpha": 0.5}),
        ("Relu", "a", "c", {}),
        ("MatMul", "c m", "d", {}),
        ("PRelu", "d p", "e", {}),
        ("Sub", "e q", "f", {}),
        ("Div", "f q", "g", {}),
        ("Min", "g q", "h", {}),
        ("HardSigmoid", "h", "y", {}),
    ]
    weights = {
        "w": np.full((3, 4), 0.25, _F),
        "b": np.ones(3, _F),
        "m": np.ones((3, 2), _F),
        "p": _F([0.1, 0.2]),
        "q": _F([2, 4]),
    }
    return {
        "image": model_of(nodes_of(image), constants, (1, 1, 4, 4)),
        "shapes": model_of(nodes_of(shapes), sizes, (1, 4)),
        "dense": model_of(nodes_of(dense), weights, (1, 4)),
    }


def networks() -> list[Network]:
    """What the models are, as networks."""
    import tempfile
    from pathlib import Path

    out = []
    with tempfile.TemporaryDirectory() as folder:
        for name, model in models().items():
            onnx.save(model, Path(folder) / f"{name}.onnx")
            out.append(read_onnx(Path(folder) / f"{name}.onnx", check=False))
    return out
