"""Degenerate networks stay fast: what is structurally zero needs no exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

import exactcam
from exactcam import Network, Slice, Window, from_arrays
from exactcam.engine import vertex_clusters
from exactcam.engine.refine import Engine

Layers = list[tuple[np.ndarray, np.ndarray]]


def he(width: int = 24, depth: int = 3) -> Layers:
    rng = np.random.default_rng(5)
    sizes = [2, *[width] * depth, 1]
    return [
        (rng.normal(0, (2 / a) ** 0.5, (b, a)).astype(np.float32), rng.normal(0, 0.5, b))
        for a, b in pairwise(sizes)
    ]


def copied(layers: Layers) -> Layers:
    """The second half of each hidden layer copies, doubles and negates the first."""
    for weight, bias in layers[:-1]:
        half = len(weight) // 2
        factor = np.resize([1, 2, -0.5], half)
        weight[half:], bias[half:] = weight[:half] * factor[:, None], bias[:half] * factor
    return layers


FAMILIES: dict[str, Callable[[], Layers]] = {
    "generic": he,
    "zero biases": lambda: [(w, b * 0) for w, b in he()],
    "quantised": lambda: [(np.round(w * 4) / 4, np.round(b * 4) / 4) for w, b in he()],
    "copied": lambda: copied(he()),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_families_need_no_exact_cell(family: str) -> None:
    network = from_arrays(FAMILIES[family]())
    engine = Engine(network, Slice.plane(2), Window.rectangle(-1, -1, 1, 1))
    codes = np.concatenate([batch.codes for batch in engine.run()])
    assert np.array_equal(codes, exactcam.partition(network, engine="reference").patterns)
    assert engine.statistics.exact_cells == 0


@pytest.mark.parametrize(("width", "depth"), [(12, 16), (16, 12)])
def test_deep_networks_need_no_exact_cell(width: int, depth: int) -> None:
    """Bounds that took the worst input of a layer for all left cells undecided at such depths."""
    window = Window.rectangle("-1/2", "-1/2", "1/2", "1/2")
    engine = Engine(from_arrays(he(width, depth)), Slice.plane(2), window)
    assert sum(len(batch) for batch in engine.run()) > 300
    assert engine.statistics.exact_cells == 0


def test_scaled_and_negated_units_follow_the_first() -> None:
    rows = np.array([[0.3, 0.7], [0.6, 1.4], [-0.3, -0.7], [0.1, -0.9]])
    network: Network = from_arrays(
        [(rows, [0.125, 0.25, -0.125, 0]), (rows.T, [0, 1]), ([[1, 1]], [0])]
    )
    engine = Engine(network, Slice.plane(2), Window.rectangle(-1, -1, 1, 1))
    codes = np.concatenate([batch.codes for batch in engine.run()])
    assert np.array_equal(codes, exactcam.partition(network, engine="reference").patterns)
    assert (codes[:, 0] == codes[:, 1]).all()
    assert (codes[:, 0] + codes[:, 2] == 2).all()


def test_upright_lines_need_no_exact_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Knot lines of units that read no input that varies with v; only u tells their cells apart."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(12, 4)), rng.normal(size=(12, 12))
    first[:6, 1], second[:6, 6:] = 0, 0  # units 0 to 5 of both layers do not see input 1
    layers = [(first, rng.normal(size=12)), (second, rng.normal(size=12)), ([[1] * 12], [0])]
    network = from_arrays(layers)
    plane = Slice(rng.normal(size=4), [1, 0, 0.3, 0.7], [0, 1.1, 0, 0])
    exact = exactcam.partition(network, plane, (-2, -2, 2, 2), engine="reference")

    def refused(exact: object, corners: np.ndarray) -> int:
        raise AssertionError("exact points of an upright edge")

    monkeypatch.setattr(vertex_clusters, "_least", refused)
    found = exactcam.partition(network, plane, (-2, -2, 2, 2), engine="fast")
    assert np.array_equal(found.patterns, exact.patterns)
    assert np.array_equal(found.corners, exact.corners)
    assert len(found) > 60
