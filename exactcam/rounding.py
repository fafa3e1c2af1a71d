"""From exact numbers to floats with proven errors: where the fast engine's bounds begin.

Each conversion is correctly rounded and says how far off it can be: not at all, one
unit roundoff, or (outside the range where that holds) anything. Cells live in local
coordinates, in which the window lies in [-1, 1]^2 whatever its size and place; the
change of coordinates is exact.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from .rational import mpq, mpz, to_float
from .slice import Slice, Window

__all__ = ["TINY", "UNIT", "UP", "Forms", "Frame", "quiet", "rounded", "rounded_quotients"]

UNIT = 2.0**-53  # half the spacing of floats at 1
UP = 1.0 + 2.0**-46  # rounds a short chain of additions of bounds upwards
TINY = 2.0**-1000  # far above any accumulated underflow, far below any useful value
_MIN_NORMAL = 2.0**-960  # below this a correctly rounded number may have lost relative accuracy


@contextmanager
def quiet() -> Iterator[None]:
    """How the float engine computes (also a decorator): a float that overflows is no news,
    since its bound proves nothing and exact arithmetic takes over; and products are made
    for the cache of one core, so BLAS uses one thread."""
    _one_thread.enter()
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    finally:
        _one_thread.leave()


class _OneThread:
    """BLAS on one thread while anyone is inside: the last to leave, who need not be the first
    that entered, gives back the threads there were."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.lock, self.inside = Lock(), 0
        self.before: list[int] = []

    def enter(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.before = [library.get_num_threads() for library in _blas()]
                for library in _blas():
                    library.set_num_threads(1)

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                for library, threads in zip(_blas(), self.before, strict=True):
                    library.set_num_threads(threads)


_one_thread = _OneThread()
if hasattr(os, "register_at_fork"):  # another thread may be about to enter or to leave
    os.register_at_fork(after_in_child=_one_thread.begin)


@cache
def _blas() -> list[Any]:
    libraries = ThreadpoolController().lib_controllers
    return [library for library in libraries if library.user_api == "blas"]


@dataclass(frozen=True)
class Forms:
    """Affine forms of one value on many cells.

    `coefficients` float64 (cells, 3, size): a, b, c; `errors` (rows, 2, size): e, f, of
    which cell i has row owner[i] (siblings share one). `grid` is p if all coefficients
    without error are multiples of 2^-p, else None.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    owner: np.ndarray
    grid: int | None

    def of(self, cells: np.ndarray) -> Forms:
        """The forms on some of the cells."""
        return Forms(self.coefficients[cells], self.errors, self.owner[cells], self.grid)

    def without(self, zero: np.ndarray) -> Forms:
        """The same forms where those marked in `zero` (size,), known to be zero, are zero."""
        coefficients = np.where(zero, 0.0, self.coefficients)
        return Forms(coefficients, np.where(zero, 0.0, self.errors), self.owner, self.grid)

    def compact(self) -> Forms:
        """The same forms without error rows that none of them has."""
        used, owner = np.unique(self.owner, return_inverse=True)
        return Forms(self.coefficients, self.errors[used], owner, self.grid)


def rounded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, int | None]:
    """(floats, relative errors, grid) of an object array of rationals.

    A relative error is 0 where the float is exact, u where it is correctly rounded,
    and infinite where it over- or underflows. `grid` as in `Forms`, None unless all
    are exact dyadic numbers.
    """
    flat = [mpq(x) for x in values.ravel()]
    floats = np.asarray([to_float(x) for x in flat], dtype=np.float64)
    inside = (floats == 0) | ((np.abs(floats) > _MIN_NORMAL) & np.isfinite(floats))
    same = np.asarray(
        [bool(ok) and mpq(y) == x for ok, x, y in zip(inside, flat, floats.tolist(), strict=True)],
        dtype=bool,
    )
    zero_lost = (floats == 0) & ~same
    errors = np.where(same, 0.0, np.where(inside & ~zero_lost, UNIT, np.inf))
    grid = None
    if same.all():
        grid = max((x.denominator.bit_length() - 1 for x in flat), default=0)
    return floats.reshape(values.shape), errors.reshape(values.shape), grid


def rounded_quotients(numbers: np.ndarray, scale: mpz) -> tuple[np.ndarray, np.ndarray, int | None]:
    """`rounded` of integers over one positive scale; quick where all are exact floats."""
    exponent = scale.bit_length() - 1
    if scale == 1 << exponent and exponent < 900 and numbers.size > 0:
        try:
            floats = numbers.astype(np.float64)
        except OverflowError:  # beyond the range of floats: number by number below
            floats = np.full(numbers.shape, np.inf)
        # What is below 2^53 as a float was so before, and is exact.
        if np.abs(floats).max() < 2.0**53:
            return np.ldexp(floats, -exponent), np.zeros(numbers.shape), exponent
    fractions = np.asarray([mpq(x, scale) for x in numbers.ravel()], dtype=object)
    return rounded(fractions.reshape(numbers.shape))


def _absolute(floats: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Absolute errors of `rounded`: finite near zero too, where relative ones are not."""
    return np.where(errors == 0.0, 0.0, np.abs(floats) * UNIT * UP + TINY)


class Frame:
    """Local coordinates (u - centre) / scale with dyadic centre and a power of two as
    scale, so that changing over is exact and the window lies in [-1, 1]^2."""

    def __init__(self, window: Window) -> None:
        us, vs = zip(*window.corners, strict=True)
        extent = max(max(us) - min(us), max(vs) - min(vs))
        exponent = extent.numerator.bit_length() - extent.denominator.bit_length()
        half = mpq(2) ** (exponent - 1)
        self.centre = tuple(_dyadic((min(c) + max(c)) / 2, half / 1024) for c in (us, vs))
        reach = max(
            abs(c - m)
            for corner in window.corners
            for c, m in zip(corner, self.centre, strict=True)
        )
        while reach > half:
            half *= 2
        self.scale: mpq = half

    def points(self, points: Sequence[Sequence[Any]]) -> np.ndarray:
        """Homogeneous points as corners (u, v, delta), float64 (points, 3)."""
        x, y = self.centre
        local = [(mpq(p, w) - x, mpq(q, w) - y) for p, q, w in points]
        exact = np.asarray(local, dtype=object).reshape(-1, 2) / self.scale
        floats, errors, _ = rounded(exact)
        return np.column_stack([floats, _absolute(floats, errors).max(axis=1)])

    def lines(self, lines: Sequence[Sequence[Any]]) -> np.ndarray:
        """Integer lines as (a, b, c, e, f), float64 (lines, 5), each scaled by a power of two
        to order one."""
        rows = []
        for line in lines:
            local = self._local(*line)
            bits = max(x.numerator.bit_length() - x.denominator.bit_length() for x in local)
            shift = mpq(2) ** -bits
            rows.append([x * shift for x in local])
        floats, errors, _ = rounded(np.asarray(rows, dtype=object).reshape(-1, 3))
        absolute = _absolute(floats, errors)
        return np.column_stack([floats, absolute[:, 0] + absolute[:, 1], absolute[:, 2]])

    def forms(self, plane: Slice) -> Forms:
        """The network's input in local coordinates, as forms on one cell."""
        block = plane.block
        rows = [self._local(*row) for row in block.columns]
        local = np.asarray(
            [[mpq(x, block.denominator) for x in row] for row in rows], dtype=object
        ).T
        floats, errors, grid = rounded(local)
        absolute = _absolute(floats, errors)
        both = np.stack([absolute[0] + absolute[1], absolute[2]])
        return Forms(floats[None], both[None], np.zeros(1, dtype=np.int64), grid)

    def _local(self, a: mpz, b: mpz, c: mpz) -> tuple[mpq, mpq, mpq]:
        return mpq(a * self.scale), mpq(b * self.scale), a * self.centre[0] + b * self.centre[1] + c


def _dyadic(value: mpq, step: mpq) -> mpq:
    """The multiple of `step` next to `value`."""
    quotient = value / step
    return (quotient.numerator * 2 + quotient.denominator) // (2 * quotient.denominator) * step
