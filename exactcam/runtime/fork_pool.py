"""Work on several processors of this machine, by processes that know all that this one does.

An executor's processes are handed jobs and send what they find through pipes, some
milliseconds a time: much where a whole run takes half a second. Here this process forks
helpers when all is prepared (and, where little may be left to do, some time has passed), and
works with them: each takes the next share of the work until none is left. What helpers find
waits in files.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sized
from contextlib import ExitStack, contextmanager
from multiprocessing import current_process, get_context
from multiprocessing.connection import Connection
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, TypeVar

import numpy as np

from ..errors import ExactcamError
from .processes import FORKS, serve

__all__ = ["chunks", "spread"]

_MOST = 1024  # shares: their numbers, four bytes each, fit in the smallest pipe
_ALIGNED = 64  # bytes: arrays in a file begin at multiples of it

Found = TypeVar("Found", bound=Sized)
Work = Iterator[tuple[int, Found]]  # shares by number, solved


def chunks(array: np.ndarray, processes: int, least: int) -> list[np.ndarray]:
    """An array in contiguous parts for `spread`: eight a process, as neighbours have much in
    common, but of some `least` entries."""
    return np.array_split(array, min(_MOST, 8 * processes, 1 + len(array) // least))


def spread(
    solve: Callable[[int], Found],
    count: int,
    processes: int,
    progress: Callable[[int], None] | None = None,
    head_start: float = 0.0,
) -> list[Found]:
    """[solve(0), ..., solve(count - 1)] by this process and, where it can be forked, others: up
    to four for each processor, and not from a helper.

    `count` is at most 1,024. `progress` gets the lengths, summed, of what is found so far.
    Others are asked for help if there is work left after so many seconds `alone`: a fork
    takes some milliseconds. Raises ExactcamError where a process dies.
    """
    assert count <= _MOST
    if not FORKS or current_process().daemon:
        processes = 1
    processes = max(1, min(processes, count, 4 * (os.cpu_count() or 1)))
    sizes = np.frombuffer(mmap.mmap(-1, 8 * processes), np.int64)
    found: dict[int, Found] = {}
    with _numbers(count, processes) as numbers, ExitStack() as stack:
        mine, *others = (_work(solve, numbers, sizes[k : k + 1]) for k in range(processes))
        until, helpers = monotonic() + head_start, []

        def ask() -> None:
            if others and len(found) < count and monotonic() >= until:
                for theirs in others:
                    helpers.append(stack.enter_context(_helper(theirs)))
                others.clear()

        ask()
        for number, part in mine:
            found[number] = part
            ask()
            if progress is not None:
                progress(int(sizes.sum()))
            if any(done.poll() for done, _ in helpers):  # all is taken, or one has failed
                break
        for done, file in helpers:
            found.update(_received(done, file))
    if progress is not None:
        progress(int(sizes.sum()))
    return [found[number] for number in range(count)]


@contextmanager
def _numbers(count: int, processes: int) -> Iterator[Iterator[int]]:
    """The numbers below `count`; of several processes each gets what no other has taken."""
    if processes == 1:
        yield iter(range(count))
        return
    # Let go at once, this makes glibc keep what is freed, up to twice as much, for what comes
    # next: new processes would spend a third of their time on page faults.
    np.empty(31 << 20, np.uint8)
    take, put = os.pipe()
    try:
        os.write(put, np.arange(count, dtype=np.int32).tobytes())
        os.set_blocking(take, False)
        yield _taken(take)
    finally:
        os.close(put)
        os.close(take)


def _taken(take: int) -> Iterator[int]:
    while True:
        try:
            number = os.read(take, 4)
        except BlockingIOError:
            return
        yield int.from_bytes(number, sys.byteorder)


def _work(solve: Callable[[int], Found], numbers: Iterator[int], size: np.ndarray) -> Work[Found]:
    for k in numbers:
        part = solve(k)
        size += len(part)
        yield k, part


@contextmanager
def _helper(work: Work[Found]) -> Iterator[tuple[Connection, IO[bytes]]]:
    """A process that does some work, until the block is left; see `_help`."""
    context = get_context("fork")
    done, say = context.Pipe(duplex=False)
    with done, TemporaryFile() as file:
        child = context.Process(target=_help, args=(os.getpid(), work, file, say), daemon=True)
        child.start()
        say.close()
        heard = False
        try:
            yield done, file
            heard = True
        finally:
            child.kill()
            if not heard:  # else multiprocessing may wait for its end, some milliseconds, later
                child.join()


def _help(parent: int, work: Work[Found], file: IO[bytes], say: Connection) -> None:
    """Put solved shares into a file, arrays as they are; say the sizes of what is written, or
    what went wrong."""
    serve(parent)
    written: list[list[int]] = []
    try:
        for solved in work:
            arrays: list[pickle.PickleBuffer] = []
            head = pickle.dumps(solved, 5, buffer_callback=arrays.append)
            written.append([])
            for piece in (pickle.PickleBuffer(head), *arrays):
                written[-1].append(size := file.write(piece.raw()))
                file.write(bytes(-size % _ALIGNED))
        file.flush()
        say.send(written)
    except (ExactcamError, MemoryError, OSError) as error:
        say.send(error)


def _received(done: Connection, file: IO[bytes]) -> Work[Found]:
    """What a helper has found; its arrays stay where it has put them."""
    try:
        answer = done.recv()
    except EOFError:
        raise ExactcamError(
            "a helper process died, perhaps of too little memory: use fewer jobs, or stream "
            "the regions to a file (-o FILE.run)"
        ) from None
    if isinstance(answer, Exception):
        raise answer
    if not answer:
        return
    memory, at = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)), 0
    for sizes in answer:
        arrays = []
        for size in sizes:
            arrays.append(memory[at : at + size])
            at += size + -size % _ALIGNED
        yield pickle.loads(arrays[0], buffers=arrays[1:])
