"""Affine forms of many cells as floats with their error bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Forms"]


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
