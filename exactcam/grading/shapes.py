"""Predicates and distances for many convex polygons: float filter first, exact where it fails.

The polygons of an engine and the cells of a partition answer the same questions: does one
contain a point, how far apart are two, are two certainly disjoint. Each is first computed
in float64 with a proved error bound, for all pairs together; what the bound leaves
undecided is decided in exact rationals. Nothing is guessed.

Error bounds. u = 2^-53. An engine's float coordinates are exact; a cell's are
correctly rounded, off by at most u M with M the largest coordinate involved. The
orientation (b-a) x (p-a) of exact floats has error at most 4u times the sum of its
two products' sizes (Shewchuk 1997, section 4.1); rounding the points moves it by at
most 2 u M (D + Q) + 8 u^2 M^2, D and Q the 1-norms of b-a and p-a. Both are doubled
here. Distances take the rounding residuals in, so differences q and d of exact points
are known to 4u (|q| + R) and 4u (|d| + R), R the sum of the residuals' sizes. The
foot of the clamped projection t is off by what q and d are, by t times d's error, and
by |d| times t's error, at most 10u |q| + 4u (|q| + R) + 8u |q| (|d| + R) / |d|: all
within 64u ((|q| + R)(1 + R/|d|) + t (|d| + R)). `_TINY` covers underflow. Infinite or
NaN intermediate values fail every comparison and so go to exact arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..arithmetic.rational import mpq, to_float
from ..model.geometry import Line, Point, cartesian, edges_of, homogeneous, join, polygon_of, side
from ..runtime.cached import cached_property
from .boxes import BoxTree

__all__ = [
    "Shapes",
    "distance_squared",
    "distance_to_segment",
    "orientation",
    "ragged",
    "squared_distance_to",
]

_U = 2.0**-53
_TINY = 1e-150
_CHUNK = 1 << 15  # polygons handled at once: bounds memory, not a decision


def orientation(
    a: np.ndarray, b: np.ndarray, p: np.ndarray, slack: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Orientation of point triples in floats: the cross product (b - a) x (p - a), with a bound.

    Parameters
    ----------
    a, b, p : float ndarray (n, 2)
        The points.
    slack : float
        1 if the points are correctly rounded exact ones, 0 if they are exact.

    Returns
    -------
    value, bound : float ndarray (n,)
        The exact cross product is within `bound` of `value` (Shewchuk 1997, section 4.1;
        see the module's docstring).
    """
    d, q = b - a, p - a
    first, second = d[:, 0] * q[:, 1], d[:, 1] * q[:, 0]
    bound = 8 * _U * (np.abs(first) + np.abs(second)) + _TINY * _TINY
    if slack:
        size = np.abs(np.concatenate([a, b, p], axis=1)).max(axis=1)
        spread = np.abs(d).sum(axis=1) + np.abs(q).sum(axis=1)
        bound += slack * (4 * _U * size * spread + 16 * (_U * size) ** 2)
    return first - second, bound


