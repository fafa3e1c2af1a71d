"""Exact areas of what an engine's polygons cover twice, not at all, or outside the window.

Polygons that an edge line separates share no area: nearly all pairs, proved in one
vectorised pass. The rest are clipped exactly with the core's own `split`, so every
constructed point is the meet of two of the engine's lines and numbers do not grow.
The area covered at least once is summed polygon by polygon, each less those before
it that it overlaps: right for triple overlaps too, and only neighbours are touched.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ..arithmetic.rational import integer_matrix, mpq, nearest_sum, to_float
from ..model.geometry import Line, Polygon, area2, join, side, split
from ..model.slice import Window
from .shapes import Shapes, orientation

__all__ = ["Areas", "areas"]


@dataclass(frozen=True)
class Areas:
    """Exact areas in slice coordinates. `total` is the sum of the polygons' areas. The
    others are sums of exact fractions with no common denominator in reach, kept as their
    terms: `again` the area covered again (twice: once, thrice: twice), `beyond` what is
    covered outside the window. `overlaps` are the pieces that overlap, (first, second,
    shared area), largest first."""

    window: mpq
    total: mpq
    again: tuple[mpq, ...]
    beyond: tuple[mpq, ...]
    overlaps: tuple[tuple[int, int, mpq], ...]

    @property
    def overlap(self) -> float:
        """The float64 nearest to the area covered again."""
        return nearest_sum(self.again)

    @property
    def outside(self) -> float:
        """The float64 nearest to the area covered outside the window."""
        return nearest_sum(self.beyond)

    @property
    def gap(self) -> float:
        """The float64 nearest to the window's area that no polygon covers."""
        return nearest_sum([self.window - self.total, *self.again, *self.beyond])


def areas(pieces: Shapes, window: Window) -> Areas:
    """The areas of convex pieces of exact floats on a window. Near-linear."""
    sizes = _sizes(pieces) if len(pieces) else []
    first, second = _candidates(pieces)
    earlier: dict[int, list[int]] = defaultdict(list)
    overlaps = []
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        shared = sizes[b] - _area(_less([_polygon(pieces, b)], pieces.lines(a)))
        if shared:
            overlaps.append((a, b, shared))
            earlier[b].append(a)
    leaving = _leaving(pieces, window)
    again, beyond = [], []
    for k in sorted({*earlier, *np.nonzero(leaving)[0].tolist()}):
        fresh = [_polygon(pieces, k)]
        for a in earlier.get(k, ()):
            fresh = _less(fresh, pieces.lines(a))
        if k in earlier:
            again.append(sizes[k] - _area(fresh))
        if leaving[k]:
            beyond.append(_area(_less(fresh, list(window.sides))))
    overlaps.sort(key=lambda entry: (-entry[2], entry[0], entry[1]))
    total = sum(sizes, mpq(0))
    return Areas(window.area, total, tuple(again), tuple(beyond), tuple(overlaps))


def _candidates(pieces: Shapes) -> tuple[np.ndarray, np.ndarray]:
    """Pairs, the smaller number first, that no edge line is proved to separate."""
    if not len(pieces):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    second, first = pieces.tree.pairs(*pieces.boxes)
    first, second = first[first < second], second[first < second]
    together = ~pieces.disjoint(first, second)
    return first[together], second[together]


def _leaving(pieces: Shapes, window: Window) -> np.ndarray:
    """Which pieces have a vertex outside the window."""
    out = np.zeros(len(pieces), dtype=bool)
    owner = np.repeat(np.arange(len(pieces)), np.diff(pieces.offsets))
    corners = np.asarray([[to_float(u), to_float(v)] for u, v in window.corners])
    for k, line in enumerate(window.sides):
        start, end = (
            np.broadcast_to(c, pieces.xy.shape)
            for c in (corners[k], corners[(k + 1) % len(corners)])
        )
        value, bound = orientation(start, end, pieces.xy, 1.0)
        out[owner[value < -bound]] = True
        for i in np.nonzero(~(np.abs(value) > bound))[0]:
            out[owner[i]] |= side(line, pieces.exact(int(i))) < 0
    return out


def _sizes(pieces: Shapes) -> list[mpq]:
    """The exact area of each piece: integers over one denominator."""
    numbers, scale = integer_matrix(pieces.xy, "vertices")
    x, y = numbers.T
    p, q = numbers[pieces.following].T
    doubled = np.add.reduceat(x * q - y * p, pieces.offsets[:-1])
    return [mpq(d, 2 * scale * scale) for d in doubled]


def _polygon(pieces: Shapes, k: int) -> Polygon:
    points = pieces.points(k)
    return [(p, join(p, points[(m + 1) % len(points)])) for m, p in enumerate(points)]


def _area(polygons: list[Polygon]) -> mpq:
    return sum((area2([corner for corner, _ in polygon]) for polygon in polygons), mpq(0)) / 2


def _less(polygons: list[Polygon], lines: list[Line]) -> list[Polygon]:
    """Convex polygons less the convex polygon that lies on the positive side of `lines`."""
    out = []
    for polygon in polygons:
        rest = polygon
        for line in lines:
            signs = [side(line, corner) for corner, _ in rest]
            if -1 not in signs:
                continue
            if 1 not in signs:
                out.append(rest)
                break
            rest, beyond = split(rest, signs, line)
            out.append(beyond)
    return out
