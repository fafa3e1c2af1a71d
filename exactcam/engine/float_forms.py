"""A value of the network on many cells in floats, as it goes from node to node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .kernels.arrays import FloatForms

__all__ = ["FloatValue"]


@dataclass(frozen=True)
class FloatValue:
    """The affine forms of one value on many cells, with error bounds, and what is exact of them.

    `grid` is p if all coefficients without error are multiples of 2^-p, else None.
    """

    forms: FloatForms
    grid: int | None

    def of(self, cells: np.ndarray) -> FloatValue:
        """The value on some of the cells."""
        return FloatValue(self.forms.of(cells), self.grid)

    def compact(self) -> FloatValue:
        """The same value without rows of errors that no cell has."""
        return FloatValue(self.forms.compact(), self.grid)
