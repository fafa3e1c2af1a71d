"""How floats are computed: overflow without warnings, BLAS on one thread; and when to fork.

A fork copies the locks of other threads as they are. Those of BLAS have no owner in the child:
its first product would wait for ever. And OpenBLAS ends its threads before a fork, so a thread
that computes with them waits for ever in the parent. So who computes is counted, and processes
are forked only while no other thread does (`only_thread`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Condition, get_ident
from time import monotonic
from typing import Any

import numpy as np

from .signals import deferrable

__all__ = ["hold", "let_go", "only_thread", "quiet"]

_PATIENCE = 10.0  # seconds that a fork by somebody else's code waits for threads that compute


@contextmanager
def quiet() -> Iterator[None]:
    """No overflow warnings, and BLAS on one thread; a context manager, and a decorator.

    A bound proves nothing about a float that overflows, and exact arithmetic takes over. Matrix
    products are cut to the size of one core's cache, where more threads do not help.
    """
    me = get_ident()
    before = _computing.depth.get(me, 0)
    try:
        _computing.enter(me)
        with deferrable(), np.errstate(over="ignore", invalid="ignore"):
            yield
    finally:
        _computing.leave(me, before)


@contextmanager
def only_thread() -> Iterator[bool]:
    """Whether no other thread computes; as long as the block lasts, none begins to."""
    with _computing.changed:
        yield not _computing.others()


def hold() -> None:
    """Before any fork: wait until no other thread computes, and let none begin. A thread that
    computes itself does not wait, so that two of them cannot wait for each other."""
    _computing.hold()


def let_go() -> None:
    """After a fork, in the parent: let threads compute again."""
    _computing.let_go()


class _Computing:
    """The threads that compute. BLAS is limited to one thread while there are any; the last to
    leave, who need not be the first that entered, restores the number there was."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Nobody computes; in a new process its locks are nobody's."""
        self.changed = Condition()
        self.depth: dict[int, int] = {}  # how many blocks of `quiet` each thread is in
        self.before: list[int] = []
        self.forks, self.held = 0, 0  # threads that wait to fork; locks they have

    def others(self) -> bool:
        """Whether another thread computes; the lock must be held."""
        return any(thread != get_ident() for thread in self.depth)

    def enter(self, me: int) -> None:
        with self.changed:
            depth = self.depth.get(me, 0)
            while not depth and self.forks:
                self.changed.wait()
            if not self.depth:
                self.before = [library.get_num_threads() for library in _blas()]
            self.depth[me] = depth + 1
            if not depth:
                for library in _blas():
                    _limit(library, 1)

    def leave(self, me: int, depth: int) -> None:
        """Be in so many blocks again, whether entering came to its end or was interrupted."""
        with self.changed:
            if depth and me in self.depth:
                self.depth[me] = depth
            elif self.depth.pop(me, 0):
                for library, threads in zip(_blas(), self.before, strict=True):
                    # With OpenMP each thread has its own limit.
                    if not self.depth or getattr(library, "threading_layer", "") == "openmp":
                        _limit(library, threads)
                self.changed.notify_all()

    def hold(self) -> None:
        self.changed.acquire()
        self.forks += 1
        until = monotonic() + _PATIENCE
        try:
            while self.others() and get_ident() not in self.depth and monotonic() < until:
                self.changed.wait(until - monotonic())
        finally:
            self.forks -= 1
            self.held += 1

    def let_go(self) -> None:
        if self.held:  # else an interrupt came before it was
            self.held -= 1
            self.changed.notify_all()
            self.changed.release()


_computing = _Computing()
if hasattr(os, "register_at_fork"):  # another thread may be about to enter or to leave
    os.register_at_fork(after_in_child=_computing.begin)


def _limit(library: Any, threads: int) -> None:
    """Set the number of threads of a BLAS, from whatever thread. threadpoolctl 3.7 and later
    listens to one thread only, the first that sets a limit, and ignores others in silence."""
    library.set_num_threads(threads)
    if library.get_num_threads() != threads and hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread(force=True)
        library.set_num_threads(threads)


@cache
def _blas() -> list[Any]:
    from threadpoolctl import ThreadpoolController  # only where something is computed

    libraries = ThreadpoolController().lib_controllers
    return [library for library in libraries if library.user_api == "blas"]
