"""torch's ATen operators that rearrange, join or create tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import layers
from .casts import cast
from .graph import Graph, Operand, Result, Tensor

__all__ = [
    "CASTS",
    "JUMPS",
    "VIEWS",
    "Map",
    "Operator",
    "axes_of",
    "computed",
    "number",
    "sizes_and_factors",
    "source_of",
]

Map = Callable[[Graph, SimpleNamespace], Operand]  # an operator of one output
Operator = Callable[[Graph, SimpleNamespace], Result]
CASTS = ("to", "_to_copy", "type_as", "float", "double", "half", "bfloat16")
JUMPS = "is not continuous, so it has no continuous piecewise-linear form"


def axes_of(a: SimpleNamespace, ndim: int) -> list[int]:
    dim = getattr(a, "dim", None)
    if dim is None or dim == []:
        return list(range(ndim))
    return list(dim) if isinstance(dim, (list, tuple)) else [dim]


def number(value: Any) -> Operand:
    return value if isinstance(value, (Tensor, np.ndarray)) else np.asarray(value)


def computed(graph: Graph, operand: Operand) -> Tensor:
    if not isinstance(operand, Tensor):
        raise graph.refuse("operator", "is applied to a constant; fold it before exporting")
    return operand


def source_of(a: SimpleNamespace) -> Operand:
    return number(a.self if hasattr(a, "self") else a.input)


def _view(rearrange: Callable[[np.ndarray, SimpleNamespace], np.ndarray]) -> Operator:
    return lambda graph, a: graph.view(source_of(a), lambda x: rearrange(x, a))


def _slice(x: np.ndarray, a: SimpleNamespace) -> np.ndarray:
    cut = [slice(None)] * x.ndim
    cut[a.dim] = slice(a.start, a.end, a.step)
    return x[tuple(cut)]


def _index(graph: Graph, a: SimpleNamespace) -> Operand:
    if any(isinstance(i, Tensor) for i in a.indices):
        raise graph.refuse("index", "the indices are computed; they must be constant")
    where: list[Any] = []
    for i in a.indices:
        mask = i is not None and i.dtype == bool
        where += np.nonzero(i) if mask else [slice(None) if i is None else i]
    kept = [n for n, i in zip(a.self.shape, where, strict=False) if isinstance(i, slice)]
    picked = np.broadcast_shapes(*(i.shape for i in where if not isinstance(i, slice)))
    graph.limit([*picked, *kept, *a.self.shape[len(where) :]])
    return graph.view(a.self, lambda x: x[tuple(where)])


def _split(graph: Graph, a: SimpleNamespace) -> list[Operand]:
    size = a.split_size if hasattr(a, "split_size") else a.split_sizes
    total = a.self.shape[a.dim]
    steps = (
        [size] * (total // size) + [total % size] * bool(total % size)
        if isinstance(size, int)
        else size
    )
    return _pieces(graph, a, np.cumsum(steps)[:-1])


def _chunk(graph: Graph, a: SimpleNamespace) -> list[Operand]:
    total = a.self.shape[a.dim]
    step = max(1, math.ceil(total / a.chunks))
    return _pieces(graph, a, np.arange(step, total, step))


def _pieces(graph: Graph, a: SimpleNamespace, cuts: np.ndarray) -> list[Operand]:
    edges = [0, *(int(c) for c in cuts), a.self.shape[a.dim]]
    return [_take(graph, a, range(i, j)) for i, j in pairwise(edges)]


def _take(graph: Graph, a: SimpleNamespace, which: Any) -> Operand:
    return graph.view(a.self, lambda x: np.take(x, which, a.dim))


def _unbind(graph: Graph, a: SimpleNamespace) -> list[Operand]:
    count = a.self.shape[a.dim]
    return [_take(graph, a, i) for i in range(count)]


def _expand(x: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    extra = len(sizes) - x.ndim
    full = [x.shape[k - extra] if n == -1 else n for k, n in enumerate(sizes)]
    return np.broadcast_to(x, full)


def _squeeze(x: np.ndarray, a: SimpleNamespace) -> np.ndarray:
    dims = axes_of(a, x.ndim)
    return x.reshape(
        [n for k, n in enumerate(x.shape) if n != 1 or k not in {d % x.ndim for d in dims}]
    )


_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _pad(mode: str | None = None) -> Operator:
    def operator(graph: Graph, a: SimpleNamespace) -> Operand:
        pads = a.pad if hasattr(a, "pad") else a.padding
        pairs = [(pads[k], pads[k + 1]) for k in range(0, len(pads), 2)]
        widths = [*[(0, 0)] * (a.self.ndim - len(pairs)), *reversed(pairs)]
        value = getattr(a, "value", None)
        return layers.pad(graph, a.self, widths, _PAD_MODES[mode or a.mode], value or 0.0)

    return operator


def _shuffle(x: np.ndarray, r: int) -> np.ndarray:
    *lead, c, h, w = x.shape
    x = x.reshape(*lead, c // (r * r), r, r, h, w)
    n = len(lead)
    return x.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2).reshape(*lead, -1, h * r, w * r)


def _unshuffle(x: np.ndarray, r: int) -> np.ndarray:
    *lead, c, h, w = x.shape
    x = x.reshape(*lead, c, h // r, r, w // r, r)
    n = len(lead)
    return x.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3).reshape(*lead, -1, h // r, w // r)


def sizes_and_factors(
    a: SimpleNamespace, space: Sequence[int]
) -> tuple[list[int], Sequence[float | None]]:
    """The sizes of the output and the factors by which the places are computed, None for those of the sizes."""
    dims = len(space)
    factors = getattr(a, "scale_factors", None)
    if factors is None:
        names = ["scales"] if dims == 1 else ["scales_d", "scales_h", "scales_w"][3 - dims :]
        return list(a.output_size), [getattr(a, name, None) for name in names]
    if getattr(a, "output_size", None) is not None:
        return list(a.output_size), factors
    return [math.floor(n * f) for n, f in zip(space, factors, strict=True)], factors


def _nearest(shift: float) -> Operator:
    """Nearest upsampling: output i reads input floor((i + shift) * scale), torch's own rule."""

    def operator(graph: Graph, a: SimpleNamespace) -> Operand:
        source = source_of(a)
        space = source.shape[2:]
        picks = []
        for n, m, f in zip(space, *sizes_and_factors(a, space), strict=True):
            step = np.float32(1 / f) if f else np.float32(n) / np.float32(m)
            at = np.floor((np.arange(m, dtype=np.float32) + np.float32(shift)) * step)
            picks.append(np.minimum(at.astype(np.int64), n - 1))
        return graph.view(source, lambda x: x[np.ix_(*(range(k) for k in x.shape[:2]), *picks)])

    return operator


