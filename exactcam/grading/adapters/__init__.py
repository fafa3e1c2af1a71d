"""Adapters: one module an engine, from its output or a file of it to an EngineOutput."""
