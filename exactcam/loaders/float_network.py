"""A network evaluated in float64, with a bound on what rounding did to it and to its model.

The bounds are those of Higham, Accuracy and Stability of Numerical Algorithms, sections 3.1
and 3.3: the computed sum of k products is within gamma_k |W||x| of the exact one, in whatever
order it is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from ..arithmetic.rational import to_float
from ..model.network import Network
from ..model.nodes import Affine, MaxGroups, Pointwise
from ..runtime.cached import cached_property
from .forms import Mass, floats

__all__ = ["Ball", "FloatMatrix", "FloatNetwork"]

Ball = tuple[np.ndarray, np.ndarray]  # middle and radius, (size, points)
_PART = 1 << 15  # entries of an activation that are computed together
_FEW = 8  # breakpoints that are compared one by one
_KEPT = 1 << 22  # numbers of a matrix that are kept as float64
_LEAST = 1e-140  # and the other numbers up to 10^140 have squares in the range of floats


class FloatNetwork:
    """Evaluates the nodes of a network with a bound on both sides' rounding errors.

    Parameters
    ----------
    network : Network
        The network.
    masses : sequence of Mass
        For every node what its model may round beyond its numbers.
    roundoffs : ndarray (values,)
        The unit roundoff of the arithmetic in which the model computes each value.
    operators : int
        The most operators that the model performs one after another before it is compared.

    Attributes
    ----------
    below, above : dict of ndarray
        For every pointwise node, which of its knots had an input certainly below or above.
    """

    def __init__(
        self, network: Network, masses: Sequence[Mass], roundoffs: np.ndarray, operators: int
    ) -> None:
        self.network, self.masses = network, masses
        self.off = {
            k: FloatMatrix(m.weights, 1) for k, m in enumerate(masses) if m.weights is not None
        }
        self.compute_in(roundoffs, operators)
        affine = {k: n for k, n in enumerate(network.nodes) if isinstance(n, Affine)}
        self.matrices = {
            k: [FloatMatrix(m, node.scale) for m in node.matrices] for k, node in affine.items()
        }
        self._biases = {
            k: floats(n.bias, n.scale) for k, n in affine.items() if len(n.bias) <= _PART
        }
        units = {k: n for k, n in enumerate(network.nodes) if isinstance(n, Pointwise)}
        self.kinds = {k: _kinds(node) for k, node in units.items()}
        knots = {k: int(sum(kind.knots for kind in kinds)) for k, kinds in self.kinds.items()}
        self.below = {k: np.zeros(count, bool) for k, count in knots.items()}
        self.above = {k: np.zeros(count, bool) for k, count in knots.items()}

    def compute_in(self, roundoffs: np.ndarray, operators: int) -> None:
        """Let the bounds be those of other roundoffs and another number of operators."""
        self.roundoffs, self.operators = roundoffs, operators
        self.counts_zeros = roundoffs > 1e-10  # in float64 the bound is narrow without
        self.tiny = np.where(self.counts_zeros, 1e-37, 1e-300)  # underflow, once an entry

    def run(self, given: Mapping[int, np.ndarray]) -> Iterator[tuple[int, Ball]]:
        """Evaluate every node on columns of points, one after the other.

        Parameters
        ----------
        given : mapping of int to ndarray (size, points)
            Values, by number, that are not what their node computes but these. The input,
            value 0, must be among them.

        Yields
        ------
        (int, Ball)
            The number of a value and what its node computes, also of those given.
        """
        computed: dict[int, Ball] = {}  # as long as a node is to read it
        last_use = self.network.last_use

        def read(value: int) -> Ball:
            if value not in given:
                return computed[value]
            x = given[value].astype(np.float64)
            return x, np.broadcast_to(0.0, x.shape)

        yield 0, read(0)
        for k, node in enumerate(self.network.nodes):
            with np.errstate(over="ignore", invalid="ignore"):
                balls = [read(value) for value in node.inputs]
                if isinstance(node, Affine):
                    found = self._affine(k, balls)
                elif isinstance(node, Pointwise):
                    found = self._pointwise(k, balls[0])
                else:
                    found = _max_groups(node, balls[0])
            if k + 1 not in given:
                computed[k + 1] = found
            yield k + 1, found
            for value in node.inputs:
                if last_use[value] <= k:
                    computed.pop(value, None)

    def knots(self, node: int) -> tuple[np.ndarray, np.ndarray]:
        """Of a pointwise node, the unit of every breakpoint and the float64 nearest to this.

        They are in the order of `Pointwise.knots`.
        """
        kinds, size = self.kinds[node], self.network.nodes[node].size
        unit = np.empty(sum(kind.knots for kind in kinds), np.int64)
        at = np.empty(len(unit))
        for kind in kinds:
            rows = np.arange(size) if kind.rows is None else kind.rows
            unit[kind.places] = np.repeat(rows, len(kind.breakpoints))
            at[kind.places] = np.tile(kind.breakpoints, kind.size)
        return unit, at

    def one_sided(self) -> dict[int, np.ndarray]:
        """By pointwise node, its units with a breakpoint that was seen on one side only so far."""
        return {
            k: np.unique(self.knots(k)[0][~(self.below[k] & self.above[k])]) for k in self.kinds
        }

    def _gamma(self, node: int, count: int | np.ndarray) -> np.ndarray:
        k = (np.asarray(count) + 4 * self.operators + 16) * self.roundoffs[node + 1]
        bounded = k < 1
        gamma = k / (1 - np.where(bounded, k, 0)) * (1 + 2.0**-20)
        return np.asarray(np.where(bounded, gamma, np.inf))

    def _affine(self, k: int, inputs: list[Ball]) -> Ball:
        matrices = self.matrices[k]
        gamma: np.ndarray = self._gamma(k, sum(m.fan_in for m in matrices))
        # A product with zero is exact, and so is the addition of zero.
        filled = (
            [(x != 0) | (radius != 0) for x, radius in inputs] if self.counts_zeros[k + 1] else []
        )
        sparse = np.any([2 * p.sum(axis=0) < len(p) for p in filled], axis=0)
        if sparse.any():
            counts = [m.apply_pattern(p[:, sparse]) for m, p in zip(matrices, filled, strict=True)]
            gamma = np.full((self.network.nodes[k].size, len(sparse)), gamma)
            gamma[:, sparse] = self._gamma(k, np.sum(counts, axis=0))
        shape = (self.network.nodes[k].size, inputs[0][0].shape[1])
        middle, spread = np.zeros(shape), np.zeros(shape)
        for matrix, (x, radius) in zip(matrices, inputs, strict=True):
            absolute = matrix.apply_absolute if self.counts_zeros[k + 1] else matrix.bound
            middle += matrix.apply(x)
            size = absolute(np.abs(x))
            size *= gamma
            spread += size
            if radius.any():
                spread += absolute(radius * (1 + 2 * gamma.max()))
        if k in self.off:
            spread += self.roundoffs[k + 1] * self.off[k].apply(np.abs(inputs[0][0]))
        self._add_constants(k, gamma, middle, spread)
        return middle, spread

    def _add_constants(
        self, k: int, gamma: np.ndarray, middle: np.ndarray, spread: np.ndarray
    ) -> None:
        """Add the bias, and to the bound what it is rounded by, some rows at a time."""
        node, part = self.network.nodes[k], max(1, _PART // middle.shape[1])
        assert isinstance(node, Affine)
        for start in range(0, len(middle), part):
            rows = slice(start, start + part)
            bias = self.bias(k)[rows] if k in self._biases else floats(node.bias[rows], node.scale)
            constant = np.maximum(self.masses[k].constants[rows], np.abs(bias))[:, None]
            middle[rows] += bias[:, None]
            spread[rows] *= 1 + 2.0**-20
            spread[rows] += (gamma[rows] if gamma.ndim else gamma) * constant + self.tiny[k + 1]

    def bias(self, node: int) -> np.ndarray:
        """The bias of an affine node."""
        if node in self._biases:
            return self._biases[node]
        affine = self.network.nodes[node]
        assert isinstance(affine, Affine)
        return floats(affine.bias, affine.scale)

    def _pointwise(self, k: int, ball: Ball) -> Ball:
        middle, error = np.empty_like(ball[0]), np.empty_like(ball[0])
        gamma = self._gamma(k, 4)
        below, above = self.below[k], self.above[k]
        for kind in self.kinds[k]:
            breakpoints, (slopes, shifts) = kind.breakpoints, kind.pieces
            span = np.abs(breakpoints).max(initial=0.0)
            steepest, highest = np.abs(kind.pieces).max(axis=1)
            for rows, places in kind.parts(max(1, _PART // ball[0].shape[1])):
                at, radius = (x[rows] for x in ball)
                wide = np.where(np.isfinite(radius), 4 * radius, np.inf)
                if not (below[places].all() and above[places].all()):
                    sides = breakpoints[:, None]
                    below[places] |= ((at + wide)[:, None] < sides).any(axis=2).ravel()
                    above[places] |= ((at - wide)[:, None] > sides).any(axis=2).ravel()
                reach = np.abs(at) + 2 * radius + span
                piece = _piece(breakpoints, at)
                slope, shift = slopes.take(piece), shifts.take(piece)
                middle[rows] = slope * at + shift
                # Where the input lies well inside one piece, its slope alone counts.
                wide = wide + 4 * gamma * reach
                inside = _piece(breakpoints, at - wide) == _piece(breakpoints, at + wide)
                slope = np.where(inside, np.abs(slope), steepest)
                shift = np.where(inside, np.abs(shift), highest)
                bound = slope * radius + gamma * (slope * reach + shift)
                error[rows] = bound * (1 + 2.0**-20) + self.tiny[k + 1]
        return middle, error


Rows = slice | np.ndarray  # some rows of an array


class _Kind(NamedTuple):
    """The units of a pointwise node that have one function.

    Attributes
    ----------
    size : int
        How many they are.
    rows : ndarray, optional
        Which; without it all.
    places : ndarray or slice
        Which of the node's knots are theirs, unit by unit.
    breakpoints, pieces : ndarray (n,), (2, n + 1)
        The function; of a piece the slope and the intercept, each rounded to the nearest float64.
    """

    size: int
    rows: np.ndarray | None
    places: Rows
    breakpoints: np.ndarray
    pieces: np.ndarray

    @property
    def knots(self) -> int:
        """How many breakpoints its units have."""
        return self.size * len(self.breakpoints)

    def parts(self, most: int) -> Iterator[tuple[Rows, Rows]]:
        """Rows and places some at a time, so that what is computed of them fits a cache."""
        each = len(self.breakpoints)
        for start in range(0, self.size, most):
            part = slice(start, min(start + most, self.size))
            knots = slice(part.start * each, part.stop * each)
            if self.rows is None or isinstance(self.places, slice):
                yield part, knots
            else:
                yield self.rows[part], self.places[knots]


def _kinds(node: Pointwise) -> list[_Kind]:
    tables = [
        (
            np.asarray([to_float(t) for t in function.breakpoints]),
            np.asarray([[to_float(s), to_float(c)] for s, c in function.pieces]).T.copy(),
        )
        for function in node.functions
    ]
    if len(tables) == 1:
        return [_Kind(node.size, None, slice(None), *tables[0])]
    counts = np.asarray([len(breakpoints) for breakpoints, _ in tables])[node.which]
    first = np.cumsum(counts) - counts
    out = []
    for f, table in enumerate(tables):
        rows = np.nonzero(node.which == f)[0]
        places = (first[rows][:, None] + np.arange(len(table[0]))).ravel()
        out.append(_Kind(len(rows), rows, places, *table))
    return out


def _piece(breakpoints: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The piece on which each number lies: np.searchsorted, faster for few breakpoints."""
    if len(breakpoints) > _FEW:
        return np.searchsorted(breakpoints, x)
    out = np.zeros(x.shape, np.intp)
    for t in breakpoints:
        out += x > t
    return out


