"""Standard streams that may be closed, full, or unable to write a letter."""

from __future__ import annotations

import io
import os
import select
import sys

__all__ = ["abandon", "prepare", "reader_left"]


def prepare() -> None:
    """Make the standard streams such that printing works.

    A closed one becomes the null device, or the next file opened would get its number and
    whatever is printed; a letter that a stream cannot encode is written as an escape.
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
