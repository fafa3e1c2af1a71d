"""Signals that end a command: each is a KeyboardInterrupt once, so that everything is put away."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # without enumerations, which cost microseconds
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

__all__ = ["ENDING", "deferrable", "deferred", "masked", "stopping"]

ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_SIGINT, _INTERRUPT, _getsignal = _signal.SIGINT, _signal.default_int_handler, _signal.getsignal
_SAME = 2.0  # seconds: a signal so soon after another is the same wish


class _Deferred:
    """A block of the main thread in which no signal raises: it does so at the block's end.

    numba makes Python objects of a kernel's results, which may run Python code and with it the
    handler of a signal; an exception there became a SystemError, or crashed the process.
    """

    __slots__ = ("inside", "pending", "swapped")

    def __init__(self) -> None:
        self.inside = self.swapped = False
        self.pending: list[int] = []

    def __enter__(self) -> None:
        self.swapped = _getsignal(_SIGINT) is _INTERRUPT
        if self.swapped:
            _signal.signal(_SIGINT, _later)
        self.inside = True

    def __exit__(self, *exc: object) -> None:
        self.inside = False
        if self.swapped:
            _signal.signal(_SIGINT, _INTERRUPT)
        if self.pending:
            number = self.pending[0]
            self.pending.clear()
            handler = signal.getsignal(number)
            if callable(handler):
                handler(number, None)


deferred = _Deferred()  # the process's, as its signals are


def _later(number: int, frame: object) -> None:
    deferred.pending.append(number)


@contextmanager
def deferrable() -> Iterator[None]:
    """Let Ctrl-C wait for `deferred` blocks inside, which then need not change its handler: that
    costs a microsecond, and there are thousands of them."""
    here = threading.current_thread() is threading.main_thread()
    if not (here and _getsignal(_SIGINT) is _INTERRUPT):
        yield
        return
    _signal.signal(_SIGINT, _unless_deferred)
    try:
        yield
    finally:
        _signal.signal(_SIGINT, _INTERRUPT)


def _unless_deferred(number: int, frame: object) -> None:
    (_later if deferred.inside else _INTERRUPT)(number, frame)


@contextmanager
def stopping(final: bool) -> Iterator[list[int]]:
    """Turn Ctrl-C, SIGTERM and SIGHUP inside the block into KeyboardInterrupt.

    Provides the list of the signals that came. Another one within two seconds is not raised
    again, for it would interrupt the cleaning up. One that was ignored before (nohup) stays so,
    and outside the main thread nothing changes.

    Parameters
    ----------
    final : bool
        The process ends after the block: Ctrl-C is then ignored, for all is done, and after
        a signal the others are too. Otherwise the handlers that were there come back.
    """
    came: list[int] = []
    last = -_SAME

    def stop(number: int, frame: object) -> None:
        nonlocal last
        if deferred.inside:
            _later(number, frame)
            return
        now = monotonic()
        if now - last >= _SAME:
            last = now
            came.append(number)
            raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in ENDING}
        before = {n: old for n, old in before.items() if old not in (None, signal.SIG_IGN)}
    try:
        for number in before:
            signal.signal(number, stop)
        yield came
    finally:
        for number, old in before.items():
            if final:
                done = came or number == signal.SIGINT
                old = signal.SIG_IGN if done else signal.SIG_DFL
            signal.signal(number, old)


@contextmanager
def masked() -> Iterator[None]:
    """Hold these signals back in this thread, and in processes that it starts meanwhile until
    they serve: in between they would answer like the parent, with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
