"""The one predicate and the split everything rests on."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from exactcam.arithmetic.rational import mpq, mpz
from exactcam.model.geometry import Polygon, area2, homogeneous, join, meet, reduced, side, split

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


def test_area_is_signed() -> None:
    square = [homogeneous(*p) for p in [(0, 0), (2, 0), (2, "1/2"), (0, "1/2")]]
    assert area2(square) == 2
    assert area2(square[::-1]) == -2


@given(st.lists(st.integers(-6, 6), min_size=3, max_size=8, unique=True), POINTS, POINTS)
def test_split_keeps_area_and_sides(parameters: list[int], p: tuple, q: tuple) -> None:
    """A polygon inscribed in a parabola, cut by any line that crosses it."""
    assume(p != q)
    corners = [homogeneous(t, t * t) for t in sorted(parameters)]
    polygon: Polygon = [
        (c, join(c, corners[(k + 1) % len(corners)])) for k, c in enumerate(corners)
    ]
    line = join(homogeneous(*p), homogeneous(*q))
    signs = [side(line, c) for c in corners]
    assume(1 in signs and -1 in signs)
    positive, negative = split(polygon, signs, line)
    assert area2(corners) == sum(area2([c for c, _ in part]) for part in (positive, negative))
    for part, expected in ((positive, 1), (negative, -1)):
        sides = [side(line, c) for c, _ in part]
        assert set(sides) <= {0, expected}
        assert sides.count(0) == 2
        for k, (corner, edge) in enumerate(part):
            following = part[(k + 1) % len(part)][0]
            assert side(edge, corner) == side(edge, following) == 0
            assert all(
                side(edge, c) > 0
                for c, _ in part
                if reduced(c) not in (reduced(corner), reduced(following))
            )
