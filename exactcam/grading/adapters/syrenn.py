"""SyReNN: converts the list that `transform_plane` returns for the window's polygon.

Each linear piece comes as a pair (pre, post) or as `pre` alone. Given as convex
combinations (compute_preimages=False), `pre` is (vertices, window corners) and its
product with the corners, in float64, gives slice coordinates; given as preimages in
two input dimensions, it is the coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileFormatError
from ...files.reading import reading
from ...model.slice import Window
from .. import EngineOutput
from ..output import engine_output
from .arrays import context, read_arrays

__all__ = ["from_pieces", "read"]


def from_pieces(pieces: Sequence[Any], window: Window | None = None, **facts: Any) -> EngineOutput:
    """The output for what `transform_plane` returned.

    Parameters
    ----------
    pieces : sequence of arrays, or of pairs whose first is the array
        Convex combinations (vertices, window corners), or preimages (vertices, 2).
    window : Window, optional
        The window, where convex combinations are given.
    **facts
        Further fields of the EngineOutput, by name.

    Raises
    ------
    FileFormatError
        Where the arrays do not fit the window.
    """
    arrays = [np.asarray(p[0] if isinstance(p, tuple) else p) for p in pieces]
    if window is not None:
        arrays = [_coordinates(a, window) for a in arrays]
    return engine_output(arrays, window=window, **facts)


def read(path: str | Path) -> EngineOutput:
    """The output in a file with `offsets` and `preimages` (n, 2) or `combinations` (n, corners).

    Combinations are of the corners of `window`. Raises FileFormatError naming what is
    missing or does not fit.
    """
    facts = context(path)
    held = read_arrays(path, ("offsets",), ("preimages", "combinations"))
    if "preimages" in held:
        with reading(path):
            return EngineOutput(held["preimages"], held["offsets"], **facts)
    if "combinations" not in held or "window" not in facts:
        raise FileFormatError(f"{path}: needs preimages, or combinations and window")
    with reading(path):
        vertices = _coordinates(held["combinations"], facts["window"])
        return EngineOutput(vertices, held["offsets"], **facts)


def _coordinates(combinations: np.ndarray, window: Window) -> np.ndarray:
    """Convex combinations of the window's corners as float64 slice coordinates."""
    corners = np.asarray([[float(u), float(v)] for u, v in window.corners])
    if combinations.dtype.kind != "f" or combinations.shape[1:] != corners.shape[:1]:
        raise FileFormatError(
            f"combinations: are {combinations.dtype} {combinations.shape}, give floats "
            f"(vertices, {len(corners)})"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # such vertices are phantoms
        return combinations.astype(np.float64) @ corners
