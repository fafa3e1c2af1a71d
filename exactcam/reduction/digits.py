"""Exact integers of any width as balanced digits in floats, so that BLAS multiplies them.

A number is a sum of digits d_p 2^(20 p), |d_p| <= 2^19, each a float64; arrays of numbers are
arrays of digits, (planes, columns, entries). Products of digits, and sums of thousands of them, are
integers below 2^53: floats hold these exactly, whatever the order of the sum (Lemma 29 of
proofs/reduction.md). A matrix of weights becomes a few matrices of digits, and an exact product a
few float products: a hundred times as fast as integers one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gmpy2
import numpy as np

from ..arithmetic.kept_floats import Floats
from ..arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from ..arithmetic.rational import common_integers, mpq, mpz, objects, odd_parts, to_float
from ..engine.float_products import float_product
from ..errors import ReductionError
from .arrays import HOST, Arrays, Product

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
        Balanced digits, the lowest plane first; an array of numpy, or of torch on another device.
    factor : mpq
        What the integers that the digits stand for are multiplied by; positive.
    on : Arrays
        The device.
    """

    planes: Any
    factor: mpq
    on: Arrays = HOST

    def __repr__(self) -> str:
        planes, columns, entries = self.planes.shape
        return f"<Columns: {columns} vectors of {entries:,} entries, {planes} digits>"

    @staticmethod
    def of(integers: np.ndarray, factor: mpq, on: Arrays = HOST) -> Columns:
        """The columns of an object array (entries, columns) of integers, times a factor."""
        return Columns(on.put(_digits(np.ascontiguousarray(integers.T))), factor, on).trimmed()

    @staticmethod
    def none(columns: int, entries: int, on: Arrays = HOST) -> Columns:
        """Columns of zeros."""
        return Columns(on.zeros(0, columns, entries), mpq(1), on)

    @staticmethod
    def units(entries: int, which: np.ndarray, on: Arrays = HOST) -> Columns:
        """Column k is one at entry which[k], and zero elsewhere."""
        planes = np.zeros((1, len(which), entries))
        planes[0, np.arange(len(which)), which] = 1.0
        return Columns(on.put(planes), mpq(1), on)

    @staticmethod
    def constant(integers: np.ndarray, factor: mpq, on: Arrays = HOST) -> Columns:
        """Three columns, the last of which is an object array (entries,) of integers times a factor,
        the others zero. Layers repeat one object at all places of a channel."""
        names = np.fromiter(map(id, integers), np.int64, len(integers))
        _, first, which = np.unique(names, return_index=True, return_inverse=True)
        digits = _digits(integers[first][None])
        planes = on.zeros(len(digits), 3, len(integers))
        planes[:, -1] = on.taken(on.put(digits[:, 0]), which)
        return Columns(planes, factor, on).trimmed()

    @property
    def zero(self) -> bool:
        """Whether all entries are zero."""
        return len(self.planes) == 0

    def rows(self, which: np.ndarray) -> Columns:
        """Some of the entries of every column."""
        return Columns(self.on.taken(self.planes, which), self.factor, self.on).trimmed()

    def nonzero(self, which: np.ndarray, columns: int | None = None) -> np.ndarray:
        """Which of some entries are not zero in all of the (first) columns, bool (which,)."""
        own = self.on.taken(self.planes[:, :columns], which) != 0.0
        return self.on.get(own.any(0).any(0))

    def equal(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Which of some entries are those of others in all columns."""
        same = self.on.taken(self.planes, first) == self.on.taken(self.planes, second)
        return self.on.get(same.all(0).all(0))

    def trimmed(self) -> Columns:
        """The same numbers, without planes of zeros at the lower and the upper end."""
        used = np.nonzero(self.on.get((self.planes != 0.0).any(2).any(1)))[0]
        if not len(used):
            return Columns(self.planes[:0], mpq(1), self.on)
        low, high = int(used[0]), int(used[-1]) + 1
        if high - low == len(self.planes):
            return self
        factor = self.factor * (mpz(1) << BITS * low)
        return Columns(self.planes[low:high], factor, self.on)

    def times_by(self, numbers: np.ndarray, which: np.ndarray) -> Columns:
        """Entry j of every column multiplied by numbers[which[j]]; rationals, object (k,)."""
        integers, scale = common_integers(mpq(x) for x in numbers)
        common = gmpy2.gcd(mpz(0), *integers)
        if common == 0 or self.zero:
            return Columns.none(self.planes.shape[1], self.planes.shape[2], self.on)
        digits = _digits(objects(integers, (1, -1)) // common)[:, 0]
        factor = self.factor * common / scale
        if len(digits) == 1 and np.isin(digits, (0.0, 1.0)).all():
            kept = self.on.taken(self.on.put(digits[0]), which)
            return Columns(self.planes * kept, factor, self.on).trimmed()
        return Columns(self._multiplied(digits, which), factor, self.on).trimmed()

    def plus(self, other: Columns) -> Columns:
        """The sum of two blocks."""
        if self.zero or other.zero:
            return self if other.zero else other
        (a, b), (c, d) = ((x.factor.numerator, x.factor.denominator) for x in (self, other))
        common = mpq(gmpy2.gcd(a * d, c * b), b * d)
        first, second = self._over(common), other._over(common)
        out = self.on.zeros(max(len(first), len(second)), *self.planes.shape[1:])
        out[: len(first)] += first
        out[: len(second)] += second
        return Columns(carried(out, self.on), common, self.on).trimmed()

    def _over(self, factor: mpq) -> Any:
        """The digits of the same numbers over a factor of which their own is a multiple."""
        ratio = self.factor / factor
        if ratio == 1:
            return self.planes
        digits = _digits(objects([ratio.numerator], (1, 1)))[:, 0]
        return self._multiplied(digits, np.zeros(self.planes.shape[2], dtype=np.int64))

    def _multiplied(self, digits: np.ndarray, which: np.ndarray) -> Any:
        """The digits times those of some integers, (planes, k), of which entry j has which[j]."""
        if len(digits) * _HALF * _HALF > _LIMIT:
            raise ReductionError("a factor of a layer is too wide")
        low = int(np.argmax(digits.any(axis=1)))  # powers of two are mostly zeros
        factors = self.on.taken(self.on.put(digits[low:]), which)
        out = self.on.times(self.planes, factors, _BASE)
        return self.on.joined([self.on.zeros(low, *out.shape[1:]), out]) if low else out

    def floats(self) -> tuple[Any, float]:
        """Floats near the numbers, (columns, entries), and how far off each may be at most.

        The error is infinite where the numbers are beyond the range of floats.
        """
        low = max(0, len(self.planes) - _LEADING)
        scale = to_float(self.factor * (mpz(1) << BITS * low))
        value = self.on.zeros(*self.planes.shape[1:])
        if self.zero or not 2.0**-900 < scale < 2.0**900:
            # Four digits are less than 2^80, so what is too small is less than 2^-820.
            return value, 0.0 if self.zero else 2.0**-800 if scale < 1.0 else np.inf
        for place in range(len(self.planes) - 1, low - 1, -1):
            value *= _BASE
            value += self.planes[place]
        value *= scale
        # Below the planes looked at lies less than one unit. Each step of Horner's scheme rounds
        # once, the product by the scale and the scale itself once more.
        largest = float(abs(value).max()) if 0 not in value.shape else 0.0
        return value, (2.0 * scale if low else 0.0) + largest * 2.0**-48

    def exact(self, rows: np.ndarray) -> np.ndarray:
        """Some entries as rationals, an object array (rows, columns)."""
        out = objects([mpz(0)] * (len(rows) * self.planes.shape[1]), (len(rows), -1))
        for plane in self.on.get(self.on.taken(self.planes, rows))[::-1]:
            out = out * (1 << BITS) + plane.T.astype(np.int64).astype(object)
        return out * self.factor


class ExactMatrix:
    """A matrix over a scale, its weights in digits.

    Nearly all floats of a layer fit in two digits over one power of two; the few that are much
    smaller are multiplied apart, as a sparse matrix, lest all need a third digit.

    Raises ReductionError for more terms in a row than sums of floats hold.
    """

    def __init__(self, matrix: Matrix, scale: mpz, on: Arrays = HOST) -> None:
        held, self._size, factor = matrix.held, matrix.shape[0], mpq(1, scale)
        self._rows = _row_factors(matrix, held) if isinstance(held, Floats) else None
        if isinstance(held, Floats) and (self._rows is not None or len(held.factors) == 1):
            if self._rows is None:
                factor *= held.factors[0]
            values, small = held.values.ravel(), _small(held.values.ravel())
            self._terms = [_Term(matrix, *_float_digits(np.where(small, 0.0, values)), factor, on)]
            if small.any():
                rest = _entries(matrix, np.nonzero(small)[0], values)
                self._terms.append(_Term(rest, *_float_digits(rest.data), factor, on))
        else:
            self._terms = [_Term(matrix, _digits(matrix.numbers[None])[:, 0], 0, factor, on)]

    def __call__(self, x: Columns) -> Columns:
        """The product with a block of columns."""
        result = Columns.none(x.planes.shape[1], self._size, x.on)
        if not x.zero:
            for term in self._terms:
                result = result.plus(term(x))
        return result if self._rows is None else result.times_by(*self._rows)


class _Term:
    """A matrix of integers, given by the digits (planes, entries) of its entries in file order,
    times a power of two and a factor."""

    def __init__(
        self, matrix: Matrix, digits: np.ndarray, power: int, factor: mpq, on: Arrays
    ) -> None:
        self._factor, self._size = factor * mpq(2) ** power, matrix.shape[0]
        if self._factor <= 0:
            digits = -digits if self._factor else digits[:0]
            self._factor = -self._factor or mpq(1)
        self._planes: list[tuple[int, Product, float]] = []
        for place, plane in enumerate(digits):
            if plane.any():
                product = float_product(matrix, plane)
                most = float(product.sums.max()) * _HALF
                if most > _LIMIT:
                    raise ReductionError(
                        f"{matrix!r}: too many weights in a row for sums of floats"
                    )
                self._planes.append((place, on.product(matrix, product), most))

    def __call__(self, x: Columns) -> Columns:
        count, width, _ = x.planes.shape
        if not self._planes:
            return Columns.none(width, self._size, x.on)
        out, load = x.on.zeros(count + self._planes[-1][0], width, self._size), 0.0
        for place, product, most in self._planes:
            if load + most > _LIMIT:
                out, load = carried(out, x.on), _HALF
            product(x.planes, out[place : place + count])
            load += most
        return Columns(carried(out, x.on), x.factor * self._factor, x.on).trimmed()


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
    """An object array (columns, entries) of integers as balanced digits (planes, columns,
    entries)."""
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


def carried(planes: Any, on: Arrays = HOST) -> Any:
    """Digits of less than 2^52, (planes, columns, entries), as balanced ones, in place; planes are
    added where the last one overflows."""
    above, added = on.carry(planes, _BASE)[None], []
    while (above != 0.0).any():
        more = on.carry(above, _BASE)[None]
        added.append(above)
        above = more
    if not added:
        return planes
    _check(len(planes) + len(added))
    return on.joined([planes, *added])


def _check(planes: int) -> None:
    """Raise ReductionError for numbers of more digits than are reasonable."""
    if planes > _WIDEST:
        raise ReductionError(f"numbers of more than {_WIDEST * BITS:,} bits")
