"""The self-check of the loaders: does the exact network agree with the model it was read from?

A loader that reads the wrong padding or forgets a branch still yields a perfectly
exact network - of another function. So every load runs the original model in its own
library, at random points, points of large and small size and points next to kinks,
and compares. How far the two may lie apart is not guessed: the exact network is
evaluated in float64 together with a running bound on what rounding can have done to
either of them (Higham, Accuracy and Stability of Numerical Algorithms, sections 3.1
and 3.3: the computed sum of k products is within gamma_k |W||x| of the exact one,
in whatever order it is added).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from ..arithmetic.matrix import Convolution, Dense, Matrix
from ..arithmetic.rational import to_float
from ..errors import NetworkError
from ..model.network import Network
from ..model.nodes import Affine, MaxGroups, Pointwise
from .graph import Tensor, floats

__all__ = ["Forward", "Traced", "compare"]

Ball = tuple[np.ndarray, np.ndarray]  # middle and radius, (size, points)
Traced = dict[str, tuple[str, Tensor]]  # layer and tensor by the name of the model's value


@dataclass(frozen=True)
class Forward:
    """The original model as functions of a flat float64 point.

    Attributes
    ----------
    output : callable
        The output, flat.
    layers : callable
        Every intermediate value by its name, flat.
    roundoff : float
        The unit roundoff of the model's arithmetic.
    """

    output: Callable[[np.ndarray], np.ndarray]
    layers: Callable[[np.ndarray], dict[str, np.ndarray]]
    roundoff: float


def compare(
    network: Network, masses: Sequence[np.ndarray], traced: Traced, forward: Forward
) -> None:
    """Compare a network with the model it was read from, at some sixteen points.

    Parameters
    ----------
    network : Network
        What was read.
    masses : sequence of ndarray
        For every node and row, the sum of the magnitudes of the constants added there
        (see `forms.Form`), float64.
    traced : dict
        The layer's name and the tensor that stands for it, by the value's name in the model.
    forward : Forward
        The model's own forward pass.

    Raises
    ------
    NetworkError
        Naming the first layer that differs by more than rounding can explain.
    """
    evaluator = _Evaluator(network, masses, forward.roundoff, len(traced))
    points = evaluator.points()
    middle, radius = evaluator.run(points)[network.output]
    for k, point in enumerate(points.T):
        theirs = forward.output(point)
        if _differs(theirs, middle[:, k], radius[:, k]) is not None:
            _report(evaluator, point, traced, forward)


def _differs(theirs: np.ndarray, middle: np.ndarray, radius: np.ndarray) -> float | None:
    """The largest difference beyond the bound, None where every entry is within it."""
    if theirs.shape != middle.shape:
        return float("inf")
    known = np.isfinite(radius)  # an overflowing bound says nothing
    with np.errstate(invalid="ignore"):
        gap = np.abs(theirs.astype(np.float64) - middle)[known]
    bad = ~(gap <= 2 * radius[known])
    return float(gap[bad].max()) if bad.any() else None


def _report(evaluator: _Evaluator, point: np.ndarray, traced: Traced, forward: Forward) -> NoReturn:
    """Find the first layer that differs at `point` and raise NetworkError naming it."""
    values = evaluator.run(point[:, None])
    theirs = forward.layers(point)
    culprit, gap = "output", float("nan")
    for name, (layer, tensor) in traced.items():
        value = tensor.form.value
        if value is None or name not in theirs:
            continue
        index = tensor.index.ravel()
        middle, radius = (np.append(x[:, 0], 0.0)[index] for x in values[value])
        found = _differs(theirs[name], middle, radius)
        if found is not None:
            culprit, gap = layer, found
            break
    raise NetworkError(
        f"layer {culprit}: the exact network differs from the model's own forward pass by {gap:.3g} "
        "at a test point, more than rounding can explain; please report this layer "
        "(check=False, --no-check, loads it all the same)"
    )


class _Evaluator:
    """Evaluates the network in float64 with a bound on both sides' rounding errors."""

    def __init__(
        self, network: Network, masses: Sequence[np.ndarray], roundoff: float, operators: int
    ) -> None:
        self.network, self.masses = network, masses
        self.roundoff, self.operators = max(roundoff, 2.0**-53), operators
        self.tiny = 1e-300 if roundoff < 1e-10 else 1e-37  # underflow, once an entry
        self.matrices = {
            k: [_FloatMatrix(m, node.scale) for m in node.matrices]
            for k, node in enumerate(network.nodes)
            if isinstance(node, Affine)
        }
        self.biases = {
            k: floats(node.bias, node.scale)
            for k, node in enumerate(network.nodes)
            if isinstance(node, Affine)
        }

    def points(self) -> np.ndarray:
        """Up to 16 float32 points, one a column: of norms from 0 to 1000, and beside kinks."""
        size = self.network.inputs
        rng = np.random.default_rng(20231128)
        drawn = [s * rng.standard_normal(size) for s in (0.0625, 1.0, 8.0, 1000.0)]
        # With their negatives, so that a unit that is small at one is large at the other.
        columns = [np.zeros(size), rng.random(size), *drawn, *(-x for x in drawn)]
        segment = drawn[1][:, None] + np.linspace(0, 1, 9) * (drawn[2] - drawn[1])[:, None]
        steps = self.run(segment)
        for node in self.network.nodes:
            if not isinstance(node, Pointwise) or not len(node.knots.unit):
                continue
            unit, at, below = node.knots
            heights = steps[node.source][0][unit] - (floats(at) / floats(below))[:, None]
            crossing = np.argwhere(heights[:, :-1] * heights[:, 1:] < 0)
            if len(crossing):
                row, step = crossing[rng.integers(len(crossing))]
                low, high = heights[row, step], heights[row, step + 1]
                share = low / (low - high)
                columns.append(segment[:, step] * (1 - share) + segment[:, step + 1] * share)
        return np.stack(columns[:16], axis=1).astype(np.float32).astype(np.float64)

    def run(self, points: np.ndarray) -> dict[int, Ball]:
        values: dict[int, Ball] = {0: (points, np.zeros(points.shape))}
        with np.errstate(over="ignore", invalid="ignore"):
            for k, node in enumerate(self.network.nodes):
                if isinstance(node, Affine):
                    values[k + 1] = self._affine(k, [values[i] for i in node.inputs])
                elif isinstance(node, Pointwise):
                    values[k + 1] = self._pointwise(node, values[node.source])
                else:
                    values[k + 1] = _max_groups(node, values[node.source])
        return values

    def _gamma(self, count: int) -> float:
        k = (count + self.operators + 16) * self.roundoff
        return k / (1 - k) * (1 + 2.0**-20)

    def _affine(self, k: int, inputs: list[Ball]) -> Ball:
        bias = self.biases[k]
        middle = np.repeat(bias[:, None], inputs[0][0].shape[1], axis=1)
        spread = np.zeros_like(middle)
        gamma = self._gamma(sum(m.fan_in for m in self.matrices[k]))
        for matrix, (x, radius) in zip(self.matrices[k], inputs, strict=True):
            middle = middle + matrix.apply(x)
            spread = spread + matrix.apply_absolute(radius + gamma * (np.abs(x) + 2 * radius))
        constant = np.maximum(self.masses[k], np.abs(bias))
        return middle, spread * (1 + 2.0**-20) + (gamma * constant + self.tiny)[:, None]

    def _pointwise(self, node: Pointwise, ball: Ball) -> Ball:
        x, radius = ball
        middle, error = np.empty_like(x), np.empty_like(x)
        gamma = self._gamma(4)
        for f, function in enumerate(node.functions):
            rows = np.nonzero(node.which == f)[0]
            breakpoints = np.asarray([to_float(t) for t in function.breakpoints])
            pieces = np.asarray([[to_float(s), to_float(c)] for s, c in function.pieces])
            at = x[rows]
            piece = (at[:, :, None] > breakpoints).sum(axis=2)
            middle[rows] = pieces[piece, 0] * at + pieces[piece, 1]
            steepest, shift = np.abs(pieces).max(axis=0)
            reach = np.abs(at) + 2 * radius[rows] + np.abs(breakpoints).max(initial=0.0)
            error[rows] = steepest * radius[rows] + gamma * (steepest * reach + shift)
        return middle, error * (1 + 2.0**-20) + self.tiny


def _max_groups(node: MaxGroups, ball: Ball) -> Ball:
    shape = (node.size, ball[0].shape[1])
    middle, radius = np.empty(shape), np.empty(shape)
    for units, members in node.by_length:
        middle[units] = ball[0][members].max(axis=1)
        radius[units] = ball[1][members].max(axis=1)
    return middle, radius


class _FloatMatrix:
    """An exact matrix over its scale, every entry rounded to the nearest float64."""

    def __init__(self, matrix: Matrix, scale: object) -> None:
        self.matrix = matrix
        if isinstance(matrix, (Dense, Convolution)):
            self.numbers = floats(matrix.numbers, scale)
            self.fan_in = matrix.shape[1] if isinstance(matrix, Dense) else matrix.fan_in
        else:
            self.numbers = floats(matrix.data, scale)
            self.fan_in = int(np.diff(matrix.indptr).max(initial=0))

    def apply(self, x: np.ndarray) -> np.ndarray:
        return self._product(self.numbers, x)

    def apply_absolute(self, x: np.ndarray) -> np.ndarray:
        return self._product(np.abs(self.numbers), x)

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
