"""Affine maps that are still being built, and tensors whose entries are rows of such a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gmpy2
import numpy as np

from ..arithmetic.kept_floats import Floats
from ..arithmetic.matrix import Convolution, Held, Matrix, Sparse
from ..arithmetic.rational import by_runs, integer_matrix, mpq, mpz, objects

__all__ = [
    "Form",
    "Mass",
    "Operand",
    "Result",
    "Tensor",
    "Term",
    "add_forms",
    "exact",
    "floats",
    "row_scalable",
    "row_scaled",
    "shifted",
    "zeros",
]

Term = tuple[int, Matrix, mpz]


def exact(values: Any, where: str) -> np.ndarray:
    """Convert an array to exact rationals (mpq). Raises NumberError for NaN and infinity."""
    numbers, scale = integer_matrix(values, where)
    return objects((mpq(n, scale) for n in numbers.ravel()), numbers.shape)


def floats(numbers: Held, scale: Any = 1) -> np.ndarray:
    """The float64 nearest to each entry of numbers / scale, both integers, scale > 0."""
    if isinstance(numbers, Floats):
        kept = numbers.quotients(mpz(scale))
        if kept is not None:
            return kept.reshape(numbers.shape)
        numbers = numbers.integers
    flat = by_runs(lambda few: _floats(few, int(scale)), numbers.ravel())
    return flat.reshape(numbers.shape)


def _floats(numbers: np.ndarray, below: int) -> np.ndarray:
    try:
        out = numbers.astype(np.float64)
    except OverflowError:
        out = np.full(numbers.shape, np.inf)
    # Numbers below 2^53 are exact floats, and division rounds their quotient once.
    short = np.abs(out) < 2.0**53
    if below < 1 << 53 or below == 1 << min(below.bit_length() - 1, 900):
        out = out / float(below)
    else:
        short[...] = False
    if not short.all():
        out[~short] = [_ratio(int(n), below) for n in numbers[~short]]
    return out


def _ratio(above: int, below: int) -> float:
    try:
        return above / below
    except OverflowError:
        return float("inf") if above > 0 else float("-inf")


class Mass(NamedTuple):
    """What a float evaluation of a node may round beyond what the node's own numbers say.

    Attributes
    ----------
    constants : ndarray of float64 (size,)
        See `Form.mass`; zeros for an activation.
    weights : Matrix, optional
        For weights that the model computes in floats: by how many units of roundoff each may
        be off, of an affine node of one matrix.
    """

    constants: np.ndarray
    weights: Matrix | None = None


@dataclass(eq=False)
class Form:
    """An affine map of values of the network that is not a node of it yet, or a value itself.

    Attributes
    ----------
    size : int
        The number of rows.
    name : str
        The layer the map comes from.
    terms : sequence of (value number, M, s)
        The map is the sum of M x_value / s over the terms, plus numbers / scale.
    numbers, scale : ndarray of mpz (size,), mpz
        The constant part.
    mass : ndarray of float64 (size,)
        Row by row a bound on the sum of the magnitudes of all that was added to the
        constant part. The rounding of a float evaluation, which adds it one by one, is
        bounded by it (see `check`).
    value : int or None
        The number of the value that this is; then the fields above mean nothing.
    bits : int
        How many bits multiplications and sums have added to its numbers, at most.
    folded : bool
        Whether another form has taken over its terms.
    """

    size: int
    name: str
    terms: Sequence[Term] = ()
    numbers: np.ndarray = field(default_factory=lambda: objects([]))
    scale: mpz = field(default_factory=lambda: mpz(1))
    mass: np.ndarray = field(default_factory=lambda: np.zeros(0))
    value: int | None = None
    bits: int = 0
    folded: bool = False

    @property
    def cuts(self) -> bool:
        """Whether it is a value and all that is computed from it reads this value."""
        return self.value is not None and not self.folded

    def parts(self) -> tuple[list[Term], np.ndarray, mpz, np.ndarray]:
        """Terms, numbers, scale and mass; of a value, those of the identity map on it."""
        if self.value is None:
            self.folded = True
            return list(self.terms), self.numbers, self.scale, self.mass
        identity = Sparse.selection(self.size, range(self.size))
        return [(self.value, identity, mpz(1))], zeros(self.size), mpz(1), np.zeros(self.size)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A computed tensor: entry e is row index[e] of the form, or zero where index[e] is -1."""

    form: Form
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.index.shape

    @property
    def ndim(self) -> int:
        return self.index.ndim

    def is_whole(self) -> bool:
        """Whether every row of the form occurs exactly once."""
        flat = self.index.ravel()
        if flat.size != self.form.size:
            return False
        counts = np.bincount(flat + 1, minlength=flat.size + 1)
        return bool(counts[0] == 0 and (counts[1:] == 1).all())

    def is_plain(self) -> bool:
        """Whether entry e, in row-major order, is row e."""
        return bool(np.array_equal(self.index.ravel(), np.arange(self.form.size)))


Operand = Tensor | np.ndarray
Result = Operand | Sequence[Operand | None]  # what an operator gives: one output or several


def zeros(size: int) -> np.ndarray:
    """An object array (size,) of exact integers zero."""
    out = np.empty(size, object)
    out.fill(mpz(0))  # np.full would make it an int
    return out


def shifted(name: str, form: Form, shift: tuple[np.ndarray, mpz]) -> Form:
    """The form plus the constant vector numbers / scale, `shift` being (numbers, scale)."""
    terms, numbers, scale, mass = form.parts()
    common = gmpy2.lcm(scale, shift[1])
    first, second = common // scale, common // shift[1]
    total = by_runs(lambda a, b: a * first + b * second, numbers, shift[0])
    return Form(form.size, name, terms, total, common, mass + np.abs(floats(*shift)))


def add_forms(name: str, a: Form, b: Form) -> Form:
    """The sum of two forms of one size."""
    terms, numbers, scale, mass = b.parts()
    total = shifted(name, a, (numbers, scale))
    total.terms = [*total.terms, *terms]
    total.mass = a.parts()[3] + mass
    return total


def _channel_factors(matrix: Convolution, factors: np.ndarray) -> np.ndarray | None:
    """The factor of each output channel, None where factors differ within a channel."""
    rows = factors.reshape(matrix.target[0], -1)
    return rows[:, 0] if (rows == rows[:, :1]).all() else None


def row_scalable(matrix: Matrix, factors: np.ndarray) -> bool:
    """Whether `row_scaled` keeps the kind of the matrix: not for one channel scaled unevenly."""
    return not isinstance(matrix, Convolution) or _channel_factors(matrix, factors) is not None


def row_scaled(matrix: Matrix, factors: np.ndarray) -> Matrix:
    """Multiply row i by factors[i]; the result is a matrix of the same kind."""
    if isinstance(matrix, Sparse):
        return matrix.with_numbers(matrix.data * np.repeat(factors, np.diff(matrix.indptr)))
    held = matrix.held
    if isinstance(matrix, Convolution):
        channels = _channel_factors(matrix, factors)
        assert channels is not None
        factors = channels
        if matrix.transpose:
            # kernel[n, w] feeds target channel w of the group of source channel n
            factors = np.repeat(
                channels.reshape(matrix.groups, -1), held.shape[0] // matrix.groups, axis=0
            ).ravel()
    if isinstance(held, Floats):
        return matrix.with_numbers(held.times(factors))
    return matrix.with_numbers((held.reshape(len(factors), -1) * factors[:, None]).ravel())
