"""The ONNX operators as operations on a `Graph`, in every version of the operator set.

`OPERATORS[kind](graph, node)` gets its operands (None where left out), attributes as
plain Python values and the opset version. Float attributes are the float32 values
that are stored, defaults included: the 0.01 of LeakyRelu is float32's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..arithmetic.rational import rational
from ..errors import NetworkError
from ..model.nodes import Cpwl
from . import layers, unsupported
from .graph import Graph, Operand, Result
from .layers import SlidingWindow
from .onnx_linear import LINEAR, absolute
from .onnx_node import OnnxNode, Operator
from .onnx_views import VIEWS

__all__ = ["FINAL", "OPERATORS", "REFUSED"]

FINAL = ("Softmax", "LogSoftmax", "Sigmoid")
_AUTO = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
_SMOOTH = "is not piecewise linear; replace it by a piecewise-linear activation such as Relu"
_STATISTICS = "divides by statistics of its own input, which is not piecewise linear"
_ORDER = "gives indices, truth values or integers of computed values; that is not continuous"

_REASONS = {
    _SMOOTH: """
        Sigmoid Tanh Gelu Softplus Softsign Elu Selu Celu Exp Log Sin Cos Sqrt Erf Softmax
        LogSoftmax HardSwish Mish Swish Reciprocal ReduceL2 ReduceLogSumExp Attention
        Acos Acosh Asin Asinh Atan Atanh Cosh Sinh Tan Det ReduceLogSum ReduceProd ReduceSumSquare
        SoftmaxCrossEntropyLoss SwiGLU CumProd LinearAttention
    """,
    _STATISTICS: """
        InstanceNormalization LayerNormalization GroupNormalization RMSNormalization
        LpNormalization LRN MeanVarianceNormalization
    """,
    _ORDER: """
        ArgMax ArgMin Greater Less Sign Floor Ceil Round NonZero And Or Not Xor Mod
        BitShift Hardmax QuantizeLinear QLinearConv QLinearMatMul MatMulInteger ConvInteger
        BitwiseAnd BitwiseNot BitwiseOr BitwiseXor GreaterOrEqual LessOrEqual IsInf IsNaN
        NonMaxSuppression OneHot Unique DequantizeLinear DynamicQuantizeLinear
    """,
    "a recurrent layer multiplies computed values": "LSTM GRU",
    "is a loop, which is not read even where the number of its steps is fixed; write them out, or "
    "store what it computes where that is constant": "Loop Scan",
    "is random: the network has no fixed function": """
        RandomNormal RandomUniform RandomNormalLike RandomUniformLike Bernoulli
        Multinomial
    """,
}
REFUSED = unsupported.ONNX | {
    kind: why for why, kinds in _REASONS.items() for kind in kinds.split()
}


Map = Callable[[Graph, OnnxNode], Operand]  # an operator of one output


def _fold(pair: Callable[[Graph], Callable[[Operand, Operand], Operand]]) -> Map:
    def operator(graph: Graph, node: OnnxNode) -> Operand:
        total = node.input(0)
        for k in range(1, len(node.inputs)):
            total = pair(graph)(total, node.input(k))
        return total

    return operator


_SUM = _fold(lambda g: g.add)


def _mean(graph: Graph, node: OnnxNode) -> Operand:
    total = _SUM(graph, node)
    return graph.divide(total, np.asarray(len(node.inputs)))


def _unit(make: Callable[[OnnxNode], Cpwl]) -> Map:
    return lambda graph, node: graph.pointwise(node.input(0), [make(node)])


def _hard_sigmoid(node: OnnxNode) -> Cpwl:
    slope, shift = rational(node.get("alpha", 0.2)), rational(node.get("beta", 0.5))
    if slope <= 0:
        raise NetworkError("HardSigmoid needs a positive alpha")
    return Cpwl.through([-shift / slope, (1 - shift) / slope], [0, slope, 0])


def _shrink(node: OnnxNode) -> Cpwl:
    bound, bias = rational(node.get("lambd", 0.5)), rational(node.get("bias", 0.0))
    if bound != bias or bound <= 0:
        raise NetworkError("Shrink is continuous only where bias equals lambd > 0")
    return Cpwl.through([-bound, bound], [1, 0, 1])


def _thresholded(node: OnnxNode) -> Cpwl:
    if node.get("alpha", 1.0) != 0:
        raise NetworkError("ThresholdedRelu is continuous only with alpha 0")
    return Cpwl.relu()


def _prelu(graph: Graph, node: OnnxNode) -> Operand:
    slopes = node.constant(1, "slope")
    if slopes is None:
        raise NetworkError("PRelu needs a slope")
    return layers.prelu(graph, node.input(0), slopes)


def _clip(graph: Graph, node: OnnxNode) -> Operand:
    bounds = [node.constant(1, "min"), node.constant(2, "max")]
    if node.opset < 11:
        stored = [node.attributes.get("min"), node.attributes.get("max")]
        bounds = [None if x is None else np.asarray(x) for x in stored]
    return layers.clamp(graph, node.input(0), bounds[0], bounds[1])


# Linear layers


def _gemm(graph: Graph, node: OnnxNode) -> Operand:
    a, b, c = node.input(0), node.input(1), node.optional(2)
    if node.get("transA", 0):
        a = graph.view(a, lambda x: x.T)
    if node.get("transB", 0):
        b = graph.view(b, lambda x: x.T)
    if a.ndim != 2 or b.ndim != 2:
        raise NetworkError(f"Gemm of the shapes {a.shape} and {b.shape}: both must be matrices")
    out = layers.matmul(graph, a, b)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    if alpha != 1:
        out = graph.multiply(out, np.asarray(alpha))
    if c is None:
        return out
    if np.broadcast_shapes(c.shape, out.shape) != out.shape:
        raise NetworkError(f"Gemm adds the shape {c.shape} to {out.shape}")
    return graph.add(out, c if beta == 1 else graph.multiply(c, np.asarray(beta)))


def _spatial(node: OnnxNode, name: str, dims: int) -> list[int]:
    values = node.integers(name) or [1] * dims
    if len(values) != dims or min(values) < 1:
        raise NetworkError(f"{node.kind} with {name} {values} on {dims} axes of space")
    return list(values)


def _window(node: OnnxNode, kernel: Sequence[int]) -> SlidingWindow:
    """The window of a convolution or pooling, still without padding."""
    dims = len(kernel)
    stride, dilation = _spatial(node, "strides", dims), _spatial(node, "dilations", dims)
    return SlidingWindow(kernel, stride, [0] * dims, [0] * dims, dilation)


def _padded(node: OnnxNode, space: Sequence[int], window: SlidingWindow) -> SlidingWindow:
    """The window with the padding that the node's pads or auto_pad mean."""
    dims, auto = len(space), node.word("auto_pad", _AUTO)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        axes = zip(space, window.stride, window.reach, strict=True)
        total = [max(0, (math.ceil(n / s) - 1) * s + r - n) for n, s, r in axes]
        small, large = [t // 2 for t in total], [t - t // 2 for t in total]
        begin, end = (small, large) if auto == "SAME_UPPER" else (large, small)
        return window._replace(begin=begin, end=end)
    pads = (node.integers("pads") if auto == "NOTSET" else None) or [0] * 2 * dims
    if len(pads) != 2 * dims:
        raise NetworkError(f"{node.kind} with pads {pads} on {dims} axes of space")
    return window._replace(begin=pads[:dims], end=pads[dims:])


def _conv(graph: Graph, node: OnnxNode) -> Operand:
    source, weight = node.computed(0), node.constant(1, "kernel")
    if weight is None or weight.ndim != source.ndim or source.ndim < 3:
        raise NetworkError(f"{node.kind}: the kernel does not fit input shape {source.shape}")
    space, window = source.shape[2:], _window(node, weight.shape[2:])
    extra: list[int] | None = None
    if node.kind == "Conv":
        window = _padded(node, space, window)
    else:
        window, extra = _transposed(node, space, window)
    bias, groups = node.constant(2, "bias"), node.get("group", 1)
    return layers.convolution(graph, source, weight, bias, window, groups, extra)


def _transposed(
    node: OnnxNode, space: Sequence[int], window: SlidingWindow
) -> tuple[SlidingWindow, list[int]]:
    """The window and output padding of a transposed convolution, from the output size if given."""
    extra = list(node.integers("output_padding") or [0] * len(space))
    auto, wanted = node.word("auto_pad", _AUTO), node.integers("output_shape")
    if auto in ("SAME_UPPER", "SAME_LOWER") and wanted is None:
        wanted = [n * s for n, s in zip(space, window.stride, strict=True)]
    if wanted is None:
        return _padded(node, space, window), extra
    sizes = wanted[-len(space) :]
    axes = zip(space, window.stride, extra, window.reach, sizes, strict=True)
    total = [(n - 1) * s + o + r - w for n, s, o, r, w in axes]
    if min(total) < 0:  # the output is longer than the taps reach: zeros at its end
        extra = [o + max(0, -t) for o, t in zip(extra, total, strict=True)]
        total = [max(0, t) for t in total]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    begin, end = (small, large) if auto == "SAME_UPPER" else (large, small)
    return window._replace(begin=begin, end=end), extra


def _batch_norm(graph: Graph, node: OnnxNode) -> Operand:
    training = node.get("training_mode", 0) or (node.opset < 14 and node.outputs > 1)
    if training or (node.opset < 7 and not node.get("is_test", 0)):
        raise graph.refuse(
            node.kind,
            "is in training mode, where it uses statistics of its own input; export the model in "
            "evaluation mode",
        )
    if not node.get("spatial", 1):
        raise graph.refuse(node.kind, "with spatial=0 is not supported; export with a newer opset")
    names = ("scale", "bias", "mean", "variance")
    rows = [node.constant(k + 1, name) for k, name in enumerate(names)]
    if any(row is None or row.ndim != 1 for row in rows):
        raise NetworkError("BatchNormalization needs scale, bias, mean and variance per channel")
    gamma, beta, mean, variance = rows
    assert mean is not None
    assert variance is not None
    epsilon = rational(node.get("epsilon", 1e-5))
    return layers.batch_norm(graph, node.computed(0), gamma, beta, mean, variance, epsilon)


def _dropout(graph: Graph, node: OnnxNode) -> list[Operand | None]:
    ratio, training = node.constant(1, "ratio"), node.constant(2, "training_mode")
    active = training is not None and bool(training) and (ratio is None or float(ratio) > 0)
    if active or (node.opset < 7 and not node.get("is_test", 0)):
        raise graph.refuse(
            node.kind, "is random in training mode; export the model in evaluation mode"
        )
    return [node.input(0), None]


# Pooling and reductions


def _pool(graph: Graph, node: OnnxNode) -> Result:
    source = node.computed(0)
    if source.ndim < 3:
        raise NetworkError(f"{node.kind} of a tensor with {source.ndim} dimensions")
    kernel = _spatial(node, "kernel_shape", source.ndim - 2)
    window = _padded(node, source.shape[2:], _window(node, kernel))
    window = window._replace(ceil=bool(node.get("ceil_mode", 0)))
    if node.kind == "LpPool":
        source = absolute(graph, node, "p")
        return layers.average_pool(graph, source, window, True, divisor=1)
    if node.kind == "MaxPool":
        return [layers.max_pool(graph, source, window), None]
    return layers.average_pool(graph, source, window, bool(node.get("count_include_pad", 0)))


def _global(graph: Graph, node: OnnxNode) -> Operand:
    source = node.input(0)
    axes = list(range(2, source.ndim))
    if node.kind == "GlobalAveragePool":
        return layers.reduce_sum(graph, source, axes, True, True)
    return layers.reduce_extreme(graph, source, axes, True)


def _reduce(graph: Graph, node: OnnxNode) -> Operand:
    source = node.input(0)
    axes = node.axes(1, source.ndim)
    if not axes:
        if node.get("noop_with_empty_axes", 0):
            return source
        axes = list(range(source.ndim))
    keep = bool(node.get("keepdims", 1))
    if node.kind in ("ReduceMax", "ReduceMin"):
        sign = 1 if node.kind == "ReduceMax" else -1
        return layers.reduce_extreme(graph, source, axes, keep, sign)
    if node.kind == "ReduceL1":
        source = graph.pointwise(source, [Cpwl.relu(-1)])
    return layers.reduce_sum(graph, source, axes, keep, node.kind == "ReduceMean")


OPERATORS: dict[str, Operator] = {
    "Add": lambda g, n: g.add(n.input(0), n.input(1)),
    "Sub": lambda g, n: g.subtract(n.input(0), n.input(1)),
    "Mul": lambda g, n: g.multiply(n.input(0), n.input(1)),
    "Pow": lambda g, n: layers.power(g, n.input(0), n.input(1)),
    "Div": lambda g, n: g.divide(n.input(0), n.input(1)),
    "Neg": lambda g, n: g.negative(n.input(0)),
    "Sum": _SUM, "Mean": _mean,
    "Max": _fold(lambda g: g.maximum), "Min": _fold(lambda g: g.minimum),
    "MatMul": lambda g, n: layers.matmul(g, n.input(0), n.input(1)), "Gemm": _gemm,
    "Conv": _conv, "ConvTranspose": _conv, "BatchNormalization": _batch_norm, "Dropout": _dropout,
    "Relu": _unit(lambda n: Cpwl.relu()), "Abs": _unit(lambda n: Cpwl.relu(-1)),
    "LeakyRelu": _unit(lambda n: Cpwl.relu(n.get("alpha", 0.01))),
    "HardSigmoid": _unit(_hard_sigmoid), "Shrink": _unit(_shrink),
    "ThresholdedRelu": _unit(_thresholded), "PRelu": _prelu, "Clip": _clip,
    "MaxPool": _pool, "AveragePool": _pool, "LpPool": _pool,
    "GlobalAveragePool": _global, "GlobalMaxPool": _global,
    "ReduceSum": _reduce, "ReduceMean": _reduce, "ReduceMax": _reduce, "ReduceMin": _reduce,
    "ReduceL1": _reduce,
    **VIEWS, **LINEAR,
}  # fmt: skip
