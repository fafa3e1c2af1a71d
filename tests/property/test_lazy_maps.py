"""Questions that float bounds decide: whatever the errors within them, no cell is left out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exactcam
from exactcam import from_arrays
from exactcam.arithmetic.rational import mpq
from exactcam.engine.live_units import live_codes
from exactcam.testing.strategies import KINDS, networks, networks_of, slices, windows

A, B, C, E, F = range(5)  # rows of a float map with its errors
ERROR = 0.25  # larger than what floats lose, so that a missing term is noticed


def touched(part: exactcam.Partition) -> set[int]:
    """The cells that have a corner on the level zero, or corners on both sides; of several
    outputs, those at whose corners no output is always the only largest."""
    out = set()
    for k, cell in enumerate(part.cells):
        values = [[a * u + b * v + c for a, b, c in cell.affine] for u, v in cell.vertices]
        if len(values[0]) == 1:
            values = [[x, mpq(0)] for (x,) in values]
        winners = [{i for i, x in enumerate(row) if x == max(row)} for row in values]
        if any(len(w) > 1 for w in winners) or len(set.union(*winners)) > 1:
            out.add(k)
    return out


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("moved", ["a", "b", "c", "u", "v"])
@pytest.mark.parametrize("sign", [1, -1])
def test_no_cell_of_the_boundary_is_left_out(outputs: int, moved: str, sign: int) -> None:
    rng, found = np.random.default_rng(5), 0
    for _ in range(4):
        sizes = pairwise((2, 10, 10, outputs))
        network = from_arrays([(rng.normal(size=(n, m)), rng.normal(size=n)) for m, n in sizes])
        part = exactcam.partition(network, engine="fast")
        truth, maps = touched(part), part.output_maps
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
        found += len(truth)
        assert truth <= set(maps.may_tie(mpq(0)).tolist())
    assert found > 15  # else nothing is tested


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
