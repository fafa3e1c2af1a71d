"""Networks from ONNX files.

The package onnx parses the file and turns stored tensors into arrays; what the operators
mean is in `onnx_ops`, and shape computations are folded exactly on the way. A dynamic
batch dimension is one. Weights may be in a file beside the model; no other file is opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import (
    ExactcamError,
    FileFormatError,
    MissingExtraError,
    NetworkError,
    UnsupportedLayerError,
)
from ..files.reading import read_bytes, reading
from ..files.strict_json import printable
from ..model.network import Network
from .check import Traced, compare
from .graph import Graph, Operand, Tensor
from .onnx_constants import checked, computed, frozen, typed
from .onnx_form import check_form, check_names
from .onnx_forward import forward_of, whole_of
from .onnx_model import (
    choices_in,
    copied,
    inlined,
    needed,
    needed_part,
    opset_of,
    put_branches,
    read_beside,
    with_output,
)
from .onnx_node import Attribute, OnnxNode
from .onnx_ops import FINAL, OPERATORS, REFUSED
from .onnx_types import cast_types, element_types, inferred_shapes

__all__ = ["read_onnx"]

# What the code below raises, on purpose or not, when a field of a damaged file is nonsense.
_MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
_CHOICE = 1024  # what one node costs in the budget when branches are chosen: all are looked at
_LARGEST = 1 << 31  # bytes of a file; protobuf allows no more
Values = dict[str, Operand | None]  # by name; None: left out, or an output that is not computed


def read_onnx(
    path: str | Path,
    *,
    drop_final: bool = False,
    check: bool = True,
    output: int | str | None = None,
) -> Network:
    """The exact network of an ONNX file; input and output are flattened.

    Parameters
    ----------
    path : str or Path
        The file.
    drop_final : bool
        Leave out a final softmax or sigmoid and say so in the notes.
    check : bool
        Compare the result with the model's own forward pass, run by onnxruntime where it is
        installed and by onnx's reference evaluator otherwise; a difference beyond the
        rigorous rounding bound (see `loaders.check`) is an error.
    output : int or str, optional
        Which output to read of a model that has several: its place or its name.

    Raises
    ------
    UnsupportedLayerError
        For an operator without an exact piecewise-linear form; names the layer.
    NetworkError
        For several inputs, several outputs and none chosen, sizes that do not fit, or a failed check.
    FileFormatError
        For a file that is damaged or not valid ONNX, or whose weights are not where it says.
    MissingExtraError
        Without the package onnx.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise MissingExtraError(
            "reading ONNX files needs onnx: pip install 'exactcam[onnx]'"
        ) from None
    content = read_bytes(path, _LARGEST)
    model = onnx.ModelProto()
    with reading(path):
        try:
            model.ParseFromString(content)
        except DecodeError as error:
            raise FileFormatError(f"cannot be read as ONNX ({error})") from None
        if not model.graph.node or not model.graph.output:
            raise FileFormatError("holds no ONNX graph")
        check_names(model)
        model, size = with_output(model, output), len(content)
        del content
        size = read_beside(model, path, size)
        original = copied(model) if model.functions or choices_in(model) else None
        if model.functions:
            model = needed_part(inlined(model))
        check_form(model)
        return _convert(model, original, size, drop_final, check)


def _convert(model: Any, original: Any, size: int, drop_final: bool, check: bool) -> Network:
    """The network of a model without functions; `original` is the one it was made from, if any."""
    source, graph, values = _opened(model, size)
    compared, traced = _read_nodes(model, graph, values, drop_final)
    traced = {source: ("input", graph.input), **traced}
    last = model.graph.output[0].name
    result = values.get(last)
    if result is None:
        raise FileFormatError(f"output {last!r} is not computed")
    network = graph.network(result)
    if not check:
        return network
    # Maps that became parts of others hold arrays as large as they are.
    traced = {n: t for n, t in traced.items() if t[1].form.cuts or n in (source, compared)}
    values = {name: x for name, x in values.items() if isinstance(x, np.ndarray)}
    result = None
    plain = model
    if any(name in values for node in model.graph.node for name in node.output):  # constants
        types = element_types(model)
        checked(model, values, types)
        plain = frozen(model, values, types)
    forward, why = forward_of(plain, source, traced, compared)
    notes = [why]
    if forward is not None:
        original = model if original is None and plain is not model else original
        if original is not None and compared == last:
            forward = replace(forward, whole=whole_of(original, source, graph.input.shape, last))
        notes = compare(network, graph.masses, traced, compared, forward)
    return replace(network, notes=(*network.notes, *notes)) if notes else network


