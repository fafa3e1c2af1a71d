"""Networks from ONNX files: the only module that imports onnx.

onnx parses the file and turns stored tensors into arrays; what the operators mean is in
`onnx_ops`, and shape computations are folded exactly on the way. A dynamic batch
dimension is one. External data is never followed, so a file cannot reach others.
"""

from __future__ import annotations

import math
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
from ..model.network import Network
from .check import compare
from .graph import Graph, Operand, Tensor
from .onnx_ops import FINAL, OPERATORS, REFUSED, OnnxNode

__all__ = ["read_onnx"]

_MALFORMED = (
    AssertionError, AttributeError, IndexError, KeyError, MemoryError, OverflowError, TypeError,
    ValueError, ZeroDivisionError,
)  # fmt: skip
Traced = dict[str, tuple[str, Tensor]]


def read_onnx(path: str | Path, *, drop_final: bool = False, check: bool = True) -> Network:
    """The exact network of an ONNX file; input and output are flattened.

    `drop_final` leaves out a final softmax or sigmoid and says so in the notes. `check`
    compares the result with the model's own forward pass, run by onnxruntime where it is
    installed and by onnx's reference evaluator otherwise, and fails beyond the rigorous
    rounding bound. Raises UnsupportedLayerError naming the layer, FileFormatError for a
    file that is damaged or keeps data outside itself.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise MissingExtraError(
            "reading ONNX files needs onnx: pip install 'exactcam[onnx]'"
        ) from None
    try:
        model = onnx.load_model(str(path), format="protobuf", load_external_data=False)
    except (OSError, DecodeError, ValueError) as error:
        raise FileFormatError(f"{path}: cannot be read as ONNX ({error})") from None
    if not model.graph.node or not model.graph.output:
        raise FileFormatError(f"{path}: holds no ONNX graph")
    try:
        return _convert(onnx, model, drop_final, check)
    except ExactcamError as error:
        raise type(error)(f"{path}: {error}") from None


def _convert(onnx: Any, model: Any, drop_final: bool, check: bool) -> Network:
    values: dict[str, Operand | None] = {"": None}
    for tensor in model.graph.initializer:
        values[tensor.name] = _array(onnx, tensor, f"initializer {tensor.name}")
    if model.graph.sparse_initializer:
        raise FileFormatError("holds sparse initializers, which are not read")
    inputs = [entry for entry in model.graph.input if entry.name not in values]
    if len(inputs) != 1:
        raise NetworkError(f"the model takes {len(inputs)} inputs; exactly one is read")
    graph = Graph(_input_shape(inputs[0]))
    values[inputs[0].name] = graph.input
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
    if len(model.graph.output) != 1:
        raise NetworkError(f"the model gives {len(model.graph.output)} outputs; keep one of them")
    last = model.graph.output[0].name
    uses: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    traced: Traced = {}
    compared = last
    for number, node in enumerate(model.graph.node):
        graph.layer = node.name or (node.output[0] if node.output else f"{node.op_type} {number}")
        if node.op_type in FINAL and list(node.output) == [last] and drop_final:
            graph.notes.append(
                f"layer {graph.layer}: the final {node.op_type} was left out on request"
            )
            compared = node.input[0]
            values[last] = values.get(compared)
            break
        outputs = _translate(onnx, graph, node, values, opset, last)
        for name, operand in zip(node.output, outputs, strict=True):
            if name in values and name:
                raise FileFormatError(f"layer {graph.layer}: computes {name!r} a second time")
            values[name] = operand if name else None
            if isinstance(operand, Tensor):
                traced[name] = (graph.layer, operand)
                if uses.get(name, 0) > 1:
                    graph.settle(operand)
    result = values.get(last)
    if result is None:
        raise FileFormatError(f"output {last!r} is not computed")
    network = graph.network(result)
    if check:
        from .onnx_forward import forward_of

        forward, why = forward_of(
            onnx, _reference, model, inputs[0].name, graph.input.shape, compared
        )
        if forward is None:
            note = f"not compared with the model's own forward pass: {why}"
            return Network(
                network.inputs, network.nodes, network.output, network.names, (*network.notes, note)
            )
        compare(network, graph.masses, traced, forward)
    return network


def _reference(model: Any) -> Any:
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model)


def _translate(
    onnx: Any, graph: Graph, node: Any, values: dict[str, Operand | None], opset: int, last: str
) -> list[Operand | None]:
    kind = node.op_type
    if node.domain not in ("", "ai.onnx"):
        raise graph.refuse(kind, f"belongs to the domain {node.domain!r}, which is not read")
    if kind in FINAL and list(node.output) == [last]:
        raise graph.refuse(
            kind, "is not piecewise linear; as it is the last layer, drop_final=True "
            "(--drop-final) leaves it out and keeps the decision boundary's classes"
        )  # fmt: skip
    if kind not in OPERATORS:
        raise graph.refuse(kind, REFUSED.get(kind, "is not supported; rewrite the layer"))
    operands = []
    for name in node.input:
        if name not in values:
            raise FileFormatError(f"layer {graph.layer}: reads {name!r}, which nothing computes")
        operands.append(values[name])
        if name and operands[-1] is None:
            raise graph.refuse(kind, f"reads {name!r}, of which only the first output is computed")
    attributes = {a.name: _attribute(onnx, a, graph.layer) for a in node.attribute}
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
    results = out if isinstance(out, list) else [out]
    return (results + [None] * len(node.output))[: len(node.output)]


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


def _array(onnx: Any, tensor: Any, where: str) -> np.ndarray:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise FileFormatError(
            f"{where} is kept in another file, which is never opened; save the model with its "
            "weights inside (onnx.save with save_as_external_data=False)"
        )
    try:
        if math.prod(tensor.dims) < 0:
            raise ValueError("negative dimension")
        array = onnx.numpy_helper.to_array(tensor)
    except _MALFORMED as error:
        raise FileFormatError(f"{where} is damaged ({error})") from None
    if array.dtype.kind == "V" or "float8" in str(array.dtype) or "bfloat16" in str(array.dtype):
        array = array.astype(np.float32)  # exact: the small floats are all float32 values
    return np.asarray(array)


def _attribute(onnx: Any, attribute: Any, layer: str) -> Any:
    kind = onnx.AttributeProto
    if attribute.type == kind.TENSOR:
        return _array(onnx, attribute.t, f"layer {layer}: attribute {attribute.name}")
    if attribute.type == kind.STRING:
        return attribute.s.decode("utf-8", "replace")
    single = {kind.FLOAT: attribute.f, kind.INT: attribute.i}
    if attribute.type in single:
        return single[attribute.type]
    if attribute.type == kind.FLOATS:
        return list(attribute.floats)
    return list(attribute.ints) if attribute.type == kind.INTS else None
