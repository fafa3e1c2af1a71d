"""The JSON form of a network's nodes, written and read in one place so that the two agree.

proofs/network.md specifies it. It knows single nodes only: `network` hashes these documents,
`network_file` puts them into files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..arithmetic.kept_floats import Floats
from ..arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from ..arithmetic.rational import from_hex, objects, rational_from_hex, rational_to_hex, to_hex
from ..errors import FileFormatError
from ..files.strict_json import count, counts, dump, fields, items
from .nodes import Affine, Cpwl, MaxGroups, Node, Pointwise

__all__ = ["node_document", "node_from_document", "node_text"]

_NO_ENTRIES = '"entries":[]'


def node_document(node: Node) -> dict[str, Any]:
    """The JSON form of one node: objects, arrays, text and small integers only."""
    if isinstance(node, Affine):
        lists = [[to_hex(x) for part in _parts(m) for x in part] for m in node.matrices]
        return _affine_document(node, lists)
    if isinstance(node, Pointwise):
        functions = [
            {
                "breakpoints": [rational_to_hex(t) for t in f.breakpoints],
                "pieces": [[rational_to_hex(s), rational_to_hex(c)] for s, c in f.pieces],
            }
            for f in node.functions
        ]
        which = [int(f) for f in node.which]
        return {"op": "pointwise", "input": node.source, "functions": functions, "which": which}
    return {"op": "max", "input": node.source, "groups": [list(map(int, g)) for g in node.groups]}


def node_text(node: Node) -> Iterator[str]:
    """The canonical text of `node_document` in pieces, so that no long list is ever whole."""
    if not isinstance(node, Affine):
        yield dump(node_document(node))
        return
    without = _affine_document(node, [[] for _ in node.matrices])
    first, *rest = dump(without).split(_NO_ENTRIES)
    yield first
    for matrix, text in zip(node.matrices, rest, strict=True):
        yield _NO_ENTRIES[:-1]
        for k, part in enumerate(_parts(matrix)):
            yield "," * (k > 0) + ",".join(f'"{to_hex(x)}"' for x in part)
        yield "]" + text


def _parts(matrix: Matrix) -> Iterable[np.ndarray]:
    """The entries in pieces; integers made of floats are not kept for it."""
    held = matrix.held
    return held.parts() if isinstance(held, Floats) else [matrix.numbers]


def _affine_document(node: Affine, lists: list[list[str]]) -> dict[str, Any]:
    matrices = zip(node.matrices, lists, strict=True)
    return {
        "op": "affine",
        "inputs": list(node.inputs),
        "matrices": [_matrix_document(m, entries) for m, entries in matrices],
        "bias": [to_hex(b) for b in node.bias],
        "scale": to_hex(node.scale),
    }


def _matrix_document(matrix: Matrix, entries: list[str]) -> dict[str, Any]:
    if isinstance(matrix, Dense):
        return {"kind": "dense", "shape": list(matrix.shape), "entries": entries}
    if isinstance(matrix, Convolution):
        return {
            "kind": "convolution",
            "source": list(matrix.source),
            "target": list(matrix.target),
            "kernel": list(matrix.held.shape),
            "stride": list(matrix.stride),
            "padding": list(matrix.padding),
            "dilation": list(matrix.dilation),
            "groups": matrix.groups,
            "transpose": matrix.transpose,
            "entries": entries,
        }
    return {
        "kind": "sparse",
        "shape": list(matrix.shape),
        "indptr": [int(i) for i in matrix.indptr],
        "indices": [int(i) for i in matrix.indices],
        "entries": entries,
    }


def node_from_document(value: Any, where: str) -> Node:
    """Read one node from its JSON form.

    Parameters
    ----------
    value : JSON value
        What `node_document` gives, after parsing.
    where : str
        The file and node, for messages.

    Raises
    ------
    FileFormatError
        If the value is not exactly of the form; names the field.
    """
    kind = value.get("op") if isinstance(value, dict) else None
    if kind == "affine":
        return _affine(value, where)
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


def _affine(value: Any, where: str) -> Affine:
    names = ("op", "bias", "inputs", "matrices", "scale")
    _, bias, inputs, matrices, scale = fields(value, names, where)
    return Affine(
        tuple(counts(inputs, f"{where} inputs")),
        tuple(_matrix(m, f"{where} matrix") for m in items(matrices, where)),
        _numbers(bias, f"{where} bias"),
        from_hex(scale, f"{where} scale"),
    )


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
        return _sparse(value, where)
    if kind == "convolution":
        return _convolution(value, where)
    raise FileFormatError(f"{where}: kind must be dense, sparse or convolution")


def _sparse(value: Any, where: str) -> Sparse:
    names = ("kind", "shape", "indptr", "indices", "entries")
    _, shape, indptr, indices, entries = fields(value, names, where)
    rows, cols = counts(shape, f"{where} shape", 2)
    starts = np.asarray(counts(indptr, f"{where} indptr", rows + 1), dtype=np.int64)
    columns = np.asarray(counts(indices, f"{where} indices"), dtype=np.int64)
    covered = starts[0] == 0 and starts[-1] == len(columns) and (np.diff(starts) >= 0).all()
    # Within a row columns ascend; only where one row ends and the next starts may they fall.
    within = np.ones(len(columns) + 1, dtype=bool)
    within[starts[starts <= len(columns)]] = False
    ascending = (np.diff(columns) > 0)[within[1:-1]].all()
    if not (covered and ascending and (columns < cols).all()):
        raise FileFormatError(f"{where}: indptr and indices are not compressed rows")
    return Sparse((rows, cols), starts, columns, _numbers(entries, where, len(columns)))


def _convolution(value: Any, where: str) -> Convolution:
    names = ("source", "target", "kernel", "stride", "padding", "dilation")
    _, groups, transpose, entries, *lists = fields(
        value, ("kind", "groups", "transpose", "entries", *names), where
    )
    source, target, kernel, stride, padding, dilation = (
        tuple(counts(v, f"{where} {name}")) for name, v in zip(names, lists, strict=True)
    )
    if type(transpose) is not bool:
        raise FileFormatError(f"{where}: transpose must be true or false")
    if not 3 <= len(kernel) <= 16 or min(kernel) < 1:
        raise FileFormatError(f"{where}: a kernel of shape {list(kernel[:16])}")
    numbers = _numbers(entries, where, math.prod(kernel)).reshape(kernel)
    number = count(groups, f"{where} groups")
    return Convolution(source, target, numbers, stride, padding, dilation, number, transpose)


def _numbers(value: Any, where: str, length: int | None = None) -> np.ndarray:
    return objects(from_hex(x, f"{where}[{k}]") for k, x in enumerate(items(value, where, length)))
