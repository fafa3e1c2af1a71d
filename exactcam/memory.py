"""Large arrays of a batch, their memory kept for the next one.

What is freed in large pieces malloc gives back to the system, and to have it again costs a
page fault for every 4 kB: a third of the time on small networks. So an array's memory is
used again as soon as nothing refers to it any more.
"""

from __future__ import annotations

from math import prod
from sys import getrefcount
from threading import local
from typing import Any

import numpy as np

__all__ = ["empty"]

_LARGE = 1 << 16  # bytes: malloc keeps less than that itself
_MOST = 1 << 23  # bytes: more is rare enough
_KEPT = 1 << 25  # bytes a thread keeps in all


class _Pool(local):
    def __init__(self) -> None:
        self.buffers: list[np.ndarray] = []  # by size


_pool = _Pool()
_sample = [np.empty(0, np.uint8)]
_FREE = getrefcount(_sample[0])  # of what is in a list and nowhere else


def empty(shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """numpy.empty, faster again and again; for arrays that do not outlive a batch by long."""
    size = prod(shape) * (8 if dtype is np.float64 else np.dtype(dtype).itemsize)
    if _LARGE <= size <= _MOST:
        buffers = _pool.buffers
        for k in range(len(buffers)):
            if len(buffers[k]) >= size and getrefcount(buffers[k]) == _FREE:
                return np.ndarray(shape, dtype, buffers[k])
        return np.ndarray(shape, dtype, _new(size))
    return np.empty(shape, dtype)


def _new(size: int) -> np.ndarray:
    buffer = np.empty(size + size // 4, np.uint8)
    _pool.buffers.append(buffer)
    _pool.buffers.sort(key=len)
    while sum(map(len, _pool.buffers)) > _KEPT:
        _pool.buffers.pop(0)
    return buffer
