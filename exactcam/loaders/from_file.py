"""Network files: the strict, pickle-free text form, and `.npz` arrays.

A network file is one JSON object: the canonical document of the computation
(`Network.document`, specified in proofs/network.md) plus `names` and `notes`.
Reading checks everything; a file that is not exactly of the form is refused.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from ..arithmetic.rational import from_hex, objects, rational_from_hex
from ..errors import ExactcamError, FileFormatError
from ..files.strict_json import count, counts, dump, fields, items, parse
from ..model.network import Network
from ..model.nodes import Affine, Cpwl, MaxGroups, Node, Pointwise
from .from_arrays import from_arrays

__all__ = [
    "network_document",
    "network_from_document",
    "read_network",
    "read_npz",
    "write_network",
]

_KEYS = ("format", "inputs", "nodes", "output", "version")


def write_network(network: Network, path: str | Path) -> None:
    """Write the exact network; `read_network` gives an equal one back."""
    Path(path).write_text(dump(network_document(network)) + "\n", encoding="ascii")


def network_document(network: Network) -> dict[str, Any]:
    """The whole content of a network file: the computation, names and notes."""
    return {**network.document(), "names": list(network.names), "notes": list(network.notes)}


def read_network(path: str | Path) -> Network:
    """Read a file of `write_network`. Raises FileFormatError naming the file and field."""
    try:
        text = Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path}: cannot be read as text ({error})") from None
    document = parse(text, str(path))
    if not isinstance(document, dict) or document.get("format") != "exactcam-network":
        raise FileFormatError(f"{path}: is not an exactcam network file")
    return network_from_document(document, str(path))


def network_from_document(document: dict[str, Any], where: str) -> Network:
    """The network of a parsed document with its `names` and `notes`."""
    format_, inputs, node_list, output, version, names, notes = fields(
        document, (*_KEYS, "names", "notes"), where
    )
    if format_ != "exactcam-network" or version != 1:
        raise FileFormatError(f"{where}: is not an exactcam-network file of version 1")
    for text in [*items(names, f"{where}: names"), *items(notes, f"{where}: notes")]:
        if not isinstance(text, str):
            raise FileFormatError(f"{where}: names and notes must be text")
    try:
        nodes = tuple(
            _node(node, f"{where}: node {k}") for k, node in enumerate(items(node_list, where))
        )
        return Network(
            count(inputs, f"{where}: inputs"), nodes, count(output, f"{where}: output"),
            tuple(names), tuple(notes),
        )  # fmt: skip
    except FileFormatError:
        raise
    except ExactcamError as error:
        raise FileFormatError(str(error)) from None


def _node(value: Any, where: str) -> Node:
    kind = value.get("op") if isinstance(value, dict) else None
    if kind == "affine":
        _, bias, inputs, matrices, scale = fields(
            value, ("op", "bias", "inputs", "matrices", "scale"), where
        )
        return Affine(
            tuple(counts(inputs, f"{where} inputs")),
            tuple(_matrix(m, f"{where} matrix") for m in items(matrices, where)),
            _numbers(bias, f"{where} bias"),
            from_hex(scale, f"{where} scale"),
        )
    if kind == "pointwise":
        _, source, functions, which = fields(value, ("op", "input", "functions", "which"), where)
        return Pointwise(
            count(source, f"{where} input"),
            tuple(_function(f, f"{where} function") for f in items(functions, where)),
            np.asarray(counts(which, f"{where} which"), dtype=np.int64),
        )
    if kind == "max":
        _, source, groups = fields(value, ("op", "input", "groups"), where)
        return MaxGroups(
            count(source, f"{where} input"),
            tuple(tuple(counts(g, f"{where} group")) for g in items(groups, where)),
        )
    raise FileFormatError(f"{where}: op must be affine, pointwise or max")


def _function(value: Any, where: str) -> Cpwl:
    breakpoints, pieces = fields(value, ("breakpoints", "pieces"), where)
    maps = [items(piece, f"{where} piece", 2) for piece in items(pieces, where)]
    function = Cpwl(
        [rational_from_hex(t, f"{where} breakpoint") for t in items(breakpoints, where)],
        [(rational_from_hex(s, where), rational_from_hex(c, where)) for s, c in maps],
    )
    if len(function.pieces) != len(maps):
        raise FileFormatError(f"{where}: a breakpoint without a change of slope")
    return function


def _matrix(value: Any, where: str) -> Matrix:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == "dense":
        _, shape, entries = fields(value, ("kind", "shape", "entries"), where)
        rows, cols = counts(shape, f"{where} shape", 2)
        return Dense(_numbers(entries, where, rows * cols).reshape(rows, cols))
    if kind == "sparse":
        _, shape, indptr, indices, entries = fields(
            value, ("kind", "shape", "indptr", "indices", "entries"), where
        )
        rows, cols = counts(shape, f"{where} shape", 2)
        starts = np.asarray(counts(indptr, f"{where} indptr", rows + 1), dtype=np.int64)
        columns = np.asarray(counts(indices, f"{where} indices"), dtype=np.int64)
        inner = np.ones(len(columns) + 1, dtype=bool)
        inner[starts[starts <= len(columns)]] = False
        if (
            starts[0] != 0 or starts[-1] != len(columns) or (np.diff(starts) < 0).any()
            or (columns >= cols).any() or (np.diff(columns) <= 0)[inner[1:-1]].any()
        ):  # fmt: skip
            raise FileFormatError(f"{where}: indptr and indices are not compressed rows")
        return Sparse((rows, cols), starts, columns, _numbers(entries, where, len(columns)))
    if kind == "convolution":
        names = ("source", "target", "kernel", "stride", "padding", "dilation")
        _, groups, transpose, entries, *lists = fields(
            value, ("kind", "groups", "transpose", "entries", *names), where
        )
        source, target, kernel, stride, padding, dilation = (
            tuple(counts(v, f"{where} {name}")) for name, v in zip(names, lists, strict=True)
        )
        if type(transpose) is not bool:
            raise FileFormatError(f"{where}: transpose must be true or false")
        numbers = _numbers(entries, where, math.prod(kernel)).reshape(kernel)
        return Convolution(
            source, target, numbers, stride, padding, dilation,
            count(groups, f"{where} groups"), transpose,
        )  # fmt: skip
    raise FileFormatError(f"{where}: kind must be dense, sparse or convolution")


def _numbers(value: Any, where: str, length: int | None = None) -> np.ndarray:
    return objects(from_hex(x, f"{where}[{k}]") for k, x in enumerate(items(value, where, length)))


def read_npz(path: str | Path) -> Network:
    """A fully connected network from arrays `weight0 bias0 weight1 bias1 ...`.

    ReLU between layers, or leaky ReLU where the file holds a non-zero scalar
    `negative_slope`; other keys are ignored. Never unpickles.
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
