"""How a file is written: beside, synced, then renamed, so that a reader or a crash finds the old
file or the new one, never half of either.

Whatever the system refuses names the file, also where Python's error does not.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO, Any, BinaryIO

from ..errors import ExactcamError, FileWriteError

__all__ = ["locked", "naming", "write_bytes", "write_text", "writing"]


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Turn every OSError raised inside into a FileWriteError with the file's name."""
    try:
        yield
    except (BrokenPipeError, FileWriteError):  # the reader of a pipe went away: no fault
        raise
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror or str(error), str(path)) from None


@contextmanager
def writing(path: str | Path) -> Iterator[BinaryIO]:
    """A binary stream whose content becomes the file when the block is left without an error.

    Until then, and if anything fails, what the file held stays. A link stays a link, and the
    file keeps its permissions; devices and pipes are written to directly. Raises OSError with
    the file's name.
    """
    target = Path(os.path.realpath(path))
    with naming(path):
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and not stat.S_ISREG(mode):
            with open(target, "wb") as stream:
                yield stream
            return
        beside = target.with_name(f".{target.name[:100]}.{token_hex(8)}")
        try:
            with open(beside, "xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if mode is not None:
                os.chmod(beside, stat.S_IMODE(mode))
            os.replace(beside, target)
        finally:
            with suppress(FileNotFoundError):  # it has its name, or something was raised
                os.unlink(beside)
        _sync_folder(target.parent)


def write_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Make `content` the file's."""
    with writing(path) as stream:
        stream.write(content)


def write_text(path: str | Path, text: str) -> None:
    """Make `text` the file's, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def locked(path: str | Path, stream: IO[Any]) -> Iterator[None]:
    """Hold the one lock of an open file. Raises ExactcamError where another process has it."""
    busy = f"{path}: is being written by another process; wait for it, or name another file"
    if sys.platform == "win32":
        import msvcrt

        stream.seek(0)
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            raise ExactcamError(busy) from None
        try:
            yield
        finally:
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)
        return
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ExactcamError(busy) from None
    yield  # closing the stream lets go


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a loss of power, where the system can."""
    if sys.platform == "win32":
        return
    with suppress(OSError):  # some file systems cannot sync a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
