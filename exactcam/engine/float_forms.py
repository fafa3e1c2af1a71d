"""Affine forms of one value of the network on many cells: what float nodes take and return."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .kernels.arrays import FloatForms

__all__ = ["FloatValue"]


@dataclass(frozen=True)
class FloatValue:
    """The affine forms of one value on many cells, with error bounds and a common grid.

    `grid` is p if all coefficients without error are multiples of 2^-p, else None.
    """

    forms: FloatForms
    grid: int | None

    def of(self, cells: np.ndarray) -> FloatValue:
        """The value on some of the cells."""
        return FloatValue(self.forms.of(cells), self.grid)

    def compact(self) -> FloatValue:
        """The same value without rows of errors that no cell uses."""
        return FloatValue(self.forms.compact(), self.grid)
