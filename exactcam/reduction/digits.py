"""Exact integers of any width as balanced digits in floats, so that BLAS multiplies them.

A number is a sum of digits d_p 2^(20 p), |d_p| <= 2^19, each a float64; arrays of numbers are
arrays of digits, (planes, columns, entries). Products of digits, and sums of thousands of them, are
integers below 2^53: floats hold these exactly, whatever the order of the sum (Lemma 29 of
proofs/reduction.md). A matrix of weights becomes a few matrices of digits, and an exact product a
few float products: a hundred times as fast as integers one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import gmpy2
import numpy as np

from ..arithmetic.kept_floats import Floats
from ..arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from ..arithmetic.rational import common_integers, mpq, mpz, objects, odd_parts, to_float
from ..engine.float_products import FloatProduct, float_product
from ..engine.kernels import digits as kernels
from ..errors import ReductionError

__all__ = ["Columns", "ExactMatrix"]

BITS = 20  # of a digit
_BASE, _HALF = float(1 << BITS), float(1 << BITS - 1)
_LIMIT = 2.0**52  # sums of moduli of products: one bit below what floats hold, for the carries
_WIDEST = 512  # planes of a number: ten thousand bits
_LEADING = 4  # planes that `Columns.floats` looks at


@dataclass(frozen=True, eq=False)
class Columns:
    """A block of exact vectors, one a column.

    Attributes
    ----------
    planes : float64 (planes, columns, entries)
        Balanced digits, the lowest plane first.
    factor : mpq
        What the integers that the digits stand for are multiplied by; positive.
    """

    planes: np.ndarray
    factor: mpq

    def __repr__(self) -> str:
        planes, columns, entries = self.planes.shape
        return f"<Columns: {columns} vectors of {entries:,} entries, {planes} digits>"

    @staticmethod
    def of(integers: np.ndarray, factor: mpq) -> Columns:
        """The columns of an object array (entries, columns) of integers, times a factor."""
        return Columns(_digits(np.ascontiguousarray(integers.T)), factor).trimmed()

    @staticmethod
    def units(entries: int, which: np.ndarray) -> Columns:
        """Column k is one at entry which[k], and zero elsewhere."""
        planes = np.zeros((1, len(which), entries))
        planes[0, np.arange(len(which)), which] = 1.0
        return Columns(planes, mpq(1))

    @staticmethod
    def constant(integers: np.ndarray, factor: mpq, columns: int = 3) -> Columns:
        """The last of some columns is an object array (entries,) of integers times a factor, the
        others are zero. Layers repeat one object at all places of a channel."""
        names = np.fromiter(map(id, integers), np.int64, len(integers))
        _, first, which = np.unique(names, return_index=True, return_inverse=True)
        digits = _digits(integers[first][None])
        planes = np.zeros((len(digits), columns, len(integers)))
        planes[:, -1] = digits[:, 0, which]
        return Columns(planes, factor).trimmed()

    @property
    def zero(self) -> bool:
        """Whether all entries are zero."""
        return len(self.planes) == 0

    def rows(self, which: np.ndarray) -> Columns:
        """Some of the entries of every column."""
        return Columns(np.ascontiguousarray(self.planes[:, :, which]), self.factor).trimmed()

    def trimmed(self) -> Columns:
        """The same numbers, without planes of zeros at the lower and the upper end."""
        used = np.nonzero(self.planes.any(axis=(1, 2)))[0]
        if not len(used):
            return Columns(self.planes[:0], mpq(1))
        low, high = int(used[0]), int(used[-1]) + 1
        if high - low == len(self.planes):
            return self
        return Columns(self.planes[low:high], self.factor * (mpz(1) << BITS * low))

    def times_by(self, numbers: np.ndarray, which: np.ndarray) -> Columns:
        """Entry j of every column multiplied by numbers[which[j]]; rationals, object (k,)."""
        integers, scale = common_integers(mpq(x) for x in numbers)
        common = gmpy2.gcd(mpz(0), *integers)
        if common == 0 or self.zero:
            return Columns(self.planes[:0], mpq(1))
        digits = _digits(objects(integers, (1, -1)) // common)[:, 0]
        factors, factor = digits[:, which], self.factor * common / scale
        if len(digits) == 1 and np.isin(digits, (0.0, 1.0)).all():
            return Columns(self.planes * factors[0], factor).trimmed()
        return Columns(_multiplied(self.planes, factors), factor).trimmed()

    def plus(self, other: Columns) -> Columns:
        """The sum of two blocks."""
        if self.zero or other.zero:
            return self if other.zero else other
        (a, b), (c, d) = ((x.factor.numerator, x.factor.denominator) for x in (self, other))
        common = mpq(gmpy2.gcd(a * d, c * b), b * d)
        first, second = self._over(common), other._over(common)
        out = _padded(first, len(second))
        out[: len(second)] += second
        return Columns(carried(out), common).trimmed()

    def _over(self, factor: mpq) -> np.ndarray:
        """The digits of the same numbers over a factor of which their own is a multiple."""
        ratio = self.factor / factor
        if ratio == 1:
            return self.planes
        digits = _digits(objects([ratio.numerator], (1, 1)))[:, 0]
        return _multiplied(self.planes, np.repeat(digits, self.planes.shape[2], axis=1))

    def floats(self) -> tuple[np.ndarray, float]:
        """Floats near the numbers, (columns, entries), and how far off each may be at most.

        The error is infinite where the numbers are beyond the range of floats.
        """
        low = max(0, len(self.planes) - _LEADING)
        scale = to_float(self.factor * (mpz(1) << BITS * low))
        value = np.zeros(self.planes.shape[1:])
        if self.zero or not 2.0**-900 < scale < 2.0**900:
            # Four digits are less than 2^80, so what is too small is less than 2^-820.
            return value, 0.0 if self.zero else 2.0**-800 if scale < 1.0 else np.inf
        for plane in self.planes[low:][::-1]:
            value *= _BASE
            value += plane
        value *= scale
        # Below the planes looked at lies less than one unit. Each step of Horner's scheme rounds
        # once, the product by the scale and the scale itself once more.
        largest = float(np.abs(value).max(initial=0.0))
        return value, (2.0 * scale if low else 0.0) + largest * 2.0**-48

    def exact(self, rows: np.ndarray) -> np.ndarray:
        """Some entries as rationals, an object array (rows, columns)."""
        out = objects([mpz(0)] * (len(rows) * self.planes.shape[1]), (len(rows), -1))
        for plane in self.planes[::-1]:
            out = out * (1 << BITS) + plane[:, rows].T.astype(np.int64).astype(object)
        return out * self.factor


class ExactMatrix:
    """A matrix over a scale, its weights in digits.

    Nearly all floats of a layer fit in two digits over one power of two; the few that are much
    smaller are multiplied apart, as a sparse matrix, lest all need a third digit.

    Raises ReductionError for more terms in a row than sums of floats hold.
    """

    def __init__(self, matrix: Matrix, scale: mpz) -> None:
        held, self._size, factor = matrix.held, matrix.shape[0], mpq(1, scale)
        self._rows = _row_factors(matrix, held) if isinstance(held, Floats) else None
        if isinstance(held, Floats) and (self._rows is not None or len(held.factors) == 1):
            if self._rows is None:
                factor *= held.factors[0]
            values, small = held.values.ravel(), _small(held.values.ravel())
            self._terms = [_Term(matrix, *_float_digits(np.where(small, 0.0, values)), factor)]
            if small.any():
                rest = _entries(matrix, np.nonzero(small)[0], values)
                self._terms.append(_Term(rest, *_float_digits(rest.data), factor))
        else:
            self._terms = [_Term(matrix, _digits(matrix.numbers[None])[:, 0], 0, factor)]

    def __call__(self, x: Columns) -> Columns:
        """The product with a block of columns."""
        result = Columns(np.zeros((0, x.planes.shape[1], self._size)), mpq(1))
        if not x.zero:
            for term in self._terms:
                result = result.plus(term(x))
        return result if self._rows is None else result.times_by(*self._rows)


class _Term:
    """A matrix of integers, given by the digits (planes, entries) of its entries in file order,
    times a power of two and a factor."""

    def __init__(self, matrix: Matrix, digits: np.ndarray, power: int, factor: mpq) -> None:
        self._factor, self._size = factor * mpq(2) ** power, matrix.shape[0]
        if self._factor < 0:
            digits, self._factor = -digits, -self._factor
        self._planes: list[tuple[int, FloatProduct, float]] = []
        for place, plane in enumerate(digits):
            if plane.any():
                product = float_product(matrix, plane)
                most = float(product.sums.max()) * _HALF
                if most > _LIMIT:
                    raise ReductionError(
                        f"{matrix!r}: too many weights in a row for sums of floats"
                    )
                self._planes.append((place, product, most))

    def __call__(self, x: Columns) -> Columns:
        count, width, _ = x.planes.shape
        if not self._planes:
            return Columns(np.zeros((0, width, self._size)), mpq(1))
        out = np.zeros((count + self._planes[-1][0], width, self._size))
        load, planes = 0.0, np.ascontiguousarray(x.planes)
        for place, product, most in self._planes:
            if load + most > _LIMIT:
                out, load = carried(out), _HALF
            product(planes, out[place : place + count], True)
            load += most
        return Columns(carried(out), x.factor * self._factor).trimmed()


def _small(values: np.ndarray) -> np.ndarray:
    """Which floats are so much smaller than the largest that all others fit in two digits, if
    these are few."""
    odd, powers = odd_parts(values)
    top = int(np.frexp(np.abs(values).max(initial=0.0))[1])
    out: np.ndarray = (odd != 0) & (powers < top + 1 - 2 * BITS)
    return out if 64 * np.count_nonzero(out) < len(values) else np.zeros(len(values), dtype=bool)


def _entries(matrix: Matrix, places: np.ndarray, values: np.ndarray) -> Sparse:
    """The matrix of some of its stored entries alone, of floats."""
    if isinstance(matrix, Dense):
        rows, columns = np.divmod(places, matrix.shape[1])
        return Sparse.of_entries(matrix.shape, rows, columns, values[places])
    if isinstance(matrix, Sparse):
        rows = np.searchsorted(matrix.indptr, places, side="right") - 1
        return Sparse.of_entries(matrix.shape, rows, matrix.indices[places], values[places])
    target, source, taps = matrix.held.shape[0], matrix.held.shape[1], matrix.gather.shape[1]
    first, second, tap = np.unravel_index(places, (target, source, taps))
    group = first // (target // matrix.groups)
    out, into = first, second + group * source
    if matrix.transpose:
        out, into = into, out
    reads = matrix.gather[:, tap].T  # (entries, positions)
    entry, position = np.nonzero(reads >= 0)
    rows = out[entry] * reads.shape[1] + position
    columns = into[entry] * (matrix.shape[1] // matrix.source[0]) + reads[entry, position]
    return Sparse.of_entries(matrix.shape, rows, columns, values[places][entry])


def _row_factors(matrix: Matrix, held: Floats) -> tuple[np.ndarray, np.ndarray] | None:
    """The factors of a matrix and which one each row has, if they belong to rows or channels."""
    if isinstance(matrix, Convolution) and not matrix.transpose:
        rows = matrix.target[0]
    elif isinstance(matrix, Dense):
        rows = matrix.shape[0]
    else:
        return None
    if len(held.factors) != rows:
        return None
    return held.factors, np.repeat(np.arange(rows), matrix.shape[0] // rows)


def _float_digits(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Floats as integers times a power of two: digits (planes, entries), and the power."""
    odd, powers = odd_parts(values)
    least = int(powers[odd != 0].min(initial=np.iinfo(np.int64).max)) if odd.any() else 0
    shifts = np.where(odd == 0, 0, powers - least)
    _check(int(shifts.max()) // BITS)
    places, up = shifts // BITS, np.exp2(shifts % BITS)
    parts = _split(odd)
    planes = np.zeros((len(parts) + int(places.max()), 1, len(values)))
    entries = np.arange(len(values))
    for p, part in enumerate(parts):
        planes[places + p, 0, entries] += part * up
    return carried(planes)[:, 0], least


def _split(numbers: np.ndarray) -> np.ndarray:
    """int64 numbers of at most 60 bits as three digits, of which only the highest is signed."""
    mask = (1 << BITS) - 1
    parts = [numbers & mask, (numbers >> BITS) & mask, numbers >> 2 * BITS]
    return np.stack(parts).astype(np.float64)


def _digits(integers: np.ndarray) -> np.ndarray:
    """An object array (columns, entries) of integers as balanced digits."""
    widest = max((x.bit_length() for x in map(mpz, integers.ravel())), default=0)
    _check(widest // BITS)
    planes = []
    while widest > 3 * BITS - 1:
        planes.append(_split((integers & ((1 << 3 * BITS) - 1)).astype(np.int64)))
        integers, widest = integers >> 3 * BITS, widest - 3 * BITS
    planes.append(_split(integers.astype(np.int64)))
    return _without_zeros_above(carried(np.concatenate(planes)))


def _without_zeros_above(planes: np.ndarray) -> np.ndarray:
    """Without planes of zeros at the upper end."""
    used = np.nonzero(planes.any(axis=(1, 2)))[0]
    return planes[: int(used[-1]) + 1 if len(used) else 0]


def carried(planes: np.ndarray) -> np.ndarray:
    """Digits of less than 2^52, (planes, columns, entries), as balanced ones, in place; planes are
    added where the last one overflows."""
    above, added = np.empty(planes[0].size), []
    kernels.carry(planes.reshape(len(planes), -1), above, _BASE)
    while above.any():
        more = np.rint(above * (1.0 / _BASE))
        added.append((above - more * _BASE).reshape(planes.shape[1:]))
        above = more
    if not added:
        return planes
    _check(len(planes) + len(added))
    return np.concatenate([planes, np.stack(added)])


def _multiplied(planes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Digits (planes, columns, entries) times those of an integer for each entry, (planes,
    entries)."""
    if len(factors) * _HALF * _HALF > _LIMIT:
        raise ReductionError("a factor of a layer is too wide")
    out = np.empty((len(planes) + len(factors), *planes.shape[1:]))
    kernels.times(planes, factors, out, _BASE)
    return out


def _padded(planes: np.ndarray, count: int) -> np.ndarray:
    """A copy with at least so many planes."""
    out = np.zeros((max(count, len(planes)), *planes.shape[1:]))
    out[: len(planes)] = planes
    return out


def _check(planes: int) -> None:
    """Raise ReductionError for numbers of more digits than are reasonable."""
    if planes > _WIDEST:
        raise ReductionError(f"numbers of more than {_WIDEST * BITS:,} bits")
