"""The element types of an ONNX model's values, by which casts round or do nothing; their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .forms import Operand, Tensor

__all__ = ["FLOATS", "NUMPY", "cast_types", "element_types", "inferred_shapes"]

FLOATS = {
    1: "float32", 10: "float16", 11: "float64", 16: "bfloat16", 17: "float8_e4m3fn",
    18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz",
}  # ONNX's numbers and our names  # fmt: skip
# The arrays that hold them: a type that numpy lacks is held as float32.
NUMPY = dict.fromkeys((1, 16, 17, 18, 19, 20), "float32") | {
    10: "float16",
    11: "float64",
    9: "bool",
}
NUMPY |= {2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64"}
NUMPY |= {12: "uint32", 13: "uint64"}
_UINT8, _INT64, _BOOL = 2, 7, 9
_ORDERS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
_TRUTH = (*_ORDERS, "Not", "And", "Or", "Xor", "IsInf", "IsNaN")
_PLACES = ("TopK", "MaxPool", "Unique")  # all outputs but the first are places of entries
_TYPE_OF = {"Where": 1, "DequantizeLinear": 1, "QuantizeLinear": 2, "OneHot": 2}  # that input


def element_types(model: Any) -> dict[str, int]:
    """ONNX's number for the element type of every value, 0 where it is not known.

    Nearly every operator gives the type of its first input; the others that a network may
    hold are named here.
    """
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for entry in model.graph.input:
        types.setdefault(entry.name, entry.type.tensor_type.elem_type)
    for node in model.graph.node:
        kind = _element_type(node, types)
        others = _INT64 if node.op_type in _PLACES else kind
        types.update({name: others if k else kind for k, name in enumerate(node.output)})
    return types


def _element_type(node: Any, types: dict[str, int]) -> int:
    attributes = {a.name: a for a in node.attribute}
    kind = node.op_type
    if kind in ("Cast", "CastLike"):
        return cast_types(node, types)[1]
    if kind in ("Constant", "ConstantOfShape"):
        if "value" in attributes:
            return int(attributes["value"].t.data_type)
        whole = "value_int" in attributes or "value_ints" in attributes
        return _INT64 if whole else 1
    if kind in ("Shape", "Size", "ArgMax", "ArgMin", "NonZero"):
        return _INT64
    if kind in _TRUTH:
        return _BOOL
    for name in ("output_dtype", "dtype"):
        if name in attributes and attributes[name].i:
            return int(attributes[name].i)
    inputs = list(node.input[_TYPE_OF.get(kind, 0) :])
    unknown = _UINT8 if kind == "QuantizeLinear" else 0
    return next((types.get(name, 0) for name in inputs if name), unknown)


def cast_types(node: Any, types: dict[str, int]) -> list[int]:
    """The element types before and after a Cast or CastLike."""
    names = list(node.input)
    old = types.get(names[0], 0) if names else 0
    if node.op_type == "CastLike":
        return [old, types.get(names[1], 0) if len(names) > 1 else 0]
    return [old, next((int(a.i) for a in node.attribute if a.name == "to"), 0)]


def inferred_shapes(
    node: Any, values: Mapping[str, Operand | None], types: Mapping[str, int], opset: int
) -> list[tuple[int, ...]] | None:
    """The shapes that onnx infers for what a node gives; None where it does not know them all."""
    from onnx import defs, helper, numpy_helper, shape_inference

    given = {name: x for name in node.input if (x := values.get(name)) is not None}
    try:
        found = shape_inference.infer_node_outputs(
            defs.get_schema(node.op_type, opset),
            node,
            {n: helper.make_tensor_type_proto(types[n], x.shape) for n, x in given.items()},
            {n: numpy_helper.from_array(x) for n, x in given.items() if not isinstance(x, Tensor)},
            opset_imports=[helper.make_opsetid("", opset)],
        )
        shapes = [found[name].tensor_type.shape.dim for name in node.output]
        known = all(d.HasField("dim_value") for dims in shapes for d in dims)
    except (
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
        defs.SchemaError,
        shape_inference.InferenceError,
    ):
        return None
    return [tuple(d.dim_value for d in dims) for dims in shapes] if known else None
