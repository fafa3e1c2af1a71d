"""Parts of files that stand beside another file: a stranger names them, so only plain names count.

A file may keep its numbers in a second one. Which file that is must not be a stranger's choice:
its name is a plain name, so that it lies in the first one's folder, and it is a regular file and
no link, so that it is not another one elsewhere. What was checked is what is read: the folder is
opened once, the file relative to it without following links, and its size is that of the open file.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType

from ..errors import FileFormatError
from .reading import NO_WAIT, allowance, regular
from .strict_json import printable

__all__ = ["Beside"]

_LARGEST = (1 << 31) - 1  # bytes of a file and its parts together
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_FOLDERS = os.open in os.supports_dir_fd  # not on Windows


class Beside:
    """The folder of a file, to read parts of other files there.

    What is read counts against `allowance` of the sizes of all the files.

    Parameters
    ----------
    path : str or Path
        The file.
    size : int
        How many bytes it has.
    """

    def __init__(self, path: str | Path, size: int) -> None:
        self._folder = os.path.dirname(path) or "."
        self._handle: int | None = None
        self._size, self._taken = size, 0
        self._sizes: dict[str, int] = {}

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)

    @property
    def size(self) -> int:
        """The bytes of the file and of those beside it that were read."""
        return self._size + sum(self._sizes.values())

    def read(self, name: str, offset: int, length: int, where: str) -> bytes:
        """So many bytes of the file called `name`, from `offset` on.

        Raises FileFormatError where the name is no plain one, the file is missing, a link or not
        regular, the bytes are not inside it, or all parts are together too large; `where` says in
        the message what is kept there.
        """
        where = f"{where} is kept in {printable(name)[:200]!r}"
        if name in ("", ".", "..") or set(name) & set("/\\\0") or (os.name == "nt" and ":" in name):
            raise FileFormatError(
                f"{where}, which is no plain name of a file in the model's folder: it is not opened"
            )
        with open(self._open(name, where), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            self._sizes[name] = size
            if offset + length > size:
                raise FileFormatError(
                    f"{where} from {offset:,} to {offset + length:,}, but that has {size:,} bytes"
                )
            self._taken += length
            if self._size + self._taken > min(allowance(self.size), _LARGEST):
                raise FileFormatError(f"{where}: all tensors together are too large to be read")
            stream.seek(offset)
            content = stream.read(length)
        if len(content) != length:
            raise FileFormatError(f"{where}, which became shorter while it was read")
        return content

    def _open(self, name: str, where: str) -> int:
        """A handle of the file, which is a regular one."""
        try:
            if _FOLDERS and self._handle is None:
                self._handle = os.open(self._folder, os.O_RDONLY | _DIRECTORY)
            place = name if _FOLDERS else os.path.join(self._folder, name)
            if not _NO_LINK and os.path.islink(place):
                raise OSError(errno.ELOOP, "a link")
            return regular(
                os.open(place, os.O_RDONLY | _NO_LINK | NO_WAIT, dir_fd=self._handle),
                f"{where}, which",
            )
        except FileNotFoundError:
            raise FileFormatError(
                f"{where}, which is missing: put that file into the model's folder"
            ) from None
        except OSError as error:
            link = error.errno == errno.ELOOP
            why = (
                "is a link: put the file itself there"
                if link
                else f"cannot be read ({error.strerror})"
            )
            raise FileFormatError(f"{where}, which {why}") from None
