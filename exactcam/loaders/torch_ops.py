"""torch's ATen operators as operations on a `Graph`.

`OPERATORS[name](graph, a)` gets the arguments by their schema names, defaults
filled in: tensors as graph operands, the rest as plain Python values. A Python
scalar in a module (the 0.01 of LeakyReLU, the 0.1 of ``x * 0.1``) is the float64
it is in Python, also in a float32 module, where torch itself would round it.
Constants alone never come here: see `torch_constants`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..arithmetic.rational import mpq, rational
from ..model.nodes import Cpwl
from . import layers, unsupported
from .graph import Graph, Operand, Result, Tensor
from .layers import SlidingWindow
from .torch_linear import LINEAR
from .torch_views import JUMPS, VIEWS, Map, Operator, axes_of, computed, number, source_of

__all__ = ["OPERATORS", "REFUSED"]

_SMOOTH = "is not piecewise linear; replace it by a piecewise-linear activation such as ReLU"
_STATISTICS = (
    "divides by statistics of its own input, which is not piecewise linear; use BatchNorm in "
    "evaluation mode"
)
_ORDER = "gives indices, order or truth values, or depends on them; use max, min or amax"
_RECURRENT = "a recurrent layer multiplies computed values; it is not piecewise linear"
_RANDOM = "is random: the network has no fixed function"

_REASONS = {
    _SMOOTH: """
        sigmoid tanh gelu silu mish softplus elu selu celu exp log sin cos sqrt rsqrt erf
        softmax _softmax log_softmax _log_softmax log_sigmoid logsumexp square hardswish glu
        reciprocal atan log1p expm1 scaled_dot_product_attention
        cosine_similarity prod acos acosh asin asinh atan2 atanh cosh sinh tan log10 log2
        binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss
        cross_entropy_loss ctc_loss huber_loss kl_div mse_loss poisson_nll_loss smooth_l1_loss
        soft_margin_loss triplet_margin_loss cumprod logcumsumexp
    """,
    _STATISTICS: """
        group_norm layer_norm native_layer_norm native_group_norm instance_norm rms_norm var std
        var_mean std_mean _native_batch_norm_legit embedding_renorm _no_grad_embedding_renorm
        native_layer_norm_backward native_group_norm_backward
    """,
    JUMPS: """
        sign floor ceil round trunc frac remainder fmod heaviside hardshrink bucketize
    """,
    _ORDER: """
        argmax argmin argsort gt lt ge le eq ne bitwise_and bitwise_not
        bitwise_or bitwise_xor logical_and logical_not logical_or logical_xor any all isinf isnan
        nonzero one_hot embedding
    """,
    _RECURRENT: "lstm gru rnn_tanh rnn_tanh_cell quantized_lstm lstm_cell gru_cell",
    _RANDOM: """
        rand randn rand_like randn_like bernoulli normal exponential native_dropout randint random
        randperm
    """,
}
REFUSED = unsupported.TORCH | {
    kind: why for why, kinds in _REASONS.items() for kind in kinds.split()
}


def _sizes(value: Any, dims: int) -> list[int]:
    entries = list(value) if isinstance(value, (list, tuple)) else [value]
    return [int(v) for v in (entries * dims if len(entries) == 1 else entries)]


# Elementwise


def _add(graph: Graph, a: SimpleNamespace) -> Operand:
    other = number(a.other)
    factor = getattr(a, "alpha", 1)
    if factor != 1:
        other = graph.multiply(other, np.asarray(factor))
    return graph.add(number(a.self), other)


def _sub(graph: Graph, a: SimpleNamespace) -> Operand:
    other = graph.multiply(number(a.other), np.asarray(getattr(a, "alpha", 1)))
    return graph.subtract(number(a.self), other)


def _rsub(graph: Graph, a: SimpleNamespace) -> Operand:
    scaled = graph.multiply(number(a.self), np.asarray(a.alpha))
    return graph.subtract(number(a.other), scaled)


def _div(graph: Graph, a: SimpleNamespace) -> Operand:
    if getattr(a, "rounding_mode", None) is not None:
        raise graph.refuse("div", "a division that rounds " + JUMPS)
    return graph.divide(number(a.self), number(a.other))


def _unit(make: Callable[[SimpleNamespace], Cpwl]) -> Operator:
    return lambda graph, a: graph.pointwise(source_of(a), [make(a)])


def _threshold(graph: Graph, a: SimpleNamespace) -> Operand:
    if rational(a.threshold) != rational(a.value):
        raise graph.refuse("threshold", f"with threshold {a.threshold} and value {a.value} {JUMPS}")
    return graph.pointwise(a.self, [Cpwl.through([a.threshold], [0, 1], a.threshold)])


def _rrelu(graph: Graph, a: SimpleNamespace) -> Operand:
    if a.training:
        raise graph.refuse("rrelu", "is random in training mode; call model.eval() first")
    return graph.pointwise(a.self, [Cpwl.relu((a.lower + a.upper) / 2)])


def _prelu(graph: Graph, a: SimpleNamespace) -> Operand:
    source, slopes = source_of(a), a.weight.ravel()
    if len(slopes) > 1 and source.ndim > 1:
        slopes = slopes.reshape(-1, *(1 for _ in source.shape[2:]))
    return layers.prelu(graph, source, slopes)


def _hardtanh(graph: Graph, a: SimpleNamespace) -> Operand:
    return layers.clamp(graph, a.self, np.asarray(a.min_val), np.asarray(a.max_val))


def _softshrink(a: SimpleNamespace) -> Cpwl:
    bound = rational(a.lambd)
    return Cpwl.relu(1) if bound == 0 else Cpwl.through([-bound, bound], [1, 0, 1])


def _extreme(sign: int) -> Map:
    def operator(graph: Graph, a: SimpleNamespace) -> Operand:
        source = source_of(a)
        if hasattr(a, "other"):
            pair = graph.maximum if sign > 0 else graph.minimum
            return pair(source, number(a.other))
        keep = getattr(a, "keepdim", False)
        return layers.reduce_extreme(graph, source, axes_of(a, source.ndim), keep, sign)

    return operator


def _first_of_pair(operator: Map) -> Operator:
    """An operator that also returns indices, whose place holds None: nothing may use them."""

    def wrapped(graph: Graph, a: SimpleNamespace) -> Result:
        out = operator(graph, a)
        return out if hasattr(a, "other") or not hasattr(a, "dim") else (out, None)

    return wrapped


def _reduce(mean: bool) -> Operator:
    def operator(graph: Graph, a: SimpleNamespace) -> Operand:
        keep = getattr(a, "keepdim", False)
        return layers.reduce_sum(graph, a.self, axes_of(a, a.self.ndim), keep, mean)

    return operator


# Linear layers


def _linear(graph: Graph, a: SimpleNamespace) -> Operand:
    if isinstance(a.weight, Tensor) or isinstance(a.bias, Tensor):
        raise graph.refuse("linear", "weight and bias must be constant")
    return layers.linear(graph, computed(graph, a.input), a.weight, a.bias)


def _conv(dims: int | None, transposed: bool = False) -> Map:
    def operator(graph: Graph, a: SimpleNamespace) -> Operand:
        source = computed(graph, a.input)
        if isinstance(a.weight, Tensor) or isinstance(a.bias, Tensor):
            raise graph.refuse("convolution", "kernel and bias must be constant")
        space = a.weight.ndim - 2 if dims is None else dims
        turned = a.transposed if dims is None else transposed
        if source.ndim == space + 1:  # no batch dimension
            a = SimpleNamespace(**{**vars(a), "input": Tensor(source.form, source.index[None])})
            return graph.view(operator(graph, a), lambda x: x[0])
        stride, dilation = _sizes(a.stride, space), _sizes(a.dilation, space)
        begin, end = _conv_padding(a, space, dilation)
        window = SlidingWindow(a.weight.shape[2:], stride, begin, end, dilation)
        extra = _sizes(a.output_padding, space) if turned else None
        return layers.convolution(graph, source, a.weight, a.bias, window, a.groups, extra)

    return operator


def _conv_padding(a: SimpleNamespace, space: int, dilation: list[int]) -> tuple[list, list]:
    if a.padding == "valid":
        return [0] * space, [0] * space
    if a.padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, a.weight.shape[2:], strict=True)]
        return [t // 2 for t in total], [t - t // 2 for t in total]
    padding = _sizes(a.padding, space)
    return padding, padding


def _batch_norm(graph: Graph, a: SimpleNamespace) -> Operand:
    if getattr(a, "training", False) or a.running_mean is None:
        raise graph.refuse(
            "batch_norm",
            "uses the statistics of its own input, which is not piecewise linear; "
            "keep running statistics and call model.eval() first",
        )
    source, epsilon = computed(graph, a.input), rational(a.eps)
    return layers.batch_norm(
        graph, source, a.weight, a.bias, a.running_mean, a.running_var, epsilon
    )


def _dropout(graph: Graph, a: SimpleNamespace) -> Operand:
    if a.train and a.p:
        raise graph.refuse("dropout", "is random in training mode; call model.eval() first")
    return source_of(a)


# Pooling


def _pooling_window(a: SimpleNamespace, dims: int) -> SlidingWindow:
    kernel = _sizes(a.kernel_size, dims)
    stride = _sizes(a.stride, dims) if a.stride else kernel
    padding, dilation = _sizes(a.padding, dims), _sizes(getattr(a, "dilation", 1), dims)
    return SlidingWindow(kernel, stride, padding, padding, dilation, a.ceil_mode)


def _max_pool(dims: int) -> Map:
    return lambda graph, a: layers.max_pool(
        graph, computed(graph, a.self), _pooling_window(a, dims)
    )


def _average_pool(dims: int) -> Operator:
    def operator(graph: Graph, a: SimpleNamespace) -> Operand:
        source, window = computed(graph, a.self), _pooling_window(a, dims)
        divisor = getattr(a, "divisor_override", None)
        return layers.average_pool(graph, source, window, a.count_include_pad, divisor)

    return operator


def _adaptive(dims: int, mean: bool) -> Operator:
    """Pooling to a given output size, which may need windows of different sizes."""

    def operator(graph: Graph, a: SimpleNamespace) -> Result:
        source = computed(graph, a.self)
        space = source.shape[source.ndim - dims :]
        wanted = zip(space, _sizes(a.output_size, dims), strict=True)
        sizes = [n if m is None else m for n, m in wanted]
        if any(n % m for n, m in zip(space, sizes, strict=True)):
            out = _unequal_windows(graph, source, sizes, mean)
        else:
            kernel = [n // m for n, m in zip(space, sizes, strict=True)]
            window = SlidingWindow(kernel, kernel, [0] * dims, [0] * dims, [1] * dims)
            out = (
                layers.average_pool(graph, source, window, True)
                if mean
                else layers.max_pool(graph, source, window)
            )
        return out if mean else (out, None)

    return operator


def _unequal_windows(graph: Graph, source: Tensor, sizes: list[int], mean: bool) -> Operand:
    """Mean or maximum over sizes[k] windows along each axis k of space, output by output."""
    dims = len(sizes)
    lead, space = source.shape[: source.ndim - dims], source.shape[source.ndim - dims :]
    axes = list(range(len(lead), source.ndim))
    cells = []
    for at in np.ndindex(*sizes):
        cut = [slice(None)] * len(lead)
        for i, n, m in zip(at, space, sizes, strict=True):
            cut.append(slice(i * n // m, -(-(i + 1) * n // m)))
        part = Tensor(source.form, source.index[tuple(cut)])
        cells.append(
            layers.reduce_sum(graph, part, axes, False, True)
            if mean
            else layers.reduce_extreme(graph, part, axes, False)
        )
    return graph.view(graph.stack(cells, -1), lambda x: x.reshape(*lead, *sizes))


OPERATORS: dict[str, Operator] = {
    "add": _add, "sub": _sub, "subtract": _sub, "rsub": _rsub, "div": _div, "divide": _div,
    "true_divide": _div,
    "pow": lambda g, a: layers.power(g, number(a.self), number(a.exponent)),
    "mul": lambda g, a: g.multiply(number(a.self), number(a.other)),
    "multiply": lambda g, a: g.multiply(number(a.self), number(a.other)),
    "neg": lambda g, a: g.negative(a.self),
    "negative": lambda g, a: g.negative(a.self),
    "relu": _unit(lambda a: Cpwl.relu()),
    "leaky_relu": _unit(lambda a: Cpwl.relu(a.negative_slope)),
    "abs": _unit(lambda a: Cpwl.relu(-1)), "absolute": _unit(lambda a: Cpwl.relu(-1)),
    "relu6": _unit(lambda a: Cpwl.through([0, 6], [0, 1, 0])),
    "hardsigmoid": _unit(lambda a: Cpwl.through([-3, 3], [0, mpq(1, 6), 0])),
    "softshrink": _unit(_softshrink), "threshold": _threshold, "rrelu": _rrelu, "prelu": _prelu,
    "_prelu_kernel": _prelu,
    "hardtanh": _hardtanh,
    "maximum": _extreme(1), "minimum": _extreme(-1), "fmax": _extreme(1), "fmin": _extreme(-1),
    "amax": _extreme(1), "amin": _extreme(-1), "max": _first_of_pair(_extreme(1)),
    "min": _first_of_pair(_extreme(-1)),
    "sum": _reduce(False), "mean": _reduce(True),
    "linear": _linear,
    "matmul": lambda g, a: layers.matmul(g, a.self, a.other),
    "mm": lambda g, a: layers.matmul(g, a.self, a.mat2),
    "bmm": lambda g, a: layers.matmul(g, a.self, a.mat2),
    "mv": lambda g, a: layers.matmul(g, a.self, a.vec),
    "dot": lambda g, a: layers.matmul(g, a.self, a.tensor),
    "conv1d": _conv(1), "conv2d": _conv(2), "conv3d": _conv(3), "convolution": _conv(None),
    "conv_transpose1d": _conv(1, True), "conv_transpose2d": _conv(2, True),
    "conv_transpose3d": _conv(3, True),
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": lambda g, a: (_batch_norm(g, a),),
    "dropout": _dropout, "feature_dropout": _dropout, "alpha_dropout": _dropout,
    "feature_alpha_dropout": _dropout,
    "max_pool1d": _max_pool(1), "max_pool2d": _max_pool(2), "max_pool3d": _max_pool(3),
    "max_pool1d_with_indices": lambda g, a: (_max_pool(1)(g, a), None),
    "max_pool2d_with_indices": lambda g, a: (_max_pool(2)(g, a), None),
    "max_pool3d_with_indices": lambda g, a: (_max_pool(3)(g, a), None),
    "avg_pool1d": _average_pool(1), "avg_pool2d": _average_pool(2), "avg_pool3d": _average_pool(3),
    "adaptive_avg_pool1d": _adaptive(1, True), "adaptive_avg_pool2d": _adaptive(2, True),
    "adaptive_avg_pool3d": _adaptive(3, True), "_adaptive_avg_pool2d": _adaptive(2, True), "_adaptive_avg_pool3d": _adaptive(3, True),
    "adaptive_max_pool1d": _adaptive(1, False), "adaptive_max_pool2d": _adaptive(2, False),
    "adaptive_max_pool3d": _adaptive(3, False),
    **VIEWS, **LINEAR,
}  # fmt: skip