def _copy(graph: Graph, a: SimpleNamespace) -> Operand:
    return graph.view(number(a.src), lambda x: np.broadcast_to(x, a.self.shape))


def _fill(graph: Graph, a: SimpleNamespace) -> Operand:
    return graph.view(number(a.value), lambda x: np.broadcast_to(x, a.self.shape))


def _cast(graph: Graph, a: SimpleNamespace) -> Operand:
    """A cast of computed values; `a.types` holds the names of the old type and the new."""
    old, new = a.types
    if "float" not in new:
        raise graph.refuse("cast", f"a cast to {new} rounds or compares, which {JUMPS}")
    return cast(graph, source_of(a), old, new)


def _same(graph: Graph, a: SimpleNamespace) -> Operand:
    return source_of(a)


def _flatten(x: np.ndarray, start: int, end: int) -> np.ndarray:
    if x.ndim == 0:
        return x.reshape(1)
    start, end = start % x.ndim, end % x.ndim
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


def _unflatten(x: np.ndarray, dim: int, sizes: Sequence[int]) -> np.ndarray:
    dim %= x.ndim
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


def _below(x: np.ndarray, diagonal: int) -> np.ndarray:
    rows, columns = np.indices(x.shape[-2:])
    return np.asarray(columns - rows <= diagonal)


