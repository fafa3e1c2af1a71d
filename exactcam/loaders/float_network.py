"""A network evaluated in float64, with a bound on what rounding did to it and to its model.

The bounds are those of Higham, Accuracy and Stability of Numerical Algorithms, sections 3.1
and 3.3: the computed sum of k products is within gamma_k |W||x| of the exact one, in whatever
order it is added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arithmetic.matrix import Convolution, Dense, Matrix
from ..arithmetic.rational import to_float
from ..model.network import Network
from ..model.nodes import Affine, Cpwl, MaxGroups, Pointwise
from .forms import Mass, floats

__all__ = ["Ball", "FloatMatrix", "FloatNetwork"]

Ball = tuple[np.ndarray, np.ndarray]  # middle and radius, (size, points)


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
    knots : dict of (unit, breakpoint)
        For every pointwise node the float64 nearest to each breakpoint, unit by unit.
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
        self.biases = {k: floats(node.bias, node.scale) for k, node in affine.items()}
        units = {k: n for k, n in enumerate(network.nodes) if isinstance(n, Pointwise)}
        self.tables = {k: [_table(f) for f in n.functions] for k, n in units.items()}
        self.knots = {k: _knots(n, self.tables[k]) for k, n in units.items()}
        self.below = {k: np.zeros(len(t), bool) for k, (_, t) in self.knots.items()}
        self.above = {k: np.zeros(len(t), bool) for k, (_, t) in self.knots.items()}

    def compute_in(self, roundoffs: np.ndarray, operators: int) -> None:
        """Let the bounds be those of other roundoffs and another number of operators."""
        self.roundoffs, self.operators = roundoffs, operators
        self.counts_zeros = roundoffs > 1e-10  # in float64 the bound is narrow without
        self.tiny = np.where(self.counts_zeros, 1e-37, 1e-300)  # underflow, once an entry

    def run(self, given: Mapping[int, np.ndarray]) -> dict[int, Ball]:
        """Evaluate every node on columns of points.

        Parameters
        ----------
        given : mapping of int to ndarray (size, points)
            Values, by number, that are not what their node computes but these. The input,
            value 0, must be among them.

        Returns
        -------
        dict of int to Ball
            What the node of every value computes, also of those given.
        """
        first = given[0]
        computed: dict[int, Ball] = {0: (first, np.zeros(first.shape))}
        with np.errstate(over="ignore", invalid="ignore"):
            for k, node in enumerate(self.network.nodes):
                read = [
                    (given[i], np.zeros(given[i].shape)) if i in given else computed[i]
                    for i in node.inputs
                ]
                if isinstance(node, Affine):
                    computed[k + 1] = self._affine(k, read)
                elif isinstance(node, Pointwise):
                    computed[k + 1] = self._pointwise(k, node, read[0])
                else:
                    computed[k + 1] = _max_groups(node, read[0])
        return computed

    def one_sided(self) -> dict[int, np.ndarray]:
        """By pointwise node, its units with a breakpoint that was seen on one side only so far."""
        return {
            k: np.unique(unit[~(self.below[k] & self.above[k])])
            for k, (unit, _) in self.knots.items()
        }

    def _gamma(self, node: int, count: int | np.ndarray) -> np.ndarray:
        k = (np.asarray(count) + 4 * self.operators + 16) * self.roundoffs[node + 1]
        bounded = k < 1
        gamma = k / (1 - np.where(bounded, k, 0)) * (1 + 2.0**-20)
        return np.asarray(np.where(bounded, gamma, np.inf))

    def _affine(self, k: int, inputs: list[Ball]) -> Ball:
        bias, matrices = self.biases[k], self.matrices[k]
        middle = np.repeat(bias[:, None], inputs[0][0].shape[1], axis=1)
        spread = np.zeros_like(middle)
        gamma: np.ndarray = self._gamma(k, sum(m.fan_in for m in matrices))
        # A product with zero is exact, and so is the addition of zero.
        filled = (
            [(x != 0) | (radius != 0) for x, radius in inputs] if self.counts_zeros[k + 1] else []
        )
        sparse = np.any([2 * p.sum(axis=0) < len(p) for p in filled], axis=0)
        if sparse.any():
            counts = [m.apply_pattern(p[:, sparse]) for m, p in zip(matrices, filled, strict=True)]
            gamma = np.full(middle.shape, gamma)
            gamma[:, sparse] = self._gamma(k, np.sum(counts, axis=0))
        for matrix, (x, radius) in zip(matrices, inputs, strict=True):
            middle = middle + matrix.apply(x)
            moved = radius * (1 + 2 * gamma.max()) if radius.any() else None
            if gamma.ndim == 0:
                size = gamma * np.abs(x)
                spread = spread + matrix.apply_absolute(size if moved is None else size + moved)
                continue
            if moved is not None:
                spread = spread + matrix.apply_absolute(moved)
            spread = spread + gamma * matrix.apply_absolute(np.abs(x))
        if k in self.off:
            spread = spread + self.roundoffs[k + 1] * self.off[k].apply(np.abs(inputs[0][0]))
        constant = np.maximum(self.masses[k].constants, np.abs(bias))
        return middle, spread * (1 + 2.0**-20) + gamma * constant[:, None] + self.tiny[k + 1]

    def _pointwise(self, k: int, node: Pointwise, ball: Ball) -> Ball:
        x, radius = ball
        middle, error = np.empty_like(x), np.empty_like(x)
        gamma = self._gamma(k, 4)
        far = np.where(np.isfinite(radius), 4 * radius, np.inf)
        unit, knots = self.knots[k][0], self.knots[k][1][:, None]
        self.below[k] |= (x[unit] + far[unit] < knots).any(axis=1)
        self.above[k] |= (x[unit] - far[unit] > knots).any(axis=1)
        for f, (breakpoints, pieces) in enumerate(self.tables[k]):
            own = node.which == f
            rows = slice(None) if own.all() else np.nonzero(own)[0]
            at, wide = x[rows], far[rows]
            span = np.abs(breakpoints).max(initial=0.0)
            reach = np.abs(at) + 2 * radius[rows] + span
            piece = np.searchsorted(breakpoints, at)
            middle[rows] = pieces[piece, 0] * at + pieces[piece, 1]
            # Where the input lies well inside one piece, its slope alone counts.
            wide = wide + 4 * gamma * reach
            low, high = (np.searchsorted(breakpoints, at + w) for w in (-wide, wide))
            steepest, shift = np.abs(pieces).max(axis=0)
            slope = np.where(low == high, np.abs(pieces[piece, 0]), steepest)
            shift = np.where(low == high, np.abs(pieces[piece, 1]), shift)
            error[rows] = slope * radius[rows] + gamma * (slope * reach + shift)
        return middle, error * (1 + 2.0**-20) + self.tiny[k + 1]


def _table(function: Cpwl) -> tuple[np.ndarray, np.ndarray]:
    """Breakpoints and pieces (slope, intercept), each rounded to the nearest float64."""
    breakpoints = np.asarray([to_float(t) for t in function.breakpoints])
    return breakpoints, np.asarray([[to_float(s), to_float(c)] for s, c in function.pieces])


def _knots(
    node: Pointwise, functions: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The unit of every breakpoint and the breakpoint, in the order of `Pointwise.knots`."""
    tables = [breakpoints for breakpoints, _ in functions]
    counts = np.asarray([len(t) for t in tables])[node.which]
    starts = np.cumsum([0, *(len(t) for t in tables)])[node.which]
    unit = np.repeat(np.arange(node.size), counts)
    order = np.arange(len(unit)) - np.repeat(np.cumsum(counts) - counts, counts)
    return unit, np.concatenate(tables)[starts[unit] + order]


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
        self.matrix = matrix
        self.numbers = floats(matrix.held, scale).ravel()
        self.fan_in = matrix.fan_in
        self.places = 1  # at which each number stands
        if isinstance(matrix, Convolution):
            self.places = matrix.shape[0] // matrix.target[0]

    def apply(self, x: np.ndarray) -> np.ndarray:
        return self._product(self.numbers, x)

    def apply_absolute(self, x: np.ndarray) -> np.ndarray:
        return self._product(np.abs(self.numbers), x)

    def apply_pattern(self, x: np.ndarray) -> np.ndarray:
        """How many entries of every row meet an entry of `x` that is true."""
        return self._product((self.numbers != 0).astype(np.float64), x.astype(np.float64))

    def _product(self, numbers: np.ndarray, x: np.ndarray) -> np.ndarray:
        matrix = self.matrix
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
