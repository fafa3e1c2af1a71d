"""Sort an engine's polygons: simple ones with area as convex parts, all others as phantoms.

Most are convex, which one vectorised pass proves: every turn goes to the same side, and
the walk goes once around (its lexicographic direction changes twice; left turns
alone would accept a pentagram). The others are examined one by one, exactly. A polygon
that is not quite convex because its vertices are rounded is taken as its convex hull,
and its vertices' distance to the hull counts towards its distance to the exact region.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arithmetic.rational import common_integers, mpq, mpz, sign
from ..errors import InvariantError
from ..model.geometry import Point, area2, edges_of, homogeneous, join, side
from .output import EngineOutput
from .shapes import Shapes, distance_to_segment, orientation

__all__ = ["Polygons", "clean", "convex_polygons", "without_repeats"]


@dataclass(frozen=True, eq=False)
class Polygons:
    """The polygons of an engine, sorted into proper polygons and phantoms.

    Attributes
    ----------
    phantoms : dict
        Polygon -> why it is not a polygon with area.
    owner, hulls : int ndarray (hulls,), Shapes
        All others: their convex hulls, hull h that of polygon owner[h].
    depth2 : dict
        Hull -> squared distance of the polygon's vertices to the border of the hull,
        where the polygon is not convex.
    parts, part_owner : Shapes, int ndarray (parts,)
        The same polygons cut into convex parts, part p of hull part_owner[p].
    folded : list of int
        Polygons that cross themselves by less than the pass mark.
    """

    phantoms: dict[int, str]
    owner: np.ndarray
    hulls: Shapes
    depth2: dict[int, mpq]
    parts: Shapes
    part_owner: np.ndarray
    folded: list[int]


def convex_polygons(xy: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which polygons are convex with interior, and which way round they go. Exact.

    Parameters
    ----------
    xy : float ndarray (vertices, 2)
        Finite; consecutive vertices of a polygon must differ.
    offsets : int ndarray (polygons + 1,)
        Polygon k has the vertices xy[offsets[k]:offsets[k + 1]]; it may have none.

    Returns
    -------
    int ndarray (polygons,)
        +1 convex and counter-clockwise, -1 convex and clockwise, 0 otherwise.
    """
    shapes = Shapes(xy, offsets)
    owner = np.repeat(np.arange(len(shapes)), np.diff(offsets))
    end = xy[shapes.following]
    last = xy[shapes.following[shapes.following]]
    value, bound = orientation(xy, end, last)
    turn = np.sign(value).astype(np.int64)
    for i in np.nonzero(~(np.abs(value) > bound))[0]:
        a, b, c = (homogeneous(*p.tolist()) for p in (xy[i], end[i], last[i]))
        turn[i] = side(join(a, b), c)
    ahead = (end > xy)[:, 0] | ((end == xy)[:, 0] & (end > xy)[:, 1])
    turned = ahead != ahead[shapes.following]

    def number(mask: np.ndarray) -> np.ndarray:
        return np.bincount(owner[mask], minlength=len(shapes))

    left, right = number(turn > 0), number(turn < 0)
    once = (number(turned) == 2) & (number(turned & (turn == 0)) == 0)
    return np.where(once & (left > 0) & (right == 0), 1, 0) - np.where(
        once & (right > 0) & (left == 0), 1, 0
    )


def clean(output: EngineOutput, tolerance: mpq) -> Polygons:
    """Sort the polygons of an engine into convex hulls, convex parts and phantoms.

    Parameters
    ----------
    output : EngineOutput
        What the engine returned.
    tolerance : mpq
        The pass mark, in slice coordinates: how far vertices may be off.

    Returns
    -------
    Polygons
        Decided exactly. Linear for convex polygons, O(n^3) for one of n vertices that is not.
    """
    xy = output.vertices.astype(np.float64)
    owner = np.repeat(np.arange(len(output)), np.diff(output.offsets))
    finite = np.bincount(owner[~np.isfinite(xy).all(axis=1)], minlength=len(output)) == 0
    keep = np.repeat(finite, np.diff(output.offsets))
    xy, owner = xy[keep], owner[keep]
    xy, offsets = without_repeats(xy, owner, len(output))
    orientations = convex_polygons(xy, offsets)
    good = _Collector()
    phantoms: dict[int, str] = {}
    for k in range(len(output)):
        corners = xy[offsets[k] : offsets[k + 1]]
        if orientations[k]:
            good.add(k, corners[:: orientations[k]])
        elif not finite[k]:
            phantoms[k] = "not finite"
        elif len(np.unique(corners, axis=0)) < 3:
            phantoms[k] = "fewer than three distinct vertices"
        else:
            reason = _take_apart(k, corners, tolerance, good)
            if reason:
                phantoms[k] = reason
    return good.polygons(phantoms)


