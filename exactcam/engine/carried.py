"""Networks whose layers read all layers before them, with the sums of later layers carried along.

Where a layer's input is a sum over the values of many earlier layers, as in a network that was
reduced to few units a layer, each cell would compute all of that sum. But cells that agree in the
earlier layers agree in that part of it. So one value *carries* the sums of all layers to come:
each layer adds what it contributes to them, once for all cells that agree so far. The sums are the
same, in another order (Lemma 21, last remark, in proofs/filter.md).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from weakref import WeakKeyDictionary

import gmpy2
import numpy as np

from ..arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from ..arithmetic.rational import mpz, objects
from ..model.network import Network
from ..model.nodes import Affine, Node

__all__ = ["carried"]

_READ = 3  # times that entries of values are read by different sums, on average: else it is no gain
_ENTRIES = 2  # times as many entries its matrices may have

_known: WeakKeyDictionary[Network, dict[bool, Network | None]] = WeakKeyDictionary()


def carried(network: Network, output: bool = False) -> Network:
    """The network with the sums of later layers carried along, where that pays; else itself.

    Parameters
    ----------
    network : Network
    output : bool
        Whether its output is wanted too. If not, the output of the new network is the value of the
        last layer, and what only its output reads is not computed.

    Returns
    -------
    Network
        The same layers in the same order; the input of each, and the output, are the same.
    """
    known = _known.setdefault(network, {})
    if output not in known:
        sums = _sums(network, output)
        known[output] = _Carrying(network, sums).network() if _pays(network, sums) else None
    return known[output] or network


def _sums(network: Network, output: bool) -> list[int | None]:
    """For each run of affine nodes its last node, whose value the layer behind it reads, None for
    an empty run; an empty list where a run is not of that kind."""
    behind = [layer.source for layer in network.layers] + [network.output] * output
    runs = [run.nodes for run in network.affine_runs[: len(behind)]]
    if any(run and run.stop != value for run, value in zip(runs, behind, strict=True)):
        return []
    return [run[-1] if run else None for run in runs]


def _pays(network: Network, sums: list[int | None]) -> bool:
    """Whether the sums can be carried, and are of so many earlier values that it pays."""
    nodes = [network.affine_nodes[k] for k in sums if k is not None]
    read = Counter(v for node in nodes for v in node.inputs)
    entries = sum(network.sizes[v] for v in read)
    times = sum(network.sizes[v] * count for v, count in read.items())
    # What another sum reads is wanted before the sums are complete.
    if times < _READ * entries or any(v - 1 in sums for v in read):
        return False
    matrices = [matrix for node in nodes for matrix in node.matrices]
    if any(isinstance(matrix, Convolution) for matrix in matrices):
        return False
    left = np.cumsum([0, *(node.size for node in nodes[::-1])])[::-1]
    first = {v: next(k for k, node in enumerate(nodes) if v in node.inputs) for v in read}
    most = sum(network.sizes[v] * int(left[k]) for v, k in first.items())
    return most <= _ENTRIES * sum(matrix.held.size for matrix in matrices)


class _Carrying:
    """The making of such a network: its nodes so far, and which of its values are old ones."""

    def __init__(self, network: Network, sums: list[int | None]) -> None:
        self._old, self._sums = network, sums
        self._left = [network.affine_nodes[k] for k in sums if k is not None]
        self._scale = mpz(1)
        for node in self._left:
            self._scale = gmpy2.lcm(self._scale, node.scale)
        self._nodes: list[Node] = []
        self._places = {0: 0}  # of old values
        self._new: list[int] = []  # values that the sums have not in them
        self._carry, self._used = 0, 0  # the value carried, and how many of its rows were used

    def network(self) -> Network:
        """The network."""
        old = self._old
        for run, last in zip(old.affine_runs, self._sums, strict=False):
            self._new.append(run.nodes.start)
            for k in run.nodes:
                if k == last:
                    self._places[k + 1] = self._add()
                else:
                    self._move(k)
                    self._new.append(k + 1)
            if run.nodes.stop < len(old.nodes):
                self._move(run.nodes.stop)
        return Network(old.inputs, tuple(self._nodes), len(self._nodes))

    def _append(self, node: Node) -> int:
        """Append a node; the number of its value."""
        self._nodes.append(node)
        return len(self._nodes)

    def _move(self, k: int) -> None:
        """Append node number k of the old network."""
        node = self._old.nodes[k]
        if isinstance(node, Affine):
            moved: Node = replace(node, inputs=tuple(self._places[v] for v in node.inputs))
        else:
            moved = replace(node, source=self._places[node.source])
        self._places[k + 1] = self._append(moved)

    def _add(self) -> int:
        """Add the new values to the sums that are left; the number of the first one's value."""
        sizes = [node.size for node in self._left]
        rows, own = sum(sizes), sizes[0]
        new = [v for v in self._new if any(v in node.inputs for node in self._left)]
        new = new or self._new[:1]
        matrices: list[Matrix] = [self._columns(v) for v in new]
        inputs, bias = [self._places[v] for v in new], _zeros(rows)
        if self._carry:
            inputs.append(self._carry)
            kept = range(self._used, self._used + rows)
            matrices.append(Sparse.selection(kept.stop, kept, int(self._scale)))
        else:
            parts = [node.bias * (self._scale // node.scale) for node in self._left]
            bias = np.concatenate(parts)
        self._carry = self._append(Affine(tuple(inputs), tuple(matrices), bias, self._scale))
        self._used, self._new = own, []
        del self._left[0]
        if own == rows:
            return self._carry
        first = Sparse.selection(rows, range(own))
        return self._append(Affine((self._carry,), (first,), _zeros(own), mpz(1)))

    def _columns(self, value: int) -> Dense:
        """The weights of a value in all sums that are left."""
        size, blocks = self._old.sizes[value], []
        for node in self._left:
            block = _zeros(node.size * size).reshape(node.size, size)
            for v, matrix in zip(node.inputs, node.matrices, strict=True):
                if v == value:
                    block = block + _entries(matrix)
            blocks.append(block * (self._scale // node.scale))
        return Dense(np.concatenate(blocks))


def _zeros(size: int) -> np.ndarray:
    return objects([mpz(0)] * size)


def _entries(matrix: Matrix) -> np.ndarray:
    """All entries of a matrix, which is not a convolution."""
    if isinstance(matrix, Dense):
        return matrix.entries
    out = _zeros(matrix.shape[0] * matrix.shape[1]).reshape(matrix.shape)
    starts, columns, numbers = matrix.csr()
    out[np.repeat(np.arange(matrix.shape[0]), np.diff(starts)), columns] = numbers
    return out
