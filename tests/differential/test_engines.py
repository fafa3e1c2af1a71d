"""Every engine gives the reference's partition, entry by entry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import exactcam
from exactcam import Network, Partition, Slice, Window
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
