"""Counts that are known: networks of torch's default initialisation, and closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import comb

import numpy as np
import pytest

import exactcam
from exactcam import Network, Partition, from_arrays
from exactcam.compute import ENGINES

DEFAULT_INIT = {
    (2, 16, 16, 1): (127, 88, 185, 242, 169),
    (2, 32, 32, 32, 1): (1180, 924, 915, 1233, 1773),
    (2, 64, 64, 64, 1): (6668, 4479, 4630, 6026, 7197),
}


def default_init(widths: Sequence[int], seed: int) -> Network:
    """The network torch makes of these widths after `torch.manual_seed(seed)`."""
    torch = pytest.importorskip("torch", reason="default initialisation needs the extra torch")
    torch.manual_seed(seed)
    linear = [torch.nn.Linear(a, b) for a, b in pairwise(widths)]
    return from_arrays([(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in linear])


def partition(network: Network, engine: str) -> Partition:
    part = exactcam.partition(network, engine=engine)
    assert part.vertex_count - len(part.edges) + len(part) == 1
    assert part.area_sum == 4
    return part


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("widths", list(DEFAULT_INIT)[:2], ids=str)
def test_default_initialisation(widths: tuple[int, ...], seed: int, engine: str) -> None:
    part = partition(default_init(widths, seed), engine)
    assert part.counts.activation_regions == DEFAULT_INIT[widths][seed]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in range(1, 5))]
)
def test_default_initialisation_of_width_64(seed: int, engine: str) -> None:
    widths = (2, 64, 64, 64, 1)
    part = partition(default_init(widths, seed), engine)
    assert len(part) == DEFAULT_INIT[widths][seed]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("lines", range(1, 9))
def test_lines_in_general_position(lines: int, engine: str) -> None:
    """n lines of which every two meet in the window at a point of their own: 1 + n + C(n, 2).

    Tangents of the parabola v = u^2 at different points are such lines.
    """
    weight = [[2 * k, -lines] for k in range(lines)]
    bias = [-(k**2) for k in range(lines)]
    window = (-(lines**2), -(lines**2), lines**2, lines**2)
    network = from_arrays([(weight, bias), ([[1] * lines], [0])])
    part = exactcam.partition(network, window=window, engine=engine)
    assert len(part) == 1 + lines + comb(lines, 2)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("lines", range(2, 9))
def test_concurrent_lines(lines: int, engine: str) -> None:
    """n lines through the middle make 2n regions, however many copies there are of each."""
    weight = [[2 * k + 1, 30 - k] for k in range(lines)] * 2  # none meets a corner
    network = from_arrays([(weight, [0] * 2 * lines), ([[1] * 2 * lines], [0])])
    part = partition(network, engine)
    assert len(part) == 2 * lines
    assert part.vertex_count == 1 + 2 * lines + 4


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("depth", range(1, 6))
def test_tent_maps(depth: int, engine: str) -> None:
    """k folded tent maps of u have 2^k linear pieces (Telgarsky), on any strip of v."""
    tent = ([[1, 0], [1, 0]], [0, "-1/2"])
    layers: list = [tent] + [([[2, -4], [2, -4]], [0, "-1/2"])] * (depth - 1)
    layers.append(([[2, -4]], [0]))
    part = exactcam.partition(from_arrays(layers), window=(0, 0, 1, 1), engine=engine)
    assert part.counts.linear_regions == part.counts.affine_pieces == 2**depth
    assert part.area_sum == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_the_three_counts_differ(engine: str) -> None:
    """relu(u) - relu(u) + |v|: four activation regions, two linear regions; and with a
    plateau in the middle, two linear regions that share one affine piece."""
    eye = ([[1, 0], [1, 0], [0, 1], [0, -1]], [0] * 4)
    cancelled = partition(from_arrays([eye, ([[1, -1, 1, 1]], [0])]), engine)
    assert cancelled.counts == exactcam.Counts(4, 2, 2)
    hat = from_arrays([([[2, 0], [2, 0], [2, 0]], [1, 0, -1]), ([[1, -2, 1]], [0])])
    assert partition(hat, engine).counts == exactcam.Counts(4, 4, 3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, -5e-324])
def test_a_network_without_any_knot_line(value: float, engine: str) -> None:
    """Zero weights make no line; a bias of the least subnormal decides which side all is on."""
    network = from_arrays([(np.zeros((3, 2)), [value] * 3), ([[1, 1, 1]], [0])])
    part = partition(network, engine)
    assert part.counts == exactcam.Counts(1, 1, 1)
    assert part.patterns.tolist() == [[1 + (value > 0) - (value < 0)] * 3]
