"""Layers of deep-learning libraries as operations on a `Graph`, for torch and ONNX alike.

Convolutions stay convolutions, average pooling becomes a depthwise one, maxima
become groups, and everything else linear is a sparse matrix or only an index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arithmetic.matrix import Convolution, Dense
from ..arithmetic.rational import mpq, mpz, nearest_with_root, objects
from ..errors import NetworkError
from ..model.nodes import Cpwl
from .graph import Constant, Graph, Operand, Tensor, exact, width
from .linear import Entries, sparse_map

__all__ = [
    "SlidingWindow",
    "average_pool",
    "batch_norm",
    "clamp",
    "convolution",
    "fold",
    "linear",
    "matmul",
    "max_pool",
    "pad",
    "power",
    "prelu",
    "reduce_extreme",
    "reduce_sum",
]

Sizes = Sequence[int]
_PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def linear(graph: Graph, a: Tensor, weight: Constant, bias: Constant | None = None) -> Tensor:
    """A fully connected layer: weight (out, in) times the last axis of `a`, plus a bias."""
    if weight.ndim != 2 or not a.ndim or a.shape[-1] != weight.shape[1]:
        raise NetworkError(
            f"layer {graph.layer}: weight {weight.shape} does not fit input shape {a.shape}"
        )
    shape = (*a.shape[:-1], weight.shape[0])
    if math.prod(a.shape[:-1]) != 1:
        product = matmul(graph, a, weight.T)
        out = product if bias is None else graph.add(product, bias)
        assert isinstance(out, Tensor)
        return out
    numbers, scale = graph.integers(weight, "weight")
    a = graph.whole(a)
    if not a.is_plain():  # a permutation of the inputs is one of the columns
        columns = np.empty_like(numbers)
        columns[:, a.index.ravel()] = numbers
        numbers = columns
    return graph.affine([(graph.make(a.form), Dense(numbers), scale)], shape, bias)


def matmul(graph: Graph, a: Operand, b: Operand) -> Operand:
    """The matrix product as numpy broadcasts it; at most one operand may be computed."""
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        _check_product(graph, a, b)
        where = f"layer {graph.layer}: constant"
        return np.asarray(np.matmul(exact(a, where), exact(b, where)), dtype=object)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        why = "a product of two computed tensors is not piecewise linear; one of them must be constant"
        raise graph.refuse("matrix product", why)
    if a.ndim == 1:
        product = matmul(graph, graph.view(a, lambda x: x[None]), b)
        return graph.view(product, lambda x: x[..., 0, :] if b.ndim > 1 else x[..., 0])
    if b.ndim == 1:
        product = matmul(graph, a, graph.view(b, lambda x: x[:, None]))
        return graph.view(product, lambda x: x[..., 0])
    if a.shape[-1] != b.shape[-2]:
        raise NetworkError(f"layer {graph.layer}: shapes {a.shape} and {b.shape} do not multiply")
    if not isinstance(a, Tensor):
        turned = [graph.view(x, lambda y: np.swapaxes(y, -1, -2)) for x in (b, a)]
        return graph.view(matmul(graph, *turned), lambda y: np.swapaxes(y, -1, -2))
    assert not isinstance(b, Tensor)
    if b.ndim == 2 and math.prod(a.shape[:-1]) == 1:
        return linear(graph, a, b.T)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    full = (*batch, a.shape[-2], b.shape[-1], a.shape[-1])
    graph.limit(full)
    places = np.arange(a.index.size).reshape(a.shape)[..., :, None, :]
    weights = np.swapaxes(b, -1, -2)[..., None, :, :]
    size = math.prod(full[:-1])
    rows = np.repeat(np.arange(size), full[-1])
    columns, entries = (np.broadcast_to(x, full).ravel() for x in (places, weights))
    return graph.affine([graph.entries(a, size, rows, columns, entries)], full[:-1])


def _check_product(graph: Graph, a: Constant, b: Constant) -> None:
    """Take a product of two constants from the budget: as many entries as multiplications."""
    left, right = (1, *a.shape)[-2:], (*b.shape, 1)[-2 if b.ndim > 1 else 0 :][:2]
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    graph.limit([*batch, *left, right[-1]], width(a) + width(b))


class SlidingWindow(NamedTuple):
    """The geometry of a convolution or pooling: one entry per spatial axis in every field.

    Attributes
    ----------
    kernel : sequence of int
        Taps along each axis.
    stride, dilation : sequence of int
        Steps between windows and between the taps of one window, in entries of the input.
    begin, end : sequence of int
        Padding before and after each axis.
    ceil : bool
        Pooling only: a last window may stick out if it starts inside the input or padding.
    """

    kernel: Sizes
    stride: Sizes
    begin: Sizes
    end: Sizes
    dilation: Sizes
    ceil: bool = False

    @property
    def reach(self) -> list[int]:
        """Entries from the first tap to the last along each axis, both included."""
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]

    def output_size(self, space: Sizes) -> tuple[int, ...]:
        """How many windows there are along each axis of an input of size `space`."""
        out = []
        axes = zip(space, self.reach, self.stride, self.begin, self.end, strict=True)
        for n, reach, step, begin, end in axes:
            room = n + begin + end - reach
            size = (-(-room // step) if self.ceil else room // step) + 1
            out.append(size - 1 if self.ceil and (size - 1) * step >= n + begin else size)
        return tuple(out)

    def transposed_size(self, space: Sizes, extra: Sizes) -> tuple[int, ...]:
        """The output size of a transposed convolution with output padding `extra`."""
        axes = zip(space, self.reach, self.stride, self.begin, self.end, extra, strict=True)
        return tuple((n - 1) * s - b - e + r + x for n, r, s, b, e, x in axes)

    def batched(self) -> SlidingWindow:
        """The same window with a first axis of kernel size one, which keeps images apart."""
        kernel, stride, begin, end, dilation, _ = self
        return SlidingWindow((1, *kernel), (1, *stride), (0, *begin), (0, *end), (1, *dilation))


def convolution(
    graph: Graph,
    a: Tensor,
    weight: Constant,
    bias: Constant | None,
    window: SlidingWindow,
    groups: int = 1,
    output_padding: Sizes | None = None,
) -> Tensor:
    """Convolve images with a kernel: (images, channels out, *output size).

    Parameters
    ----------
    graph : Graph
        The graph to which the map is added.
    a : Tensor, (images, channels, *space)
        The input.
    weight : Constant
        The kernel, (channels out, channels in / groups, *window.kernel); for a transposed
        convolution (channels in, channels out / groups, *window.kernel).
    bias : Constant, (channels out,), optional
        What is added to every output channel.
    window : SlidingWindow
        Stride, zero padding and dilation.
    groups : int
        Into how many groups the channels are split.
    output_padding : sequence of int, optional
        Makes it a transposed convolution, with so many more outputs at the end of each axis.
    """
    if a.ndim != weight.ndim or a.ndim < 3:
        raise NetworkError(
            f"layer {graph.layer}: a kernel of shape {weight.shape} does not fit input {a.shape}"
        )
    if min((*window.begin, *window.end)) < 0:
        raise graph.refuse("convolution", "negative padding is not supported; slice the input")
    transpose = output_padding is not None
    if a.shape[0] != 1:  # several images: one more axis of space, with kernel size one
        moved = Tensor(a.form, np.swapaxes(a.index, 0, 1)[None])
        extra = (0, *output_padding) if output_padding is not None else None
        lifted = np.expand_dims(weight, 2)
        out = convolution(graph, moved, lifted, bias, window.batched(), groups, extra)
        return Tensor(out.form, np.swapaxes(out.index[0], 0, 1))
    space = a.shape[2:]
    if output_padding is None:
        channels, size = weight.shape[0], window.output_size(space)
    else:
        channels, size = weight.shape[1] * groups, window.transposed_size(space, output_padding)
    if min(size) < 1:
        raise NetworkError(f"layer {graph.layer}: input {a.shape} is smaller than the kernel")
    target = (channels, *size)
    graph.limit(target)
    numbers, scale = graph.integers(weight, "weight")
    stride, begin, dilation = map(tuple, (window.stride, window.begin, window.dilation))
    source = a.shape[1:]
    matrix = Convolution(source, target, numbers, stride, begin, dilation, groups, transpose)
    column = None if bias is None else bias.reshape(channels, *(1 for _ in space))
    return graph.affine([(graph.value(a), matrix, scale)], (1, *target), column)


def _taps(graph: Graph, window: SlidingWindow, space: Sizes) -> tuple[np.ndarray, list[np.ndarray]]:
    """The input entries of every window: flat (windows, taps), -1 outside, and axis by axis."""
    out = window.output_size(space)
    if min(out) < 1:
        raise NetworkError(f"layer {graph.layer}: input {tuple(space)} is smaller than the window")
    graph.limit([*out, *window.kernel])
    flat = np.zeros((1, 1), dtype=np.int64)
    axes = []
    steps = zip(window.kernel, window.stride, window.begin, window.dilation, strict=True)
    for n, m, (k, s, b, d) in zip(space, out, steps, strict=True):
        at = np.arange(m)[:, None] * s + np.arange(k)[None, :] * d - b
        axes.append(at)
        at = np.where((at < 0) | (at >= n), -1, at)
        pairs = flat[:, None, :, None] * n + at[None, :, None, :]
        inside = (flat[:, None, :, None] >= 0) & (at[None, :, None, :] >= 0)
        flat = np.where(inside, pairs, -1).reshape(len(flat) * m, -1)
    return flat, axes


def max_pool(graph: Graph, a: Tensor, window: SlidingWindow) -> Tensor:
    """Max-pooling of (..., *space), in which padding never wins."""
    dims = len(window.kernel)
    lead, space = a.shape[: a.ndim - dims], a.shape[a.ndim - dims :]
    windows, _ = _taps(graph, window, space)
    graph.limit([*lead, windows.size])
    if (windows < 0).all(axis=1).any():
        raise NetworkError(f"layer {graph.layer}: a pooling window lies in the padding only")
    channels, plane = math.prod(lead), math.prod(space)
    window_lists = [row[row >= 0] for row in windows]
    groups = [(row + c * plane).tolist() for c in range(channels) for row in window_lists]
    return graph.max_groups(a, groups, (*lead, *window.output_size(space)))


def average_pool(
    graph: Graph, a: Tensor, window: SlidingWindow, count_padding: bool, divisor: int | None = None
) -> Tensor:
    """Average pooling with the exact divisor: a mean over nine entries is a ninth of their sum.

    Parameters
    ----------
    graph : Graph
        The graph to which the map is added.
    a : Tensor, (..., *space)
        The input; the axes of `window` are its last ones.
    window : SlidingWindow
        Kernel, stride, padding and dilation.
    count_padding : bool
        Whether the padding counts into the divisor. What a last window of ceil mode
        sticks out beyond the padding never does.
    divisor : int, optional
        The divisor of every window, if it is given.
    """
    dims = len(window.kernel)
    lead, space = a.shape[: a.ndim - dims], a.shape[a.ndim - dims :]
    windows, axes = _taps(graph, window, space)
    graph.limit([*lead, len(windows)])
    if divisor is not None:
        counts = np.full(len(windows), divisor)
    elif count_padding:
        counts = np.ones(1, dtype=np.int64)
        for at, n, e in zip(axes, space, window.end, strict=True):
            counts = (counts[:, None] * (at < n + e).sum(axis=1)[None, :]).ravel()
    else:
        counts = (windows >= 0).sum(axis=1)
    if not counts.all():
        raise NetworkError(f"layer {graph.layer}: a pooling window lies in the padding only")
    out = (*lead, *window.output_size(space))
    if (counts == counts[0]).all():
        return _average_convolution(graph, a, window, int(counts[0]), out)
    graph.limit([*lead, windows.size])
    channels, plane, positions = math.prod(lead), math.prod(space), len(windows)
    row, tap = np.nonzero(windows >= 0)
    shift = np.arange(channels)[:, None]
    fractions = np.tile(objects(mpq(1, int(counts[r])) for r in row), channels)
    targets = (row[None, :] + shift * positions).ravel()
    sources = (windows[row, tap][None, :] + shift * plane).ravel()
    return graph.affine([graph.entries(a, math.prod(out), targets, sources, fractions)], out)


def _average_convolution(
    graph: Graph, a: Tensor, window: SlidingWindow, count: int, out: Sizes
) -> Tensor:
    """Average pooling in which every window has the same divisor, as a depthwise convolution."""
    dims = len(window.kernel)
    channels, space = math.prod(out[:-dims]), a.shape[a.ndim - dims :]
    weight = objects([mpq(1, count)] * channels * math.prod(window.kernel))
    images = Tensor(a.form, a.index.reshape(1, channels, *space))
    # The end padding with which the convolution has the size the pooling has.
    axes = zip(out[-dims:], window.stride, window.reach, space, window.begin, strict=True)
    last = [max(0, (m - 1) * s + r - n - b) for m, s, r, n, b in axes]
    kernel = weight.reshape(channels, 1, *window.kernel)
    depthwise = window._replace(end=last, ceil=False)
    pooled = convolution(graph, images, kernel, None, depthwise, channels)
    return Tensor(pooled.form, pooled.index.reshape(out))


def fold(graph: Graph, a: Tensor, size: Sizes, window: SlidingWindow) -> Tensor:
    """The images of this size in which every window is added to where it was read.

    `a` is (images, channels * taps, windows), with or without its first axis.
    """
    windows, _ = _taps(graph, window, size)
    count, taps = windows.shape
    if a.shape[-1] != count or a.shape[-2] % taps:
        raise NetworkError(
            f"layer {graph.layer}: {a.shape} is not {taps} taps of {count} windows in {tuple(size)}"
        )
    shape = (*a.shape[:-2], a.shape[-2] // taps, *size)
    planes = np.arange(math.prod(shape) // math.prod(size))[:, None, None] * math.prod(size)
    rows = np.where(windows.T < 0, -1, planes + windows.T).ravel()
    (kept,) = np.nonzero(rows >= 0)
    ones = objects([mpz(1)] * len(kept))
    return sparse_map(graph, a, shape, Entries(rows[kept], kept, ones))


def _grouped(shape: Sizes, axes: Sizes, keep: bool) -> tuple[np.ndarray, tuple[int, ...]]:
    """For a reduction, the flat entries (results, entries of each) and the result's shape."""
    chosen = sorted({axis % len(shape) for axis in axes}) if shape else []
    rest = [axis for axis in range(len(shape)) if axis not in chosen]
    places = np.arange(math.prod(shape)).reshape(shape).transpose(*rest, *chosen)
    outer = math.prod(shape[axis] for axis in rest)
    kept = [1 if axis in chosen else n for axis, n in enumerate(shape) if keep or axis in rest]
    return places.reshape(outer, -1), tuple(kept)


