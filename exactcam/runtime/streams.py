"""Standard streams that may be closed, full, or unable to write a letter."""

from __future__ import annotations

import io
import os
import select
import sys

from ..errors import naming

__all__ = ["abandon", "prepare", "reader_left"]


class _Standard(io.FileIO):
    """Standard output, whose errors name it, or standard error, where what cannot be written is
    lost: there is nobody to be told."""

    def write(self, data: bytes) -> int | None:  # type: ignore[override]
        try:
            with naming("standard output"):
                return super().write(data)
        except OSError:
            if self.fileno() == 2:
                return len(data)
            raise


def prepare(own: bool) -> None:
    """Make the standard streams such that printing works.

    A closed one becomes the null device, or the next file opened would get its number and
    whatever is printed; a letter that a stream cannot encode is written as an escape. If they
    are the command line's own, what the system refuses names the stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            raw = getattr(stream.buffer, "raw", stream.buffer)  # itself if it has no buffer
            if own and type(raw) is io.FileIO:
                setattr(sys, name, _named(stream, raw.fileno()))


def _named(stream: io.TextIOWrapper, number: int) -> io.TextIOWrapper:
    """A stream like this one that is a `_Standard`."""
    raw: io.FileIO = _Standard(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def reader_left() -> bool:
    """Whether stdout is a pipe that nobody reads any more."""
    if not hasattr(select, "poll"):
        return True
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):  # it is none of the system's
        return False


def abandon(number: int) -> None:
    """Send what else is written to stdout (1) or stderr (2) nowhere: it is closed or full."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
