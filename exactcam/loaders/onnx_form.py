"""Whether an ONNX model is well formed: names are text, and the format's own checker accepts it.

The checker knows which attributes and how many inputs every operator has. Here it is asked
about a copy without what it is stricter about than every program that runs models: shapes of
outputs and of values in between may be missing, and the file may be newer than the checker.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import FileFormatError, UnsupportedLayerError
from ..files.strict_json import printable
from .onnx_ops import FINAL, OPERATORS, REFUSED

__all__ = ["check_form", "check_names"]

_DEPTH = 8  # graphs inside attributes of nodes of graphs


def check_names(model: Any) -> None:
    """Raise FileFormatError for a name that is not UTF-8, or a tensor outside the file.

    protobuf gives bytes for the first, and text for everything else.
    """
    for graph in _graphs(model.graph, 0):
        texts = [entry.name for entry in (*graph.input, *graph.output, *graph.initializer)]
        for node in graph.node:
            texts += [node.name, node.op_type, node.domain, *node.input, *node.output]
            texts += [attribute.name for attribute in node.attribute]
        for text in texts:
            if not isinstance(text, str):
                raise FileFormatError(f"holds the name {text[:40]!r}, which is no text in UTF-8")
        for tensor in graph.initializer:
            _check_inside(tensor, f"initializer {printable(tensor.name)}")
        for node in graph.node:
            for attribute in node.attribute:
                for tensor in (attribute.t, *attribute.tensors):
                    where = f"layer {printable(node.name)}: attribute {printable(attribute.name)}"
                    _check_inside(tensor, where)


def _graphs(graph: Any, depth: int) -> Iterator[Any]:
    """A graph and those inside it."""
    if depth > _DEPTH:
        raise FileFormatError(f"holds graphs nested more than {_DEPTH} deep")
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _graphs(inner, depth + 1)


def _check_inside(tensor: Any, where: str) -> None:
    """Refuse a tensor whose numbers are kept elsewhere: other files are never opened."""
    if tensor.data_location == 1 or tensor.external_data:
        raise FileFormatError(
            f"{where} is kept in another file, which is never opened; save the model with its "
            "weights inside (onnx.save with save_as_external_data=False)"
        )


def check_form(model: Any) -> None:
    """Raise FileFormatError where the format's own checker finds the model invalid.

    A layer that exactcam does not read raises UnsupportedLayerError instead, which says more.
    """
    import onnx
    from onnx.checker import ValidationError, check_model

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    copy.ir_version = min(copy.ir_version, onnx.IR_VERSION)
    for entry in copy.graph.output:
        kind = entry.type.tensor_type
        kind.elem_type = kind.elem_type or onnx.TensorProto.FLOAT
        kind.shape.SetInParent()
    try:
        check_model(copy)
    except ValidationError as error:
        _check_kinds(model)
        text = printable(" ".join(str(error).split()))[:200]
        raise FileFormatError(f"is not valid ONNX: {text}") from None


def _check_kinds(model: Any) -> None:
    """Raise UnsupportedLayerError for the first operator that is not read."""
    for node in model.graph.node:
        if node.domain in ("", "ai.onnx") and (node.op_type in OPERATORS or node.op_type in FINAL):
            continue
        kind, layer = printable(node.op_type), printable(node.name or "".join(node.output[:1]))
        why = REFUSED.get(node.op_type, "is not supported; rewrite the layer")
        raise UnsupportedLayerError(f"layer {layer} ({kind}): {why}")
