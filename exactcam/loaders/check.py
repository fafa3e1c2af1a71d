"""The self-check of the loaders: does the exact network agree with the model it was read from?

A loader that reads the wrong padding or forgets a branch still yields a perfectly exact
network - of another function. So every load runs the original model in its own library, and
compares layer by layer. The model is cut at every value of the network: what a layer computes
is compared and then replaced by a probe (`probes`), so that every layer is fed known numbers,
whatever stands before it. The bound on rounding (`float_network`) is therefore that of one
layer at any depth, and both sides of every unit are seen, reached or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

import numpy as np

from ..errors import NetworkError
from ..model.network import Network
from .float_network import Ball, FloatNetwork
from .forms import Mass, Tensor
from .probes import Probes

__all__ = ["Forward", "Traced", "Whole", "compare"]

Traced = dict[str, tuple[str, Tensor]]  # layer and tensor by the name of the model's value
_BLOCK = 8  # columns that are evaluated together, more where they hold few entries
_ENTRIES = 1 << 17
_NAMED = 20  # units that a note names; the rest are counted


# The original model, run from its input to its output in its own types: its outputs at flat
# points, and by how much, relatively, one operator may be off; None where nothing runs it.
Whole = Callable[[Sequence[np.ndarray]], tuple[list[np.ndarray], float] | None]


@dataclass(frozen=True)
class Forward:
    """The original model, cut into pieces.

    Attributes
    ----------
    cut : callable
        Runs the model once. Given arrays by the names of values of the model, the input
        among them, it replaces each value by its array as soon as it is computed; gives
        what was computed for each and for the output, float64.
    roundoff : float
        The unit roundoff of the model's arithmetic.
    depths : mapping of str to int
        For a value of the model, the most operators one after another between the values
        that are cut and this one.
    whole : callable, optional
        The model uncut, to be compared too: see `Whole`.
    roundoffs : callable, optional
        For a value of the model, the largest unit roundoff between the values that are cut
        and this one, where that may be less than `roundoff`.
    """

    cut: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
    roundoff: float
    depths: Callable[[set[str]], Mapping[str, int]]
    whole: Whole | None = None
    roundoffs: Callable[[set[str]], Mapping[str, float]] | None = None


class _Cut(NamedTuple):
    """A value of the model that is a value of the network, or some of its entries.

    Only compared, not replaced by a probe, where `probed` is false.
    """

    name: str
    layer: str
    value: int
    places: np.ndarray
    probed: bool = True


@dataclass
class _Seen:
    """Of every row of a value, whether it was compared and whether it could be."""

    compared: np.ndarray
    hidden: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.hidden = np.zeros_like(self.compared)


def compare(
    network: Network,
    masses: Sequence[Mass],
    traced: Traced,
    output: str,
    forward: Forward,
) -> list[str]:
    """Compare a network with the model it was read from, layer by layer.

    Parameters
    ----------
    network : Network
        What was read.
    masses : sequence of Mass
        For every node what its model may round beyond its numbers.
    traced : dict
        The layer's name and the tensor that stands for it, by the value's name in the
        model, in the order of computation, beginning with the input.
    output : str
        The name of the model's output.
    forward : Forward
        The model's own forward pass.

    Returns
    -------
    list of str
        Notes: what could not be seen.

    Raises
    ------
    NetworkError
        Naming the first layer that differs by more than rounding can explain.
    """
    cuts = _cuts(network, traced, output)
    ends = {cut.name for cut in cuts if cut.probed}
    depths = forward.depths(ends)
    operators = max((depths.get(cut.name, 1) for cut in cuts), default=1)
    floats = FloatNetwork(network, masses, _roundoffs(network, cuts, ends, forward), operators)
    probes = Probes(network, {cut.value for cut in cuts if cut.probed}, floats)
    seen = {c.value: _Seen(np.zeros(network.sizes[c.value], bool)) for c in cuts}
    probed, others = ([c for c in cuts if c.probed is flag] for flag in (True, False))
    block = max(_BLOCK, _ENTRIES // sum(network.sizes))
    for start in range(0, probes.columns, block):
        stop = min(start + block, probes.columns)
        given = {v: probes.block(v, start, stop) for v in probes.cuts}
        computed = floats.run(given)
        theirs: dict[str, list[np.ndarray]] = {}
        fed = {c.name: _columns(given[c.value], c.places) for c in probed}
        for p in range(stop - start):
            found = forward.cut({name: np.asarray(x[p]) for name, x in fed.items()})
            for name, x in found.items():
                theirs.setdefault(name, []).append(x.ravel())
        _compare_block(probed, given, computed, theirs, seen, start)
        # Of an output that was probed and then rearranged, what was handed on counts.
        handed_on = {name: [x.ravel() for x in columns] for name, columns in fed.items()}
        last = {c.name: handed_on.get(c.name) or theirs[c.name] for c in others}
        _compare_block(others, given, computed, last, seen, start)
    notes = _notes(network, floats, probes, seen, {c.value: c.layer for c in reversed(cuts)})
    if forward.whole is not None:
        _compare_whole(floats, forward.whole, len(traced))
    return notes


def _roundoffs(network: Network, cuts: list[_Cut], ends: set[str], forward: Forward) -> np.ndarray:
    """The unit roundoff that the model computes each value of the network with."""
    out = np.full(len(network.sizes), forward.roundoff)
    if forward.roundoffs is not None:
        found = forward.roundoffs(ends)
        out[[cut.value for cut in cuts]] = 0.0
        for cut in cuts:
            out[cut.value] = max(out[cut.value], found.get(cut.name, 0.0))
    return np.maximum(out, 2.0**-53)


def _cuts(network: Network, traced: Traced, output: str) -> list[_Cut]:
    cuts = [
        _Cut(name, layer, tensor.form.value, tensor.index)
        for name, (layer, tensor) in traced.items()
        if tensor.form.value is not None and tensor.form.cuts
    ]
    if all(cut.value != network.output for cut in cuts):
        index = np.arange(network.outputs).reshape(traced[output][1].shape)
        cuts.append(_Cut(output, traced[output][0], network.output, index, probed=False))
    return cuts


def _columns(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The tensor that each column of a value is: (columns, *shape)."""
    out = _entries(rows, places.ravel()).T
    return np.ascontiguousarray(out).reshape(-1, *places.shape)


