"""Counts over [-1, 1]^2 of networks that torch draws from a seed, thousands of regions each."""

from __future__ import annotations

import numpy as np
import pytest

import exactcam
from exactcam import Slice, Window, from_arrays
from exactcam.benchmark.cases import degenerate, initialised
from exactcam.engine.refine import Engine

pytest.importorskip("torch", reason="the networks are drawn by torch")


@pytest.mark.parametrize(
    ("scheme", "seed", "width", "hidden", "family", "count"),
    [
        ("he", 0, 32, 3, "zero biases", 214),
        ("he", 0, 64, 3, "", 6918),
        ("default", 0, 128, 3, "", 20_714),
        ("he", 1, 128, 3, "", 33_150),  # three float engines say 33,152
        pytest.param("he", 0, 128, 3, "", 36_974, marks=pytest.mark.slow),
        pytest.param("default", 0, 256, 4, "", 125_057, marks=pytest.mark.slow),
        pytest.param("he", 0, 256, 3, "", 154_073, marks=pytest.mark.slow),
    ],
)
def test_counts(scheme: str, seed: int, width: int, hidden: int, family: str, count: int) -> None:
    layers = degenerate(initialised([2, *[width] * hidden, 1], seed, scheme), family)
    engine = Engine(from_arrays(layers), Slice.plane(2), Window.rectangle(-1, -1, 1, 1))
    assert sum(len(batch) for batch in engine.run()) == count


def test_the_shipped_network_of_the_picture_is_that_of_seed_1() -> None:
    from pathlib import Path

    path = Path(__file__).parents[2] / "examples/two_regions/network.npz"
    drawn = from_arrays(initialised([2, 128, 128, 128, 1], 1, "he"))
    assert exactcam.load(path).sha256 == drawn.sha256
    assert np.load(path)["weight0"].dtype == np.float32
