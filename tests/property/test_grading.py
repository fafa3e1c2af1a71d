"""Comparison on degenerate partitions: what is right passes, what is broken on purpose is
named, and the fast bounds say what slow exact arithmetic says."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import exactcam
from exactcam.arithmetic.rational import mpq
from exactcam.grading import compare
from exactcam.grading.adapters.exact import from_partition
from exactcam.grading.areas import areas
from exactcam.grading.clean import clean, convex_polygons
from exactcam.grading.output import engine_output
from exactcam.grading.shapes import Shapes, distance_squared
from exactcam.model.slice import Window
from exactcam.testing import strategies

quick = settings(max_examples=40, deadline=None)
coordinates = st.one_of(
    st.integers(-4, 4).map(float),
    st.floats(-2, 2, width=32),
    st.sampled_from([1e-16, 1 + 2**-52, 1 - 2**-53, 5e-324, 1e-160, 3e150, 0.1]),
)
points = st.tuples(coordinates, coordinates)


def rounding(part: exactcam.Partition) -> float:
    """A pass mark that correctly rounded vertices and maps meet."""
    assume(np.isfinite(part.float_vertices).all())
    return max(1e-12, 2.0**-51 * float(np.abs(part.float_vertices).max()))


@quick
@given(strategies.cases(), st.randoms(use_true_random=False))
def test_rounded_cells_pass_whatever_their_order_and_direction(case: tuple, random: object) -> None:
    part = exactcam.partition(*case)
    output = from_partition(part)
    assert compare(part, output, rounding(part)).passed
    cells = [output.polygon(k) for k in range(len(output))]
    order = list(range(len(cells)))
    random.shuffle(order)
    mixed = []
    for k in order:
        turned = np.roll(cells[k], random.randrange(len(cells[k])), axis=0)
        turned = turned[:: random.choice([1, -1])]
        mixed.append(np.concatenate([turned, turned[:1]]) if random.random() < 0.3 else turned)
    result = compare(part, mixed, rounding(part))
    assert not result.findings, result.summary()
    matched = dict(result.matched.tolist())
    # Cells as thin as the rounding may stand for each other.
    least = 2.0**-40 * np.abs(np.concatenate(cells)).max() ** 2
    assert all(matched[k] == i for k, i in enumerate(order) if part.cells[i].area > least)


@quick
@given(strategies.cases(), st.integers(0, 10**6))
def test_a_region_taken_out_is_the_one_that_is_missing(case: tuple, pick: int) -> None:
    part = exactcam.partition(*case)
    output = from_partition(part)
    mark = rounding(part)
    gone = pick % len(part)
    cells = [output.polygon(k) for k in range(len(part))]
    assume(convex_polygons(*_flat(cells))[gone])  # a cell with a polygon of its own
    # One as thin as the rounding is rightly called merged with a neighbour, or doubles it.
    assume(part.cells[gone].area > 2.0**-40 * np.abs(np.concatenate(cells)).max() ** 2)
    twins = [set(map(tuple, c.tolist())) for c in cells]
    assume(twins.count(twins[gone]) == 1)
    result = compare(part, cells[:gone] + cells[gone + 1 :], 0 if pick % 2 else "1e-300")
    assert gone in {c for f in result.of_kind("missing") for c in f.cells}
    doubled = compare(part, [*cells, cells[gone]], mark)
    assert doubled.counts == {"duplicated": 1}
    (extra,) = doubled.findings
    assert twins[extra.cells[0]] == twins[gone]


def _flat(polygons: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(polygons), np.cumsum([0, *(len(p) for p in polygons)])


def _area2(corners: list[tuple[Fraction, Fraction]]) -> Fraction:
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    return sum((a * d - b * c for (a, b), (c, d) in pairs), Fraction(0))


def _exact(polygon: list[tuple[float, float]]) -> list[tuple[Fraction, Fraction]]:
    return [(Fraction(u), Fraction(v)) for u, v in polygon]


@settings(max_examples=300, deadline=None)
@given(st.lists(points, min_size=3, max_size=5, unique=True))
def test_convexity_by_definition(corners: list[tuple[float, float]]) -> None:
    """Convex and once around: every corner is on one side of every edge, and area is left."""
    exact = _exact(corners)
    n = len(exact)

    def side(a: tuple, b: tuple, c: tuple) -> int:
        value = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        return (value > 0) - (value < 0)

    expected = 0
    for sign in (1, -1):
        sides = [[sign * side(exact[k], exact[(k + 1) % n], p) for p in exact] for k in range(n)]
        if all(s >= 0 for row in sides for s in row) and any(s for row in sides for s in row):
            # In convex position with every edge on the border: once around unless the order
            # jumps along a straight side.
            area = abs(_area2(exact))
            triangles = sum(
                abs(_area2([exact[0], exact[k], exact[k + 1]])) for k in range(1, n - 1)
            )
            straight = [k for k in range(n) if not side(exact[k - 1], exact[k], exact[(k + 1) % n])]
            between = all(
                (exact[k - 1][0] - exact[k][0]) * (exact[(k + 1) % n][0] - exact[k][0])
                + (exact[k - 1][1] - exact[k][1]) * (exact[(k + 1) % n][1] - exact[k][1])
                < 0
                for k in straight
            )
            if between and area == triangles:
                expected = sign
    xy, offsets = np.asarray(corners), np.asarray([0, n])
    assert convex_polygons(xy, offsets).tolist() == [expected]


@settings(max_examples=150, deadline=None)
@given(st.lists(points, min_size=3, max_size=6), st.lists(points, min_size=3, max_size=6))
def test_distance_bounds_hold(first: list, second: list) -> None:
    polygons = clean(engine_output([np.asarray(first), np.asarray(second)]), mpq(0))
    assume(len(polygons.hulls) == 2)
    low, high = polygons.hulls.distances(np.asarray([0]), polygons.hulls, np.asarray([1]))
    exact = distance_squared(polygons.hulls.points(0), polygons.hulls.points(1))
    if np.isfinite(high[0]):
        assert exact <= mpq(float(high[0])) ** 2
    assert not np.isfinite(low[0]) or mpq(float(low[0])) ** 2 <= exact


def _covered(polygons: list[list[tuple[Fraction, Fraction]]], at_least: int) -> Fraction:
    """The area that so many of some convex polygons cover, slab by slab: slow and plain."""
    edges = [
        (p, q)
        for polygon in polygons
        for p, q in zip(polygon, polygon[1:] + polygon[:1], strict=True)
    ]
    cuts = {x for polygon in polygons for x, _ in polygon}
    for k, (a, b) in enumerate(edges):
        for c, d in edges[:k]:
            w = (b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0])
            if w:
                t = ((c[0] - a[0]) * (d[1] - c[1]) - (c[1] - a[1]) * (d[0] - c[0])) / w
                cuts.add(a[0] + t * (b[0] - a[0]))
    total, xs = Fraction(0), sorted(cuts)
    for left, right in pairwise(xs):
        middle = (left + right) / 2
        events = []
        for polygon in polygons:
            ys = []
            for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
                if min(x0, x1) < middle < max(x0, x1):
                    ys.append(y0 + (middle - x0) * (y1 - y0) / (x1 - x0))
            if ys:
                events += [(min(ys), 1), (max(ys), -1)]
        depth, below = 0, Fraction(0)
        for y, step in sorted(events):
            if depth >= at_least:
                total += (y - below) * (right - left)
            depth, below = depth + step, y
    return total


triangles = st.lists(points, min_size=3, max_size=3).filter(lambda t: _area2(_exact(t)) != 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(triangles, min_size=1, max_size=4))
def test_areas_by_slabs(polygons: list) -> None:
    window = Window.rectangle(-1, -1, 1, 1)
    cleaned = clean(engine_output([np.asarray(p) for p in polygons]), mpq(0))
    found = areas(cleaned.parts, window)
    exact = [_exact(p) for p in polygons]
    square = [(Fraction(u), Fraction(v)) for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    covered = _covered(exact, 1)
    assert Fraction(found.total) == sum(abs(_area2(p)) for p in exact) / 2
    assert Fraction(sum(found.again, mpq(0))) == sum(_covered(exact, k) for k in range(2, 5))
    both = _covered([*exact, square], 1)
    assert Fraction(sum(found.beyond, mpq(0))) == both - 4
    assert found.gap == pytest.approx(float(both - covered), rel=1e-15, abs=0)


def test_shapes_hold_exactly_what_is_inside() -> None:
    """Points on an edge, one float to either side of it, and far away."""
    corners = np.asarray([[0.0, 0], [3, 1], [1, 3]])
    shape = Shapes(corners, np.asarray([0, 3]))
    on = np.asarray([1.5, 0.5])
    for step, inside in ((0, False), (1, True), (-1, False)):
        moved = on.copy()
        for _ in range(abs(step)):
            moved[1] = np.nextafter(moved[1], step * np.inf)
        assert shape.contains(np.asarray([0]), moved[None])[0] == inside
    assert not shape.contains(np.asarray([0]), np.asarray([[1e300, -1e300]]))[0]