def without_repeats(xy: np.ndarray, owner: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Drop a vertex equal to the one before it in its polygon, cyclically (closed polygons)."""
    sizes = np.bincount(owner, minlength=count)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    before = np.arange(-1, len(xy) - 1)
    full = sizes > 0
    before[offsets[:-1][full]] = offsets[1:][full] - 1
    fresh = (xy != xy[before]).any(axis=1)
    return xy[fresh], np.concatenate([[0], np.cumsum(np.bincount(owner[fresh], minlength=count))])


class _Collector:
    """The lists that `Polygons` is made of, while they grow."""

    def __init__(self) -> None:
        self.owner: list[int] = []
        self.hulls: list[np.ndarray] = []
        self.parts: list[np.ndarray] = []
        self.part_owner: list[int] = []
        self.depth2: dict[int, mpq] = {}
        self.folded: list[int] = []

    def add(self, k: int, hull: np.ndarray, parts: list[np.ndarray] | None = None) -> None:
        """Add polygon k by its hull and its convex parts; without parts it is its hull."""
        own = [hull] if parts is None else parts
        self.part_owner += [len(self.owner)] * len(own)
        self.parts += own
        self.owner.append(k)
        self.hulls.append(hull)

    def polygons(self, phantoms: dict[int, str]) -> Polygons:
        """All that was added, as arrays."""
        return Polygons(
            phantoms,
            np.asarray(self.owner, dtype=np.int64),
            Shapes.of(self.hulls),
            self.depth2,
            Shapes.of(self.parts),
            np.asarray(self.part_owner, dtype=np.int64),
            self.folded,
        )


def _take_apart(k: int, corners: np.ndarray, tolerance: mpq, good: _Collector) -> str:
    """Add a polygon that is not convex to `good`, or say why it is a phantom.

    It passes as its hull if its vertices are within the tolerance of the hull's
    border and its area is the hull's, up to a collar of that width (a polygon that
    crosses itself by a rounding error does, a bow tie does not). Otherwise it must
    be simple, and is cut into triangles.
    """
    flat, _ = common_integers(mpq(x) for x in corners.ravel())
    points = list(zip(flat[::2], flat[1::2], [mpz(1)] * len(corners), strict=True))
    doubled = area2(points)
    if doubled == 0:
        return "zero area"
    exact = [homogeneous(*p.tolist()) for p in corners]
    hull = _hull(points)
    border = [exact[i] for i in hull]
    depth2 = max(_border_distance(p, border) for p in exact)
    perimeter = sum(
        abs(u - s) + abs(v - t)
        for (u, v), (s, t) in edges_of([(mpq(corners[i, 0]), mpq(corners[i, 1])) for i in hull])
    )
    lost = abs(area2(border) - abs(area2(exact))) / 2
    near = depth2 <= tolerance * tolerance and lost <= tolerance * perimeter
    simple = _is_simple(points)
    if not near and not simple:
        return "folded"
    parts = None
    if simple:
        order = range(len(points)) if doubled > 0 else range(len(points) - 1, -1, -1)
        triangles = _triangles(points, list(order))
        # The largest first: its witness is the polygon's.
        triangles.sort(key=lambda t: area2([points[i] for i in t]), reverse=True)
        parts = [corners[list(t)] for t in triangles]
    else:
        good.folded.append(k)
    good.depth2[len(good.owner)] = depth2
    good.add(k, corners[hull], parts)
    return ""


def _turn(a: Point, b: Point, c: Point) -> int:
    """+1 where a, b, c turn left, -1 right, 0 on a line; the points share one denominator."""
    return sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _hull(points: list[Point]) -> list[int]:
    """The convex hull's corners, counter-clockwise (Andrew's monotone chain)."""
    order = sorted(range(len(points)), key=lambda i: points[i])
    order = [i for n, i in enumerate(order) if n == 0 or points[i] != points[order[n - 1]]]

    def chain(indices: list[int]) -> list[int]:
        out: list[int] = []
        for i in indices:
            while len(out) > 1 and _turn(points[out[-2]], points[out[-1]], points[i]) <= 0:
                out.pop()
            out.append(i)
        return out[:-1]

    return chain(order) + chain(order[::-1])


def _border_distance(point: Point, border: list[Point]) -> mpq:
    """The squared distance of a point to the border of a polygon."""
    return min(distance_to_segment(point, a, b) for a, b in edges_of(border))


def _is_simple(points: list[Point]) -> bool:
    """No two edges meet except neighbours in their common corner. O(n^2)."""
    edges = list(edges_of(points))
    for m, (a, b) in enumerate(edges):
        for n in range(m + 1, len(edges)):
            c, d = edges[n]
            if n == m + 1 or (m == 0 and n == len(edges) - 1):
                p, q, r = (a, b, d) if n == m + 1 else (c, a, b)
                # Neighbours p-q-r overlap if they go straight back.
                if _turn(p, q, r) == 0 and _dot(q, p, r) > 0:
                    return False
            elif _meet(a, b, c, d):
                return False
    return True


def _dot(at: Point, p: Point, r: Point) -> int:
    """The sign of the scalar product of at -> p and at -> r."""
    return sign((p[0] - at[0]) * (r[0] - at[0]) + (p[1] - at[1]) * (r[1] - at[1]))


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the closed segments ab and cd have a point in common."""
    s, t = _turn(a, b, c), _turn(a, b, d)
    u, v = _turn(c, d, a), _turn(c, d, b)
    if s * t < 0 and u * v < 0:
        return True
    touching = ((s, c, a, b), (t, d, a, b), (u, a, c, d), (v, b, c, d))
    return any(not turn and _dot(p, x, y) <= 0 for turn, p, x, y in touching)


def _triangles(points: list[Point], order: list[int]) -> list[tuple[int, int, int]]:
    """Triangulate a simple counter-clockwise polygon by cutting ears, O(n^3).

    Corners with a straight angle are cut off without a triangle.
    """
    out = []
    while len(order) > 2:
        for m in range(len(order)):
            i, j, k = order[m - 1], order[m], order[(m + 1) % len(order)]
            a, b, c = points[i], points[j], points[k]
            turn = _turn(a, b, c)
            rest = (points[n] for n in order if n not in (i, j, k))
            if turn == 0 or (
                turn > 0
                and not any(
                    _turn(a, b, p) >= 0 and _turn(b, c, p) >= 0 and _turn(c, a, p) >= 0
                    for p in rest
                )
            ):
                if turn:
                    out.append((i, j, k))
                del order[m]
                break
        else:
            raise InvariantError("a simple polygon has no ear")
    return out
