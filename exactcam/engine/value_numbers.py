"""Value numbering on a cell: prove equal affine forms, hence ties, without arithmetic.

On the constant background of an image neighbouring units of a convolution see the same
numbers, so all members of a max-pool's group tie, exactly and on whole cells; a unit that
sees only zeros and has no bias is zero. In floats both leave a difference of zero with an
error bound that is not, which proves nothing. As a compiler does for common subexpressions,
values that are computed in the same way from equal values get one *class number*.

Lemma 24 (proofs/filter.md). If two values of the network have the same class on a cell,
their exact affine forms there are the same; the form of class 0 is zero.

Lemma 25 (proofs/filter.md). Let a unit's code be that of the open piece between two
breakpoints (or beyond the last). If its map there is not zero and nowhere negative, its value
is positive in the cell's interior.

Inputs share a class if their exact forms are equal, 0 if that is zero. Rows of an affine
node share one if their biases and their sequences of (weight, class of the input) without
those of class 0, which add nothing, are equal entry by entry. A pointwise unit on its piece
has one per (exact slope and intercept, class of its input), a max group that of the member
it takes.

Hashes only find rows to compare: what decides are comparisons of whole rows. Numbers are
compared as exact integers, never as floats, so nothing is rounded and nothing underflows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from ..arithmetic.rational import mpq
from ..model.network import Layer, Network
from ..model.nodes import Affine, MaxGroups, Pointwise
from ..model.slice import Slice
from .kernels.arrays import NamedRows
from .kernels.forms import row_classes

__all__ = ["Ties"]

Key = TypeVar("Key")


class Ties:
    """Value numbering of a network: the classes of its values on a cell, by the cell's codes.

    Parameters
    ----------
    network, plane : Network, Slice
        The network, and the plane of its input space that the cells lie in.
    """

    def __init__(self, network: Network, plane: Slice) -> None:
        self.network = network
        names = _numbering((0, 0, 0))
        forms = (tuple(form) for form in plane.block.columns.tolist())
        root = np.asarray([names[form] for form in forms], dtype=np.int64)
        self._rows, self._units = _prepared.setdefault(network, ({}, {}))
        # Per number of layers passed: the codes passed, the live classes, the next free one.
        self._latest: dict[int, tuple[bytes, dict[int, np.ndarray], int]] = {}
        self._latest[0] = (b"", *self._affine(0, {0: root}, len(names)))

    def classes(self, codes: np.ndarray, number: int) -> np.ndarray:
        """The classes of the input of layer `number` on the cell with these codes.

        Parameters
        ----------
        codes : np.ndarray (units,)
            The cell's pattern, of which only the codes of earlier layers are read.
        number : int
            The number of the layer.

        Returns
        -------
        np.ndarray, int64 (size,)
            Equal classes mean equal affine forms on the cell, class 0 the zero form.
        """
        return self._values(codes, number)[0][self.network.layers[number].source]

    def above(self, codes: np.ndarray, number: int) -> np.ndarray:
        """Which entries of the input of layer `number` are positive in the cell's interior, bool
        (size,), as far as the codes of the pointwise layer that computes it prove it (Lemma 25)."""
        source = self.network.layers[number].source
        before = next((e for e in self.network.layers[:number] if e.value == source), None)
        units = None if before is None else self._units_of(before)
        if before is None or not isinstance(units, _Pieces):
            return np.zeros(self.network.sizes[source], dtype=np.bool_)
        own = before.codes(codes)
        return (own % 2 == 0) & units.above[units.which, own // 2]

    def _values(self, codes: np.ndarray, passed: int) -> tuple[dict[int, np.ndarray], int]:
        """The live classes after the first `passed` layers, and the next free number."""
        key = codes[: self.network.unit_offsets[passed]].tobytes()
        if passed not in self._latest or self._latest[passed][0] != key:
            values, free = self._values(codes, passed - 1)
            layer = self.network.layers[passed - 1]
            source, own = values[layer.source], layer.codes(codes)
            out, free = self._units_of(layer).classes(source, own, free)
            found = self._affine(passed, {**values, layer.value: out}, free)
            self._latest[passed] = (key, *found)
        return self._latest[passed][1:]

    def _affine(
        self, number: int, values: dict[int, np.ndarray], free: int
    ) -> tuple[dict[int, np.ndarray], int]:
        """The classes after the affine nodes that precede a layer, and the next free number."""

        def apply(k: int, inputs: list[np.ndarray]) -> np.ndarray:
            nonlocal free
            if k not in self._rows:
                self._rows[k] = _Rows(self.network.affine_nodes[k])
            out, free = self._rows[k].classes(inputs, free)
            return out

        return self.network.through_affine(number, values, apply), free

    def _units_of(self, layer: Layer) -> _Pieces | _Members:
        """A layer prepared for value numbering."""
        if layer.number not in self._units:
            node = layer.node
            prepared = _Pieces(node) if isinstance(node, Pointwise) else _Members(node)
            self._units[layer.number] = prepared
        return self._units[layer.number]


# Nodes by number, prepared at first use: most networks have no tie. Any slice needs the same.
_prepared: WeakKeyDictionary[Network, tuple[dict[int, _Rows], dict[int, _Pieces | _Members]]] = (
    WeakKeyDictionary()
)


def _numbering(*first: Key) -> defaultdict[Key, int]:
    """A mapping that numbers keys 0, 1, 2, ... as they are first looked up, `first` before all."""
    names: defaultdict[Key, int] = defaultdict(None, {key: k for k, key in enumerate(first)})
    names.default_factory = names.__len__
    return names


class _Rows:
    """An affine node for value numbering: its rows over all inputs, weights named by integers."""

    def __init__(self, node: Affine) -> None:
        names = _numbering(0)
        sizes, stencils, named, longest = [], [], [], 0
        entries = numbers = columns = positions = 0
        for matrix in node.matrices:
            starts, places, taps = matrix.reads
            own = matrix.arranged(
                np.asarray([names[x] for x in matrix.numbers.tolist()], dtype=np.int64)
            )
            rows, channels, most = own.shape
            wide, share = matrix.groups * channels, rows // matrix.groups
            shape = (len(starts) - 1, share, channels, matrix.shape[1] // wide, most)
            sizes.append((*shape, positions, numbers, columns))
            stencils.append((starts + entries, places, taps))
            named.append(own.ravel())
            longest += channels * int(np.diff(starts).max())
            entries, numbers = entries + len(places), numbers + own.size
            columns, positions = columns + matrix.shape[1], positions + len(starts)
        starts, places, taps = (np.concatenate(parts) for parts in zip(*stencils, strict=True))
        table = np.asarray(sizes, dtype=np.int64)
        self.rows = NamedRows(table, starts, places, taps, np.concatenate(named), longest)
        self.bias = np.asarray([names[x] for x in node.bias.tolist()], dtype=np.int64)

    def classes(self, inputs: Sequence[np.ndarray], free: int) -> tuple[np.ndarray, int]:
        """The classes of the rows, and the next free number."""
        return row_classes(self.rows, self.bias, np.concatenate(inputs), free)


class _Pieces:
    """A pointwise node for value numbering: each function's map on each piece has a number."""

    def __init__(self, node: Pointwise) -> None:
        names = _numbering((mpq(0), mpq(0)), (mpq(1), mpq(0)))  # the zero map, and the identity
        width = max(len(f.pieces) for f in node.functions)
        table = np.zeros((len(node.functions), width), dtype=np.int64)
        for k, function in enumerate(node.functions):
            for j, piece in enumerate(function.pieces):
                table[k, j] = names[piece]
        self.which, self.table = node.which, table
        self.above = np.zeros_like(table, dtype=np.bool_)
        for k, function in enumerate(node.functions):
            knots = function.breakpoints
            for j, (slope, intercept) in enumerate(function.pieces):
                # The least value is at an end of the piece, unless it falls or rises forever.
                ends = [slope * t + intercept for t in knots[max(j - 1, 0) : j + 1]]
                bounded = (j > 0 or slope <= 0) and (j < len(knots) or slope >= 0)
                ends += [intercept] if slope == 0 else []
                self.above[k, j] = bounded and min(ends) >= 0 and bool(slope or intercept)
        self.linear = np.asarray([intercept == 0 for _, intercept in names])

    def classes(self, source: np.ndarray, codes: np.ndarray, free: int) -> tuple[np.ndarray, int]:
        """The classes of the units, `source` being those of their inputs; the next free number."""
        own = self.table[self.which, codes // 2]
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
    """A max node for value numbering: a group has the class of the member it takes."""

    def __init__(self, node: MaxGroups) -> None:
        sizes = np.asarray([len(group) for group in node.groups], dtype=np.int64)
        self.starts = np.cumsum(sizes) - sizes
        self.members = np.asarray([m for group in node.groups for m in group], dtype=np.int64)

    def classes(self, source: np.ndarray, codes: np.ndarray, free: int) -> tuple[np.ndarray, int]:
        """The classes of the groups, and the next free number."""
        return source[self.members[self.starts + codes]], free
