"""Exact integers kept as the floats they were read as, until somebody asks for the integers.

A weight of float32 has four bytes, as an integer object some eighty. Networks of millions of
weights are therefore read, scaled and brought over one denominator in this form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gmpy2
import numpy as np

from ..runtime.cached import WithoutCaches, cached_property
from .rational import finite, mpq, mpz, objects, odd_parts

__all__ = ["Floats"]

_CHUNK = 1 << 20  # entries that are looked at together: bounds memory, not a decision
_FEW = 64  # entries of a row that mostly have no common divisor


@dataclass(frozen=True, eq=False)
class Floats(WithoutCaches):
    """Exact numbers, each a float times a factor that a row of floats shares.

    Attributes
    ----------
    values : ndarray of floats
        The floats, of at most 64 bits, finite, in C order.
    factors : ndarray of mpq (rows,)
        Cut into so many rows of one length, entry by entry of the flat array, row r is
        multiplied by factors[r].
    """

    values: np.ndarray
    factors: np.ndarray

    @staticmethod
    def of(values: np.ndarray, where: str) -> Floats:
        """The numbers that the floats are; NumberError names one that is not finite."""
        own = np.array(values, order="C")  # whoever has the others may go on training
        if not np.isfinite(own).all():
            finite(values, where)
        return Floats(own, objects([mpq(1)]))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the numbers."""
        return self.values.shape

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self.values.size

    def reshape(self, *shape: int) -> Floats:
        """The same numbers in another shape."""
        return Floats(self.values.reshape(shape), self.factors)

    def take(self, places: np.ndarray, axis: int) -> Floats:
        """The numbers at some places of an axis that lies within each row, as numpy.take."""
        return Floats(self.values.take(places, axis), self.factors)

    def times(self, factors: np.ndarray | mpq) -> Floats:
        """Multiplied by one number, or each row by its own."""
        return Floats(self.values, np.asarray(self.factors * factors, object).reshape(-1))

    def _rows(self) -> Iterator[tuple[slice, np.ndarray]]:
        """The rows some at a time, (rows, length); rows that are very long in parts."""
        rows = self.values.reshape(len(self.factors), -1)
        height, length = max(1, _CHUNK // rows.shape[1]), min(rows.shape[1], _CHUNK)
        for start in range(0, len(rows), height):
            some = slice(start, start + height)
            for low in range(0, rows.shape[1], length):
                yield some, rows[some, low : low + length]

    @property
    def denominator(self) -> mpz:
        """The least positive integer that makes integers of all when they are multiplied by it."""
        out = mpz(1)
        for some, rows in self._rows():
            odd, powers = odd_parts(rows)
            divisors = np.gcd.reduce(odd[:, :_FEW], axis=1)
            if (divisors != 1).any():
                divisors = np.gcd.reduce(odd, axis=1)
            # A row of zeros has the divisor 0, and the power does not matter.
            least = np.where(odd == 0, np.iinfo(np.int64).max, powers).min(axis=1)
            parts = zip(divisors.tolist(), least.tolist(), self.factors[some], strict=True)
            for divisor, power, factor in parts:
                if divisor:
                    least_entry = factor * divisor * mpq(2) ** power
                    out = gmpy2.lcm(out, least_entry.denominator)
        return out

    @property
    def bits(self) -> int:
        """How many bits the longest of the numbers has, which must be integers."""
        rows = self.values.reshape(len(self.factors), -1)
        tops = np.maximum(rows.max(axis=1, initial=0), -rows.min(axis=1, initial=0)).tolist()
        products = (mpq(top) * factor for top, factor in zip(tops, self.factors, strict=True))
        return max((abs(x.numerator).bit_length() for x in products), default=0)

    def parts(self) -> Iterator[np.ndarray]:
        """The numbers as integers, which they must be, some at a time: object arrays."""
        for some, rows in self._rows():
            odd, powers = odd_parts(rows)
            entries = []
            for factor, numbers, shifts in zip(self.factors[some], odd, powers, strict=True):
                above, ups = gmpy2.remove(factor.numerator, 2)
                below, downs = gmpy2.remove(factor.denominator, 2)
                numbers = numbers if factor else np.zeros_like(numbers)
                pairs = zip(numbers.tolist(), (shifts + (ups - downs)).tolist(), strict=True)
                if below == 1:
                    entries += [n * above << s if n else mpz(0) for n, s in pairs]
                else:
                    entries += [n * above // below << s if n else mpz(0) for n, s in pairs]
            yield objects(entries)

    @cached_property
    def integers(self) -> np.ndarray:
        """The numbers as integers, which they must be: an object array of mpz."""
        return np.concatenate(list(self.parts())).reshape(self.shape)

    def quotients(self, scale: mpz) -> np.ndarray | None:
        """The float64 nearest to each number / scale, flat; None where that takes longer.

        A product of two floats is rounded once.
        """
        factors = [factor / scale for factor in self.factors]
        if any(abs(f) > 1 << 500 or abs(f) < mpq(1, 1 << 500) for f in factors if f):
            return None
        rounded = [float(factor) for factor in factors]
        if any(mpq(x) != factor for x, factor in zip(rounded, factors, strict=True)):
            return None
        rows = self.values.reshape(len(factors), -1)
        with np.errstate(over="ignore", under="ignore"):
            return np.multiply(rows, np.asarray(rounded)[:, None], dtype=np.float64).ravel()
