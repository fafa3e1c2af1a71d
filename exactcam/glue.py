"""From batches of independent cells to one complex: which corners are the same vertex.

The fast engine cuts cells without looking at their neighbours; by continuity the
pieces fit edge to edge, so every inner edge has exactly one twin. What is left is to
name the vertices. Two corners can be the same vertex only if their error boxes meet,
so corners are clustered by position: a cluster never separates equal vertices, and
there are at most V clusters. V itself is known without any geometry: with H corners,
B of them starting an edge on the window's boundary and F cells, E = (H + B) / 2 and,
the window being simply connected, V = 1 + E - F (Euler). If there are exactly V
clusters, no cluster holds two vertices, and the naming is proven. If there are
fewer, corners that could be confused are placed exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .engine import Engine
from .errors import InvariantError
from .exact_cells import ExactCells
from .geometry import Point
from .naming import clusters
from .partition import Partition
from .regions import Regions

__all__ = ["glue"]


def glue(engine: Engine, parts: Iterable[Regions]) -> Partition:
    """The canonical `Partition` of all regions of an engine's run, in `naming.pieces`."""
    cells = Regions.joined(parts)
    exact = ExactCells(engine, cells)
    edges = (len(cells.labels) + int((cells.labels < 0).sum())) // 2
    wanted = 1 + edges - len(cells)
    names = clusters(cells.vertices)[cells.corners]
    if names.max() + 1 < wanted:
        names = _told_apart(exact, names, wanted)
    if names.max() + 1 != wanted:
        raise InvariantError(f"{names.max() + 1} vertices found, Euler's formula says {wanted}")
    first = np.empty(wanted, dtype=np.int64)
    first[names[::-1]] = np.arange(len(names))[::-1]  # the last one assigned stays
    rank = np.empty(wanted, dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(wanted)
    return Partition(
        engine.network, engine.plane, engine.window,
        cells.patterns, cells.start, rank[names],
        _Vertices(exact, np.sort(first)), exact, "fast",
    )  # fmt: skip


def _told_apart(exact: ExactCells, names: np.ndarray, wanted: int) -> np.ndarray:
    """The names of all corners where some clusters hold several vertices."""
    cells = exact.cells
    points = cells.vertices[cells.corners]
    for vague in (2.0**-14, 2.0**-18, 2.0**-22, 2.0**-26, 0.0):  # the least certain corners first
        suspects = _suspects(names, cells.start)
        exact.place(points, suspects[points[suspects, 2] > vague])
        names = clusters(points)
        if names.max() + 1 == wanted:
            return names
    return exact.names()


def _suspects(names: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Corners of clusters around which the edges do not pair off one to one."""
    following = np.arange(1, len(names) + 1)
    following[start[1:] - 1] = start[:-1]
    ends = names[following]
    suspect = np.zeros(int(names.max()) + 1, dtype=bool)
    suspect[names[names == ends]] = True
    # Sorted both ways, edges that pair off stand side by side with their twins.
    forward = np.sort(names * len(suspect) + ends)
    backward = np.sort(ends * len(suspect) + names)
    twice = forward[1:][forward[1:] == forward[:-1]]
    alone = forward[backward[np.searchsorted(backward, forward) % len(backward)] != forward]
    for edges in (twice, alone):
        suspect[edges // len(suspect)] = True
        suspect[edges % len(suspect)] = True
    return np.nonzero(suspect[names])[0]


class _Vertices(Sequence[Point]):
    """Exact vertices, each computed when first asked for."""

    def __init__(self, exact: ExactCells, corners: np.ndarray) -> None:
        self._exact, self._corners = exact, corners
        self._known: dict[int, Point] = {}

    def __len__(self) -> int:
        return len(self._corners)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self[k] for k in range(len(self))[index])
        k = range(len(self))[index]
        if k not in self._known:
            (self._known[k],) = self._exact.points(self._corners[k : k + 1])
        return self._known[k]
