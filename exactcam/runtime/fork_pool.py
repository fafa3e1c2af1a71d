"""Fork-join pool: copy-on-write inputs, self-scheduled tasks, results in mapped files.

An executor's processes are handed jobs and send their results through pipes, some
milliseconds each: much where a whole run takes half a second. Here this process forks
helpers when all is prepared (for a small run only after a head start), and they share its
memory copy-on-write. It works beside them: each process takes the number of the next task from
a pipe until there is none. Helpers write results to files, which this process maps at the end.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sized
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import current_process, get_context
from multiprocessing.connection import Connection
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, TypeVar

import numpy as np

from ..errors import ExactcamError, naming
from .float_mode import only_thread
from .processes import FORKS, at_once, serve, starting

__all__ = ["chunks", "spread"]

_MOST = 1024  # tasks: their numbers, four bytes each, fit in the smallest pipe
_ALIGNED = 64  # bytes: arrays in a file begin at multiples of it
_FILE = "a temporary file of a process (TMPDIR)"

Found = TypeVar("Found", bound=Sized)
Work = Iterator[tuple[int, Found]]  # (number of a task, its result), in the order of completion


def chunks(array: np.ndarray, processes: int, least: int) -> list[np.ndarray]:
    """Split an array into contiguous tasks for `spread`: eight per process (neighbours share
    work, so not one per entry), each of about `least` entries or more."""
    return np.array_split(array, min(_MOST, 8 * processes, 1 + len(array) // least))


def spread(
    solve: Callable[[int], Found],
    count: int,
    processes: int,
    progress: Callable[[int], None] | None = None,
    head_start: float = 0.0,
) -> list[Found]:
    """[solve(0), ..., solve(count - 1)], computed by this process and by forked helpers.

    Parameters
    ----------
    solve : callable
        The result of one task, by number; it must be possible to pickle it.
    count : int
        The number of tasks, at most 1,024.
    processes : int
        How many processes work, this one among them: no more than `at_once` allows, and one
        where processes cannot be forked or this is a helper itself.
    progress : callable, optional
        Called with the summed lengths of the results found so far, by all processes.
    head_start : float
        Seconds after which helpers are forked if tasks are left: to fork one takes
        several milliseconds. None is forked while another thread computes (`float_mode`).

    Raises
    ------
    ExactcamError
        A helper died, or its task raised this; MemoryError and OSError are passed on too.
    """
    assert count <= _MOST
    if not FORKS or current_process().daemon:
        processes = 1
    processes = at_once(processes, count)
    sizes = np.frombuffer(mmap.mmap(-1, 8 * processes), np.int64)
    found: dict[int, Found] = {}
    with _numbers(count, processes) as numbers, ExitStack() as stack:
        mine, *others = (_work(solve, numbers, sizes[k : k + 1]) for k in range(processes))
        until, helpers = monotonic() + head_start, []

        def ask() -> None:
            if others and len(found) < count and monotonic() >= until:
                with only_thread() as alone:
                    while alone and others:
                        helpers.append(stack.enter_context(_helper(others.pop())))

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
    """The numbers below `count`, each given to exactly one of the processes that iterate."""
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
    """The numbers that this process reads from a pipe until it is empty."""
    while True:
        try:
            number = os.read(take, 4)
        except BlockingIOError:
            return
        yield int.from_bytes(number, sys.byteorder)


def _work(solve: Callable[[int], Found], numbers: Iterator[int], size: np.ndarray) -> Work[Found]:
    """Solve the tasks of one process, adding up the lengths of its results in `size`."""
    for k in numbers:
        part = solve(k)
        size += len(part)
        yield k, part


@contextmanager
def _helper(work: Work[Found]) -> Iterator[tuple[Connection, IO[bytes]]]:
    """Fork a process that does some work, killed when the block is left; see `_help`."""
    context = get_context("fork")
    done, say = context.Pipe(duplex=False)
    with naming(_FILE):
        file = TemporaryFile()  # noqa: SIM115
    with done, file:
        child = context.Process(target=_help, args=(os.getpid(), work, file, say), daemon=True)
        heard = False
        try:
            with starting():
                child.start()
            say.close()
            yield done, file
            heard = True
        finally:
            if child.pid is not None:
                child.kill()
                if not heard:  # else multiprocessing may wait for its end, some ms, later
                    child.join()


def _help(parent: int, work: Work[Found], file: IO[bytes], say: Connection) -> None:
    """The main function of a helper: write its results to a file, arrays as raw bytes, and
    send the sizes of what is written, or the error that ended it."""
    serve(parent)
    written: list[list[int]] = []
    try:
        for solved in work:
            arrays: list[pickle.PickleBuffer] = []
            head = pickle.dumps(solved, 5, buffer_callback=arrays.append)
            written.append([])
            with naming(_FILE):
                for piece in (pickle.PickleBuffer(head), *arrays):
                    written[-1].append(size := file.write(piece.raw()))
                    file.write(bytes(-size % _ALIGNED))
                file.flush()
        answer: object = written
    except (ExactcamError, MemoryError, OSError) as error:
        answer = error
    with suppress(BrokenPipeError):  # the parent is gone
        say.send(answer)


def _received(done: Connection, file: IO[bytes]) -> Work[Found]:
    """The results of a helper; their arrays are views of its file, mapped copy-on-write."""
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
