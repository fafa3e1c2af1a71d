"""Compile the kernels, so that processes started later load machine code from the cache."""

from __future__ import annotations

import numpy as np

from exactcam import Network, partition
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Pointwise


def compile_kernels() -> None:
    """Partition a network whose pointwise and max layers reach all kernels that take long to
    compile: under a minute where the cache is empty, else a second or two."""
    rng = np.random.default_rng(0)

    def affine(source: int, rows: int, columns: int) -> Affine:
        return Affine.dense(source, rng.integers(-4, 5, (rows, columns)), rng.integers(-2, 3, rows))

    relu = Pointwise(1, (Cpwl.relu(),), np.zeros(6, dtype=np.int64))
    largest = MaxGroups(3, ((0, 1), (2, 3), (4, 5)))
    nodes = (affine(0, 6, 2), relu, affine(2, 6, 6), largest, affine(4, 2, 3))
    assert partition(Network(2, nodes, 5), engine="fast").counts.activation_regions > 1
