"""The one predicate and the split everything rests on."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from exactcam.arithmetic.rational import mpq, mpz
from exactcam.model.geometry import (
    area2,
    cartesian,
    clip,
    edges_of,
    homogeneous,
    join,
    meet,
    polygon_of,
    reduced,
    side,
    split,
    squared_distance,
)

COORDINATES = st.fractions(min_value=-9, max_value=9, max_denominator=12)
POINTS = st.tuples(COORDINATES, COORDINATES)


def cross(a: tuple, b: tuple, c: tuple) -> mpq:
    return mpq((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


@given(POINTS, POINTS, POINTS)
def test_side_of_join_is_the_turn(a: tuple, b: tuple, c: tuple) -> None:
    line = join(homogeneous(*a), homogeneous(*b))
    turn = cross(a, b, c)
    assert side(line, homogeneous(*c)) == (turn > 0) - (turn < 0)


@given(POINTS, POINTS, POINTS, POINTS)
def test_meet_is_on_both_lines(a: tuple, b: tuple, c: tuple, d: tuple) -> None:
    first, second = join(homogeneous(*a), homogeneous(*b)), join(homogeneous(*c), homogeneous(*d))
    assume((b[0] - a[0]) * (d[1] - c[1]) != (b[1] - a[1]) * (d[0] - c[0]))
    for point in (meet(first, second), meet(second, first)):
        assert point[2] > 0
        assert side(first, point) == side(second, point) == 0
    assert reduced(meet(first, second)) == reduced(meet(second, first))


def test_homogeneous_is_reduced() -> None:
    assert homogeneous("1/2", "-1/3") == (3, -2, 6)
    assert reduced((mpz(6), mpz(-4), mpz(12))) == (3, -2, 6)


@given(POINTS, POINTS)
def test_cartesian_and_distance(a: tuple, b: tuple) -> None:
    p, q = homogeneous(*a), homogeneous(*b)
    assert cartesian(p) == a
    assert (cartesian(p) < cartesian(q)) == (a < b)
    doubled = (2 * p[0], 2 * p[1], 2 * p[2])
    expected = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
    assert squared_distance(p, q) == squared_distance(q, doubled) == expected


def test_edges_close_the_polygon() -> None:
    assert list(edges_of("abc")) == [("a", "b"), ("b", "c"), ("c", "a")]
    assert list(edges_of([1])) == [(1, 1)]
    assert not list(edges_of([]))


def test_clip_by_a_line_that_misses_the_interior() -> None:
    triangle = polygon_of([homogeneous(*p) for p in [(0, 0), (1, 0), (0, 1)]])
    for line, kept in (((1, 0, 1), 0), ((1, 0, 0), 0), ((1, 0, -2), 1), ((-1, -1, 1), 0)):
        form = tuple(map(mpz, line))
        parts = clip(triangle, form)
        assert parts[kept] is triangle
        assert parts[1 - kept] is None
    assert clip(triangle, (mpz(0), mpz(0), mpz(0))) == (triangle, triangle)


def test_area_is_signed() -> None:
    square = [homogeneous(*p) for p in [(0, 0), (2, 0), (2, "1/2"), (0, "1/2")]]
    assert area2(square) == 2
    assert area2(square[::-1]) == -2


@given(st.lists(st.integers(-6, 6), min_size=3, max_size=8, unique=True), POINTS, POINTS)
def test_split_keeps_area_and_sides(parameters: list[int], p: tuple, q: tuple) -> None:
    """A polygon inscribed in a parabola, cut by any line that crosses it."""
    assume(p != q)
    corners = [homogeneous(t, t * t) for t in sorted(parameters)]
    polygon = polygon_of(corners)
    line = join(homogeneous(*p), homogeneous(*q))
    signs = [side(line, c) for c in corners]
    assume(1 in signs and -1 in signs)
    positive, negative = split(polygon, signs, line)
    assert clip(polygon, line) == (positive, negative)
    assert area2(corners) == sum(area2([c for c, _ in part]) for part in (positive, negative))
    for part, expected in ((positive, 1), (negative, -1)):
        sides = [side(line, c) for c, _ in part]
        assert set(sides) <= {0, expected}
        assert sides.count(0) == 2
        for (corner, edge), (following, _) in edges_of(part):
            assert side(edge, corner) == side(edge, following) == 0
            assert all(
                side(edge, c) > 0
                for c, _ in part
                if reduced(c) not in (reduced(corner), reduced(following))
            )
