"""Reading `.npz` arrays of engines: by name, never unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import FileFormatError

__all__ = ["read_arrays"]


def read_arrays(
    path: str | Path, needed: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """The named arrays of a file. Raises FileFormatError where one that is needed is missing."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = {name: archive[name] for name in (*needed, *optional) if name in archive.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path}: cannot be read as .npz arrays ({error})") from None
    for name in needed:
        if name not in held:
            raise FileFormatError(f"{path}: holds no array {name}; it needs {', '.join(needed)}")
    return held
