"""The neutral `.npz` format, for every engine without an adapter of its own.

`vertices` (n, 2) float32 or float64 and `offsets` (polygons + 1,) int: polygon k is
vertices[offsets[k]:offsets[k+1]] in slice coordinates, open or closed, either way
round. Optional: `patterns` (polygons, units), the piece of every unit (0 off, 1 on);
`affine` (polygons, width, 3), the maps a u + b v + c of the network value
`affine_value` (left out: the output); `boundary` (m, 2, 2), decision boundary
segments; and what the engine was run on (see `exactcam.grading.adapters.arrays`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...files.reading import reading
from ...files.writing import writing
from .. import EngineOutput
from .arrays import context, context_arrays, read_arrays, whole_number

__all__ = ["read", "write"]


def read(path: str | Path) -> EngineOutput:
    """The output in a neutral file. Raises FileFormatError naming what does not fit."""
    facts = context(path)
    if facts.get("error"):
        return EngineOutput(np.empty((0, 2)), np.zeros(1, dtype=np.int64), **facts)
    fields = ("patterns", "affine", "boundary", "affine_value", "boundary_unclear")
    held = read_arrays(path, ("vertices", "offsets"), fields)
    with reading(path):
        return EngineOutput(
            held["vertices"],
            held["offsets"],
            held.get("patterns"),
            held.get("affine"),
            whole_number(held, "affine_value", path),
            held.get("boundary"),
            bool(whole_number(held, "boundary_unclear", path)),
            **facts,
        )


def write(output: EngineOutput, path: str | Path) -> None:
    """Write a neutral file; `read` gives the same output back."""
    fields = ["vertices", "offsets", "patterns", "affine", "affine_value", "boundary"]
    fields += ["boundary_unclear"] if output.boundary_unclear else []
    arrays = {name: getattr(output, name) for name in fields}
    facts = context_arrays(output.network, output.slice, output.window, output.error)
    with writing(path) as stream:  # savez would add .npz to another name
        np.savez_compressed(stream, **{k: v for k, v in arrays.items() if v is not None}, **facts)