def reduce_sum(graph: Graph, a: Operand, axes: Sizes, keep: bool, mean: bool = False) -> Operand:
    """The sum or mean over axes."""
    graph.limit(a.shape)
    places, shape = _grouped(a.shape, axes, keep)
    rows, count = places.shape
    if count == 0:
        raise NetworkError(f"layer {graph.layer}: a sum over no entries")
    weight = mpq(1, count) if mean else mpq(1)
    if not isinstance(a, Tensor):
        if a.dtype.kind in "iu" and not mean:
            return a.ravel()[places].sum(axis=1).reshape(shape)
        total = exact(a, f"layer {graph.layer}: constant").ravel()[places].sum(axis=1) * weight
        return np.asarray(total, dtype=object).reshape(shape)
    term = graph.entries(a, rows, np.repeat(np.arange(rows), count), places.ravel(), weight)
    return graph.affine([term], shape)


def reduce_extreme(graph: Graph, a: Operand, axes: Sizes, keep: bool, sign: int = 1) -> Operand:
    """The maximum over axes, or with sign -1 the minimum."""
    graph.limit(a.shape)
    places, shape = _grouped(a.shape, axes, keep)
    if not isinstance(a, Tensor):
        flat = a.ravel()[places]
        return (flat.max(axis=1) if sign > 0 else flat.min(axis=1)).reshape(shape)
    if sign < 0:
        turned = reduce_extreme(graph, graph.negative(a), axes, keep)
        return graph.negative(turned)
    return graph.max_groups(a, places.tolist(), shape)


