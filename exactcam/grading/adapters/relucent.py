"""relucent: clips its polyhedra, given as half-spaces and sign sequences, to the window.

relucent's polyhedra are h x + c <= 0 for the rows (h, c) of `halfspaces`, one row a
unit, and may be unbounded. Its floats are taken as exact: the window is cut by the
half-spaces in exact arithmetic, and only the corners found are rounded to float64, so
what is graded is the engine's answer and at most half a unit in the last place of
this adapter's. Networks of two inputs; a polyhedron that misses the window is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...arithmetic.rational import integer_matrix, to_float
from ...errors import FileFormatError
from ...files.reading import reading
from ...model.geometry import Polygon, cartesian, clip
from ...model.slice import Window
from .. import EngineOutput
from ..output import engine_output
from .arrays import check_rows, context, read_arrays

__all__ = ["from_polyhedra", "read"]


def from_polyhedra(polyhedra: Iterable[Any], window: Window, **facts: Any) -> EngineOutput:
    """The output for the polyhedra of a `relucent.Complex` on a window.

    Parameters
    ----------
    polyhedra : iterable
        Objects with `halfspaces` (units, 3) and the sign sequence `ss` (units,).
    window : Window
        Where to clip them.
    **facts
        Further fields of the EngineOutput, by name.

    Returns
    -------
    EngineOutput
        With patterns. O(polyhedra x units x corners) exact predicates.
    """
    rows = [(np.asarray(p.halfspaces), np.asarray(p.ss).ravel()) for p in polyhedra]
    return _output([h for h, _ in rows], [s for _, s in rows], window, **facts)


def read(path: str | Path) -> EngineOutput:
    """The output in a file with `halfspaces` (n, units, 3), `ss` (n, units) and `window`.

    Raises FileFormatError naming what is missing or does not fit.
    """
    facts = context(path)
    held = read_arrays(path, ("halfspaces", "ss"))
    if "window" not in facts:
        raise FileFormatError(f"{path}: needs window, its corners (n, 2)")
    if held["halfspaces"].shape != (*held["ss"].shape, 3):
        raise FileFormatError(
            f"{path}: halfspaces {held['halfspaces'].shape} and ss {held['ss'].shape} do not fit"
        )
    check_rows(path, "halfspaces", held["ss"].size)
    with reading(path):
        return _output(list(held["halfspaces"]), list(held["ss"]), **facts)


def _output(
    halfspaces: list[np.ndarray], signs: list[np.ndarray], window: Window, **facts: Any
) -> EngineOutput:
    """The output for the half-spaces and signs of each polyhedron."""
    polygons, patterns = [], []
    for rows, sign in zip(halfspaces, signs, strict=True):
        polygon = _cut(window, integer_matrix(rows, "halfspaces")[0])
        if polygon is not None:
            corners = [[to_float(x) for x in cartesian(corner)] for corner, _ in polygon]
            polygons.append(np.asarray(corners))
            patterns.append(sign > 0)
    units = len(signs[0]) if signs else 0
    codes = np.asarray(patterns, dtype=np.int64).reshape(len(polygons), units)
    return engine_output(polygons, patterns=codes, window=window, **facts)


def _cut(window: Window, rows: np.ndarray) -> Polygon | None:
    """The part of the window where no row is positive, None where that has no interior."""
    polygon: Polygon | None = list(zip(window.vertices, window.sides, strict=True))
    for a, b, c in -rows:
        if polygon is None:
            return None
        polygon, _ = clip(polygon, (a, b, c))
    return polygon
