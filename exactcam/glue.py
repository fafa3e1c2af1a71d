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
from functools import cached_property
from typing import Any

import numpy as np

from .engine import Engine
from .errors import InvariantError
from .filter import kernels
from .geometry import Point, meet, reduced
from .nodes import Block
from .partition import Partition
from .rational import mpq, to_float
from .regions import Regions
from .rounding import TINY, UNIT, UP, quiet

__all__ = ["glue"]

_VAGUE = 2.0**-8  # corners less certain than this would join everything: placed exactly at once


def glue(engine: Engine, parts: Iterable[Regions]) -> Partition:
    """The canonical `Partition` of all regions of an engine's run."""
    cells = Regions.joined(parts)
    exact = _Exact(engine, cells)
    corner_cells = np.repeat(np.arange(len(cells)), np.diff(cells.start))
    points = cells.points.copy()
    exact.place(points, np.nonzero(~(points[:, 2] <= _VAGUE))[0])
    edges = (len(points) + int((cells.labels < 0).sum())) // 2
    wanted = 1 + edges - len(cells)
    boxes = _boxes(points)
    names = _clusters(*boxes)
    for vague in (2.0**-14, 2.0**-18, 2.0**-22, 2.0**-26, 0.0):  # the least certain corners first
        if names.max() + 1 < wanted:
            suspects = _suspects(names, cells.start)
            exact.place(points, suspects[points[suspects, 2] > vague])
            boxes = _boxes(points)
            names = _clusters(*boxes)
    if names.max() + 1 < wanted:
        names = exact.names()
    if names.max() + 1 != wanted:
        raise InvariantError(f"{names.max() + 1} vertices found, Euler's formula says {wanted}")
    order = _rotation(exact, cells, points, boxes, corner_cells)
    names = names[order]
    first = np.full(wanted, len(names), dtype=np.int64)
    np.minimum.at(first, names, np.arange(len(names)))
    rank = np.empty(wanted, dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(wanted)
    sample = order[np.sort(first)]
    return Partition(
        engine.network, engine.plane, engine.window,
        cells.patterns, cells.start, rank[names],
        _Vertices(exact, sample), exact, "fast",
    )  # fmt: skip


def _clusters(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """For each corner the number of its cluster: boxes that meet have equal numbers.

    Splits by gaps in u, then by gaps in v, again and again while that splits anything,
    which leaves boxes that chain together in both coordinates. O(corners log corners).
    """
    order = np.argsort(low[:, 0], kind="stable")
    return kernels().clusters(low, high, order)


def _boxes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), each (corners, 2): rounded outwards, so that boxes that meet still do."""
    low = np.nextafter(points[:, :2] - points[:, 2:], -np.inf)
    return low, np.nextafter(points[:, :2] + points[:, 2:], np.inf)


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


def _rotation(
    exact: _Exact,
    cells: Regions,
    points: np.ndarray,
    boxes: tuple[np.ndarray, np.ndarray],
    owner: np.ndarray,
) -> np.ndarray:
    """The order of corners in which each cell starts at its lexicographically least one."""
    start, sizes = cells.start[:-1], np.diff(cells.start)
    near = boxes[0][:, 0] <= np.minimum.reduceat(boxes[1][:, 0], start)[owner]
    candidates = np.add.reduceat(near.astype(np.int64), start)
    choice = np.zeros(len(sizes), dtype=np.int64)
    single = near & (candidates == 1)[owner]
    choice[owner[single]] = np.nonzero(single)[0]
    for cell in np.nonzero(candidates > 1)[0].tolist():
        low, high = int(cells.start[cell]), int(cells.start[cell + 1])
        tied = [k for k in range(low, high) if near[k]]
        choice[cell] = _least(exact, cells, points, tied, low, high)
    shift = np.arange(len(owner)) - start[owner]
    turn = choice - start
    return start[owner] + (shift + turn[owner]) % sizes[owner]


def _least(
    exact: _Exact, cells: Regions, points: np.ndarray, tied: list[int], low: int, high: int
) -> int:
    if len(tied) == 2:
        a, b = tied
        edge = a if b == a + 1 else b if (a == low and b == high - 1) else -1
        if edge >= 0 and cells.upright[edge]:
            (va, da), (vb, db) = points[a, 1:], points[b, 1:]
            if abs(va - vb) > (da + db) * UP:
                return a if va < vb else b
    found = exact.points(np.asarray(tied))
    return min(zip(found, tied, strict=True), key=lambda pair: _key(pair[0]))[1]


def _key(point: Point) -> tuple[mpq, mpq]:
    return mpq(point[0], point[2]), mpq(point[1], point[2])


class _Exact:
    """Exact vertices and output maps of cells, from their patterns and labels."""

    def __init__(self, engine: Engine, cells: Regions) -> None:
        self.engine, self.cells = engine, cells

    def points(self, corners: np.ndarray) -> list[Point]:
        """The exact reduced vertices at some corners. Ordered by cell it is fastest."""
        cells, trace = self.cells, self.engine.trace
        owner = np.searchsorted(cells.start, corners, side="right") - 1
        out: dict[int, Point] = {}
        for k in np.argsort(owner, kind="stable").tolist():
            corner, cell = int(corners[k]), int(owner[k])
            low, high = int(cells.start[cell]), int(cells.start[cell + 1])
            before = corner - 1 if corner > low else high - 1
            codes = cells.patterns[cell]
            lines = (trace.line(codes, int(cells.labels[e])) for e in (before, corner))
            out[k] = reduced(meet(*lines))
        return [out[k] for k in range(len(corners))]

    def place(self, points: np.ndarray, corners: np.ndarray) -> None:
        """Replace some rows of `points` by correctly rounded exact ones."""
        for corner, point in zip(corners.tolist(), self.points(corners), strict=True):
            points[corner] = self.engine.frame.point(point)

    def names(self) -> np.ndarray:
        """Vertex numbers of all corners from their exact points."""
        seen: dict[Point, int] = {}
        found = self.points(np.arange(len(self.cells.points)))
        return np.asarray([seen.setdefault(p, len(seen)) for p in found], dtype=np.int64)

    def form(self, cell: int) -> Block:
        """The exact output maps of one cell; in canonical order cells share most work."""
        return self.engine.trace.output(self.cells.patterns[cell])

    @quiet()
    def map_keys(self) -> list[Any]:
        """A key for each cell, equal where the output maps are equal.

        Two maps whose float forms are further apart than their errors differ; only
        cells that are not proven different from all others have their exact map as key.
        """
        a, b, _, e, _ = np.moveaxis(self._maps, 1, 0)[:, :, 0]
        e = e * UP + TINY
        low = np.nextafter(np.stack([a - e, b - e], axis=1), -np.inf)
        high = np.nextafter(np.stack([a + e, b + e], axis=1), np.inf)
        lost = ~np.isfinite(low + high).all(axis=1)
        low[lost], high[lost] = -np.inf, np.inf
        names = kernels().clusters(low, high, np.argsort(low[:, 0], kind="stable"))
        shared = np.bincount(names)[names] > 1
        keys: list[Any] = names.tolist()
        for cell in np.nonzero(shared)[0].tolist():
            keys[cell] = tuple(self.form(cell).columns.ravel())
        return keys

    @quiet()
    def may_tie(self, level: mpq) -> np.ndarray:
        """Cells without a corner-wise proof (Lemma F3) that one side, or one output, wins."""
        height = to_float(level)
        found = []
        for first in range(0, len(self.cells), 4096):
            cells = slice(first, min(first + 4096, len(self.cells)))
            low, high = self.cells.start[cells.start], self.cells.start[cells.stop]
            u, v, d = self.cells.points[low:high].T[:, :, None]
            sizes = np.diff(self.cells.start[cells.start : cells.stop + 1])
            owner = np.repeat(np.arange(len(sizes)), sizes)
            a, b, c, e, f = np.moveaxis(self._maps[cells], 1, 0)[:, owner]
            value = a * u + b * v + c
            size = np.maximum(np.abs(u), np.abs(v))
            bound = 5 * UNIT * (np.abs(a * u) + np.abs(b * v) + np.abs(c))
            bound = (bound + e * size + f + (np.abs(a) + np.abs(b) + e) * d) * UP + TINY
            start = self.cells.start[cells.start : cells.stop] - low
            if value.shape[1] == 1:
                bound += 2 * UNIT * (np.abs(value) + abs(height))
                above = np.logical_and.reduceat(value - height > bound, start)
                below = np.logical_and.reduceat(value - height < -bound, start)
                clear = (above | below)[:, 0]
            else:
                best = value[start].argmax(axis=1)[owner][:, None]
                lowest = np.take_along_axis(value - bound, best, axis=1)
                rivals = value + bound
                np.put_along_axis(rivals, best, -np.inf, axis=1)
                highest = rivals.max(axis=1, keepdims=True)
                ahead = lowest - highest > 8 * UNIT * (np.abs(lowest) + np.abs(highest))
                clear = np.logical_and.reduceat(ahead[:, 0], start)
            found.append(first + np.nonzero(~clear)[0])
        return np.concatenate(found)

    @cached_property
    def _maps(self) -> np.ndarray:
        """Float output maps with errors, (cells, 5, outputs): a, b, c, e, f in local
        coordinates. Runs the engine again: keeping them all along would cost memory."""
        return np.concatenate(
            [
                np.concatenate([x.coefficients, x.errors[x.owner]], axis=1)
                for x in self.engine.outputs()
            ]
        )


class _Vertices(Sequence[Point]):
    """Exact vertices, each computed when first asked for."""

    def __init__(self, exact: _Exact, corners: np.ndarray) -> None:
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
