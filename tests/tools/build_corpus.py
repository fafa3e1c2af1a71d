"""Builds the conformance corpus: every network by code, every truth by the reference engine.

Three rules keep it fair to engines that compute in floating point: every parameter is
a float32 value, so nobody has to round the question; every window's corners are small
dyadic numbers; and whatever is tiny (slivers down to 1e-30, near misses down to 1e-15)
lies at the origin, where floats are fine enough to hold it. `python -m tools.build_corpus`,
in `tests`, writes `exactcam/data/corpus-1` again; tests/golden/test_conformance.py compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from exactcam.arithmetic.matrix import Convolution, Dense
from exactcam.arithmetic.rational import integer_matrix, objects
from exactcam.compute import partition
from exactcam.conformance.corpus import FOLDER, GROUPS
from exactcam.loaders.from_arrays import from_arrays
from exactcam.model.network import Network
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Node, Pointwise
from exactcam.model.slice import Window, window_of

__all__ = ["built", "write"]

Built = tuple[str, str, Network, Window]


def built() -> Iterator[Built]:
    """(group, name, network, window) of every case, from the code below."""
    for group in GROUPS:
        for name, network, *window in _BUILDERS[group]():
            yield group, name, network, window_of(window[0] if window else (-1, -1, 1, 1))


Entry = tuple[Any, ...]  # (name, network) or (name, network, window)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _random(widths: Sequence[int], seed: int, bias: float = 0.3) -> list[tuple[Any, Any]]:
    rng = _rng(seed)
    return [
        (
            (rng.normal(size=(b, a)) * (2 / a) ** 0.5).astype(np.float32),
            (rng.normal(size=b) * bias).astype(np.float32),
        )
        for a, b in pairwise(widths)
    ]


def _quantised(widths: Sequence[int], seed: int, steps: int, reach: int) -> list[tuple[Any, Any]]:
    rng = _rng(seed)
    layers = [
        (
            rng.integers(-reach, reach + 1, (b, a)) / steps,
            rng.integers(-reach, reach + 1, b) / steps,
        )
        for a, b in pairwise(widths)
    ]
    # Off the grid, so that the zero level is crossed and not touched along an edge.
    layers[-1] = layers[-1][0], layers[-1][1] + 0.0625
    return layers


def _summed(weight: Any, bias: Any) -> Network:
    """One hidden layer of the given lines, and a sum with unequal weights."""
    rows = len(bias)
    return from_arrays([(weight, bias), ([[k + 1 for k in range(rows)]], [-1.0625])])


def _generic() -> Iterator[Entry]:
    for widths in ((2, 8, 1), (2, 12, 12, 1), (2, 8, 8, 8, 3), (2, 10, 10, 5)):
        for seed in (0, 1):
            yield "x".join(map(str, widths)) + f"-{seed}", from_arrays(_random(widths, seed))
    yield "triangle-window", from_arrays(_random((2, 10, 10, 1), 2)), [(-1, -1), (1, -1), (0, 1)]
    yield "rectangle-window", from_arrays(_random((2, 10, 10, 1), 3)), (0.5, -2, 2, 1)


def _dense(source: int, layer: tuple[Any, Any]) -> Affine:
    return Affine.dense(source, *layer)


def _stack(widths: Sequence[int], seed: int, activation: Callable[[int, int], Node]) -> Network:
    nodes: list[Node] = []
    layers = _random(widths, seed)
    for k, layer in enumerate(layers):
        nodes.append(_dense(len(nodes), layer))
        if k < len(layers) - 1:
            nodes.append(activation(len(nodes), len(layer[1])))
    return Network(2, tuple(nodes), len(nodes))


def _pointwise(*functions: Cpwl) -> Callable[[int, int], Node]:
    return lambda source, size: Pointwise(source, functions, np.arange(size) % len(functions))


def _layers() -> Iterator[Entry]:
    leaky, absolute = Cpwl.relu(0.25), Cpwl.relu(-1)
    clip = Cpwl.through([-0.5, 0.5], [0, 1, 0], -0.5)
    steps = Cpwl.through([-0.5, 0, 0.75], [0, 2, -1, 0.5])
    yield "leaky", from_arrays(_random((2, 10, 10, 1), 10), 0.25)
    yield "leaky-small", from_arrays(_random((2, 10, 10, 1), 11), np.float32(0.01))
    yield "leaky-negative-slope", from_arrays(_random((2, 6, 6, 1), 12), -0.5)
    yield "abs", _stack((2, 8, 8, 1), 13, _pointwise(absolute))
    yield "hardtanh", _stack((2, 8, 8, 2), 14, _pointwise(clip))
    yield "three-knots", _stack((2, 5, 5, 1), 15, _pointwise(steps))
    yield "mixed", _stack((2, 8, 8, 1), 16, _pointwise(Cpwl.relu(), leaky, absolute, clip))

    def pairs(source: int, size: int) -> Node:
        return MaxGroups(source, tuple((k, (k + 1) % size) for k in range(0, size, 2)))

    def maxout(widths: Sequence[int], seed: int) -> Network:
        nodes: list[Node] = []
        rng, size = _rng(seed), 2
        for width in widths:
            layer = _random((size, 3 * width), int(rng.integers(1000)))[0]
            nodes.append(_dense(len(nodes), layer))
            groups = tuple((3 * k, 3 * k + 1, 3 * k + 2) for k in range(width))
            nodes.append(MaxGroups(len(nodes), groups))
            size = width
        nodes.append(_dense(len(nodes), _random((size, 2), seed)[0]))
        return Network(2, tuple(nodes), len(nodes))

    yield "maxout", maxout((4, 4), 17)
    lifted = _random((2, 16), 18)[0]
    kernel = _rng(19).integers(-4, 5, (2, 1, 3, 3)) / 4
    numbers, scale = integer_matrix(kernel, "kernel")
    convolution = Convolution((1, 4, 4), (2, 4, 4), numbers, (1, 1), (1, 1), (1, 1))
    bias = objects([numbers.ravel()[0]] * 16 + [numbers.ravel()[1]] * 16)
    conv = Affine.combine([2], [(convolution, scale)], (bias, scale))
    relu = (Cpwl.relu(),)
    corners = [16 * c + 8 * i + 2 * j for c in (0, 1) for i in (0, 1) for j in (0, 1)]
    pool = tuple((k, k + 1, k + 4, k + 5) for k in corners)
    head = _dense(4, _random((8, 2), 20)[0])
    first = Pointwise(1, relu, np.zeros(16, dtype=np.int64))
    nodes = (_dense(0, lifted), first, conv, MaxGroups(3, pool), head)
    yield "convolution-maxpool", Network(2, nodes, 5)
    one, two, three = _random((2, 6, 6, 6), 21)
    (through, through_scale), (straight, straight_scale) = (
        integer_matrix(m, "weight") for m in (three[0], np.eye(6))
    )
    terms = [(Dense(through), through_scale), (Dense(straight), straight_scale)]
    joined = Affine.combine([4, 2], terms, integer_matrix(three[1], "bias"))
    six = np.zeros(6, dtype=np.int64)
    units = [Pointwise(source, relu, six) for source in (1, 3, 5)]
    last = _dense(6, _random((6, 1), 22)[0])
    nodes = (_dense(0, one), units[0], _dense(2, two), units[1], joined, units[2], last)
    yield "skip", Network(2, nodes, 7)
    yield "max-pairs", _stack_halved((2, 8, 4, 1), 23, pairs)


def _stack_halved(widths: Sequence[int], seed: int, group: Callable[[int, int], Node]) -> Network:
    nodes: list[Node] = []
    size = widths[0]
    for k, width in enumerate(widths[1:]):
        nodes.append(_dense(len(nodes), _random((size, width), seed + k)[0]))
        size = width
        if k < len(widths) - 2:
            nodes.append(group(len(nodes), width))
            size = nodes[-1].size
    return Network(2, tuple(nodes), len(nodes))


def _concurrent() -> Iterator[Entry]:
    yield "three-at-origin", _summed([[1, 0], [0, 1], [1, 1]], [0, 0, 0])
    pencil = [[1, k] for k in range(-3, 4)]
    yield "seven-at-origin", _summed(pencil, [0] * 7)
    yield "three-off-centre", _summed([[1, 0], [0, 1], [1, 1]], [-0.25, -0.5, -0.75])
    grid = [[1, 0]] * 3 + [[0, 1]] * 3 + [[1, 1]] * 3 + [[1, -1]] * 3
    yield "lattice", _summed(grid, [-0.5, 0, 0.5] * 4)
    hidden = ([[1, 0], [0, 1], [-1, 0], [0, -1]], [0, 0, 0, 0])
    folds = ([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, 0, 0], [1, 0, 0, -1]], [-0.5, 0, -0.5, 0])
    yield "second-layer", from_arrays([hidden, folds, ([[1, 2, 3, 4]], [-1])])
    third = ([[1, 1, 0, 0], [0, 1, -1, 0], [1, 0, 0, -1]], [0, 0, 0])
    yield "third-layer", from_arrays([hidden, folds, third, ([[1, 2, 3]], [0])])


def _coincident() -> Iterator[Entry]:
    base, bias = _random((2, 5), 30)[0]

    def related(factors: Sequence[float], seed: int) -> Network:
        rows = [float(f) * base[k % 5] for k, f in enumerate(factors)]
        shifts = [float(f) * bias[k % 5] for k, f in enumerate(factors)]
        tail = _random((len(factors), 6, 1), seed)
        return from_arrays([(np.stack(rows), np.asarray(shifts)), *tail])

    yield "duplicated", related([1, 1, 1, 1, 1, 1, 1], 31)
    yield "scaled", related([1, 1, 1, 1, 1, 2, 0.5], 32)
    yield "negated", related([1, 1, 1, 1, 1, -1, -1], 33)
    yield "negated-and-scaled", related([1, 1, 1, 1, 1, -4, 0.25, -0.125], 34)
    layers = _random((2, 6, 6, 1), 35)
    layers[1][0][1], layers[1][1][1] = layers[1][0][0], layers[1][1][0]
    yield "duplicated-in-second-layer", from_arrays(layers)
    layers = _random((2, 16, 16, 1), 36)
    layers[0][0][1], layers[0][1][1] = layers[0][0][0], layers[0][1][0]
    yield "duplicated-16x16", from_arrays(layers)
    yield "parallel", _summed([[1, 2]] * 5, [-1, -0.5, 0, 0.5, 1])
    yield (
        "same-function-twice",
        from_arrays(
            [
                ([[1, 0], [1, 0], [0, 1]], [0, 0, 0]),
                ([[1, -1, 1], [1, 1, 1]], [0, -0.5]),
                ([[1, 1]], [0]),
            ]
        ),
    )


def _zero_bias() -> Iterator[Entry]:
    shapes = ((2, 8, 1), (2, 8, 8, 1), (2, 6, 6, 6, 1), (2, 16, 16, 3))
    for seed, widths in enumerate(shapes, 40):
        yield "x".join(map(str, widths)), from_arrays(_random(widths, seed, 0.0))
    yield "off-centre-window", from_arrays(_random((2, 8, 8, 1), 44, 0.0)), (0, -1, 2, 1)


def _borders() -> Iterator[Entry]:
    yield "along-sides", _summed([[1, 0], [0, 1], [-1, 0], [0, -1]], [-1, -1, -1, -1])
    yield "through-corners", _summed([[1, 1], [1, -1], [1, 3], [3, -1]], [0, 0, -2, -2])
    yield "side-and-corner", _summed([[1, 0], [1, 2], [2, 1]], [1, -1, 1])
    yield "touching-corner", _summed([[1, 1], [1, 1], [1, -1]], [-2, 2, 0])
    layers = [
        ([[1, 0], [0, 1]], [1, 1]),
        ([[1, -1], [1, 1], [1, 0]], [0, -2, -2]),
        ([[1, 2, 3]], [0]),
    ]
    yield "second-layer-corners", from_arrays(layers)
    triangle = [(-1, -1), (1, -1), (-1, 1)]
    yield "triangle-along-a-line", _summed([[1, 1], [1, 0], [1, -1]], [0, 1, 0]), triangle


def _dead() -> Iterator[Entry]:
    layers = _random((2, 8, 8, 1), 50)
    layers[0][0][0], layers[0][1][0] = 0, -1  # constant and off
    layers[0][0][1], layers[0][1][1] = 0, 2  # constant and on
    layers[0][0][2], layers[0][1][2] = 0, 0  # zero everywhere
    layers[1][0][0], layers[1][1][0] = -abs(layers[1][0][0]), -1  # never on
    layers[1][0][1], layers[1][1][1] = abs(layers[1][0][1]), 1  # always on
    yield "constant-units", from_arrays(layers)
    zero = ([[0, 0], [0, 0]], [0, 0])
    yield "zero-network", from_arrays([zero, ([[1, 1]], [0])])
    yield "no-hidden-layer", from_arrays([([[1, 2], [2, 1]], [0, 0])])
    yield (
        "tie-everywhere",
        from_arrays(
            [([[1, 0], [0, 1]], [0, 0]), ([[1, -1], [0, 0]], [0, 0]), ([[1, 0], [1, 1]], [0, 0])]
        ),
    )
    yield (
        "flat-after-relu",
        from_arrays([([[1, 0], [0, 1]], [-2, -2]), ([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [0])]),
    )
    yield (
        "rank-one",
        from_arrays([(np.outer([1, 2, -1, -3], [1, 2]), [0, 1, 0.5, -1]), *_random((4, 4, 1), 51)]),
    )


def _slivers() -> Iterator[Entry]:
    for power in (3, 6, 9, 12, 15, 20, 25, 30):
        width = np.float32(10.0**-power)
        strip = _summed([[1, 0], [1, 0], [0, 1]], [0, -width, 0])
        yield f"strip-1e-{power:02d}", strip
        wedge = _summed([[1, 0], [1, width], [0, 1]], [0, 0, 0.5])
        if power <= 12:  # a thinner wedge's corner on the window's side is no float
            yield f"wedge-1e-{power:02d}", wedge


def _near_degenerate() -> Iterator[Entry]:
    for power in (6, 8, 10, 12, 15):
        tiny = np.float32(10.0**-power)
        yield f"three-lines-1e-{power:02d}", _summed([[1, 0], [0, 1], [1, 1]], [0, 0, tiny])
        hidden = ([[1, 0], [0, 1], [-1, 0], [0, -1]], [0, 0, 0, 0])
        for side, sign in (("above", 1), ("below", -1)):
            second = ([[1, 1, 1, 1], [1, -2, 1, 1]], [-tiny * sign, 0])
            yield f"vertex-{side}-1e-{power:02d}", from_arrays([hidden, second, ([[1, 1]], [0])])
        yield f"nearly-parallel-1e-{power:02d}", _summed([[1, 0], [1, tiny], [0, 1]], [0, tiny, 0])


def _scales() -> Iterator[Entry]:
    sizes = {
        "huge": (40, 40, 40),
        "tiny": (-40, -40, -40),
        "huge-then-tiny": (50, -50, 0),
        "tiny-then-huge": (-50, 50, 0),
    }
    for name, powers in sizes.items():
        layers = _random((2, 6, 6, 1), 60)
        # A ReLU layer may be scaled as a whole: biases behind it take the scale so far.
        total = 0
        for k, power in enumerate(powers):
            weight, bias = layers[k]
            layers[k] = np.ldexp(weight, power), np.ldexp(bias, total + power)
            total += power
        yield name, from_arrays(layers)
    weight, bias = _random((2, 6), 61)[0]
    rows = np.ldexp(1.0, np.asarray([60, -60, 30, -30, 90, -90]))
    yield "rows-of-all-sizes", _summed(weight * rows[:, None], bias * rows)
    weight = weight.copy()
    weight[:3, 0] = np.ldexp(weight[:3, 0], -30)
    yield "nearly-axis-parallel", _summed(weight, bias)


def _quantised_cases() -> Iterator[Entry]:
    kinds = ((8, 8), (8, 8), (2, 2), (1, 1), (1, 1), (1, 2))
    for seed, (steps, reach) in enumerate(kinds, 70):
        network = from_arrays(_quantised((2, 8, 8, 1), seed, steps, reach))
        yield f"steps-{steps}-reach-{reach}-{seed}", network
    yield "binary-deep", from_arrays(_quantised((2, 5, 5, 5, 5, 1), 76, 1, 1))


def _deep() -> Iterator[Entry]:
    for width, depth, seed in ((3, 6, 80), (3, 10, 81), (4, 8, 82), (5, 10, 83)):
        layers = _random((2, *[width] * depth, 1), seed, 0.2)
        yield f"width-{width}-depth-{depth}", from_arrays(layers)
    hat = [([[1, 0], [1, 0], [0, 1]], [0, -0.5, 1])]
    fold = ([[2, -4, 0], [2, -4, 0], [0, 0, 1]], [0, -0.5, 0])
    yield "sawtooth", from_arrays([*hat, fold, fold, fold, fold, ([[2, -4, 1]], [-1])])


def _wide() -> Iterator[Entry]:
    for width, seed in ((20, 90), (32, 91)):
        yield f"width-{width}", from_arrays(_random((2, width, 1), seed))
    yield "ten-classes", from_arrays(_random((2, 12, 10), 92))


_BUILDERS: dict[str, Callable[[], Iterator[Entry]]] = {
    "generic": _generic,
    "layers": _layers,
    "concurrent": _concurrent,
    "coincident": _coincident,
    "zero-bias": _zero_bias,
    "borders": _borders,
    "dead": _dead,
    "slivers": _slivers,
    "near-degenerate": _near_degenerate,
    "scales": _scales,
    "quantised": _quantised_cases,
    "deep": _deep,
    "wide": _wide,
}


def write() -> None:
    """Write every case's truth again, by the reference engine, checked before it is written."""
    for group, name, network, window in built():
        truth = partition(network, None, window, "reference")
        truth.check_invariants()
        path = FOLDER / group / f"{name}.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        truth.save(path)
        print(f"{group}/{name}: {len(truth)} regions")


if __name__ == "__main__":
    write()
