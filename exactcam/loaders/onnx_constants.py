"""Constant expressions of an ONNX model, computed by onnx; `constants` says by what rules.

The reference evaluator of the package onnx runs one node at a time. What only moves numbers is
left to `onnx_views`. bfloat16 and the eight-bit floats are arrays of float32 here; results are
rounded to the type that the model declares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import NetworkError
from ..files.strict_json import printable
from .casts import FORMATS
from .constants import note_rounded
from .forms import exact, floats
from .graph import Graph, Operand, Tensor
from .onnx_forward import run_alone
from .onnx_types import FLOATS, NUMPY

__all__ = ["checked", "computed", "frozen", "typed"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The result is determined by its type; elementwise, as most below.
_TYPED = _names(
    """
    Abs Add And ArgMax ArgMin BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Clip
    DequantizeLinear Div Equal Floor Greater GreaterOrEqual IsInf IsNaN LeakyRelu Less LessOrEqual
    Max Min Mod Mul Neg NonZero Not Or PRelu QuantizeLinear Reciprocal ReduceMax ReduceMin Relu Round Shrink
    Sign Sub ThresholdedRelu TopK Where Xor
    """
)
# The last bits depend on the order of additions, or on the machine's library of functions.
_ROUNDED = _names(
    """
    Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh CumProd CumSum Elu Erf Exp Gelu Gemm HardSigmoid
    HardSwish Log LogSoftmax LpNormalization MatMul Mean Mish Pow ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMean ReduceProd ReduceSum ReduceSumSquare Selu Sigmoid Sin Sinh Softmax
    Softplus Softsign Sqrt Sum Swish Tan Tanh
    """
)
_SINCE = {"DequantizeLinear": 19, "QuantizeLinear": 19}  # earlier versions mean the same
_PRODUCTS = 64  # products that cost as much as an entry
_FAILURES = (
    ArithmeticError,
    AssertionError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)


def computed(
    graph: Graph,
    node: Any,
    operands: Sequence[Operand | None],
    types: Mapping[str, int],
    opset: int,
) -> list[np.ndarray] | None:
    """What a node gives for constant operands; None where it is not computed here.

    Parameters
    ----------
    graph : Graph
        The network under construction: its budget pays, and its notes say what was rounded.
    node : onnx.NodeProto
        The node.
    operands : sequence of Operand or None
        Its operands.
    types : mapping of str to int
        ONNX's number for the element type of every value.
    opset : int
        The version of the operator set.
    """
    kind = node.op_type
    constants = [None if isinstance(x, Tensor) else x for x in operands]
    given = [x for x in constants if x is not None]
    if not given or any(isinstance(x, Tensor) for x in operands):
        return None
    if kind not in _TYPED and kind not in _ROUNDED:
        return None
    _pay(graph, node, given)
    if kind in ("Div", "Mod") and given[1].dtype.kind in "iu" and not given[1].all():
        raise NetworkError(f"layer {graph.layer} ({kind}): an integer constant is divided by zero")
    wide = kind in _ROUNDED
    fed = [_widened(x) if wide and x is not None else x for x in constants]
    try:
        with np.errstate(all="ignore"):
            found = _evaluated(node, fed, max(opset, _SINCE.get(kind, 0)))
    except _FAILURES:
        return None  # older versions, and rare types: what `onnx_ops` says of them
    declared = types.get(node.output[0], 0)
    names = zip(found, node.output, strict=True)
    results = [typed(np.asarray(x), types.get(name, 0)) for x, name in names]
    if wide and any(_changed(x, y, declared) for x, y in zip(found, results, strict=True)):
        note_rounded(graph, kind, FLOATS[declared])
    return results


def _pay(graph: Graph, node: Any, given: Sequence[np.ndarray]) -> None:
    """Take the result and the work from the budget, before anything is made."""
    kind = node.op_type
    if kind in ("MatMul", "Gemm"):
        turned = any(a.name == "transA" and a.i for a in node.attribute)
        contracted = max(1, (given[0].shape or (1,))[0 if turned else -1])
        products = given[0].size * given[1].size // contracted
        graph.limit([products // contracted])
        graph.charge(products // _PRODUCTS)
        return
    for shape in {x.shape for x in given}:
        graph.limit(shape)
    if kind == "NonZero":
        graph.limit((max(1, given[0].ndim), given[0].size))
    if kind.startswith(("TopK", "Reduce", "DequantizeLinear", "QuantizeLinear", "Cum", "PRelu")):
        return
    try:
        shape = np.broadcast_shapes(*(x.shape for x in given))
    except ValueError:
        shapes = " and ".join(str(x.shape) for x in given)
        raise NetworkError(
            f"layer {graph.layer} ({kind}): shapes {shapes} do not broadcast"
        ) from None
    graph.limit(shape)
    graph.charge(math.prod(shape) * (len(given) - 1))


def _evaluated(node: Any, operands: Sequence[np.ndarray | None], opset: int) -> list[Any]:
    """The node alone, run by onnx's reference evaluator."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    alone = type(node)()
    alone.CopyFrom(node)
    names = ["" if x is None else f"i{k}" for k, x in enumerate(operands)]
    outputs = [f"o{k}" for k in range(len(node.output))]
    del alone.input[:], alone.output[:]
    alone.input.extend(names)
    alone.output.extend(outputs)
    ends = [[helper.make_empty_tensor_value_info(n) for n in x if n] for x in (names, outputs)]
    model = helper.make_model(
        helper.make_graph([alone], "constant", *ends),
        opset_imports=[helper.make_opsetid("", opset)],
    )
    fed = {n: x for n, x in zip(names, operands, strict=True) if x is not None}
    return list(ReferenceEvaluator(model).run(None, fed))


