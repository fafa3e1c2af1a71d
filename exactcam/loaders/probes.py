"""What the self-check feeds the layers: float32 numbers that show every unit from all sides.

A probe is a vector for one value of the network. Column p of every value belongs to run p of
the model. Column 0 is zero; the dense columns after it put the inputs of pointwise units on
both sides of every breakpoint and make each member of a maximum the largest; a few are plain
normal numbers of two sizes; the sparse columns at the end hide most entries, so that a
single weight shows also in float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..arithmetic.matrix import Sparse
from ..model.network import Network
from ..model.nodes import Affine, MaxGroups, Pointwise
from .float_network import FloatNetwork

__all__ = ["Probes"]

_SEED = 20231128
_MOST = 36  # dense columns for the wants of one value
_SPARSE = 8  # sparse columns in float32
_PLAIN = (1.0, 1000.0)  # sizes of the columns without wants
_TRIED = 6  # columns for a breakpoint


class _Lines(NamedTuple):
    """Rows of a value as a x + b, x being entry `row` of the probed value `value`, or -1."""

    value: np.ndarray
    row: np.ndarray
    a: np.ndarray
    b: np.ndarray


class _Knot(NamedTuple):
    """One breakpoint of some entries of a value: what these are in turn, (turns, rows).

    Numbers for fewer rows are those of all, again and again.
    """

    rows: np.ndarray | slice
    size: int
    numbers: np.ndarray
    start: int


class _Boost(NamedTuple):
    """Entries of a value that one column overrides."""

    rows: np.ndarray
    numbers: np.ndarray


class Probes:
    """The probes of all values that are cut.

    Attributes
    ----------
    columns : int
        How many there are.
    untried : list of (node, int)
        Maxima of which so many members could not each be made the largest.
    """

    def __init__(self, network: Network, cuts: Iterable[int], floats: FloatNetwork) -> None:
        self.network, self.floats, self.cuts = network, floats, set(cuts)
        self.rng = np.random.default_rng(_SEED)
        self.knots: dict[int, list[_Knot]] = {v: [] for v in self.cuts}
        self.boosts: dict[int, dict[int, list[_Boost]]] = {v: {} for v in self.cuts}
        self.untried: list[tuple[int, int]] = []
        self.taken = dict.fromkeys(self.cuts, 0)  # dense columns that are given away
        self.labels: dict[tuple[int, int], np.ndarray] = {}
        self._lines: dict[int, _Lines] = {}
        for k, node in enumerate(network.nodes):
            if isinstance(node, Pointwise):
                self._want_knots(k, node)
        maxima = [(k, n) for k, n in enumerate(network.nodes) if isinstance(n, MaxGroups)]
        for k, group in maxima:
            self._want_members(k, group)
        self.dense = 1 + min(_MOST, max(self.taken.values())) + len(_PLAIN)
        self.hidden = {v: self._groups(v) for v in self.cuts}
        most = max(count for count in self.hidden.values())
        self.columns = self.dense + min(_SPARSE, most)

    def block(self, value: int, start: int, stop: int) -> np.ndarray:
        """Columns start to stop of a value's probes, float32 (size, columns)."""
        out = np.zeros((self.network.sizes[value], stop - start), np.float32)
        first, last = max(start, 1), min(stop, self.dense)
        if first < last:
            self._fill(value, np.arange(first, last), out[:, first - start : last - start])
        for p in range(max(start, self.dense), stop):
            self._hide(value, p - self.dense, out[:, p - start])
        return out

    def _fill(self, value: int, columns: np.ndarray, out: np.ndarray) -> None:
        """Write dense columns."""
        place = columns - 1 - self.taken[value]
        out[...] = self.rng.standard_normal(out.shape, np.float32)
        out *= np.where(place < 0, 1.0, np.take(_PLAIN, place % len(_PLAIN))).astype(np.float32)
        for k, column in enumerate(columns.tolist()):
            for knot in self.knots[value]:
                turn = (column - 1 - knot.start) % _MOST
                if turn < _TRIED:
                    out[knot.rows, k] = _repeated(knot.numbers[turn], knot.size)
            for boost in self.boosts[value].get(column, []):
                out[boost.rows, k] = boost.numbers

    def _hide(self, value: int, place: int, out: np.ndarray) -> None:
        """Write a sparse column into zeros."""
        count = self.hidden[value]
        if not count:
            return
        key = (value, place // count)
        if key not in self.labels:
            order = self.rng.permutation(len(out))
            self.labels[key] = (order % count).astype(np.int32)
        shown = np.nonzero(self.labels[key] == place % count)[0]
        sizes = self.rng.uniform(-16, 16, len(shown))
        out[shown] = sizes + np.copysign(16, sizes)

    def _groups(self, value: int) -> int:
        """Into how many groups, each alone in one column, its entries fall.

        0 where float64 shows every weight in a sum of many.
        """
        groups = [0]
        for k, matrices in self.floats.matrices.items():
            if not self.floats.counts_zeros[k + 1]:
                continue
            for source, m in zip(self.network.nodes[k].inputs, matrices, strict=True):
                if source == value:
                    # A convolution shows each weight at many places: few entries each will do.
                    columns = max(_SPARSE, m.places)
                    groups.append(max(2, -(-m.fan_in // max(2, -(-m.fan_in // columns)))))
        return max(groups)

    # What the activations want to see

    def lines(self, value: int) -> _Lines:
        """Every entry of a value as an affine function of one probed entry, where it is that."""
        size = self.network.sizes[value]
        if value in self.cuts:
            constants = (np.broadcast_to(x, size) for x in (value, 1.0, 0.0))
            return _Lines(next(constants), np.arange(size), *constants)
        if value not in self._lines:
            self._lines[value] = self._traced(value)
        return self._lines[value]

    def _traced(self, value: int) -> _Lines:
        size = self.network.sizes[value]
        none = np.full(size, -1)
        node = self.network.nodes[value - 1]
        if isinstance(node, Pointwise):
            return self.lines(node.source)  # as if it were the identity: somewhere it often is
        if not isinstance(node, Affine) or not all(isinstance(m, Sparse) for m in node.matrices):
            return _Lines(none, none, np.zeros(size), np.zeros(size))
        out = _Lines(none, none.copy(), np.zeros(size), self.floats.bias(value - 1).copy())
        terms = [np.diff(m.indptr) for m in node.matrices if isinstance(m, Sparse)]
        single = np.sum(terms, axis=0) == 1
        for source, matrix, held in zip(
            node.inputs, node.matrices, self.floats.matrices[value - 1], strict=True
        ):
            assert isinstance(matrix, Sparse)
            rows = np.nonzero(single & (np.diff(matrix.indptr) == 1))[0]
            at = matrix.indptr[rows]
            inner, columns, factor = self.lines(source), matrix.indices[at], held.numbers[at]
            out.value[rows], out.row[rows] = inner.value[columns], inner.row[columns]
            out.a[rows] = factor * inner.a[columns]
            out.b[rows] += factor * inner.b[columns]
        return out

    def _want_knots(self, k: int, node: Pointwise) -> None:
        unit, at = self.floats.knots(k)
        lines = self.lines(node.source)
        first = np.searchsorted(unit, np.arange(node.size))
        order = np.arange(len(unit)) - first[unit]  # the how many-th breakpoint of its unit
        apart = np.full(len(unit) + 1, np.inf)
        apart[1:-1] = np.where(unit[1:] == unit[:-1], at[1:] - at[:-1], np.inf)
        source, a = lines.value[unit], lines.a[unit]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            x = (at - lines.b[unit]) / a
            room = np.minimum(apart[1:], apart[:-1]) / 2 / np.abs(a)
        known = (source >= 0) & np.isfinite(x)
        for v in sorted(set(source[known].tolist())):
            mine = known & (source == v)
            for n in range(int(order[mine].max(initial=-1)) + 1):
                which = np.nonzero(mine & (order == n))[0]
                beside = _beside(x[which], room[which])
                rows = lines.row[unit[which]]
                start = self.taken[v] % _MOST
                self.knots[v].append(_Knot(_run(rows), len(rows), beside, start))
                self.taken[v] += _TRIED

    def _want_members(self, k: int, node: MaxGroups) -> None:
        lines = self.lines(node.source)
        free = (lines.value >= 0) & (lines.a != 0)
        values = [int(v) for v in np.unique(lines.value[free])]
        if not values:
            return
        top = 8 * np.abs(lines.a).max() + 2 * np.abs(lines.b).max()
        seen = {n: ~free[members] for n, (_, members) in enumerate(node.by_length)}
        start = max(self.taken[v] for v in values)
        for turn in range(max(0, _MOST - start)):
            if all(s.all() for s in seen.values()):
                break
            heights = np.full(len(lines.a), -np.inf)
            for n, (_, members) in enumerate(node.by_length):
                wanted = ~seen[n]
                groups = np.nonzero(wanted.any(axis=1))[0]
                chosen = np.argmax(wanted[groups] * self.rng.random(wanted[groups].shape), axis=1)
                rows = members[groups, chosen]
                heights[rows] = top * (1 + self.rng.random(len(rows)))
            for n, (_, members) in enumerate(node.by_length):
                at = heights[members]
                best = np.argmax(at, axis=1)
                there = np.nonzero(at.max(axis=1) > -np.inf)[0]
                seen[n][there, best[there]] = True
            self._boost(values, lines, heights, start + turn + 1)
        for v in values:
            self.taken[v] = max(self.taken[v], min(_MOST, start + int(node.code_limits.max()) + 1))
        left = sum(int((~s).sum()) for s in seen.values())
        if left:
            self.untried.append((k, left))

    def _boost(self, values: list[int], lines: _Lines, heights: np.ndarray, p: int) -> None:
        for v in values:
            rows = np.nonzero((lines.value == v) & (heights > -np.inf))[0]
            numbers = _single((heights[rows] - lines.b[rows]) / lines.a[rows])
            at = lines.row[rows].astype(np.int32)
            self.boosts[v].setdefault(p, []).append(_Boost(at, numbers))
            self.taken[v] = max(self.taken[v], min(p, _MOST))


def _beside(at: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Entries next to breakpoints, beside them and far away, on either side: (turns, entries).

    What is entry k's at one turn is entry k + 1's at the next, so that units differ.
    """
    if (at == at[0]).all() and (room == room[0]).all():
        at, room = at[:_TRIED], room[:_TRIED]  # and so on
    at = _single(at).astype(np.float64)
    size = np.maximum(np.abs(at), 2.0**-20)
    steps = np.stack([2.0**-22 * size, np.minimum(room, 1.5), np.full_like(at, 24.0)])
    turn = (np.arange(_TRIED)[:, None] + np.arange(len(at))) % _TRIED
    side = np.where(turn % 2 == 0, 1.0, -1.0)
    return _single(at + side * steps[turn // 2, np.arange(len(at))])


def _repeated(numbers: np.ndarray, size: int) -> np.ndarray:
    """So many numbers, those given again and again."""
    return numbers if len(numbers) == size else np.tile(numbers, -(-size // len(numbers)))[:size]


def _single(x: np.ndarray) -> np.ndarray:
    """The nearest float32, those beyond the largest being it."""
    largest = np.finfo(np.float32).max
    return np.clip(x, -largest, largest).astype(np.float32)


def _run(rows: np.ndarray) -> np.ndarray | slice:
    """The rows as a slice where they are one after the other."""
    run = slice(int(rows[0]), int(rows[0]) + len(rows))
    return run if np.array_equal(rows, np.arange(run.start, run.stop)) else rows
