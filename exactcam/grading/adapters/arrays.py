"""Reads the `.npz` files of engines: arrays by name, never unpickled, and what they were run on.

Any engine's file may also say what it was run on: the network as `network` (the text
of an exact network file) or as `weight0 bias0 weight1 bias1 ...`; `window` (or
`domain`), its corners (n, 2); `slice`, three rows origin, e1, e2; and `error`, the
engine's message where it raised. A file that says it all needs no model to be graded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileFormatError
from ...files.arrays import read_npz_arrays
from ...files.reading import reading
from ...files.strict_json import dump, parse, printable
from ...loaders.npz import read_npz
from ...model.network import Network
from ...model.network_file import network_document, network_from_document
from ...model.slice import Slice, Window

__all__ = ["check_rows", "context", "context_arrays", "read_arrays", "whole_number"]

_ROWS, _ROWS_A_BYTE = 1 << 17, 16  # of any array of a file, and so many more for each byte


def read_arrays(
    path: str | Path, needed: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Read arrays of an `.npz` file by name.

    Parameters
    ----------
    path : str or Path
        The file.
    needed, optional : sequence of str
        The arrays that must be there, and those that may; others are not read.

    Returns
    -------
    dict
        Name -> array, for those that are there.

    Raises
    ------
    FileFormatError
        Where one that is needed is missing, one has far more rows than the file's size allows,
        or the file is damaged.
    """
    names = {*needed, *optional}
    held = read_npz_arrays(path, lambda name: name in names)
    for name, array in held.items():
        check_rows(path, name, len(array) if array.ndim else 0)
    for name in needed:
        if name not in held:
            raise FileFormatError(f"{path}: holds no array {name}; it needs {', '.join(needed)}")
    return held


def check_rows(path: str | Path, name: str, rows: int) -> None:
    """Refuse far more rows than a file's size allows: each is looked at alone, and zeros pack."""
    if rows > _ROWS + _ROWS_A_BYTE * Path(path).stat().st_size:
        raise FileFormatError(f"{path}: {name} has {rows:,} rows, far too many for the file's size")


def whole_number(held: dict[str, np.ndarray], name: str, path: str | Path) -> int | None:
    """An array that is a single integer or truth value, None where the file does not hold it.

    Raises FileFormatError naming `path` for an array of anything else.
    """
    value = held.get(name)
    if value is None:
        return None
    if value.shape != () or value.dtype.kind not in "iub":
        raise FileFormatError(f"{path}: {name} must be one whole number, not {value.dtype}")
    return int(value)


def context(path: str | Path) -> dict[str, Any]:
    """What a file says it was run on: the fields `network`, `slice`, `window` and `error`.

    Returns
    -------
    dict
        Fields of an EngineOutput, those the file holds.

    Raises
    ------
    FileFormatError
        Where one of them has the wrong shape.
    """
    held = read_arrays(path, (), ("network", "weight0", "window", "domain", "slice", "error"))
    out: dict[str, Any] = {}
    with reading(path):
        if "network" in held:
            document = parse(_text(held, "network"), f"{path}: network")
            out["network"] = network_from_document(document, f"{path}: network")
        elif "weight0" in held:
            out["network"] = read_npz(path)
        corners = held.get("window", held.get("domain"))
        if corners is not None:
            if corners.ndim != 2 or corners.shape[1] != 2:
                raise FileFormatError(f"window has shape {corners.shape}, give corners (n, 2)")
            out["window"] = Window(corners.tolist())
        if "slice" in held:
            if held["slice"].ndim != 2 or len(held["slice"]) != 3:
                raise FileFormatError("slice needs three rows, origin, e1 and e2")
            out["slice"] = Slice(*held["slice"].tolist())
        if "error" in held:
            out["error"] = printable(_text(held, "error"))
    return out


def _text(held: dict[str, np.ndarray], name: str) -> str:
    """An array that is a single text. Raises FileFormatError for any other."""
    value = held[name]
    if value.shape != () or value.dtype.kind != "U":
        raise FileFormatError(f"{name} must be one text, not {value.dtype} of shape {value.shape}")
    return str(value)


def context_arrays(
    network: Network | None, slice: Slice | None, window: Window | None, error: str = ""
) -> dict[str, Any]:
    """The arrays that `context` reads back, for those arguments that are given.

    Raises FileFormatError where a coordinate of the window or of the slice is not exactly a
    float64: these files hold floats.
    """
    out: dict[str, Any] = {"error": error} if error else {}
    if network is not None:
        out["network"] = dump(network_document(network))
    if window is not None:
        out["window"] = _floats(window.corners, "window")
    if slice is not None:
        out["slice"] = _floats((slice.origin, slice.e1, slice.e2), "slice")
    return out


def _floats(rows: Sequence[Sequence[Any]], where: str) -> np.ndarray:
    """Rational rows as floats, refused where one would be rounded."""
    out = [[float(x) for x in row] for row in rows]
    if out != [list(row) for row in rows]:
        raise FileFormatError(f"{where}: a coordinate is not a float64 exactly; round it first")
    return np.asarray(out)
