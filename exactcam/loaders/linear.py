"""Linear maps, and moves of entries, that several operators of torch and ONNX are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..arithmetic.rational import integer_matrix, mpq, mpz, objects
from ..errors import NetworkError
from .graph import Constant, Graph, Operand, Tensor, exact

__all__ = [
    "AxisMap",
    "Entries",
    "add_at",
    "along",
    "cumulative_sum",
    "einsum",
    "extreme_at",
    "moved",
    "overwritten",
    "scattered",
    "selected",
    "sparse_map",
]


class AxisMap(NamedTuple):
    """A linear map along one axis: row rows[k] adds weights[k] times entry columns[k].

    Attributes
    ----------
    size : int
        How many rows it has.
    rows, columns : ndarray of int64
        Where its entries are; zeros may be among them.
    weights : ndarray of mpq
        The entries.
    roundings : int
        For weights that the model computes in floats: by how many units of roundoff each of
        these entries may be off; nothing else of the axis is read.
    """

    size: int
    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray
    roundings: int = 0


def along(graph: Graph, a: Tensor, maps: dict[int, AxisMap]) -> Tensor:
    """Apply to each axis that `maps` names its linear map, all in one sparse map."""
    shape = [maps[k].size if k in maps else n for k, n in enumerate(a.shape)]
    graph.limit([len(maps[k].rows) if k in maps else n for k, n in enumerate(a.shape)])
    rows, columns = np.zeros(1, np.int64), np.zeros(1, np.int64)
    numbers, scale = objects([mpz(1)]), mpz(1)
    for k, n in enumerate(a.shape):
        if k in maps:
            weights, below = integer_matrix(maps[k].weights, f"layer {graph.layer}: weight")
            own, read, scale = maps[k].rows, maps[k].columns, scale * below
            numbers = np.multiply.outer(numbers, weights).ravel()
        else:
            own = read = np.arange(n)
            numbers = np.repeat(numbers, n)
        rows = np.add.outer(rows * shape[k], own).ravel()
        columns = np.add.outer(columns * n, read).ravel()
    roundings = sum(m.roundings for m in maps.values())
    return sparse_map(graph, a, shape, Entries(rows, columns, numbers, scale, roundings))


class Entries(NamedTuple):
    """A sparse map by its entries: row rows[k] adds numbers[k] / scale times entry columns[k].

    `roundings` as in `AxisMap`.
    """

    rows: np.ndarray
    columns: np.ndarray
    numbers: np.ndarray
    scale: mpz = mpz(1)
    roundings: int = 0


def sparse_map(graph: Graph, a: Tensor, shape: Sequence[int], entries: Entries) -> Tensor:
    """Apply a sparse map to the entries of `a` in row-major order; the result has the shape `shape`."""
    rows, columns, numbers, scale, roundings = entries
    size = math.prod(shape)
    kept = numbers != 0
    if kept.all():
        kept = slice(None)
    value, matrix, _ = graph.entries(a, size, rows[kept], columns[kept], numbers[kept])
    out = graph.affine([(value, matrix, scale)], shape)
    if roundings:
        off = np.full(len(rows), roundings)
        graph.rounded_weights(out, graph.entries(a, size, rows, columns, off)[1])
    return out


def cumulative_sum(
    graph: Graph, a: Operand, axis: int, exclusive: bool = False, reverse: bool = False
) -> Operand:
    """The sums of the entries up to each along an axis: without it if `exclusive`, from the end if `reverse`."""
    n = a.shape[axis]
    graph.limit([*a.shape, n])
    if not isinstance(a, Tensor):
        turned = np.flip(a, axis) if reverse else a
        sums = np.cumsum(turned, axis)
        sums = sums - turned if exclusive else sums
        return np.asarray(np.flip(sums, axis) if reverse else sums)
    reach = np.tri(n, k=-1 if exclusive else 0, dtype=bool)
    rows, columns = np.nonzero(reach.T if reverse else reach)
    return along(
        graph, a, {axis % a.ndim: AxisMap(n, rows, columns, objects([mpq(1)] * len(rows)))}
    )


# Sums of products


def einsum(graph: Graph, equation: str, operands: Sequence[Operand]) -> Operand:
    """Einstein's summation, as in numpy.einsum; at most one operand may be computed."""
    computed = [k for k, x in enumerate(operands) if isinstance(x, Tensor)]
    if len(computed) > 1:
        why = "a product of two computed tensors is not piecewise linear; one of them must be constant"
        raise graph.refuse("einsum", why)
    inputs, output = _subscripts(graph, equation, [x.ndim for x in operands])
    sizes: dict[str, int] = {}
    for labels, x in zip(inputs, operands, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            if sizes.setdefault(label, n) not in (n, 1) and n != 1:
                raise NetworkError(f"layer {graph.layer}: the sizes in {equation!r} do not fit")
            sizes[label] = max(n, sizes[label])
    labels = output + "".join(sorted(set(sizes) - set(output)))
    full = [sizes[x] for x in labels]
    graph.limit(full)

    def spread(x: np.ndarray, own: str) -> np.ndarray:
        """The entries of an operand for every combination of the labels."""
        grids = np.indices(full, sparse=True)
        at = (grids[labels.index(c)] if n > 1 else 0 for c, n in zip(own, x.shape, strict=True))
        return np.broadcast_to(x[tuple(at)], full).ravel()

    where = f"layer {graph.layer}: constant"
    weights, scale = objects([mpz(1)]), mpz(1)
    for k, x in enumerate(operands):
        if not isinstance(x, Tensor):
            numbers, below = integer_matrix(x, where)
            weights, scale = weights * spread(numbers, inputs[k]), scale * below
    shape = [sizes[c] for c in output]
    size = math.prod(shape)
    summed = math.prod(full) // max(size, 1)
    if not computed:
        sums = np.broadcast_to(weights, math.prod(full)).reshape(size, summed).sum(axis=1)
        return objects((mpq(x, scale) for x in sums), tuple(shape))
    (k,) = computed
    a = operands[k]
    assert isinstance(a, Tensor)
    if summed == 1 and len(operands) == 1:
        return graph.view(a, lambda x: spread(x, inputs[k]).reshape(shape))
    places = spread(np.arange(a.index.size).reshape(a.shape), inputs[k])
    rows = np.repeat(np.arange(size), summed)
    numbers = np.broadcast_to(weights, places.shape)
    return sparse_map(graph, a, shape, Entries(rows, places, numbers, scale))


def _subscripts(graph: Graph, equation: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """The labels of every operand and of the output, with letters of their own for an ellipsis."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    unused = [chr(k) for k in range(0x3B1, 0x3B1 + 64)]
    dots = [n - len(x.replace("...", "")) for x, n in zip(inputs, ndims, strict=True) if "..." in x]
    most = max(dots, default=0)
    rest = "".join(unused[:most])
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        output = "..." + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    whole = []
    for x, n in zip(inputs, ndims, strict=True):
        own = n - len(x.replace("...", ""))
        whole.append(x.replace("...", rest[most - own :] if own > 0 else ""))
        if len(whole[-1]) != n:
            raise NetworkError(f"layer {graph.layer}: {equation!r} does not fit the operands")
    return whole, output.replace("...", rest)


# Moves of entries


def moved(
    graph: Graph,
    operands: Sequence[Operand],
    rearrange: Callable[..., np.ndarray | Sequence[np.ndarray]],
) -> Operand | list[Operand]:
    """Move entries of several operands by an operation on the numbers of the entries.

    Parameters
    ----------
    graph : Graph
        The graph.
    operands : sequence of Operand
        Computed tensors and constants.
    rearrange : callable
        Gets for each operand an integer array of its shape, with the numbers of its entries,
        which are counted from 1 on through all operands. Gives the array of the numbers of
        the result's entries, 0 where that is zero, or several such arrays.
    """
    sizes = [math.prod(x.shape) for x in operands]
    starts = np.cumsum([1, *sizes])
    numbers = [
        np.arange(start, start + n).reshape(x.shape)
        for start, n, x in zip(starts, sizes, operands, strict=False)
    ]
    try:
        found = rearrange(*numbers)
    except NetworkError:
        raise
    except (ValueError, IndexError) as error:
        raise NetworkError(f"layer {graph.layer}: {error}") from None
    flat = [graph.view(x, np.ravel) for x in operands]
    joined = flat[0] if len(flat) == 1 else graph.concatenate(flat, 0)
    several = not isinstance(found, np.ndarray)

    def taken(places: np.ndarray) -> Operand:
        return graph.view(joined, lambda x: np.where(places > 0, x[places - 1], -1))

    return [taken(np.asarray(p)) for p in found] if several else taken(np.asarray(found))


def selected(graph: Graph, mask: Constant, a: Operand, b: Operand) -> Operand:
    """Entries of `a` where the constant mask is true, of `b` elsewhere, with broadcasting."""
    graph.limit(np.broadcast_shapes(mask.shape, a.shape, b.shape))
    out = moved(graph, [a, b], lambda x, y: np.where(mask.astype(bool), x, y))
    assert not isinstance(out, list)
    return out


def scattered(shape: Sequence[int], index: np.ndarray, axis: int) -> np.ndarray:
    """The flat places in an array of `shape` that numpy.put_along_axis would write to; shape of `index`."""
    grid: list[np.ndarray] = list(np.indices(index.shape, sparse=True))
    grid[axis] = index
    return np.arange(math.prod(shape)).reshape(shape)[tuple(grid)]


def overwritten(graph: Graph, a: Operand, places: np.ndarray, b: Operand) -> Operand:
    """`a` with entry e of `b` written over its entry places.flat[e]; the last one stays."""

    def written(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        out = x.copy()
        out.flat[places.ravel()] = y.ravel()
        return out

    out = moved(graph, [a, b], written)
    assert not isinstance(out, list)
    return out


def add_at(graph: Graph, a: Operand, places: np.ndarray, b: Operand) -> Operand:
    """`a` with entry e of `b` added to its entry places.flat[e]; what meets there adds up."""
    size = math.prod(a.shape)
    if isinstance(b, Tensor):
        order = np.arange(math.prod(b.shape))
        ones = objects([mpz(1)] * len(order))
        return graph.add(a, sparse_map(graph, b, a.shape, Entries(places.ravel(), order, ones)))
    sums = objects([mpq(0)] * size)
    np.add.at(sums, places.ravel(), exact(b, f"layer {graph.layer}: constant").ravel())
    return graph.add(a, sums.reshape(a.shape))


def extreme_at(
    graph: Graph, a: Operand, places: np.ndarray, b: Operand, sign: int, keep: bool = True
) -> Operand:
    """The maximum (sign 1) or minimum (-1) of each entry of `a` and those of `b` that `places` gives it.

    Without `keep`, entries of `a` that meet some of `b` do not count themselves.
    """
    if sign < 0:
        turned = extreme_at(graph, graph.negative(a), places, graph.negative(b), 1, keep)
        return graph.negative(turned)
    joined = graph.concatenate([graph.view(x, np.ravel) for x in (a, b)], 0)
    size = math.prod(a.shape)
    groups: list[list[int]] = [[] for _ in range(size)]
    for e, place in enumerate(places.ravel().tolist()):
        groups[place].append(size + e)
    groups = [[k, *group] if keep or not group else group for k, group in enumerate(groups)]
    if isinstance(joined, Tensor):
        return graph.max_groups(joined, groups, a.shape)
    return objects((max(joined[g]) for g in groups), a.shape)
