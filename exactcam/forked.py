"""The fast engine on several processors of this machine, for a result in memory.

An executor's processes are handed jobs and send what they find through pipes, some
milliseconds a time: much where a run takes half a second. Here this process prepares the run,
forks helpers, who so know all of it, and works with them: each takes the next share of an
early layer's cells until none is left. What helpers find waits in files.
"""

from __future__ import annotations

import mmap
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from .children import serve
from .engine import Engine, Task
from .errors import ExactcamError
from .parallel import early, regions
from .regions import Regions

__all__ = ["forked"]

_PARTS = 8  # a share is about this part of what is left for a process to do,
_LEAST = 4  # and at least so many cells: the last shares are small, so all end together

Work = Iterator[tuple[int, Regions]]  # shares by number, solved


def forked(
    engine: Engine, processes: int, progress: Callable[[int], None] | None = None
) -> list[Regions]:
    """All regions of the engine's run, in canonical order, found by this process and others.

    `progress` gets the number found so far. Raises ExactcamError where a process dies.
    """
    shares = list(_shares(early(engine), processes))
    counts = np.frombuffer(mmap.mmap(-1, 8 * processes), np.int64)
    found: dict[int, Regions] = {}
    with _numbers(len(shares)) as numbers, ExitStack() as stack:
        work = [_work(engine, shares, numbers, counts[k : k + 1]) for k in range(processes)]
        helpers = [stack.enter_context(_helper(theirs)) for theirs in work[1:]]
        for number, part in work[0]:
            found[number] = part
            if progress is not None:
                progress(int(counts.sum()))
        for done, file in helpers:
            found.update(_received(done, file))
    return [found[number] for number in range(len(shares))]


def _shares(tasks: list[Task], processes: int) -> Iterator[Task]:
    left = sum(len(task.cells) for task in tasks)
    for task in tasks:
        low = 0
        while low < len(task.cells):
            high = min(len(task.cells), low + max(_LEAST, left // (_PARTS * processes)))
            yield task.part(low, high)
            left, low = left - (high - low), high


@contextmanager
def _numbers(count: int) -> Iterator[int]:
    """A pipe with the numbers below `count`, four bytes each, which processes take out one by
    one; `early` makes few enough tasks for all to fit."""
    take, put = os.pipe()
    try:
        os.write(put, np.arange(count, dtype=np.int32).tobytes())
        os.close(put)
        yield take
    finally:
        os.close(take)


def _work(engine: Engine, shares: list[Task], numbers: int, count: np.ndarray) -> Work:
    """Shares that nobody else has taken, solved; `count` is how many regions that makes."""
    while number := os.read(numbers, 4):
        k = int(np.frombuffer(number, np.int32)[0])
        part = regions(engine, k, engine.run([shares[k]]))
        count += len(part)
        yield k, part


@contextmanager
def _helper(work: Work) -> Iterator[tuple[Connection, IO[bytes]]]:
    """A process that does some work, until the block is left; see `_help`."""
    context = get_context("fork")
    done, say = context.Pipe(duplex=False)
    with done, TemporaryFile() as file:
        child = context.Process(target=_help, args=(os.getpid(), work, file, say), daemon=True)
        child.start()
        say.close()
        try:
            yield done, file
        finally:
            child.terminate()


def _help(parent: int, work: Work, file: IO[bytes], say: Connection) -> None:
    """Put solved shares into a file; say how many, or what went wrong."""
    serve(parent)
    total = 0
    try:
        for solved in work:
            pickle.dump(solved, file, protocol=5)
            total += 1
        file.flush()
        say.send(total)
    except (ExactcamError, MemoryError, OSError) as error:
        say.send(error)


def _received(done: Connection, file: IO[bytes]) -> Work:
    try:
        total = done.recv()
    except EOFError:
        raise ExactcamError(
            "a helper process died, perhaps of too little memory: use fewer jobs, or stream "
            "the regions to a file (-o FILE.run)"
        ) from None
    if isinstance(total, Exception):
        raise total
    file.seek(0)
    for _ in range(total):
        yield pickle.load(file)
