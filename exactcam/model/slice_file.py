"""Slice files: the plane and the window a question is about, as strict JSON.

A certificate is checked against a network and a slice that whoever asks holds
separately; this is the file for the second (proofs/certificate.md, section 3).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..arithmetic.rational import rational_from_hex, rational_to_hex
from ..errors import FileFormatError, NumberError, SliceError
from ..files.reading import read_text
from ..files.strict_json import count, dump, fields, items, parse
from ..files.writing import write_text
from .slice import Slice, Window

__all__ = ["read_slice", "slice_document", "slice_from_document", "slice_sha256", "write_slice"]


def slice_document(slice: Slice, window: Window) -> dict[str, Any]:
    """The slice and the window as JSON values."""
    return {
        "format": "exactcam-slice",
        "version": 1,
        "origin": [rational_to_hex(x) for x in slice.origin],
        "e1": [rational_to_hex(x) for x in slice.e1],
        "e2": [rational_to_hex(x) for x in slice.e2],
        "window": [[rational_to_hex(x) for x in corner] for corner in window.corners],
    }


def slice_sha256(slice: Slice, window: Window) -> str:
    """SHA-256 of the canonical text of `slice_document`."""
    return hashlib.sha256(dump(slice_document(slice, window)).encode("ascii")).hexdigest()


def write_slice(slice: Slice, window: Window, path: str | Path) -> None:
    """Write a slice file; `read_slice` gives equal ones back."""
    write_text(path, dump(slice_document(slice, window)) + "\n")


def read_slice(path: str | Path) -> tuple[Slice, Window]:
    """Read a file of `write_slice`. Raises FileFormatError naming the file and field."""
    document = parse(read_text(path), str(path))
    return slice_from_document(document, str(path))


def slice_from_document(document: Any, where: str) -> tuple[Slice, Window]:
    """The slice and window of a parsed slice file. Raises FileFormatError naming the field."""
    names = ("format", "version", "origin", "e1", "e2", "window")
    kind, version, *vectors, window = fields(document, names, where)
    if kind != "exactcam-slice" or count(version, f"{where}: version") != 1:
        raise FileFormatError(f"{where}: is not an exactcam-slice file of version 1")
    try:
        named = zip(names[2:5], vectors, strict=True)
        plane = Slice(
            *([rational_from_hex(x, n) for x in items(v, f"{where}: {n}")] for n, v in named)
        )
        corners = [
            [rational_from_hex(x, "window corner") for x in items(c, f"{where}: window", 2)]
            for c in items(window, f"{where}: window")
        ]
        outline = Window(corners)
    except (NumberError, SliceError) as error:
        raise FileFormatError(f"{where}: {error}") from None
    if [list(c) for c in outline.corners] != corners:
        raise FileFormatError(f"{where}: the window is not counter-clockwise")
    return plane, outline
