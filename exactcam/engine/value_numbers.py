"""Values that are the same because they are computed alike: ties no float can prove.

On the constant background of an image neighbouring units of a convolution see the same
numbers, so all members of a max-pool's group tie, exactly and on whole cells; a unit that
sees only zeros and has no bias is zero. In floats both leave a difference of zero with a
bound that is not, which proves nothing. Here values get *class numbers* instead.

Lemma F4 (classes). If two values of the network have the same class on a cell, their
exact affine forms there are the same; the form of class 0 is zero.

Lemma F5 (signs). Let a unit's code be that of the open piece between two breakpoints (or
beyond the last). If its map there is not zero and nowhere negative, its value is positive
in the cell's interior. Proved in proofs/filter.md: F4 is Lemma 24 there, F5 Lemma 25.

Inputs share a class if their exact forms are equal, 0 if that is zero. Rows of an affine
node share one if their biases and their sequences of (weight, class of the input) without
those of class 0, which add nothing, are equal entry by entry. A pointwise unit on its piece
has one per (exact slope and intercept, class of its input), a max group that of the member
it takes.

Hashes only find rows to compare: what decides are comparisons of whole rows. Numbers are
compared as exact integers, never as floats, so nothing is rounded and nothing underflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..model.network import Network
from ..model.nodes import Affine, MaxGroups, Pointwise
from ..model.slice import Slice
from .kernels.forms import row_classes

__all__ = ["Ties"]


class Ties:
    """The classes of a network's values on the cells with given codes."""

    def __init__(self, network: Network, plane: Slice) -> None:
        self.network = network
        rows = [tuple(row) for row in plane.block.columns.tolist()]
        names: dict[Any, int] = {(0, 0, 0): 0}
        root = np.asarray([names.setdefault(row, len(names)) for row in rows], dtype=np.int64)
        self._nodes: dict[int, _Rows | _Pieces | _Members] = {}
        # Per number of activations passed: the codes passed, the live classes, the next free one.
        self._latest: dict[int, tuple[bytes, dict[int, np.ndarray], int]] = {}
        self._latest[0] = (b"", *self._affine(0, {0: root}, len(names)))

    def classes(self, codes: np.ndarray, activation: int) -> np.ndarray:
        """The classes, int64 (size,), of the input of an activation node on the cell with
        these codes (only those of earlier nodes are read)."""
        source = self.network.nodes[self.network.activations[activation]].inputs[0]
        return self._values(codes, activation)[0][source]

    def above(self, codes: np.ndarray, activation: int) -> np.ndarray:
        """Which entries of that input are positive in the cell's interior, bool (size,), as
        far as the codes of a pointwise node just before say so (Lemma F5)."""
        k = self.network.nodes[self.network.activations[activation]].inputs[0] - 1
        size = self.network.sizes[k + 1]
        if k < 0 or not isinstance(self.network.nodes[k], Pointwise):
            return np.zeros(size, dtype=np.bool_)
        ready, offsets = self._ready(k), self.network.unit_offsets
        assert isinstance(ready, _Pieces)
        before = self.network.activations.index(k)
        own = codes[offsets[before] : offsets[before + 1]].astype(np.int64)
        return (own % 2 == 0) & ready.above[ready.which, own // 2]

    def _values(self, codes: np.ndarray, passed: int) -> tuple[dict[int, np.ndarray], int]:
        key = codes[: self.network.unit_offsets[passed]].tobytes()
        if passed not in self._latest or self._latest[passed][0] != key:
            values, free = self._values(codes, passed - 1)
            k = self.network.activations[passed - 1]
            low, high = self.network.unit_offsets[passed - 1 : passed + 1]
            source = values[self.network.nodes[k].inputs[0]]
            own, free = self._ready(k).classes([source], codes[low:high].astype(np.int64), free)
            found = self._affine(k + 1, {**values, k + 1: own}, free)
            self._latest[passed] = (key, *found)
        return self._latest[passed][1:]

    def _affine(
        self, start: int, values: dict[int, np.ndarray], free: int
    ) -> tuple[dict[int, np.ndarray], int]:
        k = start
        while k < len(self.network.nodes) and isinstance(node := self.network.nodes[k], Affine):
            inputs = [values[i] for i in node.inputs]
            values[k + 1], free = self._ready(k).classes(inputs, _NO_CODES, free)
            k += 1
        return {v: x for v, x in values.items() if self.network.last_use[v] >= k}, free

    def _ready(self, k: int) -> _Rows | _Pieces | _Members:
        # Prepared at first use: most networks have no tie.
        if k not in self._nodes:
            node = self.network.nodes[k]
            kind: Any = {Affine: _Rows, Pointwise: _Pieces, MaxGroups: _Members}[type(node)]
            self._nodes[k] = kind(node)
        return self._nodes[k]


_NO_CODES = np.zeros(0, dtype=np.int64)


class _Rows:
    """An affine node: its rows over all inputs side by side, numbers named by integers."""

    def __init__(self, node: Affine) -> None:
        names: dict[Any, int] = {0: 0}
        rows, columns, numbers, shift = [], [], [], 0
        for matrix in node.matrices:
            indptr, indices, data = matrix.csr()
            rows.append(np.repeat(np.arange(node.size), np.diff(indptr)))
            columns.append(indices + shift)
            numbers.append([names.setdefault(x, len(names)) for x in data.tolist()])
            shift += matrix.shape[1]
        row = np.concatenate(rows)
        order = np.argsort(row, kind="stable")
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=node.size))])
        self.columns = np.concatenate(columns)[order].astype(np.int64)
        self.numbers = np.concatenate(numbers)[order].astype(np.int64)
        bias = [names.setdefault(x, len(names)) for x in node.bias.tolist()]
        self.bias = np.asarray(bias, dtype=np.int64)

    def classes(
        self, inputs: Sequence[np.ndarray], codes: np.ndarray, free: int
    ) -> tuple[np.ndarray, int]:
        out = np.empty(len(self.bias), dtype=np.int64)
        known = np.concatenate(inputs)
        return out, row_classes(
            self.starts, self.columns, self.numbers, self.bias, known, free, out
        )


