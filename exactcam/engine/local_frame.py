"""Local coordinates of a window, in which it lies in [-1, 1]^2 whatever its size and place;
the change of coordinates is exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arithmetic.rational import mpq, mpz
from ..arithmetic.rounding import absolute_errors, rounded
from ..model.slice import Slice, Window
from .float_forms import FloatValue
from .kernels.arrays import FloatForms

__all__ = ["Frame"]


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
        block = plane.block
        rows = [self._local(*row) for row in block.columns]
        local = np.asarray(
            [[mpq(x, block.denominator) for x in row] for row in rows], dtype=object
        ).T
        floats, errors, grid = rounded(local)
        absolute = absolute_errors(floats, errors)
        both = np.stack([absolute[0] + absolute[1], absolute[2]])
        forms = FloatForms(floats[None], both[None], np.zeros(1, dtype=np.int64))
        return FloatValue(forms, grid)

    def _local(self, a: mpz, b: mpz, c: mpz) -> tuple[mpq, mpq, mpq]:
        """The form a x + b y + c in local coordinates."""
        return mpq(a * self.scale), mpq(b * self.scale), a * self.centre[0] + b * self.centre[1] + c


def _dyadic(value: mpq, step: mpq) -> mpq:
    """The multiple of `step` nearest to `value`."""
    quotient = value / step
    return (quotient.numerator * 2 + quotient.denominator) // (2 * quotient.denominator) * step