def clamp(graph: Graph, a: Operand, low: Constant | None, high: Constant | None) -> Operand:
    """Clip entries: min(max(a, low), high), one activation where both bounds are numbers."""
    low, high = _unless_infinite(low, -np.inf), _unless_infinite(high, np.inf)
    if low is not None and high is not None and low.size == high.size == 1:
        floor, ceiling = (exact(x.ravel(), f"layer {graph.layer}: bound")[0] for x in (low, high))
        if floor < ceiling:
            return graph.pointwise(a, [Cpwl.through([floor, ceiling], [0, 1, 0], floor)])
    out = a if low is None else graph.maximum(a, low)
    if high is None:
        return out
    if not isinstance(out, Tensor):
        return graph.minimum(out, high)
    ceilings = np.broadcast_to(exact(high, f"layer {graph.layer}: bound"), out.shape)
    numbers: dict[mpq, int] = {}
    which = [numbers.setdefault(x, len(numbers)) for x in ceilings.ravel()]
    functions = [Cpwl([x], [(1, 0), (0, x)]) for x in numbers]
    return graph.pointwise(out, functions, np.asarray(which).reshape(out.shape))


def _unless_infinite(bound: Constant | None, end: float) -> Constant | None:
    """The bound, None if it bounds nothing."""
    if bound is None or (bound.dtype.kind == "f" and (bound == end).all()):
        return None
    return bound


