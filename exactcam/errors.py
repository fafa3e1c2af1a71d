"""The exceptions exactcam raises on purpose, all derived from one base class.

Every message is one line that names the layer, parameter, file or argument at
fault and says what to do about it. Nothing else in the package raises for bad
input, and nothing catches these except the command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def escaped(text: str) -> str:
    """The text as one line of printable characters; others are written as Python escapes them.

    Files and those who name them choose names: a line break or an escape sequence of a terminal
    in one could forge what a report says.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class ExactcamError(Exception):
    """The base of every error exactcam raises on purpose: catch this to catch them all.

    Raised itself for a wrong argument (`engine`, `jobs`, `level`, a point outside the
    window) and for a helper process that died.
    """

    def __str__(self) -> str:
        return escaped(super().__str__())


class NumberError(ExactcamError, ValueError):
    """A number that is not an exact rational: NaN, infinity, a wide float or malformed text.

    The message names the entry, for example `layer 1 bias[1]`.
    """


class NetworkError(ExactcamError, ValueError):
    """A network that is not well formed, or not continuous piecewise linear.

    The message names the layer, as the model file or module does.
    """


class UnsupportedLayerError(NetworkError):
    """A layer or operator that no loader can translate exactly, a sigmoid for example."""


class ReductionError(ExactcamError):
    """A network that `partition(..., reduce=True)` cannot reduce to its unstable units.

    There are too many, or numbers too wide. Left to itself, `partition` does without.
    """


class SliceError(ExactcamError, ValueError):
    """A slice or window that is degenerate or does not fit the network's input size."""


class MissingCellError(ExactcamError, IndexError):
    """A partition has no cell of that number."""


class FileFormatError(ExactcamError, ValueError):
    """A file that is damaged, too large for its reader or not of the format it was read as.

    The message names the file and, where it has lines, the line.
    """


class FileWriteError(ExactcamError, OSError):
    """A file that cannot be written; `filename` and `errno` are those of the system's error."""

    def __str__(self) -> str:
        return escaped(f"{self.filename}: cannot be written ({self.strerror})")


class MissingExtraError(ExactcamError, ImportError):
    """An optional package is not installed; the message names the extra to install."""


class InvariantError(ExactcamError, AssertionError):
    """A computed result contradicts a theorem: always a defect of exactcam, please report it."""


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn every OSError raised inside into a FileWriteError with the file's name."""
    try:
        yield
    except (BrokenPipeError, FileWriteError):  # the reader of a pipe went away: no fault
        raise
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror or str(error), str(path)) from None


def interrupted(error: BaseException | None) -> bool:
    """Whether an exception is KeyboardInterrupt, or the SystemError numba makes of one."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None
