"""Activation patterns of many cells, stored as one array or by whoever found them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["Patterns", "StoredPatterns", "following"]


def following(start: np.ndarray) -> np.ndarray:
    """For each corner the next one of its cell, where cell i has corners start[i]:start[i+1].

    Parameters
    ----------
    start : ndarray of int, (cells + 1,)

    Returns
    -------
    ndarray of int, (corners,)
    """
    out = np.arange(1, int(start[-1]) + 1)
    out[start[1:] - 1] = start[:-1]
    return out


class Patterns(Protocol):
    """The activation patterns of consecutive cells."""

    def __len__(self) -> int:
        """The number of cells."""

    def __getitem__(self, cell: int) -> np.ndarray:
        """A copy of the pattern of one cell, (units,)."""

    def whole(self) -> np.ndarray:
        """All patterns, (cells, units)."""


@dataclass(frozen=True)
class StoredPatterns:
    """Patterns as one array `codes` (cells, units)."""

    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, cell: int) -> np.ndarray:
        return self.codes[cell].copy()

    def whole(self) -> np.ndarray:
        """The array itself."""
        return self.codes
