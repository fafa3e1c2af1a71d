"""The ONNX operators that interpolate, contract, accumulate, write or sort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from ..arithmetic.rational import mpq, rational
from ..errors import NetworkError
from ..model.nodes import Cpwl
from . import interpolation, layers
from .graph import Graph, Operand, Result, Tensor, exact
from .interpolation import Kernel, rounded
from .layers import SlidingWindow
from .linear import (
    add_at,
    along,
    cumulative_sum,
    einsum,
    extreme_at,
    overwritten,
    scattered,
    selected,
)
from .onnx_node import OnnxNode, Operator
from .order import ranked
from .recurrent import RecurrentWeights, part, relu_layer

__all__ = ["LINEAR", "absolute"]

_COORDINATES = (
    "half_pixel",
    "asymmetric",
    "pytorch_half_pixel",
    "align_corners",
    "half_pixel_symmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)
_ROUNDING = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_POLICIES = ("stretch", "not_larger", "not_smaller")
_HALF = mpq(1, 2)


def _integers(node: OnnxNode, k: int, what: str) -> np.ndarray:
    """Constant integers, as an array of its own shape."""
    return node.whole(k, what).astype(np.int64)


def _axis(node: OnnxNode, name: str, default: int, ndim: int) -> int:
    axis = node.get(name, default)
    if not -ndim <= axis < ndim:
        raise NetworkError(f"{node.kind} with {name} {axis} on {ndim} dimensions")
    return axis % ndim


# Interpolation


def _resize(graph: Graph, node: OnnxNode) -> Operand:
    """Resize and Upsample in every mode."""
    source = node.input(0)
    mode = node.word("mode", ("nearest", "linear", "cubic", "bilinear"))
    old = node.opset < 11 or node.kind == "Upsample"
    axes = [x % source.ndim for x in node.integers("axes") or range(source.ndim)]
    if len(set(axes)) != len(axes):
        raise NetworkError(f"{node.kind} with axes {axes}")
    factors, sizes = _resized(graph, node, [source.shape[x] for x in axes], 1 if old else 2)
    if min(sizes, default=1) < 1:
        raise NetworkError(f"{node.kind} to the sizes {sizes}: all must be positive")
    graph.limit([*sizes, *(n for x, n in enumerate(source.shape) if x not in axes)])
    how = "asymmetric" if old else node.word("coordinate_transformation_mode", _COORDINATES)
    regions = (
        _regions(node, axes) if how == "tf_crop_and_resize" else [(mpq(0), mpq(1))] * len(axes)
    )
    places = {}
    for axis, factor, size, region in zip(axes, factors, sizes, regions, strict=True):
        n = source.shape[axis]
        if how == "tf_crop_and_resize" or size != n or factor != 1:
            places[axis] = [_coordinate(how, x, factor, (n, size), region) for x in range(size)]
    outside = {k: _outside(at, source.shape[k]) for k, at in places.items()}
    crop = how == "tf_crop_and_resize"
    if mode == "nearest":
        rounding = "floor" if old else node.word("nearest_mode", _ROUNDING)
        out = _picked(graph, source, places, rounding)
    else:
        maps = {}
        for k, at in places.items():
            kernel = _kernel(node, mode, factors[axes.index(k)])
            maps[k] = interpolation.axis_map(at, source.shape[k], kernel)
        out = along(graph, node.computed(0), maps) if maps else source
    if not crop or not any(x.any() for x in outside.values()):
        return out
    return _extrapolated(graph, node, out, outside)


def _extrapolated(
    graph: Graph, node: OnnxNode, out: Operand, outside: dict[int, np.ndarray]
) -> Operand:
    """The extrapolation value where the place along any axis is outside."""
    mask = np.zeros(out.shape, dtype=bool)
    for k, places in outside.items():
        mask |= places.reshape(-1, *(1 for _ in out.shape[k + 1 :]))
    value = np.asarray(node.get("extrapolation_value", 0.0))
    return selected(graph, mask, value, out)


def _outside(places: Sequence[mpq], n: int) -> np.ndarray:
    return np.asarray([not 0 <= x <= n - 1 for x in places])


def _kernel(node: OnnxNode, mode: str, factor: mpq) -> Kernel:
    antialias = bool(node.get("antialias", 0))
    stretch = max(1 / factor, mpq(1)) if antialias else mpq(1)
    outside = "nothing" if node.get("exclude_outside", 0) else "edge"
    if mode == "cubic":
        return interpolation.cubic(rational(node.get("cubic_coeff_a", -0.75)), outside, stretch)
    return interpolation.linear(outside, stretch)


def _picked(graph: Graph, source: Operand, places: dict[int, list[mpq]], rounding: str) -> Operand:
    picks = [np.arange(n) for n in source.shape]
    for axis, at in places.items():
        picks[axis] = np.clip([rounded(rounding, x) for x in at], 0, source.shape[axis] - 1)
    return graph.view(source, lambda x: x[np.ix_(*picks)])


def _regions(node: OnnxNode, axes: list[int]) -> list[tuple[mpq, mpq]]:
    """The part of each axis that is read, from the input roi."""
    given = node.constant(1, "roi")
    if given is None or given.size != 2 * len(axes):
        raise NetworkError(f"{node.kind} needs a roi of {2 * len(axes)} numbers")
    ends = exact(given.ravel(), "roi")
    return list(zip(ends[: len(axes)], ends[len(axes) :], strict=True))


def _resized(
    graph: Graph, node: OnnxNode, space: list[int], place: int
) -> tuple[list[mpq], list[int]]:
    """Scale factors and new sizes; scales are an attribute or input `place`, sizes input 3."""
    scales = cast("list[float] | None", node.attributes.get("scales"))
    if scales is None and node.opset < 9:  # Upsample's oldest version
        scales = [1.0] * (len(space) - 2)
        scales += [node.get(f"{side}_scale", 1.0) for side in ("height", "width")]
    if scales is None:
        given = node.constant(place, "scales")
        scales = None if given is None or not given.size else given.ravel().tolist()
    if scales is None:
        wanted = node.constant(3, "sizes")
        if wanted is None:
            raise NetworkError(f"{node.kind} needs constant scales or sizes")
        sizes = [int(x) for x in wanted.ravel()]
        policy = node.word("keep_aspect_ratio_policy", _POLICIES)
        factors = [mpq(m, n) for m, n in zip(sizes, space, strict=True)]
        if policy == "stretch":
            return factors, sizes
        factor = min(factors) if policy == "not_larger" else max(factors)
        return [factor] * len(space), [rounded("round_prefer_ceil", factor * n) for n in space]
    factors = [rational(s) for s in scales]
    if min(factors) <= 0:
        raise NetworkError(f"{node.kind} with scales {scales}")
    return factors, [rounded("floor", n * f) for f, n in zip(factors, space, strict=True)]


def _coordinate(
    how: str, x: int, factor: mpq, sizes: tuple[int, int], region: tuple[mpq, mpq]
) -> mpq:
    """Where output x of an axis is read, in entries of the input."""
    n, size = sizes
    if how == "asymmetric":
        return x / factor
    if how == "pytorch_half_pixel" and size == 1:
        return mpq(0)
    if how == "align_corners":
        return mpq(x * (n - 1), size - 1) if size > 1 else mpq(0)
    if how == "tf_half_pixel_for_nn":
        return (x + _HALF) / factor
    if how == "tf_crop_and_resize":
        start, end = region
        if size == 1:
            return (start + end) * (n - 1) / 2
        return start * (n - 1) + x * (end - start) * (n - 1) / (size - 1)
    half = (x + _HALF) / factor - _HALF
    if how == "half_pixel_symmetric":
        half += mpq(n, 2) * (1 - size / (factor * n))
    return half


def _grid_sample(graph: Graph, node: OnnxNode) -> Operand:
    source, grid = node.computed(0), node.constant(1, "grid")
    if grid is None:
        raise NetworkError("GridSample needs a grid")
    align = bool(node.get("align_corners", 0))
    mode = node.word("mode", ("linear", "bilinear", "nearest", "cubic", "bicubic"))
    padding = node.word("padding_mode", ("zeros", "border", "reflection"))
    how = mode.removeprefix("bi"), padding
    return interpolation.sample_grid(graph, source, grid, how, align)


# Sums


def _einsum(graph: Graph, node: OnnxNode) -> Operand:
    return einsum(graph, node.get("equation", ""), [node.input(k) for k in range(len(node.inputs))])


def _cumsum(graph: Graph, node: OnnxNode) -> Operand:
    axis = int(_integers(node, 1, "axis").ravel()[0])
    flags = bool(node.get("exclusive", 0)), bool(node.get("reverse", 0))
    return cumulative_sum(graph, node.input(0), axis, *flags)


def absolute(graph: Graph, node: OnnxNode, order: str) -> Tensor:
    """The absolute values of input 0, for a norm whose attribute `order` must be one."""
    if node.get(order, 2) != 1:
        raise graph.refuse(node.kind, f"with {order} other than 1 is not piecewise linear")
    out = graph.pointwise(node.computed(0), [Cpwl.relu(-1)])
    assert isinstance(out, Tensor)
    return out


def _global_lp(graph: Graph, node: OnnxNode) -> Operand:
    source = absolute(graph, node, "p")
    return layers.reduce_sum(graph, source, list(range(2, source.ndim)), True)


def _col2im(graph: Graph, node: OnnxNode) -> Operand:
    size, block = (_integers(node, k, what).tolist() for k, what in ((1, "size"), (2, "block")))
    ones, pads = [1] * len(size), node.integers("pads") or [0] * 2 * len(size)
    window = SlidingWindow(
        block,
        node.integers("strides") or ones,
        pads[: len(size)],
        pads[len(size) :],
        node.integers("dilations") or ones,
    )
    return layers.fold(graph, node.computed(0), size, window)


# Reading and writing by index


def _gather_elements(graph: Graph, node: OnnxNode) -> Operand:
    source, index = node.input(0), _integers(node, 1, "indices")
    axis = _axis(node, "axis", 0, source.ndim)
    return graph.view(source, lambda x: np.take_along_axis(x, index, axis))


def _gather_nd(graph: Graph, node: OnnxNode) -> Operand:
    source, index, batch = node.input(0), _integers(node, 1, "indices"), node.get("batch_dims", 0)
    grids = np.indices(index.shape[:-1], sparse=True)[:batch]
    where = (*grids, *np.moveaxis(index, -1, 0))
    graph.limit([*index.shape[:-1], *source.shape[len(where) :]])
    return graph.view(source, lambda x: x[where])


def _scatter_elements(graph: Graph, node: OnnxNode) -> Operand:
    target, index, source = node.input(0), _integers(node, 1, "indices"), node.input(2)
    places = scattered(target.shape, index, _axis(node, "axis", 0, target.ndim))
    return _written(graph, node, target, places, source)


def _scatter_nd(graph: Graph, node: OnnxNode) -> Operand:
    target, index, source = node.input(0), _integers(node, 1, "indices"), node.input(2)
    graph.limit([*index.shape[:-1], *target.shape[index.shape[-1] :]])
    flat = np.arange(math.prod(target.shape)).reshape(target.shape)
    return _written(graph, node, target, flat[tuple(np.moveaxis(index, -1, 0))], source)


def _written(
    graph: Graph, node: OnnxNode, target: Operand, places: np.ndarray, source: Operand
) -> Operand:
    if places.shape != source.shape:
        raise NetworkError(f"{node.kind}: updates {source.shape} for places {places.shape}")
    reduction = node.word("reduction", ("none", "add", "max", "min", "mul"))
    if reduction == "mul":
        raise graph.refuse(
            node.kind, "with the reduction mul multiplies entries; use add, max or min"
        )
    if reduction == "add":
        return add_at(graph, target, places, source)
    if reduction != "none":
        return extreme_at(graph, target, places, source, 1 if reduction == "max" else -1)
    return overwritten(graph, target, places, source)


def _compress(graph: Graph, node: OnnxNode) -> Operand:
    mask = node.constant(1, "condition")
    if mask is None:
        raise NetworkError("Compress needs a condition")
    axis = node.attributes.get("axis")
    return graph.view(
        node.input(0), lambda x: np.compress(mask.astype(bool), x, cast("int | None", axis))
    )


def _where(graph: Graph, node: OnnxNode) -> Operand:
    mask = node.constant(0, "condition")
    if mask is None:
        raise NetworkError("Where needs a condition")
    return selected(graph, mask, node.input(1), node.input(2))


def _trilu(graph: Graph, node: OnnxNode) -> Operand:
    given = node.constant(1, "k")
    k = 0 if given is None else int(given.ravel()[0])
    upper = bool(node.get("upper", 1))

    def cut(x: np.ndarray) -> np.ndarray:
        below = np.tri(x.shape[-2], x.shape[-1], k - upper, dtype=bool)
        return np.where(below != upper, x, -1)

    return graph.view(node.input(0), cut)


def _reverse_sequence(graph: Graph, node: OnnxNode) -> Operand:
    lengths = _integers(node, 1, "sequence lengths").tolist()
    time, batch = node.get("time_axis", 0), node.get("batch_axis", 1)

    def reverse(x: np.ndarray) -> np.ndarray:
        out = x.copy()
        lanes = np.moveaxis(x, (batch, time), (0, 1))
        turned = np.moveaxis(out, (batch, time), (0, 1))
        for lane, new, n in zip(lanes, turned, lengths, strict=True):
            new[:n] = lane[:n][::-1]
        return out

    return graph.view(node.input(0), reverse)


def _center_crop_pad(graph: Graph, node: OnnxNode) -> Operand:
    source, sizes = node.input(0), _integers(node, 1, "shape")
    axes = [x % source.ndim for x in node.integers("axes") or range(source.ndim)]
    widths = [(0, 0)] * source.ndim
    for axis, m in zip(axes, sizes.tolist(), strict=True):
        gap = m - source.shape[axis]
        widths[axis] = (gap // 2, gap - gap // 2) if gap >= 0 else (-(-gap // 2), gap + -gap // 2)
    return layers.pad(graph, source, widths, "constant")


def _max_unpool(graph: Graph, node: OnnxNode) -> Operand:
    source, index = node.computed(0), _integers(node, 1, "indices")
    kernel = node.integers("kernel_shape") or []
    dims = len(kernel)
    stride, pads = node.integers("strides") or [1] * dims, node.integers("pads") or [0] * 2 * dims
    window = SlidingWindow(kernel, stride, pads[:dims], pads[dims:], [1] * dims)
    small = source.shape[:-dims] + window.transposed_size(source.shape[2:], [0] * dims)
    given = node.constant(2, "output shape")
    shape = small if given is None else tuple(int(x) for x in given)
    graph.limit(shape)
    if shape != small:
        raise graph.refuse(
            node.kind, f"to the output shape {shape} instead of {small} is not supported"
        )
    return overwritten(graph, np.zeros(shape), index, source)


def _eye_like(graph: Graph, node: OnnxNode) -> np.ndarray:
    shape = node.input(0).shape
    return np.eye(shape[0], shape[1], k=node.get("k", 0))


# Order and recurrence


def _top_k(graph: Graph, node: OnnxNode) -> Result:
    source = node.input(0)
    count = node.get("k", 0) if node.opset < 10 else int(_integers(node, 1, "k").ravel()[0])
    axis = _axis(node, "axis", -1, source.ndim)
    n = source.shape[axis]
    ranks = range(n)[::-1] if node.get("largest", 1) else range(n)
    if not 0 < count <= n:
        raise NetworkError(f"TopK of {count} of {n} entries")
    return [ranked(graph, source, axis, ranks[:count]), None]


def _rnn(graph: Graph, node: OnnxNode) -> Result:
    """RNN with ReLU; X is (steps, batch, inputs), or with layout 1 (batch, steps, inputs)."""
    names = node.attributes.get("activations")
    if not isinstance(names, list) or {str(x).lower() for x in names} != {"relu"}:
        raise graph.refuse(node.kind, "is piecewise linear only with the activation Relu")
    if node.attributes.get("clip") is not None or node.optional(4) is not None:
        raise graph.refuse(node.kind, "with clip or sequence lengths is not supported")
    x, layout = node.input(0), node.get("layout", 0)
    start = node.optional(5)
    if layout:
        x = graph.view(x, lambda y: np.swapaxes(y, 0, 1))
        start = None if start is None else graph.view(start, lambda y: np.swapaxes(y, 0, 1))
    w, r, b = (node.constant(k, "weights") for k in (1, 2, 3))
    if w is None or r is None:
        raise NetworkError("RNN needs weights")
    direction = node.word("direction", ("forward", "reverse", "bidirectional"))
    hidden = r.shape[-1]
    start = np.zeros((len(w), x.shape[1], hidden)) if start is None else start
    sides, finals = [], []
    for k in range(len(w)):
        biases = [] if b is None else [b[k, :hidden], b[k, hidden:]]
        weights = RecurrentWeights(w[k], r[k], *biases)
        backward = direction == "reverse" or k == 1
        out, last = relu_layer(graph, x, part(graph, start, k), weights, backward)
        sides.append(out)
        finals.append(last)
    every, last = graph.stack(sides, 1), graph.stack(finals, 0)
    if layout:
        every = graph.view(every, lambda y: y.transpose(2, 0, 1, 3))
        last = graph.view(last, lambda y: np.swapaxes(y, 0, 1))
    return [every, last]


LINEAR: dict[str, Operator] = {
    "Resize": _resize,
    "Upsample": _resize,
    "GridSample": _grid_sample,
    "Einsum": _einsum,
    "CumSum": _cumsum,
    "GlobalLpPool": _global_lp,
    "Col2Im": _col2im,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterElements": _scatter_elements,
    "Scatter": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Compress": _compress,
    "Where": _where,
    "Trilu": _trilu,
    "ReverseSequence": _reverse_sequence,
    "CenterCropPad": _center_crop_pad,
    "MaxUnpool": _max_unpool,
    "EyeLike": _eye_like,
    "TopK": _top_k,
    "RNN": _rnn,
}
