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

from ..errors import ExactcamError, naming

__all__ = ["locked", "naming", "write_bytes", "write_text", "writing"]


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
        _remove_left(target)
        with _beside(target) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            if mode is not None:
                os.chmod(stream.name, stat.S_IMODE(mode))
            if sys.platform == "win32":  # where what is open keeps its name
                stream.close()
            os.replace(stream.name, target)
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
    try:
        _take(stream)
    except BlockingIOError:
        raise ExactcamError(busy) from None
    except OSError as error:
        raise ExactcamError(
            f"{path}: its file system cannot lock files ({error.strerror}), so that another "
            "process could write to it too: name a file elsewhere"
        ) from None
    yield  # closing the stream lets go


@contextmanager
def _beside(target: Path) -> Iterator[BinaryIO]:
    """A new file beside the target, locked while this process lives and has it open, and
    removed at the block's end unless it has got another name."""
    path = target.with_name(_prefix(target) + token_hex(8))
    try:
        with open(path, "xb") as stream:
            if _kept(stream):
                yield stream
                return
        with _beside(target) as stream:
            yield stream
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _kept(stream: BinaryIO) -> bool:
    """Lock a new file; False where another writer has found it before, and removes it."""
    try:
        _take(stream)
    except BlockingIOError:
        return False
    except OSError:  # here files cannot be locked, so nobody removes any
        return True
    return os.path.exists(stream.name)


def _take(stream: IO[Any]) -> None:
    """Take the lock of an open file, kept until it is closed; nothing on Windows.

    Raises BlockingIOError where another process has it, another OSError where there is none.
    """
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_left(target: Path) -> None:
    """Remove what processes that were killed left beside the target: files nobody has locked."""
    if sys.platform == "win32":
        return
    with suppress(OSError):  # whoever may write to a folder need not be allowed to read it
        for name in os.listdir(target.parent):
            if name.startswith(_prefix(target)):
                path = target.with_name(name)
                with suppress(OSError), open(path, "r+b", opener=_as_it_is) as stream:
                    _take(stream)
                    os.unlink(path)


def _as_it_is(path: str, flags: int) -> int:
    """Open a file by name, neither what a link leads to nor waiting at a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _prefix(target: Path) -> str:
    """How the names of files beside the target begin."""
    return f".{target.name[:40]}.exactcam-"  # 40 letters of four bytes leave room


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
