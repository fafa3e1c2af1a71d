"""Zip archives of strangers: stored or deflated members, each name once, sizes checked first."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import FileFormatError
from .reading import allowance, open_file, reading

__all__ = ["Archive", "open_archive"]

_DIRECTORY = 1 << 24  # bytes of a directory: some 200,000 members
_END = struct.Struct("<4s4H2LH")  # end of central directory
_LOCATOR, _END64 = struct.Struct("<4sLQL"), struct.Struct("<4sQ2H2L4Q")


class Archive:
    """The members of an open archive by name.

    What is read of it counts against `allowance` of the file's size.
    """

    def __init__(self, path: str | Path, archive: zipfile.ZipFile, packed: int) -> None:
        self._path, self._archive, self._left = path, archive, allowance(packed)
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in archive.infolist():
            name = member.filename
            if name in self._members:
                raise FileFormatError(f"{path}: holds {name[:60]!r} twice")
            self._members[name] = member

    @property
    def names(self) -> list[str]:
        return list(self._members)

    def size(self, name: str) -> int:
        """How many bytes a member says it unpacks to."""
        return self._members[name].file_size

    def read(self, name: str) -> bytes:
        """The content of a member. Raises FileFormatError where that is encrypted, packed by
        another method than deflate, damaged, or larger than the file allows."""
        member = self._members[name]
        where = f"{self._path}: {name[:60]!r}"
        if member.flag_bits & 0x1:
            raise FileFormatError(f"{where} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileFormatError(f"{where} is neither stored nor deflated")
        self._left -= member.file_size
        if self._left < 0:
            raise FileFormatError(f"{where} unpacks to far more than the file's own size")
        with reading(where), self._archive.open(member) as stream:
            content = stream.read(member.file_size + 1)
        if len(content) != member.file_size:
            raise FileFormatError(f"{where} has another size than it says")
        return content


@contextmanager
def open_archive(path: str | Path) -> Iterator[Archive]:
    """The zip archive in a file. Raises FileFormatError where it is none."""
    with open_file(path) as stream:
        with reading(path):
            packed = _check_directory(path, stream)
            archive = zipfile.ZipFile(stream)
        with archive:
            yield Archive(path, archive, packed)


def _check_directory(path: str | Path, stream: BinaryIO) -> int:
    """The file's size. Raises FileFormatError where its directory, which zipfile reads as a
    whole, is not inside the file or too large."""
    size = stream.seek(0, 2)
    tail_start = max(0, size - (1 << 16) - _END.size)
    stream.seek(tail_start)
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise FileFormatError(f"{path}: is no zip archive, or cut off")
    directory = _END.unpack_from(tail, at)[5]
    before = at - _LOCATOR.size
    if before >= 0 and tail[before : before + 4] == b"PK\x06\x07":
        stream.seek(min(_LOCATOR.unpack_from(tail, before)[2], size))
        record = stream.read(_END64.size)
        if len(record) < _END64.size:
            raise FileFormatError(f"{path}: its directory is damaged")
        directory = _END64.unpack(record)[8]
    if directory > min(size, _DIRECTORY):
        raise FileFormatError(f"{path}: its directory says {directory:,} bytes")
    stream.seek(0)
    return size
