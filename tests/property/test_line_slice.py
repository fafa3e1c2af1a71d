"""1-D slices against the network itself, evaluated exactly, and against 2-D partitions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from exactcam import Network, Slice, from_arrays, line_slice, partition
from exactcam.arithmetic.rational import mpq
from exactcam.errors import ExactcamError, SliceError
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Pointwise


def _maxout(seed: int) -> Network:
    """2 inputs -> 6 groups of 3 -> hardtanh -> 3 outputs, small integer weights (many ties)."""
    rng = np.random.default_rng(seed)
    clip = Cpwl.through([-1, 1], [0, 1, 0], -1)
    nodes = (
        Affine.dense(0, rng.integers(-3, 4, (18, 2)), rng.integers(-1, 2, 18)),
        MaxGroups(1, tuple((3 * k, 3 * k + 1, 3 * k + 2) for k in range(6))),
        Pointwise(2, (clip,), np.zeros(6, dtype=np.int64)),
        Affine.dense(3, rng.integers(-3, 4, (3, 6)), rng.integers(-1, 2, 3)),
    )
    return Network(2, nodes, 4)


def _networks(random_network):
    yield random_network([2, 12, 12, 1], seed=1)
    yield random_network([5, 8, 8, 4], seed=2, negative_slope=0.01)
    yield from (_maxout(seed) for seed in range(4))


def test_pieces_are_the_network(random_network):
    for network in _networks(random_network):
        rng = np.random.default_rng(0)
        start, end = rng.normal(size=(2, network.inputs)) * 3
        line = line_slice(network, start, end)
        assert line.breakpoints[0] == 0
        assert line.breakpoints[-1] == 1
        assert len(line) == len(line.breakpoints) - 1 > 2
        for k, (low, high) in enumerate(pairwise(line.breakpoints)):
            assert low < high
            for t in (low, (2 * low + high) / 3, high):
                value = network.evaluate(line.at(t))
                assert value == tuple(a * t + c for a, c in line.affine(k))
            inner = network.patterns([line.at((2 * low + high) / 3), line.at((low + high) / 2)])
            assert (inner == line.patterns[k]).all()
        assert all(units for units in line.units), "a breakpoint at which no unit changes"
        assert set(line.bends) <= set(line.breakpoints)


def test_crossings_are_all_the_changes_of_the_winner(random_network):
    for network in _networks(random_network):
        line = line_slice(network, [-2] * network.inputs, [mpq(3, 2)] * (network.inputs - 1) + [2])
        crossings = line.crossings()
        for c in crossings:
            for t in {c.start, (c.start + c.end) / 2, c.end}:
                values = line.outputs(t)
                assert values == network.evaluate(line.at(t))
                if c.classes:
                    assert all(values[k] == max(values) for k in c.classes)
                else:
                    assert values == (0,)
        cuts = [mpq(0), *(t for c in crossings for t in (c.start, c.end)), mpq(1)]
        for k, (low, high) in enumerate(pairwise(cuts)):
            if low == high or k % 2:
                continue
            winners = set()
            for j in range(1, 20):
                values = line.outputs(low + (high - low) * mpq(j, 20))
                top = [i for i, v in enumerate(values) if v == max(values)]
                assert len(top) == 1, "a tie outside the crossings"
                winners.add(top[0] if len(values) > 1 else values[0] > 0)
            assert len(winners) == 1, "the winner changes outside the crossings"


def test_the_line_meets_the_cells_of_the_plane(random_network):
    network = random_network([2, 10, 10, 1], seed=3)
    part = partition(network)
    line = line_slice(network, [-1, mpq(1, 7)], [1, mpq(-2, 9)])
    for k, (low, high) in enumerate(pairwise(line.breakpoints)):
        (cell,) = part.locate(*line.at((low + high) / 2))
        assert (part.patterns[cell] == line.patterns[k]).all()
        for t in (low, high):
            assert cell in part.locate(*line.at(t))


def test_a_touched_level_is_one_point_and_a_plateau_one_interval():
    bump = from_arrays([([[1], [1]], [0, -1]), ([[1, -1]], [0])])  # clip(x, 0, 1)
    line = line_slice(bump, [-1], [3])
    assert line.breakpoints == (0, mpq(1, 4), mpq(1, 2), 1)
    assert [(c.start, c.end) for c in line.crossings(mpq(1, 2))] == [(mpq(3, 8), mpq(3, 8))]
    assert [(c.start, c.end) for c in line.crossings(1)] == [(mpq(1, 2), 1)]
    valley = from_arrays([([[1], [-1]], [0, 0]), ([[1, 1]], [0])])  # |x|
    assert [(c.start, c.end) for c in line_slice(valley, [-1], [3]).crossings()] == [
        (mpq(1, 4),) * 2
    ]


def test_a_segment_along_a_knot_line_keeps_its_ties():
    network = from_arrays([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    line = line_slice(network, [0, -1], [0, 1])
    assert line.patterns.tolist() == [[1, 0], [1, 2]]
    assert Slice.plane(2).size == network.inputs


def test_refusals(random_network):
    network = random_network([2, 4, 3])
    with pytest.raises(SliceError, match="same point"):
        line_slice(network, [1, 1], [1.0, 1.0])
    with pytest.raises(SliceError, match="2 inputs"):
        line_slice(network, [1], [2])
    with pytest.raises(ExactcamError, match="one output"):
        line_slice(network, [0, 0], [1, 1]).crossings(1)
