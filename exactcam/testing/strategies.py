"""Hypothesis strategies for networks, slices and windows in special position.

They make degeneracy on purpose. Random weights are in general position with probability one, and general position is
where every engine is right. So numbers here are mostly small integers and eighths,
units are copied, scaled, negated and zeroed, biases vanish, layers have rank one,
windows have sides on knot lines - and then a few entries are moved by 1e-6 to 1e-15,
where floating point can no longer tell the two apart. Networks stay tiny: what is
wrong with an exact engine is wrong on five units.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from ..arithmetic.matrix import Convolution, Dense
from ..arithmetic.rational import integer_matrix
from ..errors import MissingExtraError
from ..loaders.from_arrays import from_arrays
from ..model.network import Network
from ..model.nodes import Affine, Cpwl, MaxGroups, Node, Pointwise
from ..model.slice import Slice, Window

try:
    from hypothesis import strategies as st
except ImportError:
    raise MissingExtraError(
        "exactcam.testing.strategies needs hypothesis: pip install hypothesis"
    ) from None

__all__ = [
    "KINDS",
    "activations",
    "cases",
    "degenerate_networks",
    "dense_layers",
    "functions",
    "layers",
    "networks",
    "networks_of",
    "numbers",
    "slices",
    "windows",
]

Draw = Callable[[st.SearchStrategy[Any]], Any]
Layer = tuple[list[list[Any]], list[Any]]

# Sampled, because ranges come back as zero far too often to make any region.
_integers = st.sampled_from([1, -1, 2, -2, 0])
_eighths = st.sampled_from([Fraction(k, 8) for k in sorted(range(-16, 17), key=abs)])
_floats = st.floats(-2, 2, width=32)
_wild = st.sampled_from([Fraction(1, 3), 1e-30, 1e30, 5e-324, -0.0])


def numbers() -> st.SearchStrategy[Any]:
    """Exact numbers: small integers, eighths, float32 values, now and then 1e-30, 1e30 or 1/3."""
    return st.one_of(_integers, _eighths, _floats, _wild)


@st.composite
def layers(draw: Draw, rows: int, columns: int) -> Layer:
    """One layer as lists (weight, bias), often with units that are multiples of each other."""
    entry = draw(st.sampled_from([_integers, _integers, _eighths, _floats, numbers()]))
    if draw(st.integers(0, 7)) == 0:
        left = draw(st.lists(_integers, min_size=rows, max_size=rows))
        right = draw(st.lists(entry, min_size=columns, max_size=columns))
        weight = [[Fraction(a) * Fraction(b) for b in right] for a in left]
    else:
        row = st.lists(entry, min_size=columns, max_size=columns)
        weight = draw(st.lists(row, min_size=rows, max_size=rows))
    bias = draw(st.one_of(st.just([0] * rows), st.lists(entry, min_size=rows, max_size=rows)))
    for _ in range(draw(st.integers(0, 2))):
        i, j = draw(st.integers(0, rows - 1)), draw(st.integers(0, rows - 1))
        factor = draw(st.sampled_from([1, -1, 2, Fraction(1, 2), 3, 0]))
        weight[i] = [factor * Fraction(x) for x in weight[j]]
        if draw(st.booleans()):  # else parallel
            bias[i] = factor * Fraction(bias[j])
    for _ in range(draw(st.integers(0, 1))):
        i, j = draw(st.integers(0, rows - 1)), draw(st.integers(0, columns))
        move = Fraction(draw(st.sampled_from([-1, 1])), 10 ** draw(st.integers(6, 15)))
        if j == columns:
            bias[i] = Fraction(bias[i]) + move
        else:
            weight[i][j] = Fraction(weight[i][j]) + move
    return weight, bias


def _sizes(largest: int) -> st.SearchStrategy[int]:
    return st.sampled_from([k for k in range(1, largest + 1) for _ in range(k)])


@st.composite
def dense_layers(draw: Draw, inputs: int = 2, depth: int = 3, width: int = 5) -> list[Layer]:
    """The layers of a fully connected network, for `exactcam.from_arrays`."""
    hidden = [draw(_sizes(width)) for _ in range(draw(_sizes(depth)))]
    sizes = [inputs, *hidden, draw(_sizes(3))]
    return [draw(layers(b, a)) for a, b in pairwise(sizes)]


@st.composite
def _through(draw: Draw) -> Cpwl:
    knots = sorted(draw(st.sets(_eighths, min_size=1, max_size=3)))
    slopes = draw(st.lists(_integers, min_size=len(knots) + 1, max_size=len(knots) + 1))
    return Cpwl.through(knots, slopes, draw(_integers))


def functions() -> st.SearchStrategy[Cpwl]:
    """Activation functions: ReLU, leaky ReLU, absolute value, hard tanh, several breakpoints."""
    leaky = st.sampled_from([0, 0, 0, 0.01, Fraction(1, 4), -1, -2, 1]).map(Cpwl.relu)
    clip = st.just(Cpwl.through([-1, 1], [0, 1, 0], -1))
    return st.one_of(leaky, leaky, clip, _through())


@st.composite
def activations(draw: Draw, source: int, size: int) -> Node:
    """One activation node on `size` values: a function per unit, or max groups."""
    if draw(st.integers(0, 3)) == 0:
        group = st.lists(st.integers(0, size - 1), min_size=1, max_size=3)
        groups = draw(st.lists(group, min_size=1, max_size=size))
        return MaxGroups(source, tuple(map(tuple, groups)))
    kinds = draw(st.lists(functions(), min_size=1, max_size=2))
    which = draw(st.lists(st.integers(0, len(kinds) - 1), min_size=size, max_size=size))
    return Pointwise(source, tuple(kinds), np.asarray(which, dtype=np.int64))


@st.composite
def networks(draw: Draw, inputs: int = 2, depth: int = 3, width: int = 5) -> Network:
    """Any network: dense layers, skip connections, every kind of activation."""
    nodes: list[Node] = []
    sizes = [inputs]
    for _ in range(draw(_sizes(depth))):
        rows = draw(_sizes(width))
        nodes.append(draw(_affine(sizes, rows)))
        nodes.append(draw(activations(len(nodes), rows)))
        sizes += [rows, nodes[-1].size]
    nodes.append(draw(_affine(sizes, draw(_sizes(3)))))
    return Network(inputs, tuple(nodes), len(nodes))


@st.composite
def _affine(draw: Draw, sizes: list[int], rows: int) -> Affine:
    sources = [len(sizes) - 1]
    if len(sizes) > 1 and draw(st.integers(0, 3)) == 0:
        sources.append(draw(st.integers(0, len(sizes) - 1)))  # a skip connection
    return _sum(draw, sizes, rows, sources)


@st.composite
def _joined(draw: Draw, sizes: list[int], rows: int) -> Affine:
    return _sum(draw, sizes, rows, [len(sizes) - 1, draw(st.integers(0, len(sizes) - 2))])


def _sum(draw: Draw, sizes: list[int], rows: int, sources: list[int]) -> Affine:
    terms, bias = [], None
    for source in sources:
        weight, bias = draw(layers(rows, sizes[source]))
        entries, scale = integer_matrix(weight, "weight")
        terms.append((Dense(entries), scale))
    return Affine.combine(sources, terms, integer_matrix(bias, "bias"))


_ONE_FUNCTION = {
    "relu": st.just(Cpwl.relu()),
    "leaky": st.sampled_from([0.01, Fraction(1, 4), -2, 1]).map(Cpwl.relu),
    "abs": st.just(Cpwl.relu(-1)),
    "hardtanh": st.just(Cpwl.through([-1, 1], [0, 1, 0], -1)),
    "knots": _through(),
}
_MORE = ("maxout", "max-pool", "convolution", "transposed convolution", "skip")
KINDS = (*_ONE_FUNCTION, *_MORE)


@st.composite
def networks_of(draw: Draw, kind: str, inputs: int = 2, width: int = 4) -> Network:
    """A network whose activations or linear layers are all of one of KINDS."""
    nodes: list[Node] = []
    sizes = [inputs]

    def add(node: Node) -> None:
        nodes.append(node)
        sizes.append(node.size)

    def relu() -> None:
        add(Pointwise(len(nodes), (Cpwl.relu(),), np.zeros(sizes[-1], dtype=np.int64)))

    def dense(rows: int) -> None:
        add(Affine.dense(len(nodes), *draw(layers(rows, sizes[-1]))))

    if "convolution" in kind or kind == "max-pool":
        channels = draw(st.integers(1, 2))
        shape, coarse = (channels, 2, 2), (1, 3, 3)
        dense(4 * channels)
        relu()
        if kind == "max-pool":
            windows = [[c * 4 + i for i in (0, 1, 2, 3)] for c in range(channels)]
            add(MaxGroups(len(nodes), tuple(map(tuple, windows))))
        else:
            transpose = kind != "convolution"
            taps = (channels, 1, 2, 2) if transpose else (1, channels, 2, 2)
            flat = draw(st.lists(_integers, min_size=4 * channels, max_size=4 * channels))
            kernel, scale = integer_matrix(
                np.reshape(np.asarray(flat, dtype=object), taps), "kernel"
            )
            padding = (0, 0) if transpose else (1, 1)
            conv = Convolution(shape, coarse, kernel, (1, 1), padding, (1, 1), 1, transpose)
            bias = integer_matrix([draw(_integers)] * 9, "bias")
            add(Affine.combine([len(nodes)], [(conv, scale)], bias))
            relu()
    for _ in range(draw(_sizes(2))):
        rows = draw(_sizes(width))
        if kind == "maxout":
            dense(2 * rows)
            add(MaxGroups(len(nodes), tuple((2 * k, 2 * k + 1) for k in range(rows))))
        elif kind == "skip" and nodes:
            add(draw(_joined(sizes, rows)))
            relu()
        else:
            dense(rows)
            function = draw(_ONE_FUNCTION.get(kind, _ONE_FUNCTION["relu"]))
            add(Pointwise(len(nodes), (function,), np.zeros(rows, dtype=np.int64)))
    if kind == "skip":
        add(draw(_joined(sizes, draw(_sizes(3)))))
    else:
        dense(draw(_sizes(3)))
    return Network(inputs, tuple(nodes), len(nodes))


@st.composite
def degenerate_networks(draw: Draw, width: int = 5) -> Network:
    """Networks of two inputs whose knot lines all meet at one point, or nearly.

    The first layer's lines lie in a lattice; the second layer vanishes where they cross, or
    misses it by 1e-6 to 1e-15.
    """
    lines = draw(st.lists(st.tuples(_integers, _integers), min_size=1, max_size=width))
    shifts = st.lists(st.sampled_from([0, 0, 1, -1]), min_size=len(lines), max_size=len(lines))
    near = st.integers(6, 15).map(lambda k: Fraction(1, 10**k))
    miss = draw(st.one_of(st.just(Fraction(0)), near, near.map(lambda x: -x)))
    rows = draw(_sizes(3))
    weights = st.lists(_integers, min_size=len(lines), max_size=len(lines))
    second = draw(st.lists(weights, min_size=rows, max_size=rows))
    tail = draw(layers(draw(_sizes(2)), rows))
    slope = draw(st.sampled_from([0, 0, Fraction(1, 4), -1]))
    return from_arrays([(lines, draw(shifts)), (second, [miss] * rows), tail], slope)


@st.composite
def slices(draw: Draw, inputs: int) -> Slice:
    """Slices: the plane itself for two inputs, two axes, or two small independent directions."""
    if inputs == 2 and draw(st.booleans()):
        return Slice.plane(2)
    vector = st.lists(_eighths, min_size=inputs, max_size=inputs)
    origin = draw(vector)
    if draw(st.booleans()):
        i, j = draw(st.permutations(range(inputs)))[:2]
        return Slice.axes(origin, i, j)
    first = draw(vector.filter(any))
    pivot = next(k for k, x in enumerate(first) if x)
    others = draw(vector)
    # Independent because it vanishes at the pivot of the first and is not zero elsewhere.
    second = [Fraction(0) if k == pivot else x for k, x in enumerate(others)]
    free = (pivot + 1) % inputs
    second[free] = second[free] or Fraction(1)
    return Slice(origin, first, second)


@st.composite
def windows(draw: Draw, network: Network | None = None, slice: Slice | None = None) -> Window:
    """Rectangles and triangles on a coarse grid; with a network also with a side on a knot line."""
    size = Fraction(draw(st.sampled_from([4, 2, 8, 1])))
    u, v = draw(_integers) / Fraction(2) - size / 2, draw(_integers) / Fraction(2) - size / 2
    lines = [] if network is None or slice is None else _first_lines(network, slice)
    if lines and draw(st.booleans()):
        a, b, c = draw(st.sampled_from(lines))
        # From the foot of the origin along the line, and to one side of it.
        foot = Fraction(-a * c, a * a + b * b), Fraction(-b * c, a * a + b * b)
        along = size * Fraction(-b, abs(a) + abs(b)), size * Fraction(a, abs(a) + abs(b))
        beside = foot[0] - along[1], foot[1] + along[0]
        return Window([foot, (foot[0] + along[0], foot[1] + along[1]), beside])
    if draw(st.booleans()):
        return Window.rectangle(u, v, u + size, v + size)
    return Window([(u, v), (u + size, v), (u + size / 2, v + size)])


def _first_lines(network: Network, slice: Slice) -> list[tuple[int, int, int]]:
    """The knot lines of the first layer in slice coordinates (where they are lines)."""
    first = network.nodes[0]
    if not isinstance(first, Affine):
        return []
    columns = first.apply([slice.block]).columns
    return [(int(a), int(b), int(c)) for a, b, c in columns if a or b]


@st.composite
def cases(draw: Draw, depth: int = 3, width: int = 5) -> tuple[Network, Slice, Window]:
    """A network with a slice and a window that fit it: what an engine takes."""
    network = draw(networks(draw(st.integers(2, 3)), depth, width))
    plane = draw(slices(network.inputs))
    return network, plane, draw(windows(network, plane))