def _opened(model: Any, size: int) -> tuple[str, Graph, Values]:
    """The input's name, a graph that begins with it, and every value known before the nodes."""
    values: Values = {"": None}
    for tensor in model.graph.initializer:
        values[tensor.name] = _array(tensor, f"initializer {tensor.name}")
    if model.graph.sparse_initializer:
        raise FileFormatError("holds sparse initializers, which are not read")
    inputs = [entry for entry in model.graph.input if entry.name not in values]
    if len(inputs) != 1:
        raise NetworkError(f"the model takes {len(inputs)} inputs; exactly one is read")
    graph = Graph(_input_shape(inputs[0]), size)
    values[inputs[0].name] = graph.input
    return inputs[0].name, graph, values


def _read_nodes(model: Any, graph: Graph, values: Values, drop_final: bool) -> tuple[str, Traced]:
    """Translate every node, adding to `values`; the value to compare and all that are traced.

    What the conditions of If need is translated first, and the branches that are taken replace
    these nodes in the model.
    """
    traced: Traced = {}
    while choices := choices_in(model):
        graph.charge(_CHOICE * len(model.graph.node))
        conditions = [name for choice in choices.values() for name in choice.input]
        _read_these(model, needed(model.graph.node, conditions), graph, values, traced)
        branches = {place: _taken(graph, node, values) for place, node in choices.items()}
        for tensor in put_branches(model, branches):
            values[tensor.name] = _array(tensor, f"initializer {tensor.name}")
    last = model.graph.output[0].name
    compared = _read_these(model, model.graph.node, graph, values, traced, drop_final)
    ends = {name for node in model.graph.node for name in node.output}
    return compared or last, {name: value for name, value in traced.items() if name in ends}


def _read_these(
    model: Any,
    nodes: Iterable[Any],
    graph: Graph,
    values: Values,
    traced: Traced,
    drop_final: bool = False,
) -> str | None:
    """Translate those nodes that are not yet; the name of what a final layer reads that is left out."""
    opset = opset_of(model)
    last = model.graph.output[0].name
    types = element_types(model)
    uses = Counter(name for node in model.graph.node for name in node.input)
    known = set(values)
    for number, node in enumerate(nodes):
        if node.output and known.issuperset(node.output):
            continue
        layer = node.name or (node.output[0] if node.output else f"{node.op_type} {number}")
        graph.layer = printable(layer)
        if node.op_type in FINAL and list(node.output) == [last] and drop_final:
            graph.notes.append(
                f"layer {graph.layer}: the final {node.op_type} was left out on request"
            )
            values[last] = values.get(node.input[0])
            return str(node.input[0])
        try:
            outputs = _translate(graph, node, values, opset, last, types)
        except UnsupportedLayerError:
            shapes = inferred_shapes(node, values, types, opset)
            if shapes is None or _is_judged(model, node):
                raise
            outputs = [graph.affine([], shape) for shape in shapes]  # what is in it is not read
        for name, operand in zip(node.output, outputs, strict=True):
            if name in values and name:
                raise FileFormatError(f"layer {graph.layer}: computes {name!r} a second time")
            values[name] = operand if name else None
            if isinstance(operand, Tensor):
                traced[name] = (graph.layer, operand)
                if uses[name] > 1:
                    graph.settle(operand)
    return None


def _is_judged(model: Any, node: Any) -> bool:
    """Whether the output, or which branches are taken, depends on more of a node than its shape."""
    conditions = (name for choice in choices_in(model).values() for name in choice.input)
    wanted = [model.graph.output[0].name, *conditions]
    return any(n.output == node.output for n in needed(model.graph.node, wanted, False))


def _taken(graph: Graph, choice: Any, values: Values) -> Any:
    """The branch of an If that its constant condition chooses."""
    graph.layer = printable(choice.name or choice.output[0])
    condition = values.get(choice.input[0])
    if condition is None or isinstance(condition, Tensor):
        raise graph.refuse(
            "If", "its condition is not constant: which branch is taken depends on the input"
        )
    if condition.size != 1:
        raise NetworkError(f"layer {graph.layer}: the condition of If is not one truth value")
    name = "then_branch" if condition.ravel()[0] else "else_branch"
    return next(attribute.g for attribute in choice.attribute if attribute.name == name)


