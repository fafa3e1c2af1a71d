"""Worker processes on this machine that end with the process that started them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_all_start_methods, get_context

from ..errors import ExactcamError

__all__ = ["FORKS", "checked", "serve", "workers"]

# A forked process shares its parent's memory copy-on-write. Libraries of macOS do not survive it.
FORKS = "fork" in get_all_start_methods() and sys.platform != "darwin"


def checked(jobs: int) -> int:
    """Return `jobs`, a number of processes; raise ExactcamError unless it is at least 1."""
    if not isinstance(jobs, int) or jobs < 1:
        raise ExactcamError(f"jobs is {jobs!r:.40}: give the number of processes, at least 1")
    return jobs


@contextmanager
def workers(jobs: int, executor: Executor | None = None) -> Iterator[Executor | None]:
    """Provide the executor for a block of work: a given one, or a pool of `jobs` new processes.

    Parameters
    ----------
    jobs : int
        The number of processes; for one none is started and None is provided. They are
        forked where that is possible, which is quicker than to spawn them.
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
    before = set(active_children())
    context = get_context("fork" if FORKS else "spawn")
    pool = ProcessPoolExecutor(jobs, context, serve, (os.getpid(),))
    finished = False
    try:
        yield pool
        finished = True
    finally:
        pool.shutdown(wait=finished, cancel_futures=True)
        if not finished:
            for child in set(active_children()) - before:
                child.kill()


def serve(parent: int) -> None:
    """Set up a worker process: it ignores Ctrl-C and ends when its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
