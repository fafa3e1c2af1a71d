"""Order statistics: sorted entries, the k largest, medians.

They are piecewise linear. The sum of the k largest of n entries is the largest of all sums of k
entries, so the k-th largest is a difference of two maxima. That takes many sums for k near n / 2;
a sorting network takes O(n log(n)^2) maxima of two. The one with fewer members of maxima is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ..arithmetic.rational import mpz, objects
from .graph import Graph, Operand, Tensor
from .linear import Entries, sparse_map

__all__ = ["ranked"]

_Stage = list[tuple[int, int]]


def ranked(graph: Graph, a: Operand, axis: int, ranks: Sequence[int]) -> Operand:
    """The entries of these ranks along an axis, which takes its place; rank 0 is the smallest."""
    lanes = graph.view(a, lambda x: np.moveaxis(x, axis, -1))
    *lead, n = lanes.shape
    graph.limit([*lead, len(ranks)])
    if not isinstance(lanes, Tensor):
        found: Operand = np.sort(lanes, axis=-1)[..., list(ranks)]
    elif n == 1:
        found = _lanes(graph, lanes, list(ranks))
    else:
        graph.limit([*lead, n, n.bit_length(), n.bit_length()])  # more than the network has
        stages = _network(n, set(ranks))
        by_sums = _few_sums(n, ranks, 2 * sum(map(len, stages)))
        found = (
            _by_sums(graph, lanes, ranks) if by_sums else _by_network(graph, lanes, stages, ranks)
        )
    return graph.view(found, lambda x: np.moveaxis(x, -1, axis))


def _few_sums(n: int, ranks: Sequence[int], most: int) -> bool:
    """Whether there are at most so many sums of k entries, for all k that these ranks need."""
    wanted = {k for rank in ranks for k in (n - rank - 1, n - rank) if 0 < k < n}
    total = 0
    for k in sorted(
        wanted, key=lambda k: min(k, n - k)
    ):  # where the numbers are long, it has ended
        total += math.comb(n, k)
        if total > most:
            return False
    return True


def _by_sums(graph: Graph, a: Tensor, ranks: Sequence[int]) -> Operand:
    n = a.shape[-1]
    largest: dict[int, Operand] = {0: np.zeros(a.shape[:-1], np.int64)}

    def sum_of_largest(k: int) -> Operand:
        if k not in largest:
            largest[k] = _largest_sum(graph, a, k)
        return largest[k]

    found = [graph.subtract(sum_of_largest(n - r), sum_of_largest(n - r - 1)) for r in ranks]
    return graph.stack(found, -1)


def _largest_sum(graph: Graph, a: Tensor, k: int) -> Tensor:
    """The sum of the k largest entries along the last axis."""
    *lead, n = a.shape
    subsets = np.asarray(list(combinations(range(n), k)))
    count, lanes = len(subsets), math.prod(lead)
    graph.limit([lanes, count, k])
    places = (np.arange(lanes)[:, None, None] * n + subsets).ravel()
    rows = np.repeat(np.arange(lanes * count), k)
    ones = objects([mpz(1)] * len(places))
    sums = a if k == 1 else sparse_map(graph, a, (lanes * count,), Entries(rows, places, ones))
    return graph.max_groups(sums, np.arange(lanes * count).reshape(lanes, count).tolist(), lead)


def _network(n: int, wanted: set[int]) -> list[_Stage]:
    """Batcher's odd-even merge sort of n entries, without what the wanted ranks do not need.

    Pairs (i, j) with i < j: the smaller entry goes to i. Those of one stage share no entry.
    """
    stages = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            stages.append(
                [
                    (i + j, i + j + k)
                    for j in range(k % p, n - k, 2 * k)
                    for i in range(min(k, n - j - k))
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p)
                ]
            )
            k //= 2
        p *= 2
    needed = set(wanted)
    for number in reversed(range(len(stages))):
        stages[number] = [pair for pair in stages[number] if needed & set(pair)]
        needed |= {lane for pair in stages[number] for lane in pair}
    return stages


def _by_network(graph: Graph, a: Tensor, stages: list[_Stage], ranks: Sequence[int]) -> Operand:
    lanes: Operand = a
    for stage in stages:
        if not stage:
            continue
        low, high = (list(side) for side in zip(*stage, strict=True))
        left, right = (_lanes(graph, lanes, side) for side in (low, high))
        larger = graph.maximum(left, right)
        smaller = graph.subtract(graph.add(left, right), larger)
        joined = graph.concatenate([lanes, smaller, larger], -1)
        where = np.arange(a.shape[-1])
        where[low] = np.arange(len(low)) + len(where)
        where[high] = np.arange(len(low)) + len(where) + len(low)
        lanes = _lanes(graph, joined, where)
    return _lanes(graph, lanes, list(ranks))


def _lanes(graph: Graph, a: Operand, which: list[int] | np.ndarray) -> Operand:
    """Entries of these numbers along the last axis."""
    return graph.view(a, lambda x: x[..., which])
