"""A knot line from one row of a layer is the line that the whole layer gives."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings

from exactcam import Network, Slice, Window
from exactcam.engine.refine import Engine
from exactcam.exact.replay import Trace
from exactcam.model.nodes import Affine, Block, Cpwl, MaxGroups, Pointwise
from exactcam.testing.strategies import cases

SOME = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@SOME
@given(case=cases())
def test_rows_are_those_of_the_whole_layer(case: tuple[Network, Slice, Window]) -> None:
    compare(*case)


def test_rows_behind_two_affine_nodes_and_of_max_groups() -> None:
    """What is no single dense layer behind the activation takes the long way."""
    rng = np.random.default_rng(3)

    def dense(source: int, rows: int, columns: int) -> Affine:
        return Affine.dense(source, rng.integers(-4, 5, (rows, columns)), rng.integers(-2, 3, rows))

    relu = (Cpwl.relu(),), np.zeros(4, dtype=np.int64)
    nodes = (
        dense(0, 4, 2),
        Pointwise(1, *relu),
        dense(2, 3, 4),
        dense(3, 4, 3),
        Pointwise(4, *relu),
        dense(5, 4, 4),
        MaxGroups(6, ((0, 1, 2), (2, 3))),
        dense(7, 1, 2),
    )
    compare(Network(2, nodes, 8), Slice.plane(2), Window.rectangle(-1, -1, 1, 1))


def compare(network: Network, plane: Slice, window: Window) -> None:
    lazy, whole = (Trace(network, plane, window) for _ in range(2))
    for batch in Engine(network, plane, window).run():
        for codes in batch.codes:
            for label in range(int(whole.labels.starts[-1])):
                full = whole.input(codes, whole.labels.layer(label))
                rows = whole.labels.rows(label)
                block = Block(full.columns[rows], full.weights, full.denominator)
                line = whole.labels.line(label, block)
                assert lazy.line(codes, label) == line