VIEWS: dict[str, Operator] = {
    "cat": lambda g, a: g.concatenate([number(t) for t in a.tensors], a.dim),
    "concat": lambda g, a: g.concatenate([number(t) for t in a.tensors], a.dim),
    "stack": lambda g, a: g.stack([number(t) for t in a.tensors], a.dim),
    "split": _split, "split_with_sizes": _split, "chunk": _chunk, "unbind": _unbind,
    "slice": _view(_slice), "index": _index,
    "select": _view(lambda x, a: np.take(x, a.index, a.dim)),
    "index_select": _view(lambda x, a: np.take(x, a.index, a.dim)),
    "narrow": _view(lambda x, a: np.take(x, range(a.start, a.start + a.length), a.dim)),
    "view": _view(lambda x, a: x.reshape(a.size)),
    "_unsafe_view": _view(lambda x, a: x.reshape(a.size)),
    "reshape": _view(lambda x, a: x.reshape(a.shape)),
    "flatten": _view(lambda x, a: _flatten(x, a.start_dim, a.end_dim)),
    "unflatten": _view(lambda x, a: _unflatten(x, a.dim, a.sizes)),
    "squeeze": _view(_squeeze), "unsqueeze": _view(lambda x, a: np.expand_dims(x, a.dim)),
    "permute": _view(lambda x, a: x.transpose(a.dims)),
    "transpose": _view(lambda x, a: np.swapaxes(x, a.dim0, a.dim1)),
    "t": _view(lambda x, a: x.T), "numpy_T": _view(lambda x, a: x.T),
    "movedim": _view(lambda x, a: np.moveaxis(x, a.source, a.destination)),
    "expand": _view(lambda x, a: _expand(x, a.size)),
    "expand_as": _view(lambda x, a: _expand(x, a.other.shape)),
    "view_as": _view(lambda x, a: x.reshape(a.other.shape)),
    "repeat": _view(lambda x, a: np.tile(x, a.repeats)),
    "flip": _view(lambda x, a: np.flip(x, a.dims)),
    "roll": _view(lambda x, a: np.roll(x, tuple(a.shifts), tuple(a.dims) or None)),
    "diagonal": _view(lambda x, a: np.diagonal(x, a.offset, a.dim1, a.dim2)),
    "tril": _view(lambda x, a: np.where(_below(x, a.diagonal), x, -1)),
    "triu": _view(lambda x, a: np.where(_below(x, a.diagonal - 1), -1, x)),
    "pixel_shuffle": _view(lambda x, a: _shuffle(x, a.upscale_factor)),
    "pixel_unshuffle": _view(lambda x, a: _unshuffle(x, a.downscale_factor)),
    "channel_shuffle": _view(
        lambda x, a: np.swapaxes(x.reshape(x.shape[0], a.groups, -1, *x.shape[2:]), 1, 2).reshape(x.shape)
    ),
    "pad": _pad(), "constant_pad_nd": _pad("constant"),
    **{f"reflection_pad{d}d": _pad("reflect") for d in (1, 2, 3)},
    **{f"replication_pad{d}d": _pad("replicate") for d in (1, 2, 3)},
    **{f"upsample_nearest{d}d": _nearest(0.0) for d in (1, 2, 3)},
    **{f"_upsample_nearest_exact{d}d": _nearest(0.5) for d in (1, 2, 3)},
    "copy": _copy, "fill": _fill,
    **dict.fromkeys(CASTS, _cast),
    **dict.fromkeys(
        ["contiguous", "clone", "detach", "detach_", "alias", "lift_fresh_copy", "lift_fresh",
         "resolve_conj", "positive"],
        _same),
}  # fmt: skip
