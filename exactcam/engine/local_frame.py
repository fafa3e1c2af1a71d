"""Local coordinates of a window, in which it lies in [-1, 1]^2 whatever its size and place;
the change of coordinates is exact."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Any

import numpy as np

from ..arithmetic.constants import UNIT
from ..arithmetic.rational import mpq, mpz
from ..arithmetic.rounding import absolute_errors, grid_of, rounded
from ..model.slice import Slice, Window
from .float_forms import FloatValue
from .kernels.arrays import FloatForms

__all__ = ["Frame", "halves"]


class Frame:
    """Local coordinates (u - centre) / scale with dyadic centre and a power of two as
    scale, so that changing over is exact and the window lies in [-1, 1]^2."""

    def __init__(self, window: Window) -> None:
        us, vs = zip(*window.corners, strict=True)
        extent = window.extent
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

    @classmethod
    def at(cls, centre: Sequence[float], scale: float) -> Frame:
        """The coordinates (u - centre) / scale, `scale` being a power of two."""
        frame = cls.__new__(cls)
        frame.centre, frame.scale = tuple(mpq(x) for x in centre), mpq(scale)
        return frame

    def points(self, points: Sequence[Sequence[Any]]) -> np.ndarray:
        """Homogeneous points as corners (u, v, delta), float64 (points, 3)."""
        x, y = self.centre
        local = [(mpq(p, w) - x, mpq(q, w) - y) for p, q, w in points]
        exact = np.asarray(local, dtype=object).reshape(-1, 2) / self.scale
        floats, errors, _ = rounded(exact)
        return np.column_stack([floats, absolute_errors(floats, errors).max(axis=1)])

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
        absolute = absolute_errors(floats, errors)
        return np.column_stack([floats, absolute[:, 0] + absolute[:, 1], absolute[:, 2]])

    def forms(self, plane: Slice) -> FloatValue:
        """The network's input as affine forms of the local coordinates, on one cell."""
        local = None if plane.floats is None else self._float_rows(plane.floats)
        floats, errors, grid = rounded(self._exact_rows(plane)) if local is None else local
        absolute = absolute_errors(floats, errors)
        both = np.stack([absolute[0] + absolute[1], absolute[2]])
        forms = FloatForms(floats[None], both[None], np.zeros(1, dtype=np.int64))
        return FloatValue(forms, grid)

    def _exact_rows(self, plane: Slice) -> np.ndarray:
        """All a, b and c of the input in local coordinates, exact rationals (3, size)."""
        block = plane.block
        rows = [self._local(*row) for row in block.columns]
        fractions = [[mpq(x, block.denominator) for x in row] for row in rows]
        return np.asarray(fractions, dtype=object).T

    def _float_rows(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, int | None] | None:
        """`rounded` of `_exact_rows`, of a slice of float vectors, without rationals: `fsum` rounds
        a sum of floats as if it were exact, and products of 26 bits by 26 are. None for a window
        whose centre has more bits than that, or numbers so large or small that products might
        over- or underflow."""
        frame = np.asarray([self.scale, *self.centre], dtype=np.float64)
        sizes = np.abs(np.concatenate([vectors.ravel(), frame]))
        usual = ((sizes > 2.0**-300) & (sizes < 2.0**300)) | (sizes == 0.0)
        if not usual.all() or (frame != halves(frame)[0]).any():
            return None
        if [mpq(x) for x in frame.tolist()] != [self.scale, *self.centre]:
            return None
        scale, x, y = frame.tolist()
        origin, e1, e2 = vectors + 0.0  # no negative zeros
        rows, errors = np.stack([e1 * scale, e2 * scale, origin]), np.zeros(vectors.shape)
        if x or y:
            terms = [x * half for half in halves(e1)] + [y * half for half in halves(e2)]
            sums = np.stack([*terms, origin], axis=1).tolist()
            rows[2] = [fsum(row) for row in sums]
            left = [fsum([*row, -c]) for row, c in zip(sums, rows[2].tolist(), strict=True)]
            errors[2] = np.where(np.asarray(left) == 0.0, 0.0, UNIT)
        return rows, errors, None if errors.any() else grid_of(rows)

    def _local(self, a: mpz, b: mpz, c: mpz) -> tuple[mpq, mpq, mpq]:
        """The form a x + b y + c in local coordinates."""
        return mpq(a * self.scale), mpq(b * self.scale), a * self.centre[0] + b * self.centre[1] + c


def halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two floats of at most 26 bits whose sum is x (Veltkamp)."""
    big = 134217729.0 * x
    high = big - (big - x)
    return high, x - high


def _dyadic(value: mpq, step: mpq) -> mpq:
    """The multiple of `step` nearest to `value`."""
    quotient = value / step
    return (quotient.numerator * 2 + quotient.denominator) // (2 * quotient.denominator) * step
