"""Networks from `.npz` files of plain weight and bias arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..errors import ExactcamError, FileFormatError
from ..model.network import Network
from .from_arrays import from_arrays

__all__ = ["read_npz"]


def read_npz(path: str | Path) -> Network:
    """Read a fully connected network from a `.npz` file of arrays.

    Parameters
    ----------
    path : str or Path
        Holds `weight0 bias0 weight1 bias1 ...` and, for leaky ReLU between the layers, a
        scalar `negative_slope`; other arrays are ignored. Nothing is unpickled.

    Raises
    ------
    FileFormatError
        For a file that cannot be read or lacks an array.
    NetworkError, NumberError
        As `from_arrays`, naming the file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {
                key: archive[key]
                for key in archive.files
                if key.startswith(("weight", "bias")) or key == "negative_slope"
            }
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        raise FileFormatError(
            f"{path}: cannot be read as .npz arrays: damaged, or no such file"
        ) from None
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    while f"weight{len(layers)}" in arrays:
        k = len(layers)
        if f"bias{k}" not in arrays:
            raise FileFormatError(f"{path}: holds weight{k} but no bias{k}")
        layers.append((arrays[f"weight{k}"], arrays[f"bias{k}"]))
    if not layers:
        raise FileFormatError(f"{path}: holds no array weight0; name arrays weight0 bias0 ...")
    slope = arrays.get("negative_slope", np.zeros(()))
    if slope.size != 1:
        raise FileFormatError(f"{path}: negative_slope must be one number")
    try:
        return from_arrays(layers, slope.reshape(-1)[0])
    except ExactcamError as error:
        raise type(error)(f"{path}: {error}") from None