def _max_groups(node: MaxGroups, ball: Ball) -> Ball:
    shape = (node.size, ball[0].shape[1])
    middle, radius = np.empty(shape), np.empty(shape)
    for units, members in node.by_length:
        middle[units] = ball[0][members].max(axis=1)
        radius[units] = ball[1][members].max(axis=1)
    return middle, radius


class FloatMatrix:
    """An exact matrix over its scale, every entry rounded to the nearest float64."""

    def __init__(self, matrix: Matrix, scale: object) -> None:
        self.matrix, self.scale = matrix, scale
        self.fan_in = matrix.fan_in
        self.places = 1  # at which each number stands
        if isinstance(matrix, Convolution):
            self.places = matrix.shape[0] // matrix.target[0]
        self._kept = self._numbers() if matrix.held.size <= _KEPT else None

    def _numbers(self) -> np.ndarray:
        return floats(self.matrix.held, self.scale).ravel()

    @property
    def numbers(self) -> np.ndarray:
        """The entries, flat in file order."""
        return self._numbers() if self._kept is None else self._kept

    def apply(self, x: np.ndarray) -> np.ndarray:
        return self._product(self.numbers, x)

    def apply_absolute(self, x: np.ndarray) -> np.ndarray:
        return self._product(np.abs(self.numbers), x)

    def apply_pattern(self, x: np.ndarray) -> np.ndarray:
        """How many entries of every row meet an entry of `x` that is true."""
        return self._product((self.numbers != 0).astype(np.float64), x.astype(np.float64))

    def bound(self, x: np.ndarray) -> np.ndarray:
        """At least `apply_absolute` of x >= 0, without that product where it is a long one.

        The inequality of Cauchy and Schwarz: a row's norm times that of what it reads.
        """
        matrix, width = self.matrix, x.shape[1]
        in_range = _LEAST < x.max(initial=0.0) < 1 / _LEAST
        if isinstance(matrix, Sparse) or matrix.groups > 1 or not in_range:
            return self.apply_absolute(x)
        if isinstance(matrix, Dense):
            read = np.einsum("ik,ik->k", x, x)[None, None]
        else:
            images = x.reshape(matrix.source[0], -1, width)
            source, target = ((1, *sides[1:]) for sides in (matrix.source, matrix.target))
            ones = np.ones((1, 1, *matrix.held.shape[2:]))
            box = replace(matrix, source=source, target=target, kernel=ones)
            read = box.apply(np.einsum("cpk,cpk->pk", images, images))[None]
        # Squares below the range of floats are lost, but all together less than this.
        out = self._norms[:, None, None] * np.sqrt(read + _LEAST**2)
        return out.reshape(-1, width)

    @cached_property
    def _norms(self) -> np.ndarray:
        """At least the Euclidean norm of each row, of a convolution of each target channel."""
        matrix, numbers = self.matrix, self.numbers
        rows = matrix.arranged(numbers) if isinstance(matrix, Convolution) else numbers
        rows, norms = rows.reshape(-1, self.fan_in), []
        step = max(1, _PART // self.fan_in)
        for start in range(0, len(rows), step):
            some = np.abs(rows[start : start + step])
            top = np.maximum(some.max(axis=1), 2.0**-1000)
            norms.append(top * np.sqrt(np.square(some / top[:, None]).sum(axis=1) + _LEAST**2))
        return np.concatenate(norms)

    def _product(self, numbers: np.ndarray, x: np.ndarray) -> np.ndarray:
        matrix = self.matrix
        if not x.any():
            return np.zeros((matrix.shape[0], x.shape[1]))
        if isinstance(matrix, Dense):
            return np.asarray(numbers.reshape(matrix.shape) @ x)
        if isinstance(matrix, Convolution):
            return matrix.with_numbers(numbers).apply(x)
        out = np.zeros((matrix.shape[0], x.shape[1]))
        filled = np.nonzero(np.diff(matrix.indptr))[0]
        if len(filled):
            products = numbers[:, None] * x[matrix.indices]
            out[filled] = np.add.reduceat(products, matrix.indptr[filled], axis=0)
        return out
