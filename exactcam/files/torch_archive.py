"""What is read of a `.pt2` file: plain tensors and a graph of ATen operators.

`torch.export.load` unpickles example inputs and custom objects, evaluates symbolic shapes and
imports what tree specifications name, so a hostile file could run code. This module writes a
new archive in memory with the document that `torch_document` rebuilds and the bytes of the
tensors it needs; torch never sees the file itself. Imports no torch.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from ..errors import FileFormatError
from .archive import Archive, open_archive
from .reading import reading
from .torch_document import rebuilt, rebuilt_config

__all__ = ["safe_archive"]

_LARGEST = 1 << 25  # bytes of a JSON document


def safe_archive(path: str | Path) -> io.BytesIO:
    """A new archive with the known parts of the file. Raises FileFormatError."""
    with open_archive(path) as archive, reading(path):
        names = {name.partition("/")[2]: name for name in archive.names}
        models = [name for name in names if name.startswith("models/")]
        if len(names) != len(archive.names) or len(models) != 1 or not models[0].endswith(".json"):
            raise FileFormatError(f"{path}: is not an archive of one model by torch.export.save")
        kept = {
            "archive_format": b"pt2",
            "archive_version": b"0",
            ".data/version": b"6\n",
            "byteorder": b"little",
            "models/model.json": _packed(
                rebuilt(_json(archive, names[models[0]], path), str(path))
            ),
            "data/sample_inputs/model.pt": b"",
        }
        if "byteorder" in names and archive.read(names["byteorder"]) != b"little":
            raise FileFormatError(f"{path}: its numbers are not stored little-endian")
        stem = models[0][len("models/") : -len(".json")]
        for folder in ("weights", "constants"):
            inside = f"data/{folder}/"
            table = f"{inside}{stem}_{folder}_config.json"
            if table not in names:
                raise FileFormatError(f"{path}: holds no table of {folder}")
            stored = {
                name[len(inside) :]: archive.size(full)
                for name, full in names.items()
                if name.startswith(inside) and name != table
            }
            config = rebuilt_config(
                _json(archive, names[table], path).get("config"), stored, str(path)
            )
            kept[f"{inside}model_{folder}_config.json"] = _packed({"config": config})
            for payload in {entry["path_name"] for entry in config.values()}:
                kept[inside + payload] = archive.read(names[inside + payload])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as copy:
        for name, content in kept.items():
            copy.writestr(f"archive/{name}", content)
    out.seek(0)
    return out


def _json(archive: Archive, name: str, path: str | Path) -> dict[str, Any]:
    if archive.size(name) > _LARGEST:
        raise FileFormatError(f"{path}: its document has more than {_LARGEST:,} bytes")
    try:
        document = json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: holds damaged JSON ({error})") from None
    if not isinstance(document, dict):
        raise FileFormatError(f"{path}: holds JSON that is no object")
    return document


def _packed(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode("ascii")
