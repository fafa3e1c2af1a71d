"""An ONNX file as the one graph that its output needs, with all its numbers inside.

Before a model is read, functions of its own are put in where they are called, nodes, inputs and
tensors that the output does not need are left out, and tensors in a file beside the model are
read from there. So what is judged, translated and checked is the same model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import FileFormatError
from ..files.beside import Beside
from ..files.strict_json import printable
from .onnx_form import check_form, inner_graphs
from .outputs import chosen

__all__ = [
    "choices_in",
    "copied",
    "inlined",
    "needed",
    "needed_part",
    "opset_of",
    "put_branches",
    "read_beside",
    "unused",
    "with_output",
]

_NODES, _RATIO = 1 << 14, 4  # nodes a model may have after inlining, and so many for each before
_BITS = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}
_EXTERNAL = 1  # a tensor's data_location
_KEYS = {"location", "offset", "length", "checksum"}  # of a place in another file
_DIMENSIONS = 64
_DEPTH = 64  # functions that call functions


def with_output(model: Any, output: int | str | None) -> Any:
    """The part of a model that one of its outputs needs."""
    entries = model.graph.output
    place = chosen([str(entry.name) for entry in entries], output)
    del entries[place + 1 :], entries[:place]
    return needed_part(model)


def copied(model: Any) -> Any:
    """A copy of a model."""
    copy = type(model)()
    copy.CopyFrom(model)
    return copy


def needed_part(model: Any) -> Any:
    """A copy of a model without what its output does not need."""
    copy, graph = type(model)(), model.graph
    copy.ir_version = model.ir_version
    copy.opset_import.MergeFrom(model.opset_import)
    copy.functions.MergeFrom(model.functions)
    copy.graph.name = graph.name
    copy.graph.output.MergeFrom(graph.output)
    nodes = needed(graph.node, [entry.name for entry in graph.output])
    copy.graph.node.extend(nodes)
    names = {name for node in nodes for name in _read_by(node)}
    names.update(entry.name for entry in graph.output)
    held = [tensor for tensor in graph.initializer if tensor.name in names]
    copy.graph.initializer.extend(held)
    sparse = [tensor for tensor in graph.sparse_initializer if tensor.values.name in names]
    copy.graph.sparse_initializer.extend(sparse)
    stored = {tensor.name for tensor in held}
    inputs = [entry for entry in graph.input if entry.name in names]
    if all(entry.name in stored for entry in inputs):  # then the output is constant
        inputs += [entry for entry in graph.input if entry.name not in names][:1]
    copy.graph.input.extend(inputs)
    return copy


def needed(nodes: Sequence[Any], wanted: Iterable[str], shapes: bool = True) -> list[Any]:
    """The nodes that some values depend on, in order; those by their shapes too, or not."""
    names, kept = set(wanted), []
    for node in reversed(nodes):
        if not names.isdisjoint(node.output):
            kept.append(node)
            if shapes or node.op_type not in ("Shape", "Size"):
                names.update(_read_by(node))
    return kept[::-1]


def _read_by(node: Any) -> Iterator[str]:
    """The names of the values that a node or a graph inside it reads."""
    yield from filter(None, node.input)  # "" is an input that is left out
    for graph in inner_graphs([node]):
        yield from (entry.name for entry in graph.output)
        yield from (name for below in graph.node for name in below.input if name)


def _all_nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    """Nodes and those of the graphs inside them."""
    yield from nodes
    yield from (node for graph in inner_graphs(nodes) for node in graph.node)


def unused(nodes: Iterable[Any], mark: str) -> str:
    """A beginning of names that no value of some nodes has: `mark`, made longer if need be."""
    names = {name for node in _all_nodes(nodes) for name in (*node.input, *node.output)}
    while any(name.startswith(mark) for name in names):
        mark += "_"
    return mark


def opset_of(model: Any) -> int:
    """The version of the operator set that a model is written in."""
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)


# Functions of the model's own


def inlined(model: Any) -> Any:
    """The model with its own functions put in where they are called.

    Raises
    ------
    FileFormatError
        Where functions call one another in a circle or very deeply, stand for an operator of
        ONNX itself, would become far more nodes than the file has, or are not valid.
    """
    from onnx import inliner

    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    if any(domain in ("", "ai.onnx") for domain, _, _ in functions):
        raise FileFormatError("gives ONNX's own operators another meaning, which is not read")
    total = _inlined_size(model.graph.node, functions, {})
    before = len(model.graph.node) + sum(len(f.node) for f in model.functions)
    if total > _NODES + _RATIO * before:
        raise FileFormatError(
            f"has functions that become {total:,} nodes, far more than the file's {before:,}"
        )
    check_form(model)
    return inliner.inline_local_functions(model)


def _inlined_size(
    nodes: Iterable[Any], functions: dict[Any, Any], sizes: dict[Any, int], depth: int = 0
) -> int:
    """How many nodes they become; `sizes` holds what is known of functions."""
    if depth > _DEPTH:
        raise FileFormatError(f"has functions that call one another more than {_DEPTH} deep")
    total = 0
    for node in _all_nodes(nodes):
        key = (node.domain, node.op_type, node.overload)
        if key in functions and key not in sizes:
            sizes[key] = _inlined_size(functions[key].node, functions, sizes, depth + 1)
        total += sizes.get(key, 1)
    return total


# Branches


def choices_in(model: Any) -> dict[int, Any]:
    """The nodes If of a model whose conditions need no other If, by their places among the nodes."""
    chosen_by: set[str] = set()  # values that depend on an If
    out: dict[int, Any] = {}
    for place, node in enumerate(model.graph.node):
        if node.op_type == "If" and chosen_by.isdisjoint(node.input):
            out[place] = node
        if node.op_type == "If" or not chosen_by.isdisjoint(_read_by(node)):
            chosen_by.update(node.output)
    return out


def put_branches(model: Any, branches: dict[int, Any]) -> list[Any]:
    """Put a branch of each If in its place; the branches' own tensors, as they are now called.

    What the output does not need any more is left out.
    """
    graph = model.graph
    mark = unused(graph.node, "branch_")
    nodes: list[Any] = []
    held: list[Any] = []
    for place, node in enumerate(graph.node):
        if place not in branches:
            nodes.append(node)
            continue
        copy = type(graph)()
        copy.CopyFrom(branches[place])
        own = {tensor.name for tensor in copy.initializer}
        own.update(name for inner in copy.node for name in inner.output)
        _rename(copy, {name: f"{mark}{place}_{name}" for name in own if name})
        for given, name in zip(copy.output, node.output, strict=True):
            copy.node.add(op_type="Identity", input=[given.name], output=[name], name=node.name)
        nodes.extend(copy.node)
        held.extend(copy.initializer)
    fresh = type(graph)(node=needed(nodes, [entry.name for entry in graph.output]))
    graph.ClearField("node")
    graph.node.MergeFrom(fresh.node)
    graph.initializer.extend(held)
    return held


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Call values of a graph by other names, also where graphs inside it read them."""
    for entry in (*graph.output, *graph.initializer):
        entry.name = names.get(entry.name, entry.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for inner in inner_graphs(graph.node):
        for entry in inner.output:
            entry.name = names.get(entry.name, entry.name)
        for node in inner.node:
            node.input[:] = [names.get(name, name) for name in node.input]


# Tensors in another file


def read_beside(model: Any, path: str | Path, size: int) -> int:
    """Read the tensors of a model that are kept in other files of its folder.

    Parameters
    ----------
    model : onnx.ModelProto
        The model; its tensors are changed.
    path : str or Path
        The model's own file.
    size : int
        How many bytes that has.

    Returns
    -------
    int
        The bytes of all the files together.

    Raises
    ------
    FileFormatError
        As `files.beside.Beside.read`; or where a tensor's size is not that of its numbers.
    """
    with Beside(path, size) as folder:
        for tensor, where in _tensors(model):
            if tensor.data_location == _EXTERNAL or tensor.external_data:
                _read_tensor(tensor, folder, where)
        return folder.size


def _tensors(model: Any) -> Iterator[tuple[Any, str]]:
    """Every tensor of a model, and what to call it."""
    scopes = [model.graph, *model.functions]
    inner = [graph for scope in scopes for graph in inner_graphs(scope.node)]
    for graph in (model.graph, *inner):
        yield from ((t, f"initializer {printable(t.name)}") for t in graph.initializer)
        for sparse in graph.sparse_initializer:
            yield from ((t, "a sparse initializer") for t in (sparse.values, sparse.indices))
    for node in (node for scope in (*scopes, *inner) for node in scope.node):
        for attribute in node.attribute:
            where = f"layer {printable(node.name)}: attribute {printable(attribute.name)}"
            yield from ((t, where) for t in (attribute.t, *attribute.tensors))
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from ((t, where) for t in (sparse.values, sparse.indices))


def _read_tensor(tensor: Any, folder: Beside, where: str) -> None:
    """Put the numbers of a tensor that are kept in another file into the tensor."""
    pairs = [(entry.key, entry.value) for entry in tensor.external_data]
    entries = dict(pairs)
    if (
        len(entries) < len(pairs)
        or not {"location"} <= entries.keys() <= _KEYS
        or not all(isinstance(text, str) for text in entries.values())
        or tensor.data_location != _EXTERNAL
    ):
        raise FileFormatError(f"{where} is kept in another file, but not in the way that is read")
    length = _stored_length(tensor, where)
    offset, stated = (_whole(entries.get(key, "0"), where) for key in ("offset", "length"))
    if "length" in entries and stated != length:
        raise FileFormatError(
            f"{where} needs {length:,} bytes, but {stated:,} are kept in another file"
        )
    content = folder.read(entries["location"], offset, length, where)
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
    tensor.raw_data = content


def _stored_length(tensor: Any, where: str) -> int:
    """How many bytes the numbers of a tensor are."""
    from onnx import TensorProto, helper

    try:
        name = TensorProto.DataType.Name(tensor.data_type)
        width = _BITS.get(name) or 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, ValueError):
        width = 0
    if (
        not width
        or name == "STRING"
        or len(tensor.dims) > _DIMENSIONS
        or min(tensor.dims, default=0) < 0
    ):
        raise FileFormatError(f"{where} is kept in another file, and is no array of numbers")
    return -(-math.prod(tensor.dims) * width // 8)


def _whole(text: str, where: str) -> int:
    """A number of bytes."""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        shown = printable(text)[:30]
        raise FileFormatError(f"{where} is kept in another file, at {shown!r} instead of a number")
    return int(text)
