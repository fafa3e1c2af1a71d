"""A bounding-box tree: finds all intersecting pairs of boxes in time near-linear in the answer.

Boxes are sorted along a Morton curve of the *ranks* of their centres, so a partition
whose regions crowd into one corner of the window gives as balanced a tree as any
other. All queries walk down together, one level at a time, in numpy.
"""

from __future__ import annotations

import numpy as np

__all__ = ["BoxTree"]


class BoxTree:
    """A static tree over n closed boxes low <= x <= high, built in O(n log n).

    Parameters
    ----------
    low, high : float ndarray (n, 2)
        The least and the greatest corner of each box, in slice coordinates.
    """

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
        """Every pair of a query box and a box of the tree that intersect.

        Parameters
        ----------
        low, high : float ndarray (m, 2)
            The query boxes.

        Returns
        -------
        query, box : int ndarray (pairs,)
            Their numbers. O(m log n + pairs) for boxes of similar sizes.
        """
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
    """The place of each point on the Morton curve through the ranks of the coordinates."""
    ranks = np.argsort(np.argsort(points, axis=0, kind="stable"), axis=0).astype(np.int64)
    key = np.zeros(len(points), dtype=np.int64)
    for bit in range(len(points).bit_length()):
        key |= ((ranks[:, 0] >> bit) & 1) << (2 * bit) | ((ranks[:, 1] >> bit) & 1) << (2 * bit + 1)
    return key
