"""How a project tests its own engine with exactcam: `pytest examples/engine_project`."""

from __future__ import annotations

import numpy as np
import pytest
from float_engine import partition
from hypothesis import given, settings
from hypothesis import strategies as st

import exactcam
from exactcam.conformance import run
from exactcam.testing import assert_partition_matches

SQUARE = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])


def random_layers(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    sizes = ((2, 8), (8, 8), (8, 1))
    return [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in sizes]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_generic_networks(seed: int) -> None:
    layers = random_layers(seed)
    assert_partition_matches(partition(layers, SQUARE), exactcam.from_arrays(layers))


def test_a_merged_region_is_reported() -> None:
    """Three lines that miss a common point by 1e-10: the engine's epsilon swallows a region."""
    layers = [
        (np.array([[1.0, 0], [0, 1], [1, 1]]), np.array([0, 0, 1e-10])),
        (np.ones((1, 3)), np.zeros(1)),
    ]
    with pytest.raises(AssertionError, match=r"missing: +1"):
        assert_partition_matches(partition(layers, SQUARE), exactcam.from_arrays(layers))


def test_the_score_does_not_get_worse() -> None:
    card = run("float_engine:run", groups=("generic", "concurrent", "near-degenerate"))
    passed = sum(result.verdict == "pass" for result in card.results)
    assert passed >= 27, card.table()
