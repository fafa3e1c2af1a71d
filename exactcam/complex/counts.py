"""The three counts of regions, which papers confuse: they are always reported together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Counts", "linear_regions", "numbered"]


@dataclass(frozen=True)
class Counts:
    """The numbers of activation regions, of linear regions and of affine pieces."""

    activation_regions: int
    linear_regions: int
    affine_pieces: int


def numbered(keys: Iterable[Hashable]) -> np.ndarray:
    """Number keys by first appearance: equal keys, and no others, get equal numbers."""
    seen: dict[Hashable, int] = {}
    return np.asarray([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)


def linear_regions(maps: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Number the linear regions: cells joined through edges across which the map is the same.

    Parameters
    ----------
    maps : ndarray of int, (cells,)
        Equal for cells with equal output maps.
    sides : ndarray of int, (edges, 2)
        The two cells of each edge, -1 outside the window.

    Returns
    -------
    ndarray of int, (cells,)
        The number of each cell's linear region. Union-find, nearly linear.
    """
    parent = list(range(len(maps)))

    def root(cell: int) -> int:
        while parent[cell] != cell:
            parent[cell] = parent[parent[cell]]
            cell = parent[cell]
        return cell

    pairs = sides[(sides >= 0).all(axis=1)]
    for left, right in pairs[maps[pairs[:, 0]] == maps[pairs[:, 1]]].tolist():
        parent[root(left)] = root(right)
    return np.unique([root(cell) for cell in range(len(maps))], return_inverse=True)[1]
