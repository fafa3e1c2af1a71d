"""Worker processes on this machine that end with the process that started them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
)
from contextlib import contextmanager
from multiprocessing import connection, get_all_start_methods, get_context
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from ..errors import ExactcamError
from .signals import ENDING, masked

__all__ = ["FORKS", "Workers", "at_once", "checked", "lost", "serve", "starting", "workers"]

# A forked process shares its parent's memory copy-on-write. Libraries of macOS do not survive it.
FORKS = "fork" in get_all_start_methods() and sys.platform != "darwin"
_WATCHED = 0.25  # seconds between looks at the processes of a pool
_LIMIT = "EXACTCAM_PROCESSES"  # environment: the most processes, instead of the processors

T = TypeVar("T")


def checked(jobs: int) -> int:
    """Return `jobs`, a number of processes; raise ExactcamError unless it is at least 1."""
    if not isinstance(jobs, int) or jobs < 1:
        raise ExactcamError(f"jobs is {jobs!r:.40}: give the number of processes, at least 1")
    return jobs


def at_once(jobs: int, tasks: int) -> int:
    """How many processes work if `jobs` are asked for and there are so many tasks.

    At most one for each task, and one for each processor that this process may use; the
    environment variable EXACTCAM_PROCESSES gives another limit than the processors.
    """
    told = os.environ.get(_LIMIT, "")
    if told and not (told.isdecimal() and int(told) > 0):
        raise ExactcamError(f"{_LIMIT} is {told!r}: give the largest number of processes, or none")
    if told:
        most = int(told)
    elif hasattr(os, "sched_getaffinity"):
        most = len(os.sched_getaffinity(0))
    else:
        most = os.cpu_count() or 1
    return max(1, min(jobs, tasks, most))


class Workers(Executor):
    """A pool of processes that starts them with the first task, and only as many as `at_once`
    allows.

    One that dies while it sends a result would leave the pool's own thread waiting for the rest,
    for ever, and with it whoever waits for the pool: a thread watches for that.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._tasks = sys.maxsize
        self._pool: ProcessPoolExecutor | None = None
        self._started: dict[int, BaseProcess] = {}
        self._results: Any = None
        self._over = threading.Event()

    def expect(self, tasks: int) -> None:
        """Say how many tasks there will be, before the first."""
        self._tasks = tasks

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        with starting():
            if self._pool is None:
                # Forking is quicker, and the processes know what this one does.
                context = get_context("fork" if FORKS else "spawn")
                number = at_once(self.jobs, self._tasks)
                self._pool = ProcessPoolExecutor(number, context, serve, (os.getpid(),))
                self._results = getattr(self._pool, "_result_queue", None)
                _start_feeding(getattr(self._pool, "_call_queue", None))
            first = not self._started
            try:
                future = self._pool.submit(fn, *args, **kwargs)
            finally:  # it may fail with processes started
                self._started.update(getattr(self._pool, "_processes", None) or {})
            if first:
                threading.Thread(target=self._watch, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; without waiting, kill them."""
        self._over.set()
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        if not wait:
            self._kill()

    def _watch(self) -> None:
        """Kill all processes when one has died."""
        while not self._over.wait(_WATCHED):
            sentinels = [child.sentinel for child in list(self._started.values())]
            if connection.wait(sentinels, timeout=0) and not self._over.is_set():
                self._kill()
                return

    def _kill(self) -> None:
        """Kill the processes, and end the pipe of their results."""
        for child in list(self._started.values()):
            child.kill()
        writer = getattr(self._results, "_writer", None)
        if writer is not None and not writer.closed:
            writer.close()


def _start_feeding(tasks: Any) -> None:
    """Start the thread that sends tasks: where that fails in the pool's own thread, the pool
    never ends."""
    if hasattr(tasks, "_start_thread"):
        with tasks._notempty:
            tasks._start_thread()


@contextmanager
def workers(jobs: int, executor: Executor | None = None) -> Iterator[Executor | None]:
    """Provide the executor for a block of work: a given one, or a pool of `jobs` new processes.

    Parameters
    ----------
    jobs : int
        The number of processes; for one none is started and None is provided. No more are
        started than there are tasks, see `at_once`.
    executor : Executor, optional
        Used as it is, instead.

    Raises
    ------
    ExactcamError
        `jobs` is less than 1.

    Notes
    -----
    The processes end with the block, at once if it is left by an exception, and with the
    process that started them, however that ends.
    """
    if executor is not None or checked(jobs) == 1:
        yield executor
        return
    pool, finished = Workers(jobs), False
    try:
        yield pool
        finished = True
    finally:
        # Before Python 3.12 the thread of a pool that is killed fails at a cancelled task.
        pool.shutdown(wait=finished, cancel_futures=finished)


@contextmanager
def lost() -> Iterator[None]:
    """Turn the loss of a worker inside the block into an ExactcamError."""
    kinds: tuple[type[Exception], ...] = (BrokenExecutor, CancelledError)
    if "distributed" in sys.modules:  # where an executor of dask can come from
        kinds = (*kinds, sys.modules["distributed"].KilledWorker)
    try:
        yield
    except kinds as error:
        raise ExactcamError(
            "a worker process died, perhaps of too little memory: use fewer jobs; a run that is "
            "streamed to a file (-o FILE.run) goes on where it ended if it is started again "
            f"({' '.join(str(error).split())[:200] or type(error).__name__})"
        ) from None


@contextmanager
def starting() -> Iterator[None]:
    """Start processes inside the block: held-back signals, no warning of threads at a fork,
    MemoryError where there is no room for the stack of a thread.

    Python 3.12 and later warn of locks that a thread may hold at a fork and nobody releases in
    the child. Those that ours can meet are cared for: numba's is held across the fork, and no
    thread computes with BLAS meanwhile (`jit`, `float_mode`); cached properties have none
    (`cached`); modules are imported and kernels loaded before (`fast`); malloc has handlers of
    its own. Our processes start no other code.
    """
    with masked(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)
        try:
            yield
        except RuntimeError as error:
            if "can't start new thread" not in str(error):
                raise
            raise MemoryError from None


def serve(parent: int) -> None:
    """Set up a worker process: it ignores Ctrl-C and ends when its parent is gone."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):  # as `starting` held them back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    try:
        threading.Thread(target=watch, daemon=True).start()
    except RuntimeError:  # no memory for its stack: whoever waits for this process says so
        os._exit(1)
