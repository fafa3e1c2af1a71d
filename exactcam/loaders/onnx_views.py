"""The ONNX operators that rearrange, join or create tensors, and shape arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ..arithmetic.rational import objects, rational
from ..errors import NetworkError
from . import layers
from .casts import cast
from .graph import Graph, Operand, Tensor, width
from .onnx_node import OnnxNode, Operator
from .onnx_types import FLOATS, NUMPY

__all__ = ["VIEWS"]

_BOOL, _BFLOAT16 = 9, 16


def _view(rearrange: Callable[[np.ndarray, OnnxNode], np.ndarray]) -> Operator:
    return lambda graph, node: graph.view(node.input(0), lambda x: rearrange(x, node))


def _numbers(node: OnnxNode, k: int, what: str) -> list[int]:
    return [int(x) for x in node.whole(k, what).ravel()]


def _reshape(graph: Graph, node: OnnxNode) -> Operand:
    source = node.input(0)
    sizes = node.integers("shape") or _numbers(node, 1, "shape")
    if not node.get("allowzero", 0):
        sizes = [source.shape[k] if n == 0 else n for k, n in enumerate(sizes)]
    return graph.view(source, lambda x: x.reshape(sizes))


def _flatten(x: np.ndarray, node: OnnxNode) -> np.ndarray:
    axis = node.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _transpose(x: np.ndarray, node: OnnxNode) -> np.ndarray:
    return x.transpose(node.integers("perm"))


def _slice(graph: Graph, node: OnnxNode) -> Operand:
    source = node.input(0)
    starts, ends = node.integers("starts"), node.integers("ends")
    if starts is None or ends is None:
        starts, ends = _numbers(node, 1, "starts"), _numbers(node, 2, "ends")
    axes = node.axes(3, source.ndim) or list(range(len(starts)))
    given = node.constant(4, "steps")
    steps = [1] * len(starts) if given is None else [int(x) for x in given.ravel()]
    if len(set(axes)) != len(axes) or 0 in steps:
        raise NetworkError(f"Slice along axes {axes} with steps {steps}")
    cut = [slice(None)] * source.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut[axis] = slice(start, end, step)
    return graph.view(source, lambda x: x[tuple(cut)])


def _gather(graph: Graph, node: OnnxNode) -> Operand:
    source, axis = node.input(0), node.get("axis", 0)
    indices = node.whole(1, "indices")
    if not -source.ndim <= axis < source.ndim:
        raise NetworkError(f"Gather along axis {axis} of {source.ndim} dimensions")
    axis %= source.ndim
    graph.limit([*source.shape[:axis], *indices.shape, *source.shape[axis + 1 :]])
    return graph.view(source, lambda x: np.take(x, indices, axis))


def _split(graph: Graph, node: OnnxNode) -> list[Operand]:
    source, axis = node.input(0), node.get("axis", 0)
    total = source.shape[axis]
    given = node.constant(1, "split")
    steps = node.integers("split") or (None if given is None else [int(x) for x in given.ravel()])
    if steps is None:
        step = math.ceil(total / (node.get("num_outputs", 0) or node.outputs))
        steps = [step] * (total // step) + [total % step] * bool(total % step)
    if sum(steps) != total or min(steps) < 0:
        raise NetworkError(f"Split of {total} entries into {steps}")
    edges = [0, *(int(c) for c in np.cumsum(steps))]
    return [_range(graph, source, i, j, axis) for i, j in pairwise(edges)]


def _range(graph: Graph, source: Operand, i: int, j: int, axis: int) -> Operand:
    return graph.view(source, lambda x: np.take(x, range(i, j), axis))


def _squeeze(x: np.ndarray, node: OnnxNode) -> np.ndarray:
    axes = node.axes(1, x.ndim)
    return np.squeeze(x, None if axes is None else tuple(axes))


def _unsqueeze(x: np.ndarray, node: OnnxNode) -> np.ndarray:
    axes = node.integers("axes") or _numbers(node, 1, "axes")
    return np.expand_dims(x, tuple(axes))


def _pad(graph: Graph, node: OnnxNode) -> Operand:
    source = node.input(0)
    pads = node.integers("pads") or _numbers(node, 1, "pads")
    axes = node.axes(3, source.ndim)
    axes = list(range(source.ndim)) if axes is None else axes
    if len(pads) != 2 * len(axes):
        raise NetworkError(f"Pad with {len(pads)} pads on {len(axes)} axes")
    widths = [(0, 0)] * source.ndim
    for k, axis in enumerate(axes):
        widths[axis] = (pads[k], pads[k + len(axes)])
    given = node.constant(2, "constant_value")
    value = node.get("value", 0.0) if given is None or not given.size else given.ravel()[0]
    mode = node.word("mode", ("constant", "reflect", "edge", "wrap"))
    return layers.pad(graph, source, widths, mode, value)


def _expand(graph: Graph, node: OnnxNode) -> Operand:
    sizes = np.broadcast_shapes(node.input(0).shape, tuple(_numbers(node, 1, "shape")))
    graph.limit(sizes)
    return graph.view(node.input(0), lambda x: np.broadcast_to(x, sizes))


def _tile(graph: Graph, node: OnnxNode) -> Operand:
    repeats = _numbers(node, 1, "repeats")
    graph.limit([*node.input(0).shape, *repeats])
    return graph.view(node.input(0), lambda x: np.tile(x, repeats))


def _depth_to_space(x: np.ndarray, node: OnnxNode) -> np.ndarray:
    n, c, h, w = x.shape
    b = node.get("blocksize", 0)
    if node.word("mode", ("DCR", "CRD")) == "DCR":
        x = x.reshape(n, b, b, c // (b * b), h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        x = x.reshape(n, c // (b * b), b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(n, c // (b * b), h * b, w * b)


def _space_to_depth(x: np.ndarray, node: OnnxNode) -> np.ndarray:
    n, c, h, w = x.shape
    b = node.get("blocksize", 0)
    x = x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * b * b, h // b, w // b)


def _cast(graph: Graph, node: OnnxNode) -> Operand:
    source = node.input(0)
    old, kind = node.integers("types") or [0, 0]
    if kind in FLOATS:
        # Only the eight-bit types saturate.
        saturate = kind > _BFLOAT16 and bool(node.get("saturate", 1))
        return cast(graph, source, FLOATS.get(old), FLOATS[kind], saturate)
    if isinstance(source, Tensor):
        raise graph.refuse(
            "Cast",
            "to integers or truth values is not continuous; remove it or cast to a float type",
        )
    if kind == _BOOL:
        return source != 0
    if kind in NUMPY:
        numbers = source.astype(np.float64) if source.dtype == object else source
        return numbers.astype(NUMPY[kind])
    raise graph.refuse("Cast", f"to type {kind} is not supported")


def _constant(graph: Graph, node: OnnxNode) -> np.ndarray:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        value = node.attributes.get(name)
        if value is not None:
            return np.asarray(value)
    raise graph.refuse("Constant", "holds text or a sparse tensor, which no network needs")


def _shape(graph: Graph, node: OnnxNode) -> np.ndarray:
    sizes = node.input(0).shape
    return np.asarray(
        sizes[slice(node.get("start", 0), node.get("end", len(sizes)))], dtype=np.int64
    )


def _constant_of_shape(graph: Graph, node: OnnxNode) -> np.ndarray:
    sizes = _numbers(node, 0, "shape")
    graph.limit(sizes)
    value = node.attributes.get("value", np.zeros(1, dtype=np.float32))
    if not isinstance(value, np.ndarray):
        raise NetworkError("ConstantOfShape needs its value as a tensor")
    return np.full(sizes, value.ravel()[0])


def _arange(graph: Graph, node: OnnxNode) -> Operand:
    numbers = [node.constant(k, "bounds") for k in range(3)]
    if any(x is None or x.size != 1 for x in numbers):
        raise NetworkError("Range needs three constant numbers")
    given = (x.ravel()[0] for x in numbers if x is not None)
    first, stop, by = (rational(x, f"{node.kind}: a bound") for x in given)
    if not by:
        raise NetworkError("Range without a step")
    count = max(0, -int((first - stop) // by))
    graph.limit([count])
    if first.denominator == by.denominator == 1:
        return int(first) + int(by) * np.arange(count)
    return objects(first + k * by for k in range(count))


def _constants_only(function: Callable[..., np.ndarray]) -> Operator:
    """An operator that is not continuous, for the constants of shape computations only."""

    def operator(graph: Graph, node: OnnxNode) -> Operand:
        given = [node.input(k) for k in range(len(node.inputs))]
        operands = [x for x in given if not isinstance(x, Tensor)]
        if len(operands) < len(given):
            raise graph.refuse(
                node.kind, "of computed values is not continuous; use Max, Min or Clip instead"
            )
        graph.limit(np.broadcast_shapes(*(x.shape for x in operands)), max(map(width, operands)))
        return np.asarray(function(*operands))

    return operator


def _same(graph: Graph, node: OnnxNode) -> Operand:
    return node.input(0)


VIEWS: dict[str, Operator] = {
    "Reshape": _reshape, "Flatten": _view(_flatten), "Transpose": _view(_transpose),
    "Slice": _slice, "Gather": _gather, "Split": _split, "Squeeze": _view(_squeeze),
    "Unsqueeze": _view(_unsqueeze), "Pad": _pad, "Expand": _expand, "Tile": _tile,
    "Concat": lambda g, n: g.concatenate(
        [n.input(k) for k in range(len(n.inputs))], n.get("axis", 1)),
    "DepthToSpace": _view(_depth_to_space), "SpaceToDepth": _view(_space_to_depth),
    "Cast": _cast, "CastLike": _cast, "Identity": _same, "Constant": _constant,
    "Shape": _shape, "Size": lambda g, n: np.asarray(math.prod(n.input(0).shape)),
    "ConstantOfShape": _constant_of_shape,
    "Equal": _constants_only(np.equal),
    "Range": _arange,
}  # fmt: skip
