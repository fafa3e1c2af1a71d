"""The sampling oracle: right by itself, able to see a wrong partition, and used to hunt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exactcam
from exactcam.complex.partition import Partition
from exactcam.compute import ENGINES
from exactcam.conformance.corpus import GROUPS, cases
from exactcam.testing import strategies
from exactcam.testing.oracle import (
    Oracle,
    adversarial_points,
    disagreements,
    grid_points,
    random_points,
    region_lower_bound,
)


@settings(max_examples=60, deadline=None)
@given(strategies.cases(), st.integers(0, 2**32))
def test_patterns_are_the_exact_ones(case: tuple, seed: int) -> None:
    network, plane, window = case
    points = np.concatenate([random_points(window, 8, seed), grid_points(window, 5)])
    exact = network.patterns([plane.at(u, v) for u, v in points.tolist()])
    assert np.array_equal(Oracle(network, plane).patterns(points), exact)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(case=strategies.cases(), seed=st.integers(0, 2**32))
def test_no_engine_misses_or_invents_a_region(engine: str, case: tuple, seed: int) -> None:
    network, plane, window = case
    part = exactcam.partition(network, plane, window, engine)
    points = np.concatenate(
        [adversarial_points(part, 2, seed), random_points(window, 50, seed), grid_points(window, 7)]
    )
    assert disagreements(part, points) == []
    assert region_lower_bound(Oracle(network, plane), points) <= len(part)


@pytest.mark.parametrize("kind", [*strategies.KINDS, "degenerate"])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_no_engine_fails_on_a_kind_of_layer(kind: str, data: st.DataObject) -> None:
    network = data.draw(
        strategies.degenerate_networks() if kind == "degenerate" else strategies.networks_of(kind)
    )
    plane = data.draw(strategies.slices(2))
    window = data.draw(strategies.windows(network, plane))
    parts = [exactcam.partition(network, plane, window, engine) for engine in ENGINES]
    for part in parts:
        assert np.array_equal(part.patterns, parts[0].patterns)
        points = np.concatenate([adversarial_points(part, 2), grid_points(window, 9)])
        assert disagreements(part, points) == []


@pytest.mark.parametrize("group", GROUPS)
def test_the_corpus_holds_against_sampling(group: str) -> None:
    for case in cases([group]):
        truth = case.truth()
        points = np.concatenate([adversarial_points(truth, 2), grid_points(truth.window, 40)])
        assert disagreements(truth, points) == [], case


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=2000, deadline=None)
@given(case=strategies.cases(4, 8), seed=st.integers(0, 2**32))
def test_no_engine_misses_or_invents_a_region_at_length(
    engine: str, case: tuple, seed: int
) -> None:
    network, plane, window = case
    part = exactcam.partition(network, plane, window, engine)
    assert disagreements(part, adversarial_points(part, 8, seed)) == []


def random_partition() -> Partition:
    rng = np.random.default_rng(3)
    layers = [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in ((2, 9), (9, 9), (9, 1))]
    return exactcam.partition(exactcam.from_arrays(layers))


def test_most_points_need_no_exact_arithmetic() -> None:
    part = random_partition()
    oracle = Oracle(part.network, part.slice)
    points = grid_points(part.window, 200)
    assert len(np.unique(oracle.patterns(points), axis=0)) > 0.8 * len(part)
    assert oracle.in_doubt == 0
    assert region_lower_bound(oracle, points) <= len(part)
    oracle.patterns(part.float_vertices)
    assert oracle.in_doubt > 0.9 * part.vertex_count


def test_a_missed_region_is_seen() -> None:
    part = random_partition()
    left, right = next(c for c in part.edges.cells.tolist() if min(c) >= 0)
    patterns = part.patterns.copy()
    patterns[right] = patterns[left]  # as if the two were one
    wrong = Partition.of_arrays(
        part.network, part.slice, part.window, "broken", patterns, (part.offsets, part.corners),
        part.vertices, (part.forms, part.form_scale),
    )  # fmt: skip
    found = disagreements(wrong, adversarial_points(part))
    assert {d.cell for d in found} == {right}
    assert found[0].units == tuple(np.nonzero(part.patterns[left] != part.patterns[right])[0])


def test_a_hole_is_seen() -> None:
    part = random_partition()
    kept = slice(part.offsets[1], None)
    outlines = part.offsets[1:] - part.offsets[1], part.corners[kept]
    wrong = Partition.of_arrays(
        part.network, part.slice, part.window, "broken", part.patterns[1:], outlines,
        part.vertices, (part.forms[1:], part.form_scale),
    )  # fmt: skip
    assert {d.cell for d in disagreements(wrong, adversarial_points(part))} == {-1}


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_windows_beyond_the_range_of_floats() -> None:
    """Points are taken where there are floats, none where there are not."""
    for corners, some in (
        ([(0, 0), (10**400, 0), (0, 10**400)], True),
        ([(-(10**400), -(10**400)), (10**400, 0), (0, 10**400)], True),
        ([(10**400, 0), (10**400 + 1, 0), (10**400, 1)], False),
    ):
        window = exactcam.Window(corners)
        part = exactcam.partition(exactcam.from_arrays([([[1, 1]], [0])]), None, window)
        for points in (random_points(window, 50), grid_points(window, 7)):
            assert np.isfinite(points).all()
            assert (len(points) > 0) == some
        assert disagreements(part, adversarial_points(part)) == []


def test_a_lower_bound_leaves_ties_out() -> None:
    # The second unit is tied where the first is off; the third is tied everywhere.
    hidden = ([[1, 0], [0, 0]], [0, 0])
    network = exactcam.from_arrays([hidden, ([[1, 0]], [0]), ([[1]], [0])])
    part = exactcam.partition(network)
    oracle = Oracle(network, part.slice)
    points = grid_points(part.window, 11)
    assert len(part) == 2
    assert 1 <= region_lower_bound(oracle, points) <= 2
