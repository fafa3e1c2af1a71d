"""How a file of a stranger is read: regular, within limits, every failure one line with its name.

A small file must not become large: what unpacking, parsing or folding may produce is bounded by
`allowance` of the bytes that are there, before anything is allocated.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import ExactcamError, FileFormatError, escaped, interrupted
from .strict_json import printable

__all__ = ["NO_WAIT", "allowance", "open_file", "read_bytes", "read_text", "reading", "regular"]

_FREE = 1 << 25  # bytes any file may unpack to,
_RATIO = 64  # and so many times its own size: weights pack four times, sparse ones perhaps fifty
_TEXT = 1 << 27  # bytes of a text that is parsed as a whole


def allowance(packed: int) -> int:
    """How many bytes `packed` bytes of a file may unpack to."""
    return _FREE + _RATIO * packed


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn whatever is raised inside into one error line that begins with the file's name.

    Libraries that parse a file raise nearly anything where it is damaged; the one place of the
    package that catches `Exception` is therefore this. Errors of exactcam keep their type.
    """
    try:
        yield
    except ExactcamError as error:
        text, where = str(error), escaped(str(path))
        inside = text.removeprefix(where)
        if inside != text and printable(inside) == inside:
            raise
        separator = "" if inside != text else ": "
        raise type(error)(where + separator + printable(inside)) from None
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror or error})") from None
    except MemoryError:
        raise FileFormatError(f"{path}: needs more memory than there is") from None
    except Exception as error:
        if interrupted(error):
            raise
        text = printable(" ".join(str(error).split()))[:200] or type(error).__name__
        raise FileFormatError(f"{path}: is damaged ({text})") from None


def open_file(path: str | Path) -> BinaryIO:
    """The file, open for reading. Raises FileFormatError unless it is a regular one: a pipe or
    a device may never end, or never begin."""
    try:
        # Without waiting: else opening a pipe waits for a writer.
        handle = os.open(path, os.O_RDONLY | NO_WAIT)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror or error})") from None
    return open(regular(handle, f"{path}:"), "rb")


NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def regular(handle: int, where: str) -> int:
    """The handle of an open file. Raises FileFormatError, and closes it, unless it is a regular one."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileFormatError(f"{where} is not a regular file")
    return handle


def read_bytes(path: str | Path, limit: int = _TEXT) -> bytes:
    """The whole file. Raises FileFormatError for one of more than `limit` bytes."""
    with reading(path), open_file(path) as stream:
        # No more than is there: a stream allocates what it is asked for.
        content = stream.read(min(limit, os.fstat(stream.fileno()).st_size) + 1)
        if len(content) > limit:
            raise FileFormatError(f"{path}: has more than {limit:,} bytes")
        return content


def read_text(path: str | Path, limit: int = _TEXT) -> str:
    """The whole file as ASCII text."""
    try:
        return read_bytes(path, limit).decode("ascii")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: is no ASCII text (byte {error.start})") from None
