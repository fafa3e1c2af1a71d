"""A tree over boxes: which boxes meet which, in time near-linear in the answer.

Boxes are sorted along a Morton curve of the *ranks* of their centres, so a partition
whose regions crowd into one corner of the window gives as balanced a tree as any
other. All queries walk down together, one level at a time, in numpy.
"""

from __future__ import annotations

import numpy as np

__all__ = ["BoxTree"]


class BoxTree:
    """Closed boxes low <= x <= high, float (n, 2) each."""

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        count = len(low)
        self._order = np.argsort(_morton(low / 2 + high / 2), kind="stable")
        size = 1 << max(0, count - 1).bit_length()
        lows = np.full((size, 2), np.inf)
        highs = np.full((size, 2), -np.inf)
        lows[:count], highs[:count] = low[self._order], high[self._order]
        self._levels = [(lows, highs)]
        while len(lows) > 1:
            lows = np.minimum(lows[::2], lows[1::2])
            highs = np.maximum(highs[::2], highs[1::2])
            self._levels.append((lows, highs))

    def pairs(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(query, box): every pair of a query box and a box of the tree that meet."""
        query = np.arange(len(low))
        node = np.zeros(len(low), dtype=np.int64)
        for depth, (lows, highs) in enumerate(reversed(self._levels)):
            if depth:
                query, node = np.repeat(query, 2), np.repeat(node * 2, 2)
                node[1::2] += 1
            meet = ((lows[node] <= high[query]) & (low[query] <= highs[node])).all(axis=1)
            query, node = query[meet], node[meet]
        return query, self._order[node]


def _morton(points: np.ndarray) -> np.ndarray:
    ranks = np.argsort(np.argsort(points, axis=0, kind="stable"), axis=0).astype(np.int64)
    key = np.zeros(len(points), dtype=np.int64)
    for bit in range(len(points).bit_length()):
        key |= ((ranks[:, 0] >> bit) & 1) << (2 * bit) | ((ranks[:, 1] >> bit) & 1) << (2 * bit + 1)
    return key
