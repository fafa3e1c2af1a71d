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

from ..arithmetic.matrix import Stencil
from ..arithmetic.rational import mpq
from ..model.network import Layer, Network
from ..model.nodes import Affine, MaxGroups, Pointwise
from ..model.slice import Slice
from .kernels.arrays import LastRows, NamedRows
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
        self._last: dict[
            int, LastRows
        ] = {}  # of each affine node, found with numbers of this slice
        self._free = len(names)  # the next class; numbers are never used again
        # Per number of layers passed: the codes passed, the live classes.
        self._latest: dict[int, tuple[bytes, dict[int, np.ndarray]]] = {}
        self._latest[0] = (b"", self._affine(0, {0: root}))

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
        return self._values(codes, number)[self.network.layers[number].source]

    def above(self, codes: np.ndarray, number: int) -> np.ndarray:
        """Which entries of the input of layer `number` are positive in the interior of the cells with
        these codes (cells, units), as far as the codes of the pointwise layer that computes it
        prove it (Lemma 25); bool (cells, size)."""
        source = self.network.layers[number].source
        before = next((e for e in self.network.layers[:number] if e.value == source), None)
        units = None if before is None else self._units_of(before)
        if before is None or not isinstance(units, _Pieces):
            return np.zeros((len(codes), self.network.sizes[source]), dtype=np.bool_)
        own = before.codes(codes)
        found: np.ndarray = (own % 2 == 0) & units.above[units.which, own // 2]
        return found

    def _values(self, codes: np.ndarray, passed: int) -> dict[int, np.ndarray]:
        """The live classes after the first `passed` layers."""
        key = codes[: self.network.unit_offsets[passed]].tobytes()
        if passed not in self._latest or self._latest[passed][0] != key:
            values = self._values(codes, passed - 1)
            layer = self.network.layers[passed - 1]
            source, own = values[layer.source], layer.codes(codes)
            out, self._free = self._units_of(layer).classes(source, own, self._free)
            self._latest[passed] = (key, self._affine(passed, {**values, layer.value: out}))
        return self._latest[passed][1]

    def _affine(self, number: int, values: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """The classes after the affine nodes that precede a layer."""

        def apply(k: int, inputs: list[np.ndarray]) -> np.ndarray:
            if k not in self._rows:
                self._rows[k] = _Rows(self.network.affine_nodes[k])
            if k not in self._last:
                self._last[k] = self._rows[k].none()
            out, self._free = self._rows[k].classes(inputs, self._free, self._last[k])
            return out

        return self.network.through_affine(number, values, apply)

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
        sizes, named, longest = [], [], 0
        reads, readers = _Stencils(), _Stencils()
        numbers = columns = 0
        for matrix in node.matrices:
            own = matrix.arranged(
                np.asarray([names[x] for x in matrix.numbers.tolist()], dtype=np.int64)
            )
            rows, channels, taps = own.shape
            plane = matrix.shape[1] // (matrix.groups * channels)
            stencil = matrix.reads
            shape = (len(stencil.starts) - 1, rows // matrix.groups, channels, plane, taps)
            back = readers.append(stencil.transposed(plane))
            sizes.append((*shape, reads.append(stencil), numbers, columns, back))
            named.append(own.ravel())
            longest += channels * int(np.diff(stencil.starts).max())
            numbers, columns = numbers + own.size, columns + matrix.shape[1]
        starts, places, taps_read = reads.arrays()
        back_starts, positions, _ = readers.arrays()
        table, weights = np.asarray(sizes, dtype=np.int64), np.concatenate(named)
        back_to = (back_starts, positions)
        self.rows = NamedRows(table, starts, places, taps_read, weights, *back_to, longest)
        self.bias = np.asarray([names[x] for x in node.bias.tolist()], dtype=np.int64)
        self._columns = columns

    def none(self) -> LastRows:
        """What was found last before anything was."""
        sizes = (self._columns, len(self.bias), len(self.bias))
        return LastRows(*(np.full(n, -1, np.int64) for n in sizes))

    def classes(
        self, inputs: Sequence[np.ndarray], free: int, last: LastRows
    ) -> tuple[np.ndarray, int]:
        """The classes of the rows, and the next free number; `last` is what this found last, with
        numbers below, and becomes what it finds."""
        return row_classes(self.rows, self.bias, np.concatenate(inputs), free, last)


class _Stencils:
    """Stencils one after the other."""

    def __init__(self) -> None:
        self._parts: list[Stencil] = []
        self._starts = self._entries = 0

    def append(self, stencil: Stencil) -> int:
        """Append one; where its starts begin."""
        begin = self._starts
        self._parts.append(stencil._replace(starts=stencil.starts + self._entries))
        self._starts += len(stencil.starts)
        self._entries += len(stencil.places)
        return begin

    def arrays(self) -> list[np.ndarray]:
        """Starts, places and taps of all."""
        return [np.concatenate(arrays) for arrays in zip(*self._parts, strict=True)]


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
