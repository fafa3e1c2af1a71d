"""How floats are computed: overflow without warnings, BLAS on one thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

__all__ = ["quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """No overflow warnings, and BLAS on one thread; a context manager, and a decorator.

    A bound proves nothing about a float that overflows, and exact arithmetic takes over. Matrix
    products are cut to the size of one core's cache, where more threads do not help.
    """
    _one_thread.enter()
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    finally:
        _one_thread.leave()


class _OneThread:
    """A counter of the callers for whom BLAS is limited to one thread; the last to leave, who need
    not be the first that entered, restores the number of threads there were."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.lock, self.inside = Lock(), 0
        self.before: list[int] = []

    def enter(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.before = [library.get_num_threads() for library in _blas()]
                for library in _blas():
                    library.set_num_threads(1)

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                for library, threads in zip(_blas(), self.before, strict=True):
                    library.set_num_threads(threads)


_one_thread = _OneThread()
if hasattr(os, "register_at_fork"):  # another thread may be about to enter or to leave
    os.register_at_fork(after_in_child=_one_thread.begin)


@cache
def _blas() -> list[Any]:
    libraries = ThreadpoolController().lib_controllers
    return [library for library in libraries if library.user_api == "blas"]
