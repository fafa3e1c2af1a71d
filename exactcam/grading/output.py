"""An engine's output as plain arrays: the one form that every adapter produces.

Nothing is repaired here. Open or closed polygons, any orientation, float32 or
float64, repeated vertices, NaN: all of it is kept, because what is wrong with an
engine's output is exactly what the comparison has to report. Only output that
cannot be read as polygons at all is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..errors import FileFormatError
from ..model.network import Network
from ..model.slice import Slice, Window
from ..runtime.arguments import arrayed, expect, integer, listed

__all__ = ["EngineOutput", "engine_output"]


@dataclass(frozen=True, eq=False)
class EngineOutput:
    """The polygons a float engine returned, with whatever else it returned about them.

    Parameters
    ----------
    vertices, offsets : float ndarray (vertices, 2), int ndarray (polygons + 1,)
        Polygon k is vertices[offsets[k]:offsets[k + 1]], in slice coordinates.
    patterns : int ndarray (polygons, units), optional
        Piece numbers: 0 off and 1 on for a ReLU, the member for a max group.
    affine : float ndarray (polygons, width, 3), optional
        Maps a u + b v + c of the network value `affine_value` (None: the output).
    boundary : float ndarray (m, 2, 2), optional
        Decision boundary segments, None where the engine was not asked for any.
    boundary_unclear : bool
        The engine's answer for the boundary means "none" or "failed" and does not tell which.
    error : str
        The engine's own message where it raised.
    network, slice, window : optional
        What the engine was run on, as far as its file says.

    Raises
    ------
    FileFormatError
        Where the arrays do not fit together.
    """

    vertices: np.ndarray
    offsets: np.ndarray
    patterns: np.ndarray | None = None
    affine: np.ndarray | None = None
    affine_value: int | None = None
    boundary: np.ndarray | None = None
    boundary_unclear: bool = False
    error: str = ""
    network: Network | None = None
    slice: Slice | None = None
    window: Window | None = None

    def __post_init__(self) -> None:
        vertices = arrayed(self.vertices, "vertices", "floats (vertices, 2)", FileFormatError)
        offsets = arrayed(self.offsets, "offsets", "integers (polygons + 1,)", FileFormatError)
        for name, kind in (("network", Network), ("slice", Slice), ("window", Window)):
            if getattr(self, name) is not None:
                expect(getattr(self, name), kind, name, f"a {kind.__name__}", FileFormatError)
        for name in ("patterns", "affine", "boundary"):
            if getattr(self, name) is not None:
                array = arrayed(getattr(self, name), name, "an array of numbers", FileFormatError)
                object.__setattr__(self, name, array)
        expect(self.error, str, "error", "the engine's message", FileFormatError)
        if self.affine_value is not None:
            integer(self.affine_value, "affine_value", error=FileFormatError)
        if vertices.dtype.kind in "iu":
            vertices = vertices.astype(np.float64)
        if vertices.ndim != 2 or vertices.shape[1] != 2 or vertices.dtype.kind != "f":
            raise FileFormatError(
                f"vertices: are {vertices.dtype} {vertices.shape}, give floats (vertices, 2)"
            )
        if vertices.dtype.itemsize > 8:
            raise FileFormatError("vertices: give floats of at most 64 bits")
        if (
            offsets.ndim != 1
            or offsets.dtype.kind not in "iu"
            or not len(offsets)
            or offsets[0] != 0
            or offsets[-1] != len(vertices)
            or (np.diff(offsets.astype(np.int64)) < 0).any()
        ):
            raise FileFormatError(
                "offsets: must be integers increasing from 0 to the number of vertices"
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "offsets", offsets.astype(np.int64))
        for name, kinds in (("patterns", "iub"), ("affine", "iuf"), ("boundary", "iuf")):
            array = getattr(self, name)
            if array is not None and array.dtype.kind not in kinds:
                raise FileFormatError(f"{name}: has entries of type {array.dtype}")
        for name, shape in (("patterns", 2), ("affine", 3)):
            array = getattr(self, name)
            if array is not None and (array.ndim != shape or len(array) != len(self)):
                raise FileFormatError(
                    f"{name}: has shape {array.shape}, not {shape} axes with {len(self)} polygons"
                )
        if self.affine is not None and self.affine.shape[2] != 3:
            raise FileFormatError("affine: give maps (polygons, width, 3), columns a, b, c")
        if self.boundary is not None and self.boundary.shape[1:] != (2, 2):
            raise FileFormatError("boundary: give segments (m, 2, 2)")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        given = [n for n in ("patterns", "affine", "boundary") if getattr(self, n) is not None]
        facts = [f"{len(self)} polygons", str(self.vertices.dtype), *given]
        return f"<EngineOutput: {', '.join([*facts, 'raised'] if self.error else facts)}>"

    def polygon(self, k: int) -> np.ndarray:
        """The vertices of polygon k as the engine gave them."""
        number = integer(k, "the number of a polygon", least=0, most=len(self) - 1)
        return self.vertices[self.offsets[number] : self.offsets[number + 1]]


def engine_output(polygons: EngineOutput | Sequence[Any], **more: Any) -> EngineOutput:
    """An EngineOutput from itself or from a sequence of polygons.

    Parameters
    ----------
    polygons : EngineOutput or sequence of arrays (vertices, 2)
        An EngineOutput is returned as it is.
    **more
        The other fields of EngineOutput, by name.

    Raises
    ------
    FileFormatError
        Where an array is no polygon of numbers, or the fields do not fit together.
    """
    if isinstance(polygons, EngineOutput):
        return polygons
    unknown = set(more) - {field.name for field in fields(EngineOutput)[2:]}
    if unknown:
        raise FileFormatError(f"{', '.join(sorted(unknown))}: no field of EngineOutput")
    wanted = "floats (vertices, 2)"
    given = listed(polygons, "polygons", "a sequence of arrays (vertices, 2)", FileFormatError)
    arrays = [arrayed(p, f"polygon {k}", wanted, FileFormatError) for k, p in enumerate(given)]
    for k, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "fiu":
            raise FileFormatError(
                f"polygon {k}: is {array.dtype} {array.shape}, give floats (vertices, 2)"
            )
    # An empty float16 array takes the others' type: float32 output stays float32.
    vertices = np.concatenate([np.empty((0, 2), dtype=np.float16), *arrays])
    return EngineOutput(vertices, np.cumsum([0, *(len(a) for a in arrays)]), **more)
