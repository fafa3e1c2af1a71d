"""Processes of this machine that work for this one, and end with it however it ends."""

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

# A forked process knows all that its parent does. Libraries of macOS do not survive it.
FORKS = "fork" in get_all_start_methods() and sys.platform != "darwin"


def checked(jobs: int) -> int:
    """The number of processes asked for. Raises ExactcamError unless it is at least 1."""
    if jobs < 1:
        raise ExactcamError(f"jobs is {jobs}: give the number of processes, at least 1")
    return jobs


@contextmanager
def workers(jobs: int, executor: Executor | None = None) -> Iterator[Executor | None]:
    """The executor; else `jobs` processes of this machine, forked where that is possible (it
    is quicker), but None for one. Raises ExactcamError if jobs is less than 1.

    They end with the block, at once if it is left by an exception, and with the process
    that started them, however that ends.
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
    """What a worker does first: leave Ctrl-C to its parent, and end when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
