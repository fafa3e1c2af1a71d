"""The affine output maps of all cells, behind one interface whoever computes them.

A reader of files and the reference engine have every map at once. The fast engine makes exact
maps from patterns when they are asked for, and answers most questions about all cells with
floats that have proven bounds. Whoever holds `OutputMaps` does not see which it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable

import numpy as np

from ..arithmetic.rational import mpq, mpz
from ..model.geometry import Point

__all__ = ["Classes", "OutputMaps", "StoredMaps", "frozen"]

Classes = tuple[int, ...]  # outputs that tie for the largest; none where one output is at a level


def frozen(array: np.ndarray) -> np.ndarray:
    """The same array, from now on read-only."""
    array.setflags(write=False)
    return array


class OutputMaps(ABC):
    """For each cell the affine map (a u + b v + c) / scale of every output."""

    @property
    @abstractmethod
    def scale(self) -> mpz:
        """The positive integer under all coefficients."""

    @abstractmethod
    def form(self, cell: int) -> np.ndarray:
        """The integers a, b, c of one cell, (outputs, 3)."""

    @abstractmethod
    def whole(self) -> np.ndarray:
        """The integers a, b, c of all cells, a read-only object array (cells, outputs, 3)."""

    @abstractmethod
    def keys(self) -> list[Hashable]:
        """A key for each cell: two cells have equal keys if and only if their maps are equal."""

    @abstractmethod
    def may_tie(self, level: mpq) -> np.ndarray:
        """Numbers of cells that may have a point where the two largest outputs tie, or the only
        output equals `level`: all that do and, depending on the engine, some that do not."""

    def crossed(self, level: mpq, cells: np.ndarray) -> dict[int, tuple[Point, Point, Classes]]:
        """Of some of the cells that `may_tie` names, those known to be crossed once, by a segment
        from the inside of an edge to that of another: its ends, reduced, and the two outputs that
        tie on it and nowhere else in the cell (none for a level). The others are not known."""
        return {}

    @abstractmethod
    def prefetch(self, jobs: int = 1, exact: bool = True) -> None:
        """Compute with `jobs` processes what `keys` and `may_tie` need, and if `exact` every
        form, and keep it."""


class StoredMaps(OutputMaps):
    """Output maps as one object array `forms` (cells, outputs, 3) of integers over `scale`."""

    def __init__(self, forms: np.ndarray, scale: mpz) -> None:
        self._forms, self._scale = frozen(forms), scale

    def __reduce__(self) -> tuple[type[StoredMaps], tuple[np.ndarray, mpz]]:
        return StoredMaps, (self._forms, self._scale)

    @property
    def scale(self) -> mpz:
        return self._scale

    def form(self, cell: int) -> np.ndarray:
        return self._forms[cell]

    def whole(self) -> np.ndarray:
        return self._forms

    def keys(self) -> list[Hashable]:
        return [tuple(form.ravel()) for form in self._forms]

    def may_tie(self, level: mpq) -> np.ndarray:
        return np.arange(len(self._forms))

    def prefetch(self, jobs: int = 1, exact: bool = True) -> None:
        """Nothing: all maps are there."""
