"""Replay of an activation pattern: exact affine forms and lines of a cell, computed on demand.

The fast engine stores a region as its pattern and, per edge, the *label* of the
knot line it lies on. Both are combinatorial, and together with the network they
determine every exact number: the pattern fixes the affine map of each layer
(Lemma 1), hence the label's exact line, hence the vertices. This module follows a
pattern through the network in integers; siblings share what they have in common.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Hashable
from itertools import accumulate

import numpy as np

from ..arithmetic.matrix import Dense
from ..model.geometry import Line
from ..model.network import Layer, Network
from ..model.nodes import Affine, Block, Pointwise
from ..model.slice import Slice, Window
from ..runtime.cached import cached_property
from .reference import Siblings

__all__ = ["LineLabels", "Trace"]


class LineLabels:
    """The numbering of all lines a cell's edge can lie on: knot lines and window sides.

    Window side k has label -1 - k. Each layer has a run of labels from 0 up, in order: one per
    knot of a pointwise layer, one per ordered pair of members of a max group.

    Attributes
    ----------
    starts : np.ndarray, int64 (layers + 1,)
        The first label of each layer; the last entry is the number of labels.
    pairs : dict of int to np.ndarray
        For each max layer, by number, where its groups' pairs start among its labels.
    """

    def __init__(self, network: Network) -> None:
        self._layers = network.layers
        sizes = []
        self.pairs: dict[int, np.ndarray] = {}
        for layer in network.layers:
            if isinstance(layer.node, Pointwise):
                sizes.append(len(layer.node.knots.unit))
            else:
                squares = [len(g) ** 2 for g in layer.node.groups]
                self.pairs[layer.number] = np.asarray([0, *accumulate(squares)], dtype=np.int64)
                sizes.append(sum(squares))
        self._starts = [0, *accumulate(sizes)]
        self.starts = np.asarray(self._starts, dtype=np.int64)

    def layer(self, label: int) -> int:
        """The number of the layer that a label belongs to."""
        return bisect_right(self._starts, label) - 1

    def unit(self, label: int) -> tuple[int, int, tuple[int, int] | None]:
        """The layer and its unit that change on a label's line; of a max group also which two of
        its members are equal there."""
        a = self.layer(label)
        node, number = self._layers[a].node, label - self._starts[a]
        if isinstance(node, Pointwise):
            return a, int(node.knots.unit[number]), None
        group = int(np.searchsorted(self.pairs[a], number, side="right")) - 1
        return a, group, divmod(number - int(self.pairs[a][group]), len(node.groups[group]))

    def rows(self, label: int) -> list[int]:
        """The entries of its layer's input that determine a label's line."""
        a, unit, members = self.unit(label)
        node = self._layers[a].node
        if members is None or isinstance(node, Pointwise):
            return [unit]
        return [node.groups[unit][m] for m in members]

    def line(self, label: int, block: Block) -> Line:
        """The exact line of a label, `block` being its `rows` on the cell."""
        a = self.layer(label)
        node = self._layers[a].node
        if isinstance(node, Pointwise):
            _, p, q = (array[label - self._starts[a]] for array in node.knots)
            row = q * block.columns[0] - p * block.denominator * block.weights
        else:
            row = block.columns[0] - block.columns[1]
        return row[0], row[1], row[2]

    def lines_of(self, number: int, units: np.ndarray) -> list[int]:
        """The labels of all lines on which some units of a layer change."""
        node, start = self._layers[number].node, self._starts[number]
        if isinstance(node, Pointwise):
            return (start + np.nonzero(np.isin(node.knots.unit, units))[0]).tolist()
        bounds = (start + self.pairs[number]).tolist()
        return [label for g in units for label in range(bounds[g], bounds[g + 1])]


class Trace:
    """The exact forms that layers read on cells given by their patterns, computed on demand.

    Parameters
    ----------
    network, plane, window : Network, Slice, Window
        The partition in question.
    keep : int
        So many families of siblings (cells with equal codes before a layer) are kept, the
        latest used, so cells are best asked for in canonical order.
    """

    def __init__(self, network: Network, plane: Slice, window: Window, keep: int = 64) -> None:
        self.network, self.window, self.labels = network, window, LineLabels(network)
        self._plane, self._keep = plane, keep
        self._families: OrderedDict[tuple[int, bytes], Siblings] = OrderedDict()
        self._latest: dict[int, tuple[tuple[Hashable, bytes], dict[int, Block]]] = {}
        self._direct = [self._only_affine(layer) for layer in network.layers]
        self._passed: dict[int, tuple[bytes, Block]] = {}

    @cached_property
    def _root(self) -> dict[int, Block]:
        """The live values at the first layer; a run that floats decide needs no exact number."""
        return self.network.blocks_before(0, {0: self._plane.block})

    def input(self, codes: np.ndarray, number: int) -> Block:
        """The input of layer `number` as exact forms on the cells with these codes (only those
        of earlier layers are read)."""
        return self._values(codes, number)[self.network.layers[number].source]

    def output(self, codes: np.ndarray) -> Block:
        """The network's output as exact forms on the cell with these codes."""
        return self._values(codes, len(self.network.layers))[self.network.output]

    def line(self, codes: np.ndarray, label: int) -> Line:
        """The exact line of a label on the cell with these codes (unoriented)."""
        if label < 0:
            return self.window.sides[-1 - label]
        return self.labels.line(label, self._rows(codes, label, self.labels.rows(label)))

    def cut_labels(
        self, codes: np.ndarray, number: int, parts: list[np.ndarray]
    ) -> dict[Line, int]:
        """The labels of all lines, in both orientations, along which layer `number` may have cut
        the cell with these codes into parts (given by their codes of the layer)."""
        units = np.nonzero((np.asarray(parts) != parts[0]).any(axis=0))[0]
        block = self.input(codes, number)
        out: dict[Line, int] = {}
        for label in self.labels.lines_of(number, units):
            rows = block.columns[self.labels.rows(label)]
            x, y, z = self.labels.line(label, Block(rows, block.weights, block.denominator))
            out.setdefault((x, y, z), label)
            out.setdefault((-x, -y, -z), label)
        return out

    def _only_affine(self, layer: Layer) -> Affine | None:
        """The node whose value a layer reads, if it is the only one since the layer before and
        dense: then its rows can be computed one by one."""
        if layer.number == 0:
            return None
        before = self.network.layers[layer.number - 1]
        node = self.network.affine_nodes.get(layer.source - 1)
        if node is None or max(node.inputs) > before.value or layer.source < before.value:
            return None
        return node if all(isinstance(matrix, Dense) for matrix in node.matrices) else None

    def _rows(self, codes: np.ndarray, label: int, rows: list[int]) -> Block:
        """Some entries of the input of a label's layer. A vertex needs one row for each of its
        lines, and all rows of a wide layer cost hundreds of times that."""
        a = self.labels.layer(label)
        node = self._direct[a]
        if node is None:
            block = self.input(codes, a)
            return Block(block.columns[rows], block.weights, block.denominator)
        before = self.network.layers[a - 1]
        values = self._values(codes, before.number)
        key = codes[: before.units.stop].tobytes()
        seen, passed = self._passed.get(a, (b"", None))
        if passed is None or seen != key:
            passed = before.node.apply(values[before.source], before.codes(codes))
            self._passed[a] = (key, passed)
        matrices = [m.with_rows(rows) for m in node.matrices if isinstance(m, Dense)]
        some = Affine(node.inputs, tuple(matrices), node.bias[rows], node.scale)
        return some.apply([passed if i == before.value else values[i] for i in node.inputs])

    def _values(self, codes: np.ndarray, number: int) -> dict[int, Block]:
        """The live values at layer `number` on the cells with these codes."""
        if number == 0:
            return self._root
        before = self.network.layers[number - 1]
        own = before.codes(codes)
        key = (number, codes[: before.units.start].tobytes())
        siblings = self._families.get(key)
        if siblings is None:
            values = self._values(codes, before.number)
            siblings = self._families[key] = Siblings(self.network, before, values, own)
            if len(self._families) > self._keep:
                self._families.popitem(last=False)
        else:
            self._families.move_to_end(key)
        member = (key, own.tobytes())
        if number not in self._latest or self._latest[number][0] != member:
            self._latest[number] = (member, siblings.member(own))
        return self._latest[number][1]
