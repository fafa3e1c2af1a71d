"""Which units of a cell its output map depends on: cells that differ in no other have one map.

A unit whose piece is constant hides all behind it, and a group all but its chosen member. Most
neighbours with equal output maps differ in hidden units only, so no exact number is needed to see
that their maps are equal (Lemma 32 of proofs/filter.md).
"""

from __future__ import annotations

import numpy as np

from ..arithmetic.matrix import Convolution, Matrix
from ..model.network import Network
from ..model.nodes import Affine, MaxGroups, Pointwise

__all__ = ["live_codes"]


def live_codes(network: Network, codes: np.ndarray) -> np.ndarray | None:
    """The codes of some cells, (cells, units), plus one where the output map may depend on the unit,
    zero elsewhere; None for a network with convolutions, which this would expand."""
    if any(
        isinstance(matrix, Convolution)
        for node in network.affine_nodes.values()
        for matrix in node.matrices
    ):
        return None
    out = np.zeros(codes.shape, dtype=np.int32)
    wanted = {network.output: np.ones((len(codes), network.outputs), dtype=bool)}
    layers = {layer.index: layer for layer in network.layers}
    for index in range(len(network.nodes) - 1, -1, -1):
        node, live = network.nodes[index], wanted.pop(index + 1, None)
        if live is None:
            continue
        if isinstance(node, Affine):
            reads = [_read(matrix, live) for matrix in node.matrices]
        else:
            own = layers[index].codes(codes)
            out[:, layers[index].units] = np.where(live, own + 1, 0)
            reads = [_behind(node, own, live, network.sizes[node.source])]
        for value, read in zip(node.inputs, reads, strict=True):
            wanted[value] = wanted[value] | read if value in wanted else read
    return out


def _read(matrix: Matrix, live: np.ndarray) -> np.ndarray:
    """Which entries of a matrix's input some live rows read, (cells, columns)."""
    indptr, indices, _ = matrix.csr()
    pattern = np.zeros(matrix.shape, dtype=np.float32)
    pattern[np.repeat(np.arange(matrix.shape[0]), np.diff(indptr)), indices] = 1.0
    out: np.ndarray = live.astype(np.float32) @ pattern > 0.0
    return out


def _behind(
    node: Pointwise | MaxGroups, codes: np.ndarray, live: np.ndarray, size: int
) -> np.ndarray:
    """Which entries of a layer's input its live units depend on."""
    if isinstance(node, Pointwise):
        width = max(len(function.pieces) for function in node.functions)
        steep = np.zeros((len(node.functions), width), dtype=bool)
        for k, function in enumerate(node.functions):
            steep[k, : len(function.pieces)] = [slope != 0 for slope, _ in function.pieces]
        out: np.ndarray = live & steep[node.which, codes // 2]
        return out
    read = np.zeros((len(live), size), dtype=bool)
    for units, members in node.by_length:
        cells, places = np.nonzero(live[:, units])
        read[cells, members[places, codes[cells, units[places]]]] = True
    return read
