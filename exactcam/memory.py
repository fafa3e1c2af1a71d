"""Large arrays of a batch, their memory kept for the next one.

What is freed in large pieces malloc gives back to the system, and to have it again costs a
page fault for every 4 kB: a third of the time on small networks. So the memory of a batch's
arrays is used again as soon as nothing refers to it any more.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from math import prod
from sys import getrefcount
from threading import local
from typing import Any

import numpy as np

__all__ = ["empty"]

_LARGE = 1 << 16  # bytes: malloc keeps less than that itself
_MOST = 1 << 23  # bytes: more is rare enough
_KEPT = 1 << 25  # bytes a thread keeps in all
_PAGE = 1 << 21  # bytes of a huge page: numpy asks for them


class _Arena(np.ndarray):
    """Of a type of its own: numpy would make it the base of what is made of its parts, past
    those."""


class _Pool(local):
    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.arena = np.ndarray.__new__(_Arena, _KEPT + _PAGE, np.uint8)
        self.used = -self.arena.ctypes.data % _PAGE
        self.parts: list[np.ndarray] = []  # of the arena, by size
        self.sizes: list[int] = []


_pool = _Pool()
_sample = [np.empty(0, np.uint8)]
_FREE = getrefcount(_sample[0])  # of what is in a list and nowhere else
if hasattr(os, "register_at_fork"):  # what both know is copied page by page when written to
    os.register_at_fork(before=_pool.forget)


def empty(shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """numpy.empty, faster again and again; for arrays that do not outlive a batch by long."""
    size = _size(shape, dtype)
    if _LARGE <= size <= _MOST:
        parts = _pool.parts
        for k in range(bisect_left(_pool.sizes, size), len(parts)):
            if getrefcount(parts[k]) == _FREE:
                return np.ndarray(shape, dtype, parts[k])
        return np.ndarray(shape, dtype, _new(size))
    return np.empty(shape, dtype)


def _size(shape: tuple[int, ...], dtype: Any) -> int:
    return prod(shape) * (8 if dtype is np.float64 else np.dtype(dtype).itemsize)


def _new(size: int) -> np.ndarray:
    size = size + size // 4 & ~63
    if _pool.used + size > len(_pool.arena):
        _pool.forget()
    part = np.ndarray(size, np.uint8, _pool.arena, _pool.used)
    _pool.used += size
    place = bisect_left(_pool.sizes, size)
    _pool.parts.insert(place, part)
    _pool.sizes.insert(place, size)
    return part
