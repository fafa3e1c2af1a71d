"""Exact areas that polygons cover twice, not at all, or outside the window.

Two polygons that the line of an edge separates share no area: this settles nearly all
pairs in one vectorised pass. The rest are clipped exactly with `model.geometry.clip`, so
every constructed point is the intersection of two edge lines of the input and numbers do
not grow. The area covered at least once is summed polygon by polygon, each less those
before it that it overlaps: right for triple overlaps too, and only neighbours are touched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arithmetic.rational import Real, digits, integer_matrix, mpq, nearest_sum, to_float
from ..model.geometry import Line, Polygon, area2, clip, edges_of, polygon_of, side
from ..model.slice import Window
from .shapes import Shapes, orientation

__all__ = ["Areas", "areas"]


@dataclass(frozen=True)
class Areas:
    """Exact areas in slice coordinates of what polygons cover on a window.

    Attributes
    ----------
    window, total : mpq
        The area of the window, and the sum of the polygons' areas.
    again : tuple of mpq
        Terms that add up to the area covered more than once, counted once less than it is
        covered. Their common denominator may be too large to form, so they stay apart.
    beyond : tuple of mpq
        Terms that add up to the area covered outside the window.
    """

    window: mpq
    total: mpq
    again: tuple[mpq, ...] = ()
    beyond: tuple[mpq, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<Areas: window {digits(self.window)}, total {digits(self.total)}, gap "
            f"{digits(self.gap)}, overlap {digits(self.overlap)}, outside {digits(self.outside)}>"
        )

    @property
    def overlap(self) -> Real:
        """The area covered again, rounded once (see `rational.quotient`)."""
        return nearest_sum(self.again)

    @property
    def outside(self) -> Real:
        """The area covered outside the window, rounded once."""
        return nearest_sum(self.beyond)

    @property
    def gap(self) -> Real:
        """The window's area that no polygon covers, rounded once."""
        return self.gap_beyond(mpq(0))

    def gap_beyond(self, allowed: mpq) -> Real:
        """The gap less an allowed area, rounded once: its sign is exact."""
        return nearest_sum([self.window - self.total - allowed, *self.again, *self.beyond])


def areas(parts: Shapes, window: Window) -> Areas:
    """The exact areas that convex polygons with float vertices cover on a window.

    Parameters
    ----------
    parts : Shapes
        Convex polygons whose float vertices are exact.
    window : Window
        The window they should tile.

    Returns
    -------
    Areas
        In slice coordinates. Near-linear in the number of polygons where few overlap.
    """
    sizes = _sizes(parts) if len(parts) else []
    first, second = _candidates(parts)
    earlier: dict[int, list[int]] = defaultdict(list)
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        if sizes[b] != _area(_less([polygon_of(parts.points(b))], parts.lines(a))):
            earlier[b].append(a)
    leaving = _leaving(parts, window)
    again, beyond = [], []
    for k in sorted({*earlier, *np.nonzero(leaving)[0].tolist()}):
        fresh = [polygon_of(parts.points(k))]
        for a in earlier.get(k, ()):
            fresh = _less(fresh, parts.lines(a))
        if k in earlier:
            again.append(sizes[k] - _area(fresh))
        if leaving[k]:
            beyond.append(_area(_less(fresh, window.sides)))
    return Areas(window.area, sum(sizes, mpq(0)), tuple(again), tuple(beyond))


def _candidates(parts: Shapes) -> tuple[np.ndarray, np.ndarray]:
    """Pairs, the smaller number first, that no edge line is proved to separate."""
    if not len(parts):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    second, first = parts.tree.pairs(*parts.boxes)
    first, second = first[first < second], second[first < second]
    together = ~parts.disjoint(first, second)
    return first[together], second[together]


def _leaving(parts: Shapes, window: Window) -> np.ndarray:
    """Which polygons have a vertex outside the window."""
    out = np.zeros(len(parts), dtype=bool)
    owner = np.repeat(np.arange(len(parts)), np.diff(parts.offsets))
    corners = [np.asarray([to_float(u), to_float(v)]) for u, v in window.corners]
    for line, ends in zip(window.sides, edges_of(corners), strict=True):
        start, end = (np.broadcast_to(corner, parts.xy.shape) for corner in ends)
        value, bound = orientation(start, end, parts.xy, 1.0)
        out[owner[value < -bound]] = True
        for i in np.nonzero(~(np.abs(value) > bound))[0]:
            out[owner[i]] |= side(line, parts.exact(int(i))) < 0
    return out


def _sizes(parts: Shapes) -> list[mpq]:
    """The exact area of each polygon: integers over one denominator."""
    numbers, scale = integer_matrix(parts.xy, "vertices")
    x, y = numbers.T
    p, q = numbers[parts.following].T
    doubled = np.add.reduceat(x * q - y * p, parts.offsets[:-1])
    return [mpq(d, 2 * scale * scale) for d in doubled]


def _area(polygons: list[Polygon]) -> mpq:
    """The exact sum of the areas."""
    return sum((area2([corner for corner, _ in polygon]) for polygon in polygons), mpq(0)) / 2


def _less(polygons: list[Polygon], lines: Sequence[Line]) -> list[Polygon]:
    """Convex polygons less the convex polygon that lies on the positive side of `lines`."""
    out = []
    for polygon in polygons:
        rest: Polygon | None = polygon
        for line in lines:
            if rest is None:
                break
            rest, beyond = clip(rest, line)
            if beyond is not None:
                out.append(beyond)
    return out
