"""Whether an ONNX model is well formed: names are text, and the format's own checker accepts it.

The checker knows which attributes and how many inputs every operator has. Here it is asked
about a copy without what it is stricter about than every program that runs models: shapes of
outputs and of values in between may be missing, and the file may be newer than the checker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import FileFormatError, UnsupportedLayerError
from ..files.strict_json import printable
from .onnx_ops import FINAL, OPERATORS, REFUSED

__all__ = ["check_form", "check_names", "inner_graphs"]

_DEPTH = 8  # graphs inside attributes of nodes of graphs


def check_names(model: Any) -> None:
    """Raise FileFormatError for a name that is not UTF-8, for which protobuf gives bytes."""
    scopes = [model.graph, *model.functions]
    inner = [graph for scope in scopes for graph in inner_graphs(scope.node)]
    for graph in (model.graph, *inner):
        _check_texts(entry.name for entry in (*graph.input, *graph.output, *graph.initializer))
    for function in model.functions:
        _check_texts((function.name, function.domain, function.overload))
        _check_texts((*function.input, *function.output, *function.attribute))
    for scope in (*scopes, *inner):
        for node in scope.node:
            _check_texts((node.name, node.op_type, node.domain, *node.input, *node.output))
            _check_texts(attribute.name for attribute in node.attribute)


def _check_texts(texts: Iterable[Any]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise FileFormatError(f"holds the name {text[:40]!r}, which is no text in UTF-8")


def inner_graphs(nodes: Iterable[Any], depth: int = 1) -> Iterator[Any]:
    """Every graph inside some nodes, at any depth."""
    if depth > _DEPTH:
        raise FileFormatError(f"holds graphs nested more than {_DEPTH} deep")
    for node in nodes:
        for attribute in node.attribute:
            for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield graph
                yield from inner_graphs(graph.node, depth + 1)


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
    own = {(function.domain, function.name) for function in model.functions}
    for node in model.graph.node:
        if (node.domain, node.op_type) in own:
            continue
        known = node.op_type in OPERATORS or node.op_type in (*FINAL, "If")
        if node.domain in ("", "ai.onnx") and known:
            continue
        kind, layer = printable(node.op_type), printable(node.name or "".join(node.output[:1]))
        why = REFUSED.get(node.op_type, "is not supported; rewrite the layer")
        raise UnsupportedLayerError(f"layer {layer} ({kind}): {why}")
