"""torch's ATen operators that interpolate, contract, accumulate or sort."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from types import SimpleNamespace

import numpy as np

from ..arithmetic.rational import mpq, objects, rational
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
)
from .order import ranked
from .recurrent import RecurrentWeights, part, relu_layer
from .torch_moves import MOVES
from .torch_views import (
    Map,
    Operator,
    axes_of,
    computed,
    number,
    sizes_and_factors,
    source_of,
)

__all__ = ["LINEAR"]


# Interpolation


def _upsample(kernel: Callable[[str, mpq], Kernel], antialias: bool = False) -> Operator:
    """Interpolation to a size or by factors; antialiased, the kernel is stretched where it shrinks."""

    def operator(graph: Graph, a: SimpleNamespace) -> Operand:
        source = computed(graph, source_of(a))
        space = source.shape[2:]
        sizes, factors = sizes_and_factors(a, space)
        maps = {}
        for k, (n, m, factor) in enumerate(zip(space, sizes, factors, strict=True), 2):
            if a.align_corners:
                step = mpq(n - 1, m - 1) if m > 1 else mpq(0)
            else:
                step = 1 / rational(factor) if factor else mpq(n, m)
            shift = 0 if a.align_corners and not antialias else (step - 1) / 2
            wide = max(step, mpq(1)) if antialias else mpq(1)
            chosen = kernel("nothing" if antialias else "edge", wide)
            maps[k] = interpolation.axis_map([step * i + shift for i in range(m)], n, chosen)
        return along(graph, source, maps)

    return operator


def _cubic(slope: mpq) -> Callable[[str, mpq], Kernel]:
    return lambda outside, stretch: interpolation.cubic(slope, outside, stretch)


def _grid_sampler(graph: Graph, a: SimpleNamespace) -> Operand:
    if isinstance(a.grid, Tensor):
        raise graph.refuse(
            "grid_sampler",
            "its grid is computed, which is not piecewise linear; only a constant grid is",
        )
    mode = ("linear", "nearest", "cubic")[a.interpolation_mode]
    padding = ("zeros", "border", "reflection")[a.padding_mode]
    source = computed(graph, a.input)
    return interpolation.sample_grid(graph, source, a.grid, (mode, padding), a.align_corners)


# Contractions


def _contract(equation: str, first: str, second: str) -> Map:
    return lambda graph, a: einsum(graph, equation, [getattr(a, first), getattr(a, second)])


def _plus(first: str, second: str, equation: str | None = None) -> Map:
    """beta times self plus alpha times a product."""

    def operator(graph: Graph, a: SimpleNamespace) -> Operand:
        pair = getattr(a, first), getattr(a, second)
        product = einsum(graph, equation, pair) if equation else layers.matmul(graph, *pair)
        scaled = graph.multiply(product, np.asarray(a.alpha))
        return graph.add(graph.multiply(a.self, np.asarray(a.beta)), scaled)

    return operator


def _einsum(graph: Graph, a: SimpleNamespace) -> Operand:
    return einsum(graph, a.equation, [number(x) for x in a.tensors])


def _tensordot(graph: Graph, a: SimpleNamespace) -> Operand:
    letters = [chr(ord("a") + k) for k in range(a.self.ndim)]
    others = [chr(ord("A") + k) for k in range(a.other.ndim)]
    for i, j in zip(a.dims_self, a.dims_other, strict=True):
        others[j] = letters[i]
    summed = {letters[i] for i in a.dims_self}
    output = [c for c in letters + others if c not in summed]
    equation = f"{''.join(letters)},{''.join(others)}->{''.join(output)}"
    return einsum(graph, equation, [a.self, a.other])


def _inner(graph: Graph, a: SimpleNamespace) -> Operand:
    return _tensordot(graph, SimpleNamespace(**vars(a), dims_self=[-1], dims_other=[-1]))


def _kron(graph: Graph, a: SimpleNamespace) -> Operand:
    ndim = max(a.self.ndim, a.other.ndim)
    pair = [
        graph.view(x, lambda y: y.reshape((1,) * (ndim - y.ndim) + y.shape))
        for x in (a.self, a.other)
    ]
    left, right = "abcdefgh"[:ndim], "ABCDEFGH"[:ndim]
    output = "".join(map("".join, zip(left, right, strict=True)))
    out = einsum(graph, f"{left},{right}->{output}", pair)
    sizes = [n * m for n, m in zip(pair[0].shape, pair[1].shape, strict=True)]
    return graph.view(out, lambda x: x.reshape(sizes))


def _bilinear(graph: Graph, a: SimpleNamespace) -> Operand:
    out = einsum(graph, "...i,kij,...j->...k", [a.input1, a.weight, a.input2])
    return out if a.bias is None else graph.add(out, a.bias)


def _vecdot(graph: Graph, a: SimpleNamespace) -> Operand:
    return layers.reduce_sum(graph, graph.multiply(a.x, a.y), [a.dim], False)


def _lerp(graph: Graph, a: SimpleNamespace) -> Operand:
    return graph.add(a.self, graph.multiply(graph.subtract(a.end, a.self), number(a.weight)))


def _add_scaled(combine: str) -> Map:
    def operator(graph: Graph, a: SimpleNamespace) -> Operand:
        term = getattr(graph, combine)(a.tensor1, a.tensor2)
        return graph.add(a.self, graph.multiply(term, np.asarray(a.value)))

    return operator


def _conv_tbc(graph: Graph, a: SimpleNamespace) -> Operand:
    window = SlidingWindow([a.weight.shape[0]], [1], [a.pad], [a.pad], [1])
    source = graph.view(computed(graph, a.self), lambda x: x.transpose(1, 2, 0))
    assert isinstance(source, Tensor)
    out = layers.convolution(graph, source, a.weight.transpose(2, 1, 0), a.bias, window)
    return graph.view(out, lambda x: x.transpose(2, 0, 1))


def _diff(graph: Graph, a: SimpleNamespace) -> Operand:
    ends = [x for x in (a.prepend, a.self, a.append) if x is not None]
    out = ends[0] if len(ends) == 1 else graph.concatenate(ends, a.dim)
    for _ in range(a.n):
        upper, lower = (_cut(graph, out, a.dim, s) for s in (slice(1, None), slice(None, -1)))
        out = graph.subtract(upper, lower)
    return out


def _cut(graph: Graph, a: Operand, axis: int, part: slice) -> Operand:
    return graph.view(a, lambda x: np.moveaxis(np.moveaxis(x, axis, 0)[part], 0, axis))


def _trapezoid(graph: Graph, a: SimpleNamespace) -> Operand:
    y = a.y
    upper, lower = (_cut(graph, y, a.dim, s) for s in (slice(1, None), slice(None, -1)))
    means = graph.multiply(graph.add(upper, lower), objects([mpq(1, 2)]))
    steps = np.asarray(getattr(a, "dx", 1))
    if hasattr(a, "x"):
        if isinstance(a.x, Tensor):
            raise graph.refuse("trapezoid", "its places are computed; they must be constant")
        if a.x.ndim == 1:
            steps = np.diff(a.x).reshape(-1, *(1 for _ in y.shape[a.dim % y.ndim + 1 :]))
        else:
            steps = np.diff(a.x, axis=a.dim)
    return layers.reduce_sum(graph, graph.multiply(means, steps), [a.dim], False)


def _linalg_cross(graph: Graph, a: SimpleNamespace) -> Operand:
    def turned(x: Operand, by: int) -> Operand:
        return graph.view(x, lambda y: np.roll(y, by, a.dim))

    first = graph.multiply(turned(a.self, -1), turned(a.other, -2))
    second = graph.multiply(turned(a.self, -2), turned(a.other, -1))
    return graph.subtract(first, second)


def _trace(graph: Graph, a: SimpleNamespace) -> Operand:
    return layers.reduce_sum(graph, graph.view(a.self, np.diagonal), [0], False)


# Writing and accumulating


def _index_put(graph: Graph, a: SimpleNamespace) -> Operand:
    if any(isinstance(i, Tensor) for i in a.indices):
        raise graph.refuse("index_put", "the indices are computed; they must be constant")
    where = tuple(slice(None) if i is None else i for i in a.indices)
    given = [i.shape for i in a.indices if i is not None]
    rest = [n for n, i in zip(a.self.shape, a.indices, strict=False) if i is None]
    graph.limit([*np.broadcast_shapes(*given), *rest, *a.self.shape[len(where) :]])
    places = np.arange(math.prod(a.self.shape)).reshape(a.self.shape)[where]
    values = graph.view(number(a.values), lambda x: np.broadcast_to(x, places.shape))
    write = add_at if a.accumulate else overwritten
    return write(graph, a.self, places, values)


def _put(graph: Graph, a: SimpleNamespace) -> Operand:
    write = add_at if a.accumulate else overwritten
    return write(graph, a.self, _constant(graph, a.index), a.source)


def _constant(graph: Graph, index: Operand) -> np.ndarray:
    if isinstance(index, Tensor):
        raise graph.refuse("indices", "are computed; they must be constant")
    return index


def _scatter_reduce(graph: Graph, a: SimpleNamespace) -> Operand:
    """Scatter with a reduction; index_add and index_reduce name entries of one axis only."""
    source = number(a.src if hasattr(a, "src") else getattr(a, "source", getattr(a, "value", 0)))
    index = _constant(graph, a.index)
    whole = hasattr(a, "source")
    if whole:
        graph.limit([*a.self.shape[: a.dim], index.size, *a.self.shape[a.dim :][1:]])
        places = np.arange(math.prod(a.self.shape)).reshape(a.self.shape)
        places = np.take(places, index.ravel(), a.dim) if a.self.ndim else places.reshape(-1)
    else:
        places = scattered(a.self.shape, index, a.dim)
        part = tuple(map(slice, index.shape))
        source = (
            graph.view(source, lambda x: x[part])
            if source.ndim
            else graph.view(source, lambda x: np.broadcast_to(x, index.shape))
        )
    reduction, keep = getattr(a, "reduce", "sum"), getattr(a, "include_self", True)
    if reduction in ("sum", "add"):
        if getattr(a, "alpha", 1) != 1:
            source = graph.multiply(source, np.asarray(a.alpha))
        return add_at(graph, _erased(graph, a.self, places, keep), places, source)
    if reduction in ("amax", "amin"):
        return extreme_at(graph, a.self, places, source, 1 if reduction == "amax" else -1, keep)
    if reduction == "mean":
        counts = np.bincount(places.ravel(), minlength=math.prod(a.self.shape)) + keep
        total = add_at(graph, _erased(graph, a.self, places, keep), places, source)
        return graph.divide(total, np.maximum(counts, 1).reshape(a.self.shape))
    raise graph.refuse(
        "scatter", f"the reduction {reduction} multiplies; use sum, mean, amax or amin"
    )


def _erased(graph: Graph, a: Operand, places: np.ndarray, keep: bool) -> Operand:
    """`a`, with zeros in these places unless they are kept."""
    if keep:
        return a

    def erase(x: np.ndarray) -> np.ndarray:
        out = x.copy()
        out.flat[places.ravel()] = -1
        return out

    return graph.view(a, erase)


def _scatter(graph: Graph, a: SimpleNamespace) -> Result:
    return _scatter_reduce(graph, a) if hasattr(a, "reduce") else MOVES["scatter"](graph, a)


def _col2im(graph: Graph, a: SimpleNamespace) -> Operand:
    window = SlidingWindow(a.kernel_size, a.stride, a.padding, a.padding, a.dilation)
    return layers.fold(graph, computed(graph, a.self), a.output_size, window)


# Order


def _sort(graph: Graph, a: SimpleNamespace) -> Result:
    source = number(a.self)
    if not source.ndim:
        return source, None
    n = source.shape[a.dim]
    ranks = range(n)[::-1] if a.descending else range(n)
    return ranked(graph, source, a.dim, ranks), None


def _topk(graph: Graph, a: SimpleNamespace) -> Result:
    n = a.self.shape[a.dim]
    ranks = range(n)[::-1] if a.largest else range(n)
    return ranked(graph, a.self, a.dim, ranks[: a.k]), None


def _kth(graph: Graph, a: SimpleNamespace) -> Result:
    return _one_rank(graph, a, a.k - 1), None


def _one_rank(graph: Graph, a: SimpleNamespace, rank: int) -> Operand:
    out = ranked(graph, a.self, a.dim, [rank])
    return out if a.keepdim else graph.view(out, lambda x: np.take(x, 0, a.dim))


def _median(graph: Graph, a: SimpleNamespace) -> Result:
    """The lower of two medians."""
    if hasattr(a, "dim"):
        return _one_rank(graph, a, (a.self.shape[a.dim] - 1) // 2), None
    flat = graph.view(a.self, np.ravel)
    out = ranked(graph, flat, 0, [(flat.shape[0] - 1) // 2])
    return graph.view(out, lambda x: x[0])


def _quantile(graph: Graph, a: SimpleNamespace) -> Operand:
    """Quantiles between order statistics, as torch interpolates them."""
    q = exact(_constant(graph, number(a.q)), f"layer {graph.layer}: q")
    whole = a.dim is None
    source = graph.view(a.self, np.ravel) if whole else a.self
    axis = 0 if whole else a.dim
    places = [x * (source.shape[axis] - 1) for x in q.ravel()]
    kinds = {"lower": ("floor", "floor"), "higher": ("ceil", "ceil"), "nearest": ("even", "even")}
    ends = [
        ranked(graph, source, axis, [rounded(kind, x) for x in places])
        for kind in kinds.get(a.interpolation, ("floor", "ceil"))
    ]
    parts = [
        mpq(1, 2) if a.interpolation == "midpoint" else x - rounded("floor", x) for x in places
    ]
    weights = objects(parts, (len(parts), *(1 for _ in source.shape[axis % source.ndim + 1 :])))
    between = graph.multiply(graph.subtract(ends[1], ends[0]), weights)
    found = graph.view(graph.add(ends[0], between), lambda x: np.moveaxis(x, axis, 0))
    if a.keepdim:
        kept = [1 if whole or k == axis % source.ndim else n for k, n in enumerate(a.self.shape)]
        found = graph.view(found, lambda x: x.reshape(len(parts), *kept))
    return found if q.ndim else graph.view(found, lambda x: x[0])


def _multi_dot(graph: Graph, a: SimpleNamespace) -> Operand:
    tensors = getattr(a, "tensors", None) or a.matrices
    return reduce(lambda x, y: layers.matmul(graph, x, y), tensors)


def _cumulative_extreme(sign: int) -> Operator:
    def operator(graph: Graph, a: SimpleNamespace) -> Result:
        source = computed(graph, a.self)
        if sign < 0:
            source = computed(graph, graph.negative(source))
        lanes = np.moveaxis(np.arange(source.index.size).reshape(source.shape), a.dim, -1)
        n = lanes.shape[-1]
        graph.limit([*source.shape, n])
        groups = [lane[: k + 1].tolist() for lane in lanes.reshape(-1, n) for k in range(n)]
        out: Operand = graph.max_groups(source, groups, lanes.shape)
        out = graph.view(out, lambda x: np.moveaxis(x, -1, a.dim))
        return (graph.negative(out) if sign < 0 else out), None

    return operator


def _aminmax(graph: Graph, a: SimpleNamespace) -> Result:
    axes = axes_of(a, a.self.ndim)
    return [layers.reduce_extreme(graph, a.self, axes, a.keepdim, sign) for sign in (-1, 1)]


def _norm(graph: Graph, a: SimpleNamespace) -> Operand:
    """The norms of order one and infinity."""
    source = number(a.self)
    order = getattr(a, "ord", getattr(a, "p", 2))
    size = graph.pointwise(source, [Cpwl.relu(-1)])
    axes, keep = axes_of(a, source.ndim), getattr(a, "keepdim", False)
    if order == 1:
        return layers.reduce_sum(graph, size, axes, keep)
    if order in (math.inf, -math.inf):
        return layers.reduce_extreme(graph, size, axes, keep, 1 if order > 0 else -1)
    raise graph.refuse("norm", f"of order {order} is not piecewise linear; use order 1 or infinity")


def _cdist(graph: Graph, a: SimpleNamespace) -> Operand:
    left = graph.view(a.x1, lambda x: x[..., :, None, :])
    right = graph.view(a.x2, lambda x: x[..., None, :, :])
    gap = SimpleNamespace(self=graph.subtract(left, right), p=a.p, dim=-1)
    return _norm(graph, gap)


def _pdist(graph: Graph, a: SimpleNamespace) -> Operand:
    graph.limit([a.self.shape[0], *a.self.shape])
    first, second = np.triu_indices(a.self.shape[0], 1)
    left, right = graph.view(a.self, lambda x: x[first]), graph.view(a.self, lambda x: x[second])
    return _norm(graph, SimpleNamespace(self=graph.subtract(left, right), p=a.p, dim=-1))


def _pairwise_distance(graph: Graph, a: SimpleNamespace) -> Operand:
    gap = graph.add(graph.subtract(a.x1, a.x2), np.asarray(a.eps))
    return _norm(graph, SimpleNamespace(self=gap, p=a.p, dim=-1, keepdim=a.keepdim))


def _l1_loss(graph: Graph, a: SimpleNamespace) -> Operand:
    size = graph.pointwise(graph.subtract(a.self, a.target), [Cpwl.relu(-1)])
    if a.reduction == 0:
        return size
    return layers.reduce_sum(graph, size, list(range(size.ndim)), False, a.reduction == 1)


def _clamp(graph: Graph, a: SimpleNamespace) -> Operand:
    """Clamping to bounds that may be computed too; the upper one wins."""
    low, high = (
        None if x is None else number(x) for x in (getattr(a, "min", None), getattr(a, "max", None))
    )
    if not isinstance(low, Tensor) and not isinstance(high, Tensor):
        return layers.clamp(graph, a.self, low, high)
    out = a.self if low is None else graph.maximum(a.self, low)
    return out if high is None else graph.minimum(out, high)


# Recurrence


def _rnn(graph: Graph, a: SimpleNamespace) -> Result:
    if not hasattr(a, "input"):
        raise graph.refuse("rnn_relu", "of packed sequences is not supported; give it a tensor")
    if a.train and a.dropout:
        raise graph.refuse(
            "rnn_relu", "drops out at random in training mode; call model.eval() first"
        )
    x = graph.view(a.input, lambda y: np.swapaxes(y, 0, 1)) if a.batch_first else a.input
    step = 4 if a.has_biases else 2
    finals: list[Operand] = []
    for _ in range(a.num_layers):
        sides = []
        for backward in range(2 if a.bidirectional else 1):
            place = len(finals)
            held = a.params[place * step : (place + 1) * step]
            biases = held[2:] if a.has_biases else []
            out, last = relu_layer(
                graph,
                x,
                part(graph, a.hx, place),
                RecurrentWeights(held[0], held[1], *biases),
                bool(backward),
            )
            sides.append(out)
            finals.append(last)
        x = sides[0] if len(sides) == 1 else graph.concatenate(sides, -1)
    if a.batch_first:
        x = graph.view(x, lambda y: np.swapaxes(y, 0, 1))
    return [x, graph.stack(finals, 0)]


def _rnn_cell(graph: Graph, a: SimpleNamespace) -> Operand:
    weights = RecurrentWeights(a.w_ih, a.w_hh, a.b_ih, a.b_hh)
    sequence = graph.view(a.input, lambda x: x[None])
    return relu_layer(graph, sequence, a.hx, weights)[1]


_LINEAR, _AT, _STEEP = interpolation.linear, _cubic(mpq(-3, 4)), _cubic(mpq(-1, 2))
LINEAR: dict[str, Operator] = {
    **MOVES,
    **{
        f"upsample_{name}": _upsample(_LINEAR) for name in ("linear1d", "bilinear2d", "trilinear3d")
    },
    "upsample_bicubic2d": _upsample(_AT),
    "_upsample_bilinear2d_aa": _upsample(_LINEAR, True),
    "_upsample_bicubic2d_aa": _upsample(_STEEP, True),
    **dict.fromkeys(["grid_sampler", "grid_sampler_2d", "grid_sampler_3d"], _grid_sampler),
    "einsum": _einsum,
    "tensordot": _tensordot,
    "kron": _kron,
    "bilinear": _bilinear,
    "conv_tbc": _conv_tbc,
    **dict.fromkeys(["outer", "ger"], _contract("i,j->ij", "self", "vec2")),
    "inner": _inner,
    "vdot": _contract("i,i->", "self", "other"),
    "linalg_vecdot": _vecdot,
    "addmm": _plus("mat1", "mat2"),
    "addmv": _plus("mat", "vec"),
    "addr": _plus("vec1", "vec2", "i,j->ij"),
    "addbmm": _plus("batch1", "batch2", "bij,bjk->ik"),
    "baddbmm": _plus("batch1", "batch2"),
    "lerp": _lerp,
    "addcmul": _add_scaled("multiply"),
    "addcdiv": _add_scaled("divide"),
    "linalg_cross": _linalg_cross,
    "trace": _trace,
    "diff": _diff,
    "trapezoid": _trapezoid,
    "trapz": _trapezoid,
    "cumsum": lambda g, a: cumulative_sum(g, a.self, a.dim),
    "index_put": _index_put,
    "put": _put,
    "scatter": _scatter,
    **dict.fromkeys(
        ["scatter_add", "scatter_reduce", "index_add", "index_reduce"], _scatter_reduce
    ),
    "col2im": _col2im,
    "sort": _sort,
    "msort": lambda g, a: ranked(g, a.self, 0, range(a.self.shape[0])),
    "topk": _topk,
    "kthvalue": _kth,
    "median": _median,
    "nanmedian": _median,
    **dict.fromkeys(["quantile", "nanquantile"], _quantile),
    **dict.fromkeys(["linalg_multi_dot", "chain_matmul"], _multi_dot),
    "nan_to_num": lambda g, a: a.self,  # values of a network are numbers
    "cummax": _cumulative_extreme(1),
    "cummin": _cumulative_extreme(-1),
    "aminmax": _aminmax,
    **dict.fromkeys(["norm", "linalg_vector_norm"], _norm),
    **dict.fromkeys(["cdist", "_cdist_forward"], _cdist),
    **dict.fromkeys(["pdist", "_pdist_forward"], _pdist),
    "pairwise_distance": _pairwise_distance,
    "l1_loss": _l1_loss,
    **dict.fromkeys(["clamp", "clip", "clamp_min", "clamp_max"], _clamp),
    "rnn_relu": _rnn,
    "rnn_relu_cell": _rnn_cell,
}
