"""Exact values along an activation pattern: the exact side of the fast engine.

The fast engine stores a region as its pattern and, per edge, the *label* of the
knot line it lies on. Both are combinatorial, and together with the network they
determine every exact number: the pattern fixes the affine map of each layer
(Lemma 1), hence the label's exact line, hence the vertices. This module follows a
pattern through the network in integers; siblings share what they have in common.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict, defaultdict
from itertools import accumulate
from typing import Any

import numpy as np

from ..arithmetic.matrix import Dense
from ..model.geometry import Line
from ..model.network import Network
from ..model.nodes import Affine, Block, MaxGroups, Pointwise
from ..model.slice import Slice, Window
from .reference import Siblings, through_affine

__all__ = ["Labels", "Trace"]


class Labels:
    """The numbering of knot lines: window side k is -1 - k; each activation node has a
    run of numbers, one per knot or per pair of members of a max group."""

    def __init__(self, network: Network) -> None:
        sizes = []
        self.pairs: dict[int, np.ndarray] = {}
        for a, k in enumerate(network.activations):
            node = network.nodes[k]
            if isinstance(node, Pointwise):
                sizes.append(len(node.knots.unit))
            else:
                assert isinstance(node, MaxGroups)
                squares = [len(g) ** 2 for g in node.groups]
                self.pairs[a] = np.asarray([0, *accumulate(squares)], dtype=np.int64)
                sizes.append(sum(squares))
        self._starts = [0, *accumulate(sizes)]
        self.starts = np.asarray(self._starts, dtype=np.int64)

    def node(self, label: int) -> int:
        """The activation (its position in the pattern) that a label belongs to."""
        return bisect_right(self._starts, label) - 1

    def unit(self, network: Network, label: int) -> tuple[int, int, tuple[int, int] | None]:
        """The activation and its unit that change on a label's line; of a max group also which
        two of its members are equal there."""
        a = self.node(label)
        node, number = network.nodes[network.activations[a]], label - int(self.starts[a])
        if isinstance(node, Pointwise):
            return a, int(node.knots.unit[number]), None
        assert isinstance(node, MaxGroups)
        group = int(np.searchsorted(self.pairs[a], number, side="right")) - 1
        return a, group, divmod(number - int(self.pairs[a][group]), len(node.groups[group]))

    def rows(self, network: Network, label: int) -> list[int]:
        """The entries of its node's input that a label's line is made of."""
        a, unit, members = self.unit(network, label)
        if members is None:
            return [unit]
        node = network.nodes[network.activations[a]]
        assert isinstance(node, MaxGroups)
        return [node.groups[unit][m] for m in members]

    def line(self, network: Network, label: int, block: Block) -> Line:
        """The exact line of a label, `block` being its `rows` on the cell."""
        a = self.node(label)
        node = network.nodes[network.activations[a]]
        if isinstance(node, Pointwise):
            _, p, q = (array[label - int(self.starts[a])] for array in node.knots)
            row = q * block.columns[0] - p * block.denominator * block.weights
        else:
            row = block.columns[0] - block.columns[1]
        return row[0], row[1], row[2]


class Trace:
    """Exact inputs of activation nodes for given patterns, with the recent ones kept."""

    def __init__(self, network: Network, plane: Slice, window: Window, keep: int = 64) -> None:
        self.network, self.window, self.labels = network, window, Labels(network)
        self._keep = keep
        self._root, _ = through_affine(network, 0, {0: plane.block})
        self._families: OrderedDict[tuple[int, bytes], Siblings] = OrderedDict()
        self._latest: dict[int, tuple[Any, dict[int, Block]]] = defaultdict(lambda: (None, {}))
        self._direct = [self._only_affine(a) for a in range(len(network.activations))]
        self._passed: dict[int, tuple[bytes, Block]] = {}

    def input(self, codes: np.ndarray, activation: int) -> Block:
        """The input of an activation node as exact forms on the cells with these codes
        (only those of earlier nodes are read)."""
        node = self.network.nodes[self.network.activations[activation]]
        return self._values(codes, activation)[node.inputs[0]]

    def output(self, codes: np.ndarray) -> Block:
        """The network's output as exact forms on the cell with these codes."""
        return self._values(codes, len(self.network.activations))[self.network.output]

    def line(self, codes: np.ndarray, label: int) -> Line:
        """The exact line of a label on the cell with these codes (unoriented)."""
        if label < 0:
            return self.window.sides[-1 - label]
        rows = self.labels.rows(self.network, label)
        return self.labels.line(self.network, label, self._rows(codes, label, rows))

    def cut_labels(
        self, codes: np.ndarray, activation: int, parts: list[np.ndarray]
    ) -> dict[Line, int]:
        """The labels of all lines, in both orientations, along which the parts of a cell
        (given by their codes of this activation) may have been cut."""
        a = activation
        node = self.network.nodes[self.network.activations[a]]
        units = np.nonzero((np.asarray(parts) != parts[0]).any(axis=0))[0]
        block = self.input(codes, a)
        if isinstance(node, Pointwise):
            numbers = np.nonzero(np.isin(node.knots.unit, units))[0].tolist()
        else:
            starts = self.labels.pairs[a]
            numbers = [n for g in units for n in range(int(starts[g]), int(starts[g + 1]))]
        out: dict[Line, int] = {}
        for number in numbers:
            label = number + int(self.labels.starts[a])
            rows = self.labels.rows(self.network, label)
            some = Block(block.columns[rows], block.weights, block.denominator)
            x, y, z = self.labels.line(self.network, label, some)
            out.setdefault((x, y, z), label)
            out.setdefault((-x, -y, -z), label)
        return out

    def _only_affine(self, activation: int) -> Affine | None:
        """The node whose value is the input of an activation, if it is the one dense affine
        node between that and the activation before: then its rows can be had one by one."""
        if activation == 0:
            return None
        value = self.network.nodes[self.network.activations[activation]].inputs[0]
        before = self.network.activations[activation - 1]
        node = self.network.nodes[value - 1] if value else None
        if not isinstance(node, Affine) or value - 1 < before:
            return None
        plain = all(isinstance(matrix, Dense) for matrix in node.matrices)
        return node if plain and max(node.inputs) <= before + 1 else None

    def _rows(self, codes: np.ndarray, label: int, rows: list[int]) -> Block:
        """Some entries of the input of a label's node. A vertex needs one row for each of its
        lines, and all rows of a wide layer cost hundreds of times that."""
        a = self.labels.node(label)
        node = self._direct[a]
        if node is None:
            block = self.input(codes, a)
            return Block(block.columns[rows], block.weights, block.denominator)
        k, offsets = self.network.activations[a - 1], self.network.unit_offsets
        values = self._values(codes, a - 1)
        key = codes[: offsets[a]].tobytes()
        seen, passed = self._passed.get(a, (b"", None))
        if passed is None or seen != key:
            activation = self.network.nodes[k]
            assert not isinstance(activation, Affine)
            own = codes[offsets[a - 1] : offsets[a]].astype(np.int64)
            passed = activation.apply(values[activation.source], own)
            self._passed[a] = (key, passed)
        matrices = [m.with_rows(rows) for m in node.matrices if isinstance(m, Dense)]
        some = Affine(node.inputs, tuple(matrices), node.bias[rows], node.scale)
        return some.apply([passed if i == k + 1 else values[i] for i in node.inputs])

    def _values(self, codes: np.ndarray, activation: int) -> dict[int, Block]:
        if activation == 0:
            return self._root
        offsets = self.network.unit_offsets
        own = codes[offsets[activation - 1] : offsets[activation]].astype(np.int64)
        key = (activation, codes[: offsets[activation - 1]].tobytes())
        siblings = self._families.get(key)
        if siblings is None:
            before = self._values(codes, activation - 1)
            k = self.network.activations[activation - 1]
            siblings = self._families[key] = Siblings(self.network, k, before, own)
            if len(self._families) > self._keep:
                self._families.popitem(last=False)
        else:
            self._families.move_to_end(key)
        latest, values = self._latest[activation]
        if latest != (key, own.tobytes()):
            values = siblings.member(own)
            self._latest[activation] = ((key, own.tobytes()), values)
        return values
