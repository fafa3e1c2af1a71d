"""The decision boundary is exactly where the tie is: nothing false on it, nothing left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exactcam
from exactcam import Network, Slice, Window
from exactcam.arithmetic.rational import mpq
from exactcam.complex.boundary import Boundary, cut_by_class
from exactcam.model.geometry import Point
from exactcam.testing.strategies import cases

Case = tuple[Network, Slice, Window]
SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def outputs(case: Case, points: list[tuple[mpq, mpq]]) -> list[tuple[mpq, ...]]:
    network, plane, _ = case
    return network.evaluate_many([plane.at(u, v) for u, v in points])


def tied(values: tuple[mpq, ...], level: Fraction) -> tuple[int, ...] | None:
    """The definition: () at the level for one output, else who shares the largest value."""
    if len(values) == 1:
        return () if values[0] == level else None
    largest = tuple(k for k, x in enumerate(values) if x == max(values))
    return largest if len(largest) > 1 else None


def at(point: Point) -> tuple[mpq, mpq]:
    return mpq(point[0], point[2]), mpq(point[1], point[2])


def level_of(case: Case, data: st.DataObject) -> Fraction:
    return (
        data.draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(-1)]))
        if (case[0].outputs == 1)
        else Fraction(0)
    )


@SETTINGS
@given(case=cases(), data=st.data())
def test_every_point_of_it_is_an_exact_tie(case: Case, data: st.DataObject) -> None:
    level = level_of(case, data)
    boundary = exactcam.partition(*case).decision_boundary(level)
    share = data.draw(st.fractions(0, 1))
    for segment in boundary.segments:
        (a, b), (c, d) = at(segment.start), at(segment.end)
        assert (a, b) != (c, d)
        points = [(a, b), (c, d), (a + share * (c - a), b + share * (d - b))]
        for values in outputs(case, points):
            who = tied(values, level)
            assert who is not None
            assert set(segment.classes) <= set(who)
    for plateau in boundary.plateaus:
        corners = [at(p) for p in plateau.corners]
        middle = tuple(sum(c[k] for c in corners) / len(corners) for k in (0, 1))
        for values in outputs(case, [*corners, middle]):
            who = tied(values, level)
            assert who is not None
            assert set(plateau.classes) <= set(who)
    borders = {
        frozenset(pair)
        for plateau in boundary.plateaus
        for pair in pairwise([*plateau.corners, plateau.corners[0]])
    }
    assert borders.isdisjoint(frozenset((s.start, s.end)) for s in boundary.segments)
    for values in outputs(case, [at(p) for p in boundary.points]):
        assert tied(values, level) is not None


@SETTINGS
@given(case=cases(), data=st.data())
def test_nothing_is_left_out(case: Case, data: st.DataObject) -> None:
    """On random exact lines through the window, every tie is on the reported boundary."""
    level = level_of(case, data)
    part = exactcam.partition(*case)
    boundary = part.decision_boundary(level)
    corners = [c for cell in part.cells for c in cell.vertices]
    ends = [data.draw(st.sampled_from(corners)), data.draw(st.sampled_from(case[2].corners))]
    (a, b), (c, d) = ends
    points = [(a + t * (c - a), b + t * (d - b)) for t in (Fraction(k, 24) for k in range(25))]
    inside = [p for p in points if part.locate(*p)]
    assert inside == points
    for point, values in zip(points, outputs(case, points), strict=True):
        if tied(values, level) is not None:
            assert on_boundary(boundary, point), f"{point} ties but is not reported"


def on_boundary(boundary: Boundary, point: tuple[mpq, mpq]) -> bool:
    return (
        any(between(at(s.start), at(s.end), point) for s in boundary.segments)
        or any(
            all(
                turn(p, q, point) >= 0
                for p, q in pairwise([at(c) for c in (*f.corners, f.corners[0])])
            )
            for f in boundary.plateaus
        )
        or any(at(p) == point for p in boundary.points)
    )


def turn(p: tuple[mpq, mpq], q: tuple[mpq, mpq], r: tuple[mpq, mpq]) -> mpq:
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def between(p: tuple[mpq, mpq], q: tuple[mpq, mpq], r: tuple[mpq, mpq]) -> bool:
    return (
        turn(p, q, r) == 0
        and min(p[0], q[0]) <= r[0] <= max(p[0], q[0])
        and min(p[1], q[1]) <= r[1] <= max(p[1], q[1])
    )


@SETTINGS
@given(case=cases())
def test_polylines_use_every_segment_once(case: Case) -> None:
    boundary = exactcam.partition(*case).decision_boundary()
    pieces = Counter(frozenset(pair) for line in boundary.polylines for pair in pairwise(line))
    assert pieces == Counter(frozenset((s.start, s.end)) for s in boundary.segments)


@SETTINGS
@given(case=cases())
def test_classes_cut_along_it_tile_the_window(case: Case) -> None:
    network, plane, window = case
    part = exactcam.partition(*case)
    total = mpq(0)
    for cell, corners, winner in cut_by_class(part):
        points = [at(p) for p in corners]
        middle = tuple(sum(p[k] for p in points) / len(points) for k in (0, 1))
        values = network.evaluate(plane.at(*middle))
        who = tied(values, Fraction(0))
        if winner is None:
            assert who is not None
        elif len(values) == 1:
            assert (winner == 1) == (values[0] > 0)
        else:
            assert who is None
            assert values[winner] == max(values)
        total += sum(turn((mpq(0), mpq(0)), p, q) for p, q in pairwise([*points, points[0]])) / 2
        assert cell in part.locate(*middle)
    assert total == window.area


def test_length_is_correctly_rounded(random_network: Callable[..., Network]) -> None:
    """Against 60 digits of the decimal module."""
    network = random_network([2, 16, 16, 2], 4)
    boundary = exactcam.partition(network, window=(-9, -9, 9, 9)).decision_boundary()
    assert len(boundary.segments) > 3
    with localcontext() as context:
        context.prec = 60
        total = sum(
            (
                Decimal(int(s.squared_length.numerator))
                / Decimal(int(s.squared_length.denominator))
            ).sqrt()
            for s in boundary.segments
        )
        assert boundary.length == float(total)