def pad(
    graph: Graph, a: Operand, widths: Sequence[tuple[int, int]], mode: str, value: Any = 0.0
) -> Operand:
    """Pad (or, with negative widths, crop) each axis; `mode` as in numpy.pad,
    of those that only move entries."""
    cut = tuple(
        slice(max(0, -b), n - max(0, -e)) for (b, e), n in zip(widths, a.shape, strict=True)
    )
    widths = [(max(0, b), max(0, e)) for b, e in widths]
    inner = graph.view(a, lambda x: x[cut])
    graph.limit(n + b + e for n, (b, e) in zip(inner.shape, widths, strict=True))
    if mode not in _PAD_MODES:
        raise graph.refuse("pad", f"the mode {mode!r} is not among {', '.join(_PAD_MODES)}")
    if mode != "constant":
        return graph.view(inner, lambda x: np.pad(x, widths, mode=mode))  # type: ignore[call-overload]
    padded = graph.padded(inner, widths)
    if not value:
        return padded
    outside = np.pad(np.zeros(inner.shape), widths, constant_values=1)
    return graph.add(padded, np.where(outside == 1, value, 0))


def power(graph: Graph, a: Operand, exponents: Operand) -> Operand:
    """The powers of the entries; every exponent must be one or zero."""
    if isinstance(exponents, Tensor) or not np.isin(exponents, (0, 1)).all():
        raise graph.refuse(
            "power", "is not piecewise linear unless its exponents are 0 or 1; use ReLU or abs"
        )
    ones = np.asarray(exponents, np.int64)
    return graph.add(graph.multiply(a, ones), 1 - ones)


