"""Changes of a network, slice or window whose effect is known: what must not change does not."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exactcam
from exactcam import Network, Partition, Slice, Window, from_arrays
from exactcam.arithmetic.rational import mpq
from exactcam.compute import ENGINES
from exactcam.testing.strategies import cases, dense_layers, windows

Case = tuple[Network, Slice, Window]
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def shapes(part: Partition) -> dict:
    """Outline -> output map: a partition without its patterns."""
    return {tuple(cell.vertices): tuple(cell.affine) for cell in part.cells}


def areas_by_pattern(*parts: Partition) -> dict[bytes, mpq]:
    sums: dict[bytes, mpq] = defaultdict(mpq)
    for part in parts:
        for cell in part.cells:
            sums[cell.pattern.tobytes()] += cell.area
    return sums


@SETTINGS
@given(layers=dense_layers(), window=windows(), data=st.data())
def test_permuting_units(engine: str, layers: list, window: Window, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, len(layers) - 2))
    order = data.draw(st.permutations(range(len(layers[k][1]))))
    permuted = list(layers)
    permuted[k] = ([layers[k][0][i] for i in order], [layers[k][1][i] for i in order])
    weight, bias = layers[k + 1]
    permuted[k + 1] = ([[row[i] for i in order] for row in weight], bias)
    before, after = (
        exactcam.partition(from_arrays(x), window=window, engine=engine) for x in (layers, permuted)
    )
    assert shapes(before) == shapes(after)
    assert before.counts == after.counts


@SETTINGS
@given(layers=dense_layers(), window=windows(), data=st.data())
def test_scaling_a_unit(engine: str, layers: list, window: Window, data: st.DataObject) -> None:
    """ReLU is positively homogeneous: scale a unit up and its outgoing weights down."""
    k = data.draw(st.integers(0, len(layers) - 2))
    unit = data.draw(st.integers(0, len(layers[k][1]) - 1))
    factor = Fraction(2) ** data.draw(st.integers(-40, 40))

    def scaled(values: list, by: Fraction) -> list:
        return [Fraction(x) * by if i == unit else x for i, x in enumerate(values)]

    weight, bias = layers[k]
    changed = list(layers)
    changed[k] = (
        [[Fraction(x) * factor for x in row] if i == unit else row for i, row in enumerate(weight)],
        scaled(bias, factor),
    )
    changed[k + 1] = ([scaled(row, 1 / factor) for row in layers[k + 1][0]], layers[k + 1][1])
    before, after = (
        exactcam.partition(from_arrays(x), window=window, engine=engine) for x in (layers, changed)
    )
    assert shapes(before) == shapes(after)
    assert (before.patterns == after.patterns).all()


@SETTINGS
@given(case=cases(), shift=st.tuples(st.fractions(-9, 9), st.fractions(-9, 9)))
def test_moving_the_window_with_the_slice(
    engine: str, case: Case, shift: tuple[Fraction, Fraction]
) -> None:
    network, plane, window = case
    moved_plane = Slice(plane.at(*shift), plane.e1, plane.e2)
    moved_window = Window([(u - shift[0], v - shift[1]) for u, v in window.corners])
    before = exactcam.partition(network, plane, window, engine=engine)
    after = exactcam.partition(network, moved_plane, moved_window, engine=engine)
    assert (before.patterns == after.patterns).all()
    assert [cell.vertices for cell in before.cells] == [
        [(u + shift[0], v + shift[1]) for u, v in cell.vertices] for cell in after.cells
    ]


@SETTINGS
@given(case=cases())
def test_swapping_the_axes(engine: str, case: Case) -> None:
    network, plane, window = case
    mirrored = Slice(plane.origin, plane.e2, plane.e1)
    turned = Window([(v, u) for u, v in window.corners])
    before = exactcam.partition(network, plane, window, engine=engine)
    after = exactcam.partition(network, mirrored, turned, engine=engine)
    assert (before.patterns == after.patterns).all()
    assert [set(cell.vertices) for cell in before.cells] == [
        {(v, u) for u, v in cell.vertices} for cell in after.cells
    ]


@SETTINGS
@given(case=cases(), share=st.sampled_from([Fraction(1, 2), Fraction(1, 3), Fraction(9, 10)]))
def test_splitting_the_window(engine: str, case: Case, share: Fraction) -> None:
    """Two parts of a window, cut from a corner to the opposite side, add up to the whole."""
    network, plane, window = case
    first, second, third, *rest = window.corners
    on_side = tuple(a + share * (b - a) for a, b in zip(second, third, strict=True))
    left = Window([first, second, on_side])
    right = Window([first, on_side, third, *rest])
    whole, *parts = (
        exactcam.partition(network, plane, w, engine=engine) for w in (window, left, right)
    )
    assert areas_by_pattern(whole) == areas_by_pattern(*parts)
    border = {c for part in parts for cell in part.cells for c in cell.vertices}
    assert {c for cell in whole.cells for c in cell.vertices} <= border


@SETTINGS
@given(case=cases())
def test_a_window_inside_a_region_is_one_region(engine: str, case: Case) -> None:
    network, plane, window = case
    for cell in exactcam.partition(network, plane, window, engine=engine).cells[:3]:
        u, v = cell.interior_point
        inner = Window([((3 * a + u) / 4, (3 * b + v) / 4) for a, b in cell.vertices])
        part = exactcam.partition(network, plane, inner, engine=engine)
        assert part.patterns.tolist() == [cell.pattern.tolist()]
        whole = exactcam.partition(network, plane, Window(cell.vertices), engine=engine)
        assert whole.patterns.tolist() == [cell.pattern.tolist()]


@SETTINGS
@given(layers=dense_layers(), window=windows())
def test_a_dead_unit_changes_no_shape(engine: str, layers: list, window: Window) -> None:
    """A unit of zero weights and negative bias, wired into the next layer, does nothing."""
    dead = list(layers)
    dead[0] = ([*layers[0][0], [0, 0]], [*layers[0][1], Fraction(-1, 10**30)])
    dead[1] = ([[*row, 7] for row in layers[1][0]], layers[1][1])
    before, after = (
        exactcam.partition(from_arrays(x), window=window, engine=engine) for x in (layers, dead)
    )
    assert shapes(before) == shapes(after)


@SETTINGS
@given(layers=dense_layers(), window=windows(), data=st.data())
def test_a_copied_unit_changes_no_shape(
    engine: str, layers: list, window: Window, data: st.DataObject
) -> None:
    """A copy of a unit that takes over part of its outgoing weight cuts nothing new."""
    unit = data.draw(st.integers(0, len(layers[0][1]) - 1))
    copied = list(layers)
    copied[0] = ([*layers[0][0], layers[0][0][unit]], [*layers[0][1], layers[0][1][unit]])
    weight = [
        [*(Fraction(x) - 1 if i == unit else x for i, x in enumerate(row)), 1]
        for row in layers[1][0]
    ]
    copied[1] = (weight, layers[1][1])
    before, after = (
        exactcam.partition(from_arrays(x), window=window, engine=engine) for x in (layers, copied)
    )
    assert shapes(before) == shapes(after)