class _Pieces:
    """A pointwise node: the name of each unit's map on each piece."""

    def __init__(self, node: Pointwise) -> None:
        names: dict[Any, int] = {(0, 0): 0, (1, 0): 1}  # the zero map, and the identity
        width = max(len(f.pieces) for f in node.functions)
        table = np.zeros((len(node.functions), width), dtype=np.int64)
        for k, function in enumerate(node.functions):
            for j, piece in enumerate(function.pieces):
                table[k, j] = names.setdefault(tuple(piece), len(names))
        self.which, self.table = node.which, table
        self.above = np.zeros_like(table, dtype=np.bool_)
        for k, function in enumerate(node.functions):
            knots = function.breakpoints
            for j, (slope, intercept) in enumerate(function.pieces):
                # The least value is at an end of the piece, unless it falls or rises forever.
                ends = [slope * t + intercept for t in knots[max(j - 1, 0) : j + 1]]
                bounded = (j > 0 or slope <= 0) and (j < len(knots) or slope >= 0)
                ends += [intercept] if slope == 0 else []
                self.above[k, j] = bounded and min(ends) >= 0 and (slope, intercept) != (0, 0)
        self.linear = np.asarray([intercept == 0 for _, intercept in names])

    def classes(
        self, inputs: Sequence[np.ndarray], codes: np.ndarray, free: int
    ) -> tuple[np.ndarray, int]:
        source, own = inputs[0], self.table[self.which, codes // 2]
        out = np.where(own == 0, 0, source)
        # The identity keeps the class; a map without intercept keeps zero.
        other = np.nonzero((own > 1) & ~(self.linear[own] & (source == 0)))[0]
        if len(other):
            keys = np.stack([own[other], source[other]])
            found, number = np.unique(keys, axis=1, return_inverse=True)
            out[other] = free + number.ravel()
            free += found.shape[1]
        return out, free


class _Members:
    """A max node: the class of the member taken."""

    def __init__(self, node: MaxGroups) -> None:
        sizes = np.asarray([len(group) for group in node.groups], dtype=np.int64)
        self.starts = np.cumsum(sizes) - sizes
        self.members = np.asarray([m for group in node.groups for m in group], dtype=np.int64)

    def classes(
        self, inputs: Sequence[np.ndarray], codes: np.ndarray, free: int
    ) -> tuple[np.ndarray, int]:
        return inputs[0][self.members[self.starts + codes]], free