def prelu(graph: Graph, a: Operand, slopes: Constant) -> Operand:
    """Leaky ReLU with a negative slope per entry; `slopes` broadcasts to the shape of `a`."""
    numbers: dict[mpq, int] = {}
    values = exact(slopes, f"layer {graph.layer}: slope")
    which = objects((numbers.setdefault(x, len(numbers)) for x in values.ravel()), values.shape)
    return graph.pointwise(a, [Cpwl.relu(s) for s in numbers], which.astype(np.int64))


def batch_norm(
    graph: Graph,
    a: Tensor,
    gamma: Constant | None,
    beta: Constant | None,
    mean: Constant,
    variance: Constant,
    epsilon: mpq,
) -> Tensor:
    """Normalise every channel with stored statistics, rounding two numbers a channel.

    scale = gamma / sqrt(var + eps) and shift = beta - mean * scale are irrational in
    general. Each is replaced by the float64 nearest to it, and a note of the network says
    so: no other layer is read as anything but what is stored.

    Parameters
    ----------
    graph : Graph
        The graph to which the map is added.
    a : Tensor, (images, channels, ...)
        The input.
    gamma, beta : Constant, (channels,), optional
        Scale and shift; one and zero where left out.
    mean, variance : Constant, (channels,)
        The stored statistics.
    epsilon : mpq
        What is added to the variance.
    """
    where = f"layer {graph.layer}: batch normalisation"
    count = len(mean)
    one, zero = np.ones(count), np.zeros(count)
    rows = [
        exact(x, where)
        for x in (one if gamma is None else gamma, zero if beta is None else beta, mean, variance)
    ]
    scale, shift, mass = np.empty(count), np.empty(count), np.empty(count)
    for k, (g, b, m, v) in enumerate(zip(*rows, strict=True)):
        if v + epsilon <= 0:
            raise NetworkError(f"{where}: var + eps is not positive in channel {k}")
        scale[k] = nearest_with_root(mpq(0), g, 1 / (v + epsilon))
        shift[k] = nearest_with_root(b, -m * g, 1 / (v + epsilon))
        mass[k] = abs(float(b)) + abs(float(m)) * abs(scale[k])
    graph.notes.append(
        f"layer {graph.layer}: BatchNorm's scale gamma/sqrt(var+eps) and shift beta-mean*scale "
        f"are replaced by the nearest float64, in {count} channels"
    )
    extra = (1,) * (a.ndim - 2)
    scaled = graph.multiply(a, scale.reshape(count, *extra))
    out = graph.add(scaled, shift.reshape(count, *extra))
    assert isinstance(out, Tensor)
    spread = np.broadcast_to(mass.reshape(count, *extra), out.shape).ravel()
    out.form.mass[out.index.ravel()] += spread
    return out
