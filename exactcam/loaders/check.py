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
from ..runtime.arena import trim
from .float_network import Ball, FloatNetwork
from .forms import Mass, Tensor
from .probes import Probes

__all__ = ["Forward", "Traced", "Whole", "compare"]

Traced = dict[str, tuple[str, Tensor]]  # layer and tensor by the name of the model's value
_ENTRIES = 1 << 22  # of all values, in the columns that are evaluated together
_PART = 1 << 15  # entries that are compared together
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


_Index = slice | np.ndarray  # rows of a value, -1 for zero; a slice is that of all


class _Cut(NamedTuple):
    """A value of the model that is a value of the network, or some of its entries.

    Only compared, not replaced by a probe, where `probed` is false.
    """

    name: str
    layer: str
    value: int
    rows: _Index
    shape: tuple[int, ...]
    probed: bool = True


@dataclass
class _Seen:
    """Of every row of a value, whether it was compared and whether it could be."""

    compared: np.ndarray
    hidden: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.hidden = np.zeros_like(self.compared)

    def add(self, index: _Index, shown: np.ndarray) -> None:
        """Rows of which some were compared now, and the others could not be."""
        for rows, these in ((self.compared, shown), (self.hidden, ~shown)):
            rows[these if isinstance(index, slice) else index[these & (index >= 0)]] = True


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
    floats, notes = _compare_layers(network, masses, cuts, forward)
    if forward.whole is not None:
        _compare_whole(floats, forward.whole, max(forward.depths(set()).values()))
    return notes


def _compare_layers(
    network: Network, masses: Sequence[Mass], cuts: list[_Cut], forward: Forward
) -> tuple[FloatNetwork, list[str]]:
    """Compare at every cut; the network in floats, and the notes."""
    ends = {cut.name for cut in cuts if cut.probed}
    depths = forward.depths(ends)
    operators = max((depths.get(cut.name, 1) for cut in cuts), default=1)
    floats = FloatNetwork(network, masses, _roundoffs(network, cuts, ends, forward), operators)
    probes = Probes(network, {cut.value for cut in cuts if cut.probed}, floats)
    seen = {c.value: _Seen(np.zeros(network.sizes[c.value], bool)) for c in cuts}
    of_value: dict[int, list[_Cut]] = {}
    for cut in cuts:
        of_value.setdefault(cut.value, []).append(cut)
    block = _at_once(network)
    for start in range(0, probes.columns, block):
        columns = range(start, min(start + block, probes.columns))
        _compare_columns(forward, floats, probes, columns, of_value, seen)
    layers = {cut.value: cut.layer for cut in reversed(cuts)}
    return floats, _notes(network, floats, probes, seen, layers)


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
        _Cut(name, layer, tensor.form.value, _index(tensor), tensor.shape)
        for name, (layer, tensor) in traced.items()
        if tensor.form.value is not None and tensor.form.cuts
    ]
    if all(cut.value != network.output for cut in cuts):
        layer, tensor = traced[output]
        cuts.append(_Cut(output, layer, network.output, slice(None), tensor.shape, probed=False))
    return cuts


def _index(tensor: Tensor) -> _Index:
    return slice(None) if tensor.is_plain() else tensor.index.ravel()


def _at_once(network: Network) -> int:
    """How many columns are evaluated together."""
    columns = _ENTRIES // sum(network.sizes)
    if not columns:
        trim()  # between arrays of many megabytes malloc keeps much that is unused
    return max(1, columns)


def _compare_columns(
    forward: Forward,
    floats: FloatNetwork,
    probes: Probes,
    columns: range,
    cuts: Mapping[int, list[_Cut]],
    seen: Mapping[int, _Seen],
) -> None:
    """Compare what model and network compute for some columns; `cuts` are those of each value."""
    every = [cut for some in cuts.values() for cut in some]
    given = {v: probes.block(v, columns.start, columns.stop) for v in probes.cuts}
    fed = {c.name: _columns(given[c.value], c.rows, c.shape) for c in every if c.probed}
    computed: dict[str, list[np.ndarray]] = {}
    for p in range(len(columns)):
        for name, x in forward.cut({name: np.asarray(x[p]) for name, x in fed.items()}).items():
            computed.setdefault(name, []).append(x.ravel())
    for value, ball in floats.run(given):
        before = np.full(floats.network.sizes[value], value == 0)
        for cut in cuts.get(value, []):
            theirs = computed.pop(cut.name, None)
            if not cut.probed and cut.name in fed:
                # Of an output that was probed and then rearranged, what was handed on counts.
                theirs = [x.ravel() for x in fed[cut.name]]
            first = columns.start == 0
            _compare_cut(cut, given.get(value), ball, theirs, before, seen[value], first)