def _entries(rows: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Rows by their numbers, zeros where that is -1."""
    if len(index) == len(rows) and (index == np.arange(len(rows))).all():
        return rows
    out = rows[index]
    out[index < 0] = 0
    return out


def _compare_block(
    cuts: list[_Cut],
    given: dict[int, np.ndarray],
    ours: dict[int, Ball],
    theirs: dict[str, list[np.ndarray]],
    seen: dict[int, _Seen],
    start: int,
) -> None:
    """Compare the runs from number `start` on. Rows of a value that were computed before are those handed on."""
    known = {0: np.ones(len(given[0]), bool)}
    for cut in cuts:
        index, value = cut.places.ravel(), cut.value
        middle, radius = (_entries(x, index) for x in ours[value])
        before = known.setdefault(value, np.zeros(len(seen[value].compared), bool))
        again = (before[index] | (index < 0))[:, None]
        if again.any() and value in given:
            middle = np.where(again, _entries(given[value], index), middle)
            radius = np.where(again, 0.0, radius)
        inner = index[index >= 0]
        before[inner] = True
        if cut.name not in theirs:
            seen[value].hidden[inner] = True
            continue
        sizes = {x.size for x in theirs[cut.name]}
        if sizes != {len(middle)}:
            _refuse(cut.layer, f"{max(sizes)} entries instead of {len(middle)}")
        gap, clear = _gap(np.stack(theirs[cut.name], axis=1), middle, radius)
        if gap is not None:
            _refuse(cut.layer, f"{gap:.3g}")
        # The first probe is zero, where no weight shows.
        shown = clear[:, start == 0 :].any(axis=1)
        seen[value].compared[index[(index >= 0) & shown]] = True
        seen[value].hidden[index[(index >= 0) & ~shown]] = True


def _gap(
    theirs: np.ndarray, middle: np.ndarray, radius: np.ndarray
) -> tuple[float | None, np.ndarray]:
    """The largest difference beyond the bound, None if there is none, and what was compared."""
    clear = np.isfinite(radius) & np.isfinite(theirs) & np.isfinite(middle)
    gap = np.abs(theirs[clear] - middle[clear])
    bad = gap > 2 * radius[clear]
    return (float(gap[bad].max()) if bad.any() else None), clear


def _refuse(layer: str, by: str) -> NoReturn:
    raise NetworkError(
        f"layer {layer}: the exact network differs from the model's own forward pass by {by} "
        "at a test point, more than rounding can explain; its translation is wrong: please report "
        "this layer"
    )


def _compare_whole(floats: FloatNetwork, whole: Whole, operators: int) -> None:
    """Compare the output alone at four points, the model run as a whole."""
    network = floats.network
    rng = np.random.default_rng(20231128)
    sizes = np.asarray([0.0, 1.0, 8.0, 1000.0])
    points = rng.standard_normal((network.inputs, 4)) * sizes
    points = points.astype(np.float32).astype(np.float64)
    found = whole(list(points.T))
    if found is None:
        return
    outputs, roundoff = found
    floats.compute_in(np.full(len(network.sizes), roundoff), operators)
    middle, radius = floats.run({0: points})[network.output]
    for p, theirs in enumerate(outputs):
        if theirs.shape != middle[:, p].shape:
            _refuse("output", f"{theirs.size} entries instead of {len(middle)}")
        gap, _ = _gap(theirs, middle[:, p], radius[:, p])
        if gap is not None:
            _refuse("output", f"{gap:.3g}")


def _notes(
    network: Network,
    floats: FloatNetwork,
    probes: Probes,
    seen: dict[int, _Seen],
    layers: dict[int, str],
) -> list[str]:
    notes = []
    for value, rows in sorted(seen.items()):
        hidden = int((rows.hidden & ~rows.compared).sum())
        if hidden:
            notes.append(
                f"layer {layers.get(value, 'input')}: self-check: {hidden} of "
                f"{len(rows.compared)} entries are not compared, their values or error bounds "
                "being beyond the range of floats"
            )
    for k, units in floats.one_sided().items():
        if len(units):
            named, more = ", ".join(map(str, units[:_NAMED])), len(units) - _NAMED
            notes.append(
                f"layer {network.names[k]}: self-check: seen on one side of a breakpoint only, "
                f"{len(units)} of {network.nodes[k].size} units: {named}"
                + (f" and {more} more" if more > 0 else "")
            )
    for k, left in probes.untried:
        notes.append(
            f"layer {network.names[k]}: self-check: {left} members of maxima were never made the "
            "largest"
        )
    return notes
