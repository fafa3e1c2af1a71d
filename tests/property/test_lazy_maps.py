"""Questions that float bounds decide: whatever the errors within them, no cell is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exactcam
from exactcam import from_arrays
from exactcam.arithmetic.rational import mpq
from exactcam.engine.lazy_cells import _Corners, _largest, _two_alone
from exactcam.engine.live_units import live_codes
from exactcam.model.geometry import cartesian, edges_of, join, side
from exactcam.testing.strategies import KINDS, networks, networks_of, slices, windows

A, B, C, E, F = range(5)  # rows of a float map with its errors
ERROR = 0.25  # larger than what floats lose, so that a missing term is noticed


def touched(part: exactcam.Partition) -> set[int]:
    """The cells that have a corner on the level zero, or corners on both sides; of several
    outputs, those at whose corners no output is always the only largest."""
    out = set()
    for k, cell in enumerate(part.cells):
        winners = [largest(cell, *point) for point in cell.vertices]
        if any(len(w) > 1 for w in winners) or len(set.union(*winners)) > 1:
            out.add(k)
    return out


def moved_maps(outputs: int, moved: str, sign: int) -> Iterator[exactcam.Partition]:
    """Partitions whose float maps, or vertices, are as far off as their bounds allow."""
    rng = np.random.default_rng(5)
    for _ in range(4):
        sizes = pairwise((2, 10, 10, outputs))
        network = from_arrays([(rng.normal(size=(n, m)), rng.normal(size=n)) for m, n in sizes])
        part = exactcam.partition(network, engine="fast")
        maps = part.output_maps
        bounds, cells = maps._bounded(1).copy(), maps._exact.cells
        if moved in "uv":
            vertices = cells.vertices.copy()
            vertices[:, "uv".index(moved)] += sign * ERROR
            vertices[:, 2] += ERROR
            maps._exact.cells = replace(cells, vertices=vertices)
        else:
            # One output up and the others down: each is within its own error.
            ways = sign * np.where(np.arange(outputs) == 0, 1.0, -1.0)
            bounds[:, "abc".index(moved)] += ERROR * ways
            bounds[:, F if moved == "c" else E] += ERROR
        maps._bounds = bounds
        yield part


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("moved", ["a", "b", "c", "u", "v"])
@pytest.mark.parametrize("sign", [1, -1])
def test_no_cell_of_the_boundary_is_left_out(outputs: int, moved: str, sign: int) -> None:
    found = 0
    for part in moved_maps(outputs, moved, sign):
        truth = touched(part)
        found += len(truth)
        assert truth <= set(part.output_maps.may_tie(mpq(0)).tolist())
    assert found > 15  # else nothing is tested


@pytest.mark.parametrize("outputs", [1, 2, 4])
@pytest.mark.parametrize("moved", ["a", "b", "c", "u", "v"])
@pytest.mark.parametrize("sign", [1, -1])
def test_cells_that_floats_prove_to_be_crossed_once_are(
    outputs: int, moved: str, sign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ERROR", 2.0**-7)
    found = 0
    for part in moved_maps(outputs, moved, sign):
        crossed = part.output_maps.crossed(mpq(0), np.arange(len(part)))
        found += len(crossed)
        for k, (start, end, classes) in crossed.items():
            cell = part.cells[k]
            who = [largest(cell, *point) for point in cell.vertices]
            pair = set(classes) or {0, 1}
            assert all(len(one) == 1 for one in who)
            assert set.union(*who) == pair
            lines = [join(*edge) for edge in edges_of(cell.points)]
            edges = [[i for i, line in enumerate(lines) if not side(line, p)] for p in (start, end)]
            assert len(edges[0]) == len(edges[1]) == 1
            assert edges[0] != edges[1]
            assert largest(cell, *cartesian(start)) == largest(cell, *cartesian(end)) == pair
    assert found > 3


def largest(cell: exactcam.Cell, u: mpq, v: mpq) -> set[int]:
    """The outputs that are largest at a point of a cell; a single one has zero beside it."""
    values = [a * u + b * v + c for a, b, c in cell.affine]
    values += [mpq(0)] * (len(values) == 1)
    return {i for i, x in enumerate(values) if x == max(values)}


_few = st.integers(-6, 6).map(lambda k: k / 4)
_off = st.sampled_from([-1, 0, 1])


@settings(max_examples=400, deadline=None)
@given(
    values=st.lists(st.tuples(_few, _few, _off, _off), min_size=3, max_size=3), e=st.integers(1, 64)
)
def test_two_outputs_are_alone_where_they_tie(
    values: list[tuple[float, float, int, int]], e: int
) -> None:
    """Of three outputs along an edge, whose exact values are as far off as the bounds allow."""
    error = e / 64
    value = np.asarray([x[:2] for x in values]).T
    moved = value + error * np.asarray([x[2:] for x in values]).T  # exact: all are short
    exact = [[mpq(x) for x in row] for row in moved.tolist()]
    bound = np.full_like(value, error)
    corners = _Corners(np.zeros(1, int), np.zeros(2, int), value, bound, *_largest(value, bound))
    first, second = corners.winners.tolist()
    found = _two_alone(corners, np.asarray([0]), np.asarray([1]))  # divides by nothing, whatever e
    if not corners.proven.all() or first == second:
        return
    start, end = (row[first] - row[second] for row in exact)
    share = start / (start - end)
    there = [x + share * (y - x) for x, y in zip(*exact, strict=True)]
    alone = next(x for k, x in enumerate(there) if k not in (first, second)) < there[first]
    assert alone or not found.any()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(KINDS), st.data())
def test_cells_with_equal_live_units_have_equal_maps(kind: str, data: st.DataObject) -> None:
    """Lemma 32; and that units behind a flat piece are not among them."""
    network = data.draw(networks_of(kind) if data.draw(st.booleans()) else networks())
    plane = data.draw(slices(network.inputs))
    part = exactcam.partition(network, plane, data.draw(windows(network, plane)))
    rows = live_codes(network, part.patterns)
    if rows is None:
        return
    maps: dict[bytes, bytes] = {}
    for row, form in zip(rows, part.forms, strict=True):
        assert maps.setdefault(row.tobytes(), str(form.tolist())) == str(form.tolist())


def test_hidden_units_are_not_live() -> None:
    """Where a unit behind changes alone, no exact map is computed to see that maps are equal."""
    network = from_arrays([([[1, 0]], [-2]), ([[1], [1]], [-1, 1]), ([[1, 1]], [0])])
    codes = np.asarray([[0, 0, 2], [2, 0, 2], [2, 2, 2]])
    assert live_codes(network, codes).tolist() == [[1, 1, 3], [3, 1, 3], [3, 3, 3]]
    assert live_codes(network, np.asarray([[2, 0, 0]])).tolist() == [[0, 1, 1]]