def _widened(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def _changed(wide: Any, result: np.ndarray, declared: int) -> bool:
    if declared not in FLOATS:
        return False
    same = np.array_equal(np.asarray(wide, np.float64), result.astype(np.float64), equal_nan=True)
    return FLOATS[declared] == "float64" or not same


def typed(values: np.ndarray, declared: int) -> np.ndarray:
    """The numbers rounded to the element type of that number in ONNX, as an array of it.

    A type that numpy lacks is float32, which holds its numbers. Unknown types change nothing.
    """
    name, dtype = FLOATS.get(declared), NUMPY.get(declared)
    if dtype is None or (values.dtype == dtype and name in (None, dtype)):
        return values
    if name is None:
        return values.astype(dtype)
    if name == "float64":
        return floats(exact(values, "constant")) if values.dtype == object else values.astype(dtype)
    if values.dtype.kind in "iub":
        values = values.astype(np.float64)  # innocuous: a float32 of an integer of 64 bits aside
    with np.errstate(all="ignore"):
        rounded = FORMATS[name].rounded(values, "constant")
        rounded = floats(rounded) if rounded.dtype == object else rounded
        largest = FORMATS[name].largest
        return np.where(np.abs(rounded) > largest, np.copysign(np.inf, rounded), rounded).astype(
            dtype
        )


def checked(model: Any, values: Mapping[str, Operand | None], types: Mapping[str, int]) -> None:
    """Compare the constants that their types determine with onnxruntime's, node by node.

    Raises NetworkError naming the first that differs by more than its last three bits.
    """
    from onnx import helper

    constants = _constants(values)
    rows = [
        node
        for node in model.graph.node
        if node.op_type in _TYPED
        and constants.keys() >= {*filter(None, (*node.input, *node.output))}
    ]
    if not rows:
        return
    alone = type(model)()
    alone.ir_version, names = model.ir_version, [n.output[0] for n in rows]
    alone.opset_import.extend(model.opset_import)
    alone.graph.name = "constants"
    read = {name for node in rows for name in node.input if name}
    alone.graph.initializer.extend(_stored(name, constants[name], types) for name in sorted(read))
    for number, node in enumerate(rows):
        alone.graph.node.append(node)
        made = alone.graph.node[-1]
        made.output[:] = [f"{name}/{number}" for name in node.output]
        alone.graph.output.append(helper.make_empty_tensor_value_info(made.output[0]))
    theirs = run_alone(alone, [entry.name for entry in alone.graph.output])
    for name, node, found in zip(names, rows, theirs or (), strict=theirs is not None):
        ours, found = constants[name], np.asarray(found)
        if ours.shape != found.shape:
            same = False
        elif types[name] in FLOATS:
            slack = 8 * 2.0 ** -FORMATS[FLOATS[types[name]]].precision
            same = np.allclose(ours.astype(float), found.astype(float), slack, 0, equal_nan=True)
        else:
            same = np.array_equal(ours, found)
        if not same:
            raise NetworkError(
                f"layer {printable(node.name or name)} ({node.op_type}): onnx and onnxruntime "
                "compute different constants here; store the right one in its place"
            )


def _constants(values: Mapping[str, Operand | None]) -> dict[str, np.ndarray]:
    return {name: x for name, x in values.items() if name and isinstance(x, np.ndarray)}


def _stored(name: str, array: np.ndarray, types: Mapping[str, int]) -> Any:
    """A constant as an initializer, of its declared type."""
    from onnx import helper, numpy_helper

    if types.get(name):
        array = array.astype(helper.tensor_dtype_to_np_dtype(types[name]))
    return numpy_helper.from_array(array, name)


def frozen(model: Any, values: Mapping[str, Operand | None], types: Mapping[str, int]) -> Any:
    """The model with every constant stored that it computes, if it computes any but by moving."""
    constants = _constants(values)
    folded = [node for node in model.graph.node if constants.keys() & set(node.output)]
    if not any(n.op_type in _TYPED | _ROUNDED | {"Cast", "CastLike"} for n in folded):
        return model
    copy = type(model)()
    copy.CopyFrom(model)
    kept = [n for n in copy.graph.node if not constants.keys() & set(n.output)]
    made = {name for node in folded for name in node.output}
    read = {name for node in kept for name in node.input}
    copy.graph.initializer.extend(_stored(n, constants[n], types) for n in sorted(made & read))
    kept = [type(node).FromString(node.SerializeToString()) for node in kept]
    del copy.graph.node[:]
    copy.graph.node.extend(kept)
    return copy
