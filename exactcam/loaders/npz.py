"""Networks from `.npz` files of plain weight and bias arrays."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..arithmetic.rational import spread
from ..errors import FileFormatError
from ..files.arrays import read_npz_arrays
from ..files.reading import reading
from ..model.network import Network
from .from_arrays import from_arrays

__all__ = ["read_npz"]

_LAYER = re.compile(r"(?:weight|bias)\d+", re.ASCII)
_FREE, _RATIO = 1 << 22, 16  # entries any file may hold, and so many more for each of its bytes
_LONG = 256  # bits of a number that counts as one


def read_npz(path: str | Path) -> Network:
    """Read a fully connected network from a `.npz` file of arrays.

    Parameters
    ----------
    path : str or Path
        Holds `weight0 bias0 weight1 bias1 ...` and, for leaky ReLU between the layers, a
        scalar `negative_slope`; arrays of other names are ignored. Nothing is unpickled.

    Raises
    ------
    FileFormatError
        For a file that cannot be read, lacks an array, holds one twice, or holds a weight or
        bias that belongs to no layer.
    NetworkError, NumberError
        As `from_arrays`, naming the file.
    """
    arrays = read_npz_arrays(
        path, lambda name: name == "negative_slope" or bool(_LAYER.fullmatch(name))
    )
    # A float is long beside far smaller ones, and then counts as several.
    entries = sum(a.size * (1 + spread(a) // _LONG) for a in arrays.values())
    most = _FREE + _RATIO * Path(path).stat().st_size
    if entries > most:
        raise FileFormatError(f"{path}: holds {entries:,} numbers, far more than its size allows")
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    while f"weight{len(layers)}" in arrays:
        k = len(layers)
        if f"bias{k}" not in arrays:
            raise FileFormatError(f"{path}: holds weight{k} but no bias{k}")
        layers.append((arrays.pop(f"weight{k}"), arrays.pop(f"bias{k}")))
    if not layers:
        raise FileFormatError(f"{path}: holds no array weight0; name arrays weight0 bias0 ...")
    slope = arrays.pop("negative_slope", np.zeros(()))
    if arrays:
        raise FileFormatError(
            f"{path}: holds {next(iter(arrays))[:60]} but only {len(layers)} layers, numbered from "
            "0; remove it, or add what is missing between"
        )
    if slope.size != 1:
        raise FileFormatError(f"{path}: negative_slope must be one number")
    with reading(path):
        return from_arrays(layers, slope.reshape(-1)[0])
