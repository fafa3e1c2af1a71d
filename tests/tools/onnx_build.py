"""ONNX models of a few nodes, from "x" to "y"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

Row = tuple[str, str, str, dict[str, Any]]


def nodes_of(rows: Iterable[Row]) -> list[Any]:
    """Nodes from rows (operator, inputs, outputs, attributes); two spaces leave an input out."""
    return [
        helper.make_node(k, i.split(" ") if i else [], o.split(" "), **a) for k, i, o, a in rows
    ]


def model_of(
    nodes: Sequence[Any], constants: Mapping[str, Any], shape: Any, opset: int = 18, kind: int = 1
) -> Any:
    """A model of nodes; `kind` is the input's type, float32 unless given."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model