def _translate(
    graph: Graph, node: Any, values: Values, opset: int, last: str, types: dict[str, int]
) -> list[Operand | None]:
    kind = node.op_type
    if node.domain not in ("", "ai.onnx"):
        raise graph.refuse(kind, f"belongs to the domain {node.domain!r}, which is not read")
    operands = []
    for name in node.input:
        if name not in values:
            raise FileFormatError(f"layer {graph.layer}: reads {name!r}, which nothing computes")
        operands.append(values[name])
        if name and operands[-1] is None:
            raise graph.refuse(kind, f"reads {name!r}, of which only the first output is computed")
    constants = computed(graph, node, operands, types, opset)
    if constants is not None:
        return [*constants]
    if kind in FINAL and list(node.output) == [last]:
        raise graph.refuse(
            kind,
            "is not piecewise linear; as it is the last layer, drop_final=True (--drop-final) "
            "leaves it out and keeps the decision boundary's classes",
        )
    if kind not in OPERATORS:
        raise graph.refuse(kind, REFUSED.get(kind, "is not supported; rewrite the layer"))
    attributes = {a.name: _attribute(a, graph.layer) for a in node.attribute}
    if kind in ("Cast", "CastLike"):
        attributes["types"] = cast_types(node, types)
    try:
        out = OPERATORS[kind](graph, OnnxNode(kind, operands, attributes, opset, len(node.output)))
    except UnsupportedLayerError:
        raise
    except ExactcamError as error:
        text = str(error)
        where = "" if text.startswith("layer ") else f"layer {graph.layer}: "
        raise type(error)(where + text) from None
    except _MALFORMED as error:
        raise NetworkError(f"layer {graph.layer} ({kind}): is malformed ({error})") from None
    results = [out] if isinstance(out, Tensor | np.ndarray) else list(out)
    results = [
        typed(x, types.get(name, 0)) if isinstance(x, np.ndarray) else x
        for x, name in zip(results, node.output, strict=False)
    ]
    return results + [None] * (len(node.output) - len(results))


def _input_shape(entry: Any) -> list[int]:
    kind = entry.type.tensor_type
    if not kind.HasField("shape"):
        raise NetworkError(f"input {entry.name} has no shape; export the model with one")
    if kind.elem_type not in (1, 10, 11, 16):
        raise NetworkError(f"input {entry.name} is not of a float type")
    shape = [d.dim_value if d.HasField("dim_value") else 0 for d in kind.shape.dim]
    if shape and shape[0] <= 0:
        shape[0] = 1  # a dynamic batch
    if not shape or min(shape) < 1:
        raise NetworkError(
            f"input {entry.name} has the shape {shape}: only its first dimension may be dynamic"
        )
    return shape


def _array(tensor: Any, where: str) -> np.ndarray:
    from onnx import numpy_helper

    try:
        if min(tensor.dims, default=0) < 0:
            raise ValueError("negative dimension")
        array = numpy_helper.to_array(tensor)
    except _MALFORMED as error:
        raise FileFormatError(f"{where} is damaged ({error})") from None
    if array.dtype.kind == "V" or "float8" in str(array.dtype) or "bfloat16" in str(array.dtype):
        array = array.astype(np.float32)  # exact: the small floats are all float32 values
    return np.asarray(array)


def _attribute(attribute: Any, layer: str) -> Attribute:
    from onnx import AttributeProto as kinds  # noqa: N813 (an enumeration)

    if attribute.type == kinds.TENSOR:
        return _array(attribute.t, f"layer {layer}: attribute {attribute.name}")
    if attribute.type == kinds.STRING:
        return str(attribute.s.decode("utf-8", "replace"))
    if attribute.type == kinds.FLOAT:
        return float(attribute.f)
    if attribute.type == kinds.INT:
        return int(attribute.i)
    if attribute.type == kinds.STRINGS:
        return [str(x.decode("utf-8", "replace")) for x in attribute.strings]
    if attribute.type == kinds.FLOATS:
        return [float(x) for x in attribute.floats]
    return [int(x) for x in attribute.ints] if attribute.type == kinds.INTS else None
