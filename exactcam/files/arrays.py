"""Arrays of strangers, `.npy` and `.npz`: never unpickled, sizes checked before allocation.

numpy evaluates a header as a Python literal and believes the shape it finds. Here a header
must be the plain text that every writer of the format produces, its type a number or text,
and its shape that of the bytes that follow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import FileFormatError
from .archive import open_archive
from .reading import read_bytes

__all__ = ["read_npy", "read_npz_arrays"]

_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    r"\{ *'descr' *: *'([<>|=]?(?:b1|\?|[iu][1248]|f[248]|[SU]\d{1,8}))' *, *"
    r"'fortran_order' *: *(True|False) *, *'shape' *: *\(([\d, ]{0,200})\) *,? *\}[ \n]*",
    re.ASCII,
)
_LONGEST = 1 << 12  # bytes of a header
_LARGEST = 1 << 32  # bytes of a .npy file


def read_npy(path: str | Path) -> np.ndarray:
    """The array in a `.npy` file. Raises FileFormatError."""
    return _array(read_bytes(path, _LARGEST), str(path))


def read_npz_arrays(path: str | Path, wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file whose names are `wanted`; the others are not unpacked.

    Raises FileFormatError naming the file and the array for anything but plain arrays.
    """
    out: dict[str, np.ndarray] = {}
    with open_archive(path) as archive:
        for member in archive.names:
            name = member.removesuffix(".npy")
            if not wanted(name):
                continue
            if name in out:
                raise FileFormatError(f"{path}: holds the array {name} twice")
            out[name] = _array(archive.read(member), f"{path}: array {name}")
    return out


def _array(content: bytes, where: str) -> np.ndarray:
    """The array that some bytes are, a view of them."""
    if content[:6] != _MAGIC or len(content) < 12 or content[6] not in (1, 2, 3):
        raise FileFormatError(f"{where}: is no array of numpy's format")
    width = 2 if content[6] == 1 else 4
    start = 8 + width
    end = start + int.from_bytes(content[8:start], "little")
    if end - start > _LONGEST or end > len(content):
        raise FileFormatError(f"{where}: its header is too long")
    header = _HEADER.fullmatch(content[start:end].decode("latin-1"))
    if header is None:
        raise FileFormatError(
            f"{where}: its header is not that of an array of numbers or text; arrays of Python "
            "objects are never read"
        )
    kind, fortran, sides = np.dtype(header[1]), header[2] == "True", header[3]
    if re.fullmatch(r"(?:\d{1,15}(?:, *\d{1,15})*,?)?", sides.strip()) is None:
        raise FileFormatError(f"{where}: has the shape ({sides.strip()[:60]})")
    shape = tuple(int(side) for side in re.findall(r"\d+", sides))
    if len(shape) > 32 or math.prod(shape) * kind.itemsize != len(content) - end:
        raise FileFormatError(
            f"{where}: the shape {shape} of {kind} does not fit the {len(content) - end:,} bytes "
            "that follow"
        )
    if kind.kind == "U" and len(content) > end:
        codes = np.frombuffer(content, f"{kind.str[0]}u4", offset=end)
        if (codes > 0x10FFFF).any() or (codes >> 11 == 0xD800 >> 11).any():
            raise FileFormatError(f"{where}: holds text with characters that are none")
    flat = np.frombuffer(content, kind, offset=end) if kind.itemsize else np.empty(0, kind)
    return flat.reshape(shape, order="F" if fortran else "C")