def _columns(rows: np.ndarray, index: _Index, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor that each column of a value is: (columns, *shape)."""
    return np.ascontiguousarray(_entries(rows, index).T).reshape(-1, *shape)


def _entries(rows: np.ndarray, index: _Index) -> np.ndarray:
    """Rows by their numbers, zeros where that is -1."""
    out = rows[index]
    if not isinstance(index, slice):
        out[index < 0] = 0
    return out


def _compare_cut(
    cut: _Cut,
    given: np.ndarray | None,
    ours: Ball,
    theirs: list[np.ndarray] | None,
    before: np.ndarray,
    seen: _Seen,
    first: bool,
) -> None:
    """Compare some columns; what was computed before is what was handed on, and now this was too."""
    index = cut.rows
    middle, radius = (_entries(x, index) for x in ours)
    again = before[index]
    if not isinstance(index, slice):
        again = again | (index < 0)
    if again.any() and given is not None:
        middle = np.where(again[:, None], _entries(given, index), middle)
        radius = np.where(again[:, None], 0.0, radius)
    before[index if isinstance(index, slice) else index[index >= 0]] = True
    if theirs is None:
        seen.add(index, np.zeros(len(middle), bool))
        return
    sizes = {x.size for x in theirs}
    if sizes != {len(middle)}:
        _refuse(cut.layer, f"{max(sizes)} entries instead of {len(middle)}")
    gap, clear = _gap(np.stack(theirs, axis=1), middle, radius)
    if gap is not None:
        _refuse(cut.layer, f"{gap:.3g}")
    # The first probe is zero, where no weight shows.
    seen.add(index, np.any(clear[:, int(first) :], axis=1))


def _gap(
    theirs: np.ndarray, middle: np.ndarray, radius: np.ndarray
) -> tuple[float | None, np.ndarray]:
    """The largest difference beyond the bound, None if there is none, and what was compared."""
    clear = np.empty(theirs.shape, bool)
    largest = None
    part = max(1, _PART // theirs[0].size) if theirs.size else 1
    for start in range(0, len(theirs), part):  # what is computed of them fits a cache
        rows = slice(start, start + part)
        with np.errstate(invalid="ignore"):
            gap = np.abs(theirs[rows] - middle[rows])
            clear[rows] = np.isfinite(gap) & np.isfinite(radius[rows])
            bad = clear[rows] & (gap > 2 * radius[rows])
        if bad.any():
            largest = max(largest or 0.0, float(gap[bad].max()))
    return largest, clear


def _refuse(layer: str, by: str) -> NoReturn:
    raise NetworkError(
        f"layer {layer}: the exact network differs from the model's own forward pass by {by} "
        "at a test point, more than rounding can explain; its translation is wrong: please report "
        "this layer"
    )


def _compare_whole(floats: FloatNetwork, whole: Whole, operators: int) -> None:
    """Compare the output alone at four points, two of large networks, the model run as a whole."""
    network = floats.network
    rng = np.random.default_rng(20231128)
    sizes = np.asarray([0.0, 1.0, 8.0, 1000.0] if _at_once(network) > 1 else [1.0, 1000.0])
    points = rng.standard_normal((network.inputs, len(sizes))) * sizes
    points = points.astype(np.float32).astype(np.float64)
    found = whole(list(points.T))
    if found is None:
        return
    outputs, roundoff = found
    floats.compute_in(np.full(len(network.sizes), roundoff), operators)
    block = _at_once(network)
    for start in range(0, len(outputs), block):
        for value, (middle, radius) in floats.run({0: points[:, start : start + block]}):
            if value != network.output:
                continue
            for theirs, ours, bound in zip(outputs[start:], middle.T, radius.T, strict=False):
                if theirs.shape != ours.shape:
                    _refuse("output", f"{theirs.size} entries instead of {len(middle)}")
                gap, _ = _gap(theirs, ours, bound)
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
