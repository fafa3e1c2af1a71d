"""Exact plane geometry in homogeneous integer coordinates: points, lines, convex polygons.

A point is (x, y, w), w > 0, standing for (x/w, y/w); a line is (a, b, c) with the
positive side a u + b v + c > 0; all entries are integers. A vertex is always the
intersection of two lines that come from the input (G2), never an interpolation
between earlier constructed points, so numbers grow with the network's depth and
not with the number of splits. Pure functions, no state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import gmpy2

from ..arithmetic.rational import common_integers, mpq, mpz, rational, sign

__all__ = [
    "Line",
    "Point",
    "Polygon",
    "area2",
    "cartesian",
    "clip",
    "edges_of",
    "homogeneous",
    "join",
    "meet",
    "polygon_of",
    "reduced",
    "side",
    "split",
    "squared_distance",
]

T = TypeVar("T")

Point = tuple[mpz, mpz, mpz]
Line = tuple[mpz, mpz, mpz]

# Corner k, then the line of the edge that leaves it: interior on the positive side.
Polygon = list[tuple[Point, Line]]


def homogeneous(u: Any, v: Any) -> Point:
    """The point (u, v) in lowest terms."""
    (x, y), w = common_integers([rational(u, "u"), rational(v, "v")])
    return x, y, w


def reduced(point: Point) -> Point:
    """The same point with coprime entries: equal points become equal tuples."""
    x, y, w = point
    common = gmpy2.gcd(gmpy2.gcd(x, y), w)
    return (x, y, w) if common == 1 else (x // common, y // common, w // common)


def cartesian(point: Point) -> tuple[mpq, mpq]:
    """The coordinates (u, v) of a homogeneous point; as sort keys they give the lexicographic order."""
    x, y, w = point
    return mpq(x, w), mpq(y, w)


def side(line: Line, point: Point) -> int:
    """-1, 0, +1: on which side of `line` the point is. Exact (Lemma 3 of proofs/partition.md)."""
    return sign(line[0] * point[0] + line[1] * point[1] + line[2] * point[2])


def meet(first: Line, second: Line) -> Point:
    """The intersection of two lines that are not parallel (Lemma 3)."""
    a, b, c = first
    d, e, f = second
    w = a * e - b * d
    if w > 0:
        return b * f - c * e, c * d - a * f, w
    return c * e - b * f, a * f - c * d, -w


def join(start: Point, end: Point) -> Line:
    """The line through two points; its positive side is to the left of start -> end."""
    x, y, w = start
    p, q, r = end
    return y * r - w * q, w * p - x * r, x * q - y * p


def area2(points: Sequence[Point]) -> mpq:
    """Twice the signed area of a polygon (shoelace formula)."""
    total = mpq(0)
    for (x, y, w), (p, q, r) in edges_of(points):
        total += mpq(x * q - y * p, w * r)
    return total


def squared_distance(start: Point, end: Point) -> mpq:
    """The exact square of the Euclidean distance of two homogeneous points."""
    x, y, w = start
    p, q, r = end
    return mpq(x * r - p * w, w * r) ** 2 + mpq(y * r - q * w, w * r) ** 2


def edges_of(points: Sequence[T]) -> Iterator[tuple[T, T]]:
    """The edges (start, end) of a closed polygon: each corner with the next, last the closing edge."""
    return pairwise((*points, *points[:1]))


def polygon_of(points: Sequence[Point]) -> Polygon:
    """The polygon of counter-clockwise corners: each with the line of the edge that leaves it."""
    return [(start, join(start, end)) for start, end in edges_of(points)]


def clip(polygon: Polygon, line: Line) -> tuple[Polygon | None, Polygon | None]:
    """The parts of a convex polygon on the positive and on the negative side of a line.

    Parameters
    ----------
    polygon : Polygon
        A convex polygon with interior.
    line : Line
        Any line. One that misses the interior leaves the polygon whole; so does the
        zero form (0, 0, 0), which is neither positive nor negative anywhere.

    Returns
    -------
    positive, negative : Polygon or None
        Where line >= 0 and where line <= 0, each None if it has no interior.
        O(corners), at most two `meet` (Lemma 4 of proofs/partition.md).
    """
    signs = [side(line, corner) for corner, _ in polygon]
    if 1 in signs and -1 in signs:
        return split(polygon, signs, line)
    return (None if -1 in signs else polygon), (None if 1 in signs else polygon)


def split(polygon: Polygon, signs: Sequence[int], line: Line) -> tuple[Polygon, Polygon]:
    """(positive, negative) part of a convex polygon cut by `line`.

    `signs` are the sides of the corners; both -1 and +1 must occur. The line then
    meets the boundary in exactly two points, each a corner (sign 0) or the inside
    of an edge, and both parts are convex with interior (Lemma 4 of proofs/partition.md). Costs at most two `meet`.
    """
    reverse = (-line[0], -line[1], -line[2])
    positive: Polygon = []
    negative: Polygon = []
    for (corner, edge), (here, there) in zip(polygon, edges_of(signs), strict=True):
        if here > 0:
            positive.append((corner, edge))
            if there < 0:
                cut = meet(edge, line)
                positive.append((cut, line))
                negative.append((cut, edge))
        elif here < 0:
            negative.append((corner, edge))
            if there > 0:
                cut = meet(edge, line)
                negative.append((cut, reverse))
                positive.append((cut, edge))
        elif there > 0:
            # An edge never lies on the line: both strict signs occur and the polygon is convex.
            negative.append((corner, reverse))
            positive.append((corner, edge))
        else:
            positive.append((corner, line))
            negative.append((corner, edge))
    return positive, negative
