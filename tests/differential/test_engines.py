"""Every engine gives the reference's partition, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import exactcam
from exactcam import Network, Partition, Slice, Window, from_arrays
from exactcam.compute import ENGINES
from exactcam.testing.strategies import cases

OTHERS = [engine for engine in ENGINES if engine != "reference"]
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def assert_same(ours: Partition, truth: Partition) -> None:
    assert np.array_equal(ours.patterns, truth.patterns)
    assert np.array_equal(ours.offsets, truth.offsets)
    assert np.array_equal(ours.corners, truth.corners)
    assert list(ours.vertices) == list(truth.vertices)
    assert (ours.forms * truth.form_scale == truth.forms * ours.form_scale).all()
    assert ours.counts == truth.counts
    assert ours.decision_boundary() == truth.decision_boundary()


@pytest.mark.parametrize("engine", OTHERS)
def test_engines_agree_on_degenerate_networks(engine: str) -> None:
    @QUICK
    @given(cases())
    def agree(case: tuple[Network, Slice, Window]) -> None:
        assert_same(
            exactcam.partition(*case, engine=engine), exactcam.partition(*case, engine="reference")
        )

    agree()


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("seed", range(4))
def test_engines_agree_on_random_networks(
    random_network: Callable[..., Network], engine: str, seed: int
) -> None:
    network = random_network([3, 24, 24, 2], seed, negative_slope=0.01 * (seed % 2))
    plane = Slice.through([0, 0, 0], [1, 0.25, 0], [0, 0.5, 1])
    case = (network, plane, (-2, -2, 2, 2))
    assert_same(
        exactcam.partition(*case, engine=engine), exactcam.partition(*case, engine="reference")
    )


def _degenerate(kind: str, width: int, seed: int) -> list:
    """Layers of 2-width-width-1 made degenerate throughout, at a size floats meet in practice."""
    rng = np.random.default_rng(seed)
    sizes = [2, width, width, 1]
    layers = [
        (rng.normal(size=(b, a)) * (2 / a) ** 0.5, rng.normal(size=b) * 0.3)
        for a, b in pairwise(sizes)
    ]
    if kind == "quantised":
        return [(np.round(w * 8) / 8, np.round(b * 8) / 8) for w, b in layers]
    if kind == "zero biases":
        return [(w, np.zeros_like(b)) for w, b in layers]
    if kind == "copies":
        for k, (weight, bias) in enumerate(layers[:-1]):
            pick = rng.integers(0, width // 2, width)
            factor = rng.choice([1.0, -1.0, 2.0, 0.5], width)
            layers[k] = (weight[pick] * factor[:, None], bias[pick] * factor)
        return layers
    if kind == "signs":  # weights -1, 0, 1: many lines through every point
        return [(rng.integers(-1, 2, w.shape), rng.integers(-1, 2, b.shape)) for w, b in layers]
    assert kind == "nearly"  # the same, moved by a few units in the last place
    return [
        (
            np.nextafter(
                rng.integers(-1, 2, w.shape).astype(float), rng.choice([-9.0, 9.0], w.shape)
            ),
            b * 0,
        )
        for w, b in layers
    ]


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("kind", ["quantised", "zero biases", "copies", "signs", "nearly"])
@pytest.mark.parametrize(
    ("width", "seed"), [(12, 0), *(pytest.param(28, s, marks=pytest.mark.slow) for s in range(3))]
)
def test_engines_agree_on_networks_degenerate_throughout(
    engine: str, kind: str, width: int, seed: int
) -> None:
    network = from_arrays(_degenerate(kind, width, seed))
    ours, truth = (
        exactcam.partition(network, window=(-2, -2, 2, 2), engine=e) for e in (engine, "reference")
    )
    assert_same(ours, truth)
    assert ours.decision_boundary() == truth.decision_boundary()