def ragged(offsets: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expand rows of a ragged array: for every entry of the rows `which`, whose it is and where.

    Parameters
    ----------
    offsets : int ndarray (rows + 1,)
        Row k holds the flat entries offsets[k]:offsets[k + 1].
    which : int ndarray (m,)
        The rows, in any order, repeated or not.

    Returns
    -------
    position, index : int ndarray (entries,)
        The place of the entry's row in `which`, and the entry's flat index.
    """
    sizes = offsets[which + 1] - offsets[which]
    position = np.repeat(np.arange(len(which)), sizes)
    start = np.cumsum(sizes) - sizes
    return position, np.arange(len(position)) - start[position] + offsets[which][position]


class Shapes:
    """Convex counter-clockwise polygons with interior, as flat arrays of vertices.

    Parameters
    ----------
    xy : float ndarray (vertices, 2)
        The vertices in slice coordinates.
    offsets : int ndarray (polygons + 1,)
        Polygon k has the vertices xy[offsets[k]:offsets[k + 1]].
    exact : callable, optional
        The exact vertex of a flat index, of which `xy` is the correctly rounded one;
        without it the floats are exact.
    """

    def __init__(
        self, xy: np.ndarray, offsets: np.ndarray, exact: Callable[[int], Point] | None = None
    ) -> None:
        self.xy, self.offsets = xy, offsets
        self.slack = 0.0 if exact is None else 1.0
        self._exact = exact
        self._known: dict[int, Point] = {}
        self.following = np.arange(1, len(xy) + 1)
        full = np.diff(offsets) > 0
        self.following[offsets[1:][full] - 1] = offsets[:-1][full]

    @classmethod
    def of(cls, polygons: Sequence[np.ndarray]) -> Shapes:
        """The shapes of float arrays (vertices, 2), taken as exact."""
        offsets = np.cumsum([0, *(len(p) for p in polygons)])
        return cls(np.concatenate([np.empty((0, 2)), *polygons]), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def exact(self, i: int) -> Point:
        """The exact vertex of flat index i."""
        if self._exact is not None:
            return self._exact(i)
        if i not in self._known:
            self._known[i] = homogeneous(*self.xy[i].tolist())
        return self._known[i]

    def points(self, k: int) -> list[Point]:
        """The exact vertices of polygon k."""
        return [self.exact(i) for i in range(self.offsets[k], self.offsets[k + 1])]

    def lines(self, k: int) -> list[Line]:
        """The exact edge lines of polygon k, interior on the positive side."""
        return [line for _, line in polygon_of(self.points(k))]

    @cached_property
    def residuals(self) -> np.ndarray:
        """Exact minus float vertices, (vertices, 2), to a relative error of 2^-53."""
        out = np.zeros_like(self.xy)
        if self._exact is not None:
            known: dict[Point, tuple[float, float]] = {}
            for i, (u, v) in enumerate(self.xy.tolist()):
                point = self._exact(i)
                if point not in known:
                    ends = zip(cartesian(point), (u, v), strict=True)
                    off = [to_float(x - mpq(f)) if math.isfinite(f) else 0.0 for x, f in ends]
                    known[point] = off[0], off[1]
                out[i] = known[point]
        return out

    @cached_property
    def boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """The bounding boxes (low, high) of the float vertices, (polygons, 2) each.

        Rounding is monotone: a rounded point outside a rounded box is outside the exact box.
        """
        starts = self.offsets[:-1]
        return np.minimum.reduceat(self.xy, starts), np.maximum.reduceat(self.xy, starts)

    @cached_property
    def tree(self) -> BoxTree:
        """A tree over the bounding boxes."""
        return BoxTree(*self.boxes)

    def contains(self, which: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Whether float point points[k] is strictly inside polygon which[k], for each k. Exact.

        Parameters
        ----------
        which : int ndarray (n,)
            The polygons.
        points : float ndarray (n, 2)
            The points, taken as exact.

        Returns
        -------
        bool ndarray (n,)
        """
        inside = np.ones(len(which), dtype=bool)
        for part in _chunks(len(which)):
            position, i = ragged(self.offsets, which[part])
            value, bound = orientation(
                self.xy[i], self.xy[self.following[i]], points[part][position], self.slack
            )
            outside = np.zeros(len(which[part]), dtype=bool)
            outside[position[value < -bound]] = True
            unsure = np.zeros(len(outside), dtype=bool)
            unsure[position[~(value > bound)]] = True
            inside[part] = ~unsure & ~outside
            for k in np.nonzero(unsure & ~outside)[0] + part.start:
                inside[k] = self.contains_exactly(int(which[k]), homogeneous(*points[k].tolist()))
        return inside

    def contains_exactly(self, k: int, point: Point) -> bool:
        """Is the point strictly inside polygon k?"""
        return all(side(line, point) > 0 for line in self.lines(k))

    @cached_property
    def witnesses(self) -> tuple[np.ndarray, dict[int, Point]]:
        """A point strictly inside each polygon, and exact points where no float is inside.

        Floats (polygons, 2), and {polygon: exact point} for those whose mean vertex,
        rounded, is not inside.
        """
        sizes = np.diff(self.offsets)
        means = np.add.reduceat(self.xy, self.offsets[:-1], axis=0) / sizes[:, None]
        exact: dict[int, Point] = {}
        inside = np.asarray(np.isfinite(means).all(axis=1))  # a sum may overflow
        usable = np.nonzero(inside)[0]
        inside[usable] = self.contains(usable, means[usable])
        for k in np.nonzero(~inside)[0]:
            corners = [cartesian(p) for p in self.points(int(k))]
            u, v = (sum((c[axis] for c in corners), mpq(0)) / len(corners) for axis in (0, 1))
            exact[int(k)] = homogeneous(u, v)
            means[k] = to_float(u), to_float(v)
        return means, exact

    def holding(self, other: Shapes) -> tuple[np.ndarray, np.ndarray]:
        """(k, m): every pair where polygon k strictly contains the witness of polygon m of `other`."""
        floats, exact = other.witnesses
        m, k = self.tree.pairs(floats, floats)
        special = np.isin(m, list(exact))
        keep = np.zeros(len(m), dtype=bool)
        keep[~special] = self.contains(k[~special], floats[m[~special]])
        for i in np.nonzero(special)[0]:
            keep[i] = self.contains_exactly(int(k[i]), exact[int(m[i])])
        return k[keep], m[keep]

    def distances(
        self, which: np.ndarray, other: Shapes, others: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the Hausdorff distance of two polygons, for many pairs.

        Parameters
        ----------
        which, others : int ndarray (n,)
            Pair k is polygon which[k] of these and others[k] of `other`.

        Returns
        -------
        low, high : float ndarray (n,)
            Proved bounds; O(corners x corners) for each pair.
        """
        low, high = np.zeros(len(which)), np.zeros(len(which))
        for part in _chunks(len(which)):
            a, b = which[part], others[part]
            bounds = _directed(self, a, other, b), _directed(other, b, self, a)
            low[part] = np.maximum(bounds[0][0], bounds[1][0])
            high[part] = np.maximum(bounds[0][1], bounds[1][1])
        return low, high

    def disjoint(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether the line of an edge separates polygons first[k] and second[k].

        True is proved: no common interior. False is not. For exact floats only.
        """
        out = np.zeros(len(first), dtype=bool)
        for part in _chunks(len(first)):
            a, b = first[part], second[part]
            out[part] = _separated(self, a, b) | _separated(self, b, a)
        return out


def _chunks(count: int) -> Iterator[slice]:
    """Consecutive ranges of at most _CHUNK that make up range(count)."""
    return (slice(k, min(count, k + _CHUNK)) for k in range(0, count, _CHUNK))


def _cross(
    a: Shapes, ai: np.ndarray, b: Shapes, bi: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every vertex of a[ai[k]] against every edge of b[bi[k]], a row for each such pair.

    Returns k of each vertex, the flat vertex of each row, and (number of the vertex, flat
    edge) of each row.
    """
    position, vertex = ragged(a.offsets, ai)
    row, edge = ragged(b.offsets, bi[position])
    return position, vertex[row], np.stack([row, edge])


def _directed(
    a: Shapes, ai: np.ndarray, b: Shapes, bi: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the largest distance of a vertex of a[ai[k]] to the polygon b[bi[k]]."""
    position, vertex, (row, edge) = _cross(a, ai, b, bi)
    p, following = vertex, b.following[edge]
    from_start = (a.xy[p] - b.xy[edge]) + (a.residuals[p] - b.residuals[edge])
    from_end = (a.xy[p] - b.xy[following]) + (a.residuals[p] - b.residuals[following])
    d = (b.xy[following] - b.xy[edge]) + (b.residuals[following] - b.residuals[edge])
    # Measured from the nearer end, a vertex that is nearly a corner is measured finely.
    back = np.abs(from_end).sum(axis=1) < np.abs(from_start).sum(axis=1)
    q = np.where(back[:, None], from_end, from_start)
    cross = d[:, 0] * q[:, 1] - d[:, 1] * q[:, 0]
    d[back] *= -1
    rest = sum(np.abs(s.residuals[i]).sum(axis=1) for s, i in ((a, p), (b, edge), (b, following)))
    near, length = np.abs(q).sum(axis=1) + rest, np.abs(d).sum(axis=1) + rest
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        t = np.clip((d * q).sum(axis=1) / (d * d).sum(axis=1), 0, 1)
        error = 64 * _U * (near * (1 + rest / (length - rest)) + t * length) + _TINY
    known = np.isfinite(t)
    foot = q - np.where(known, t, 0.0)[:, None] * d
    far = np.hypot(foot[:, 0], foot[:, 1])
    # What overflowed says nothing: the bounds are then 0 and infinity, and no side is proved.
    known &= np.isfinite(far) & np.isfinite(error)
    far, error = np.where(known, far, 0.0), np.where(known, error, np.inf)
    cross = np.where(np.isfinite(cross), cross, np.nan)
    doubt = 16 * _U * near * length + _TINY * _TINY
    starts = np.searchsorted(row, np.arange(len(position)))
    outside = np.minimum.reduceat(cross + doubt, starts) < 0
    inside = np.minimum.reduceat(cross - doubt, starts) > 0
    nearest = np.maximum(np.minimum.reduceat(far - error, starts), 0)
    low, high = np.zeros(len(ai)), np.zeros(len(ai))
    np.maximum.at(low, position, np.where(outside, nearest, 0.0))
    farthest = np.minimum.reduceat(far + error, starts)
    np.maximum.at(high, position, np.where(inside, 0.0, farthest))
    return low, high


def _separated(a: Shapes, ai: np.ndarray, bi: np.ndarray) -> np.ndarray:
    """Does the line of an edge of a[ai[k]] have all of a[bi[k]] on its outer side?"""
    position, vertex, (row, edge) = _cross(a, bi, a, ai)
    p, start, end = a.xy[vertex], a.xy[edge], a.xy[a.following[edge]]
    value, bound = orientation(start, end, p)
    # A shared vertex lies on the edge's line exactly, whatever the rounding says.
    on = (p == start).all(axis=1) | (p == end).all(axis=1)
    fails = ~(on | (value <= -bound))
    # Count, for each (pair, edge), the vertices that are not proved to be outside.
    first = a.offsets[ai][position[row]]
    base = np.cumsum(np.diff(a.offsets)[ai]) - np.diff(a.offsets)[ai]
    slot = base[position[row]] + edge - first
    bad = np.bincount(slot[fails], minlength=int(np.diff(a.offsets)[ai].sum()))
    out = np.zeros(len(ai), dtype=bool)
    owner = np.repeat(np.arange(len(ai)), np.diff(a.offsets)[ai])
    out[owner[bad == 0]] = True
    return out


def distance_squared(first: list[Point], second: list[Point]) -> mpq:
    """The exact square of the Hausdorff distance of two convex polygons.

    The distance to a convex set is a convex function, so it is largest at a vertex.
    Polygons of one or two vertices (a point, a segment) are allowed.
    """
    return max(
        max(squared_distance_to(p, b) for p in a) for a, b in ((first, second), (second, first))
    )


def squared_distance_to(point: Point, polygon: list[Point]) -> mpq:
    """The exact square of the distance of a point to a convex polygon; 0 inside."""
    pairs = list(edges_of(polygon))
    if len(polygon) > 2 and all(side(join(a, b), point) >= 0 for a, b in pairs):
        return mpq(0)
    return min(distance_to_segment(point, a, b) for a, b in pairs)


def distance_to_segment(point: Point, start: Point, end: Point) -> mpq:
    """The exact square of the distance of a point to a segment."""
    (x, y), (u, v), (s, t) = cartesian(point), cartesian(start), cartesian(end)
    dx, dy, px, py = s - u, t - v, x - u, y - v
    length = dx * dx + dy * dy
    along = min(mpq(1), max(mpq(0), (dx * px + dy * py) / length)) if length else mpq(0)
    return (px - along * dx) ** 2 + (py - along * dy) ** 2
