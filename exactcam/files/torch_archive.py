"""Safe reading of `.pt2` files: only plain tensors and a graph of ATen operators get through.

`torch.export.load` unpickles example inputs and custom objects and evaluates symbolic
shapes, so a hostile file could run code. This module copies only what it has checked
into a new archive in memory; torch never sees the file itself.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from ..errors import FileFormatError

__all__ = ["safe_archive"]

_PLAIN = ("archive_format", "archive_version", "byteorder", ".data/version")
_PAYLOAD = re.compile(r"data/(?:weights/weight|constants/tensor)_\d+", re.ASCII)
_TARGET = re.compile(r"torch\.ops\.aten\.\w+(?:\.\w+)?|_operator\.getitem", re.ASCII)


def safe_archive(path: str | Path) -> io.BytesIO:
    """Copy the parts of a `.pt2` file that cannot run code into a new archive.

    Parameters
    ----------
    path : str or Path
        A file by `torch.export.save`.

    Returns
    -------
    BytesIO
        An archive for `torch.export.load`.

    Raises
    ------
    FileFormatError
        For a file that is damaged or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(e.compress_type != zipfile.ZIP_STORED for e in entries):
                raise FileFormatError(f"{path}: has compressed entries, which torch never writes")
            files = {e.filename.partition("/")[2]: archive.read(e) for e in entries}
    except (OSError, zipfile.BadZipFile, RuntimeError, EOFError) as error:
        raise FileFormatError(f"{path}: cannot be read as a .pt2 archive ({error})") from None
    models = [name for name in files if name.startswith("models/")]
    if len(entries) != len(files) or len(models) != 1 or not models[0].endswith(".json"):
        raise FileFormatError(f"{path}: is not an archive of one model by torch.export.save")
    model = models[0][len("models/") : -len(".json")]
    kept = {name: files[name] for name in files if name in _PLAIN or _PAYLOAD.fullmatch(name)}
    kept[models[0]] = _checked_graph(files[models[0]], path)
    for folder in ("weights", "constants"):
        name = f"data/{folder}/{model}_{folder}_config.json"
        kept[name] = _checked_config(files.get(name, b""), path)
    kept[f"data/sample_inputs/{model}.pt"] = b""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as copy:
        for name, content in kept.items():
            copy.writestr(f"archive/{name}", content)
    out.seek(0)
    return out


def _json(content: bytes, path: str | Path) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: holds damaged JSON ({error})") from None
    if not isinstance(document, dict):
        raise FileFormatError(f"{path}: holds JSON that is no object")
    return document


def _checked_config(content: bytes, path: str | Path) -> bytes:
    config = _json(content, path).get("config")
    payloads = config.values() if isinstance(config, dict) else [None]
    for payload in payloads:
        if (
            not isinstance(payload, dict)
            or payload.get("use_pickle") is not False
            or not re.fullmatch(r"(?:weight|tensor)_\d+", str(payload.get("path_name")))
        ):
            raise FileFormatError(
                f"{path}: holds pickled objects, which could run code; save the program with a "
                "current torch, or load the module in Python and use exactcam.from_torch"
            )
    return content


def _checked_graph(content: bytes, path: str | Path) -> bytes:
    document = _json(content, path)
    if document.get("range_constraints") or b'"expr_str"' in content:
        raise FileFormatError(
            f"{path}: was exported with dynamic shapes; export it without dynamic_shapes"
        )
    try:
        nodes = document["graph_module"]["graph"]["nodes"]
        for node in nodes:
            if not _TARGET.fullmatch(node["target"]):
                raise FileFormatError(
                    f"{path}: node {str(node.get('name'))[:40]} calls {node['target'][:60]!r}; only "
                    "ATen operators are read"
                )
            stack = node["metadata"].get("nn_module_stack")
            node["metadata"] = {} if stack is None else {"nn_module_stack": str(stack)}
    except (KeyError, TypeError, AttributeError):
        raise FileFormatError(f"{path}: is not a graph that torch.export.save writes") from None
    document["guards_code"] = []
    return json.dumps(document).encode()
