"""Slices and windows: what they map, and what is no plane or no window."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactcam import Slice, Window
from exactcam.arithmetic.rational import mpq
from exactcam.engine.local_frame import Frame
from exactcam.errors import NumberError, SliceError
from exactcam.model.slice import window_of


def test_axes_keep_the_rest_fixed() -> None:
    plane = Slice.axes([7, "0.1", 8, -1.5], 2, 0)
    assert plane.at(3, "1/3") == (mpq(1, 3), mpq(1, 10), mpq(3), mpq(-3, 2))
    assert plane.size == 4


def test_through_three_points() -> None:
    a, b, c = [1, 2, 3], [0.5, 2, 3], [1, 2, "10/3"]
    plane = Slice.through(a, b, c)
    assert plane.at(0, 0) == (1, 2, 3)
    assert plane.at(1, 0) == (mpq(1, 2), 2, 3)
    assert plane.at(0, 1) == (1, 2, mpq(10, 3))
    assert plane.at(mpq(1, 3), mpq(1, 3)) == (mpq(5, 6), 2, mpq(28, 9))


def test_the_plane_itself() -> None:
    assert Slice.plane(2).at(3, -4) == (3, -4)
    with pytest.raises(SliceError, match="the network has 5 inputs: give a slice"):
        Slice.plane(5)


def test_points_and_block_agree_with_at() -> None:
    plane = Slice([0.1, "1/3", 0], [1, 2, 3], [0, "-1/7", 1])
    block = plane.points([(mpq(3).numerator, mpq(-5).numerator, mpq(7).numerator)])
    column = [mpq(x, block.denominator * block.weights[0]) for x in block.columns[:, 0]]
    assert tuple(column) == plane.at("3/7", "-5/7")


@pytest.mark.parametrize(
    ("e1", "e2"),
    [
        ([0, 0, 0], [1, 0, 0]),
        ([1, 0, 0], [0, 0, 0]),
        ([1, 2, 3], [2, 4, 6]),
        ([0.1, 0.2, 0], [-0.1, -0.2, 0]),
    ],
)
def test_dependent_directions_are_refused(e1: list, e2: list) -> None:
    with pytest.raises(SliceError, match="linearly dependent"):
        Slice([0, 0, 0], e1, e2)


def test_directions_that_differ_in_the_last_bit_are_a_plane() -> None:
    """In exact decimals 0.1 and 0.2 are dependent with 1 and 2; as floats 0.1 and 0.3 are not."""
    Slice([0, 0], [0.1, 0.3], [1, 3])
    with pytest.raises(SliceError, match="linearly dependent"):
        Slice([0, 0], ["0.1", "0.3"], [1, 3])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Slice([0, 0], [1, 0, 0], [0, 1]), "2, 3 and 2 entries"),
        (lambda: Slice.through([0, 0], [1, 0], [0]), "2, 2 and 1 entries"),
        (lambda: Slice.through([0, 0], [1, 1], [2, 2]), "linearly dependent"),
        (lambda: Slice.axes([0, 0, 0], 1, 1), "axes 1 and 1"),
        (lambda: Slice.axes([0, 0, 0], 0, 3), r"inputs of 0\.\.2"),
        (lambda: Slice.axes([0, 0, 0], -1, 1), "axes -1 and 1"),
    ],
)
def test_other_bad_slices(make: object, message: str) -> None:
    with pytest.raises(SliceError, match=message):
        make()  # type: ignore[operator]


def test_bad_numbers_are_named() -> None:
    with pytest.raises(NumberError, match=r"e1\[1\] is nan"):
        Slice([0, 0], [1, float("nan")], [0, 1])


def test_rectangles() -> None:
    window = Window.rectangle(-1, "-0.5", 2, "1/3")
    assert window.area == mpq(5, 2)
    assert window.corners[0] == (-1, mpq(-1, 2))
    assert window_of((-1, "-0.5", 2, "1/3")) == window == window_of(window)


def test_clockwise_corners_are_turned() -> None:
    corners = [(0, 0), (0, 1), (1, 1), (1, 0)]
    assert Window(corners).area == 1
    assert set(Window(corners).corners) == set(Window(corners[::-1]).corners)
    assert window_of(corners).area == 1


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ([(0, 0), (1, 0)], "at least 3 corners"),
        ([(0, 0), (1, 1), (2, 2)], "flat"),
        ([(0, 0), (0, 0), (0, 0)], "flat"),
        ([(0, 0), (2, 0), (1, "1/2"), (0, 2)], "not strictly convex"),
        ([(0, 0), (1, 0), (2, 0), (1, 1)], "not strictly convex"),
        ([(0, 0), (1, 0), (1, 0), (1, 1)], "not strictly convex"),
        ([(0, 0), (2, 2), (2, 0), (0, 2)], "flat"),
        # A pentagram turns left at every corner, but twice around.
        ([(0, 3), (-2, -3), (3, 1), (-3, 1), (2, -3)], "not strictly convex"),
        ([(0, 0, 0), (1, 0), (0, 1)], "corner 0 has 3 coordinates"),
    ],
)
def test_what_is_no_window(corners: list, message: str) -> None:
    with pytest.raises(SliceError, match=message):
        Window(corners)


@pytest.mark.parametrize("box", [(1, 0, 0, 1), (0, 0, 0, 1), (0, 1, 1, 1)])
def test_empty_rectangles(box: tuple) -> None:
    with pytest.raises(SliceError, match="umin < umax"):
        window_of(box)


def test_nearly_flat_is_still_a_window() -> None:
    assert Window([(0, 0), (1, 0), (2, "1e-300")]).area == mpq(1, 2 * 10**300)


def test_slices_and_windows_are_one_short_line() -> None:
    assert repr(Slice.plane(2)) == "<Slice (0, 0) + u (1, 0) + v (0, 1)>"
    assert repr(Slice.axes([0] * 3072)) == "<Slice of 3,072 inputs>"
    assert repr(Window.rectangle(-1, "-1/3", 1, 2)) == "<Window [-1, 1] x [-1/3, 2]>"
    assert repr(Window([(0, 0), (1, 0), (0, 1)])) == "<Window of 3 corners in [0, 1] x [0, 1]>"
    long = -1.2345678901e-300
    for thing in (
        Slice([long, long], [long, 0], [long, long]),
        Window.rectangle(long, long, -long, -long),
    ):
        assert len(repr(thing)) <= 100
        assert "\n" not in repr(thing)


def test_slices_and_windows_pickle() -> None:
    plane, window = Slice.through([0, 0], ["1/3", 2], [5, 1]), Window([(0, 0), (1, 0), (0, 1)])
    assert window.area == plane.at(0, 1)[1] / 2
    for thing in (plane, window):
        again = pickle.loads(pickle.dumps(thing))
        assert again == thing
        assert set(again.__dict__) <= {"origin", "e1", "e2", "floats", "corners"}


FLOATS = st.floats(-1e3, 1e3) | st.sampled_from([-0.0, 0.1, 1e-290, -(2.0**-1074), 1e308, 2.0**-27])


@given(
    vectors=st.integers(2, 4).flatmap(
        lambda n: st.lists(st.lists(FLOATS, min_size=n, max_size=n), min_size=3, max_size=3)
    ),
    corner=st.tuples(FLOATS, FLOATS),
    side=st.sampled_from([1.0, 0.1, 1e-9, 3e290]),
    through=st.booleans(),
)
def test_float_slices_are_exact(
    vectors: list[list[float]], corner: tuple[float, float], side: float, through: bool
) -> None:
    """Given as floats, a slice and its forms are bit for bit those of the same rationals."""
    make = Slice.through if through else Slice
    exact = [[Fraction(x) for x in vector] for vector in vectors]
    try:
        slow = make(*exact)
    except SliceError:
        with pytest.raises(SliceError):
            make(*vectors)
        return
    kinds: list[Callable[[list[float]], Any]] = [list, np.array, tuple]
    for kind in kinds:
        fast = make(*map(kind, vectors))
        assert slow.floats is None
        assert fast.floats is not None or through
        (u, v), more = map(mpq, corner), mpq(side)
        frame = Frame(Window.rectangle(u, v, u + more, v + more / 3))
        one, other = frame.forms(slow), frame.forms(fast)
        assert one.grid == other.grid
        for x, y in zip(one.forms, other.forms, strict=True):
            assert x.tobytes() == y.tobytes()
        assert fast == slow
        assert hash(fast) == hash(slow)
        assert pickle.loads(pickle.dumps(fast)) == slow


def test_float_slices_make_rationals_on_demand() -> None:
    plane = Slice(*np.eye(3))
    assert "e1" not in vars(plane)
    assert plane.size == 3
    assert plane.e1 == (0, 1, 0)
    assert "origin" not in vars(plane)
    with pytest.raises(AttributeError, match="a Slice has no 'e3'"):
        _ = plane.e3  # type: ignore[attr-defined]
