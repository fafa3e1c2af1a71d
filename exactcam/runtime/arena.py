"""Arena allocation: reuse the memory of large temporary arrays from batch to batch.

malloc returns large freed blocks to the system, and to get them again costs a page fault for
every 4 kB: a third of the time on small networks. So the memory of a batch's arrays is used
again as soon as its reference count says that nothing refers to it any more.
"""

from __future__ import annotations

import ctypes
import os
import sys
from bisect import bisect_left, insort
from functools import cache
from math import prod
from sys import getrefcount
from threading import local
from typing import Any

import numpy as np

__all__ = ["empty", "taken", "trim"]

_LARGE = 1 << 16  # bytes: malloc keeps less than that itself
_MOST = 1 << 23  # bytes: more is rare enough
_KEPT = 1 << 25  # bytes a thread keeps in all
_PAGE = 1 << 21  # bytes of a huge page: numpy asks for them


class _Arena(np.ndarray):
    """The memory of one thread, a type of its own: with a plain array numpy would name the
    arena, not the part, as the base of an array made of a part, and parts in use look free."""


class _Pool(local):
    """The arena of one thread and the parts of it that have been given out."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin a new arena; arrays in use keep the old one alive."""
        arena = _Arena(_KEPT + _PAGE, np.uint8)
        begin = -arena.ctypes.data % _PAGE
        self.arena, self.used = arena[begin : begin + _KEPT], 0
        self.parts: list[np.ndarray] = []  # of the arena, by size


_pool = _Pool()
_sample = [np.empty(0, np.uint8)]
_FREE = getrefcount(_sample[0])  # of what is in a list and nowhere else
if hasattr(os, "register_at_fork"):  # what both know is copied page by page when written to
    os.register_at_fork(before=_pool.forget)


def empty(shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """numpy.empty in reused memory, for arrays that do not outlive a batch by long.

    Between 64 kB and 8 MB; smaller and larger ones come from numpy.
    """
    size = prod(shape) * (8 if dtype is np.float64 else np.dtype(dtype).itemsize)
    if _LARGE <= size <= _MOST:
        parts = _pool.parts
        for k in range(bisect_left(parts, size, key=len), len(parts)):
            if getrefcount(parts[k]) == _FREE:
                return np.ndarray(shape, dtype, parts[k])
        return np.ndarray(shape, dtype, _new(size))
    return np.empty(shape, dtype)


def taken(array: np.ndarray, places: np.ndarray, axis: int = 0) -> np.ndarray:
    """array.take(places, axis) in reused memory."""
    shape = (*array.shape[:axis], len(places), *array.shape[axis + 1 :])
    out = empty(shape, array.dtype)
    return array.take(places, axis, out, "clip")  # "raise" would make a copy first


def _new(size: int) -> np.ndarray:
    """A part of the arena of at least so many bytes."""
    size = (size + size // 4) & ~63  # for somewhat larger ones too; whole cache lines
    if _pool.used + size > _KEPT:
        _pool.forget()
    part = np.ndarray(size, np.uint8, _pool.arena, _pool.used)
    _pool.used += size
    insort(_pool.parts, part, key=len)
    return part


def trim() -> None:
    """Give back to the system what malloc keeps of freed memory, where it can be asked to."""
    if sys.platform == "linux" and hasattr(_libc(), "malloc_trim"):
        _libc().malloc_trim(0)


@cache
def _libc() -> ctypes.CDLL:
    """What this process was linked with."""
    return ctypes.CDLL(None)
