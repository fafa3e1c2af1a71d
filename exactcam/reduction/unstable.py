"""Reduce a network on a window to an exact network of the units that are unstable there.

A unit is *stable* if its range over the window is proven to lie on one piece of its function, or
one member of its group proven to be the largest. For an unstable one an actual piece is fixed, and
its deviation from that piece is a new variable. Then every value is a form in the coordinates plus
a matrix times deviations, exactly, and the rows of the unstable units are the layers of a network of
two inputs whose activation regions are those of the whole one (Theorem 31 of proofs/reduction.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arithmetic.matrix import Dense, Sparse
from ..arithmetic.rational import common_integers, mpq, mpz, objects
from ..engine.local_frame import Frame
from ..errors import ReductionError
from ..model.network import Layer, Network
from ..model.nodes import Affine, Cpwl, MaxGroups, Node, Pointwise
from ..model.slice import Slice, Window
from ..runtime.float_mode import quiet
from ..runtime.memory import memory
from .arrays import Arrays, arrays_on
from .digits import Columns, ExactMatrix
from .ranges import FloatColumns, Ranges, deviation, settled

__all__ = ["Reduced", "reduced"]

_COPIES = 4  # of a value while it is multiplied
_Value = list[Columns]  # by block: the coordinates and the constant, then layer by layer deviations


@dataclass(frozen=True, eq=False)
class Reduced:
    """The reduced network, and how its patterns are patterns of the whole one.

    Attributes
    ----------
    network : Network
        Of two inputs, the local coordinates.
    plane : Slice
        Local coordinates by slice coordinates: with it, windows are those of the whole network.
    pattern : ndarray of int, (units of the whole network,)
        The codes of stable units; those of unstable ones have no meaning.
    units : ndarray of int, (units of the reduced network,)
        The number of each unit in the whole network.
    starts, codes : ndarray of int
        Code c of unit k is code codes[starts[k] + c] in the whole network.
    """

    network: Network
    plane: Slice
    pattern: np.ndarray
    units: np.ndarray
    starts: np.ndarray
    codes: np.ndarray

    def __repr__(self) -> str:
        return f"<Reduced: {len(self.units):,} of {len(self.pattern):,} units>"


@quiet()
def reduced(
    network: Network,
    plane: Slice,
    window: Window,
    most: int = 4096,
    device: str | None = None,
) -> Reduced:
    """The network of the units of another one that are unstable on a window.

    Parameters
    ----------
    network, plane, window
        The question, as for `partition`.
    most : int
        More unstable units are not looked for.
    device : str, optional
        Where torch multiplies, by its name of the device; None multiplies here, without torch.

    Raises
    ------
    ReductionError
        Where there are more, or numbers are too wide for digits.

    Notes
    -----
    Costs one exact forward pass of three columns and one for each unstable unit: of a network of
    m multiplications and L layers of w bits, about m (3 + K / 6) L w^2 / 400 float products.
    """
    return _Reduction(network, plane, window, most, arrays_on(device)).run()


class _Reduction:
    """The state of a pass through a network."""

    def __init__(
        self, network: Network, plane: Slice, window: Window, most: int, on: Arrays
    ) -> None:
        self._network, self._most, self._on = network, most, on
        frame = Frame(window)
        corners = frame.points(window.vertices)  # rounded, and by how much at most
        low, high = corners[:, :2] - corners[:, 2:], corners[:, :2] + corners[:, 2:]
        self._ranges = Ranges(
            np.nextafter(low.min(axis=0), -np.inf), np.nextafter(high.max(axis=0), np.inf)
        )
        self._values: dict[int, _Value] = {0: [_local(plane, frame, on)]}
        (u, v), scale = frame.centre, frame.scale
        self._plane = Slice([-u / scale, -v / scale], [1 / scale, 0], [0, 1 / scale])
        self._nodes: list[Node] = []
        self._blocks = [0]  # the value of the reduced network that holds each block's variables
        self._codes: list[np.ndarray] = []
        self._units: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
        self._tables: list[np.ndarray] = []

    def run(self) -> Reduced:
        network = self._network
        layers = iter(network.layers)
        for k, node in enumerate(network.nodes):
            if isinstance(node, Affine):
                found = self._affine(node)
            elif isinstance(node, Pointwise):
                found = self._pointwise(next(layers), node, self._values[node.source])
            else:
                found = self._maxima(next(layers), node, self._values[node.source])
            self._values[k + 1] = found
            for value in node.inputs:
                if network.last_use[value] == k:
                    self._values.pop(value, None)
        output = self._values[network.output]
        last = self._add(self._rows(output, np.arange(network.outputs)))
        kind = network.pattern_dtype.newbyteorder("=")
        sizes = [len(table) for table in self._tables]
        return Reduced(
            Network(2, tuple(self._nodes), last),
            self._plane,
            np.concatenate([np.zeros(0, dtype=np.int64), *self._codes]).astype(kind),
            np.concatenate(self._units),
            np.cumsum([0, *sizes])[:-1],
            np.concatenate([np.zeros(0, dtype=np.int64), *self._tables]),
        )

    def _affine(self, node: Affine) -> _Value:
        """The value of an affine node; ReductionError where it does not fit the memory."""
        read = [columns.planes.shape for v in node.inputs for columns in self._values[v]]
        bytes_ = _COPIES * 8 * node.size * sum(planes * width for planes, width, _ in read)
        if bytes_ > memory():
            raise ReductionError(
                f"to follow the units that change takes some {bytes_ / 1e9:,.0f} GB of memory, and "
                f"this machine has {memory() / 1e9:,.0f}: choose a smaller window"
            )
        out: _Value = [Columns.constant(node.bias, mpq(1, node.scale), self._on)]
        for matrix, source in zip(node.matrices, node.inputs, strict=True):
            product = ExactMatrix(matrix, node.scale, self._on)
            for block, columns in enumerate(self._values[source]):
                found = product(columns)
                if block < len(out):
                    out[block] = out[block].plus(found)
                else:
                    out.append(found)
        return out

    def _pointwise(self, layer: Layer, node: Pointwise, x: _Value) -> _Value:
        """The value of a pointwise layer; its unstable units become a layer."""
        floats = _in_floats(x)
        least, greatest = self._ranges.hull(node.size, floats)
        codes = np.full(node.size, -1, dtype=np.int64)
        for number, function in enumerate(node.functions):
            own = node.which == number
            below = settled(function, least[own], greatest[own])
            codes[own] = np.where(below < 0, -1, 2 * below)
        self._constants(node, x, codes)
        unstable = self._unstable(layer, codes < 0)
        pieces = codes // 2
        for unit in unstable.tolist():
            knots = node.functions[node.which[unit]].breakpoints
            pieces[unit] = sum(t < (least[unit] + greatest[unit]) / 2 for t in knots)
        out = _on_pieces(node, pieces, x)
        self._codes.append(codes)
        if not len(unstable):
            return out
        value = self._shifted(node, self._add(self._rows(x, unstable)), unstable, pieces[unstable])
        low, high = self._ranges.of(len(unstable), [block.rows(unstable) for block in floats])
        ranges = [
            deviation(node.functions[node.which[unit]], int(pieces[unit]), low[:, k], high[:, k])
            for k, unit in enumerate(unstable.tolist())
        ]
        self._tables += [np.arange(limit + 1) for limit in node.code_limits[unstable].tolist()]
        return self._extended(out, unstable, ranges, value)

    def _constants(self, node: Pointwise, x: _Value, codes: np.ndarray) -> None:
        """Fill in the codes of unsettled units whose input is constant on the window: exactly."""
        open_ = np.nonzero(codes < 0)[0]
        varies = np.zeros(len(open_), dtype=bool)
        for block, columns in enumerate(x):
            varies |= columns.nonzero(open_, 2 if block == 0 else None)
        fixed = open_[~varies]
        if not len(fixed):
            return
        values = x[0].exact(fixed)[:, 2]
        for unit, value in zip(fixed.tolist(), values, strict=True):
            knots = node.functions[node.which[unit]].breakpoints
            codes[unit] = sum((value >= t) + (value > t) for t in knots)

    def _shifted(self, node: Pointwise, source: int, units: np.ndarray, pieces: np.ndarray) -> int:
        """Add the layer of the deviations of some units from their pieces; its value."""
        functions: dict[Cpwl, int] = {}
        which = []
        for unit, piece in zip(units.tolist(), pieces.tolist(), strict=True):
            function = node.functions[node.which[unit]]
            slope, intercept = function.pieces[piece]
            maps = [(s - slope, c - intercept) for s, c in function.pieces]
            which.append(functions.setdefault(Cpwl(function.breakpoints, maps), len(functions)))
        return self._add(Pointwise(source, tuple(functions), np.asarray(which, dtype=np.int64)))

    def _maxima(self, layer: Layer, node: MaxGroups, x: _Value) -> _Value:
        """The value of a max layer; groups whose largest member is not proven become a layer."""
        floats, size = _in_floats(x), self._network.sizes[node.source]
        middle = np.add(*self._ranges.hull(size, floats))
        codes, chosen = np.empty((2, node.size), dtype=np.int64)
        kept: dict[int, np.ndarray] = {}  # of each unstable group the members that may be largest
        for units, members in node.by_length:
            rivals, same = self._rivals(x, floats, members, middle[members].argmax(axis=1))
            codes[units] = same.argmax(axis=1)  # of equal members the first counts
            chosen[units] = members[np.arange(len(units)), codes[units]]
            for g in np.nonzero(rivals.any(axis=1))[0].tolist():
                rivals[g, codes[units[g]]] = True
                kept[int(units[g])] = np.nonzero(rivals[g])[0]
        unstable = self._unstable(layer, np.isin(np.arange(node.size), list(kept)))
        out = [columns.rows(chosen) for columns in x]
        self._codes.append(codes)
        if not len(unstable):
            return out
        own = [np.asarray(node.groups[unit])[kept[unit]] for unit in unstable.tolist()]
        rows = np.unique(np.concatenate(own))
        source = self._add(self._rows(x, rows))
        groups = [np.searchsorted(rows, members).tolist() for members in own]
        largest = self._add(MaxGroups(source, tuple(map(tuple, groups))))
        best = np.searchsorted(rows, chosen[unstable])
        value = self._add(_difference(largest, source, len(rows), best))
        ranges = []
        for unit, members in zip(unstable.tolist(), own, strict=True):
            first = np.full(len(members), chosen[unit])
            differences = [block.differences(members, first) for block in floats]
            reach = self._ranges.of(len(members), differences)[1].max(axis=1)
            ranges.append((np.zeros_like(reach), np.maximum(reach, 0.0)))
        self._tables += [kept[unit] for unit in unstable.tolist()]
        return self._extended(out, unstable, ranges, value)

    def _rivals(
        self, x: _Value, floats: list[FloatColumns], members: np.ndarray, best: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of groups (groups, members) and one member of each: which others may be larger, and
        which are always equal to it."""
        own = members[np.arange(len(members)), best]
        rivals, same = np.zeros((2, *members.shape), dtype=bool)
        for m, other in enumerate(members.T):
            differences = [block.differences(other, own) for block in floats]
            apart = np.zeros(len(members), dtype=bool)
            for block in differences:
                apart |= block.nonzero()
            near = np.nonzero(~apart)[0]
            equal = np.ones(len(near), dtype=bool)
            for columns in x:
                equal &= columns.equal(other[near], own[near])
            same[near[equal], m] = True
            rivals[:, m] = (self._ranges.hull(len(members), differences)[1] >= 0.0) & ~same[:, m]
        return rivals, same

    def _rows(self, x: _Value, rows: np.ndarray) -> Affine:
        """The affine node of some entries of a value, in the variables so far."""
        inputs, terms = [0], [(Dense(objects([mpz(0)] * (2 * len(rows)), (len(rows), 2))), mpz(1))]
        bias: tuple[np.ndarray, mpz] = objects([mpz(0)] * len(rows)), mpz(1)
        for block, columns in enumerate(x):
            exact = columns.exact(rows)
            if block == 0:
                numbers, scale = common_integers(exact[:, 2])
                bias, exact, inputs, terms = (objects(numbers), scale), exact[:, :2], [], []
            elif not exact.any():
                continue
            numbers, scale = common_integers(exact.ravel())
            inputs.append(self._blocks[block])
            terms.append((Dense(objects(numbers, exact.shape)), scale))
        return Affine.combine(inputs, terms, bias)

    def _add(self, node: Node) -> int:
        """Add a node; the number of its value."""
        self._nodes.append(node)
        return len(self._nodes)

    def _unstable(self, layer: Layer, which: np.ndarray) -> np.ndarray:
        """The numbers of a layer's unstable units; ReductionError where there are too many by now."""
        found = np.nonzero(which)[0]
        self._units.append(layer.units.start + found)
        if sum(map(len, self._units)) > self._most:
            raise ReductionError(f"more than {self._most:,} units change on the window")
        return found

    def _extended(
        self,
        x: _Value,
        units: np.ndarray,
        ranges: list[tuple[np.ndarray, np.ndarray]],
        value: int,
    ) -> _Value:
        """A layer's value with the deviations of its unstable units, whose ranges and value in the
        reduced network are given, as variables of their own."""
        self._ranges.append(*(np.stack(side, axis=1) for side in zip(*ranges, strict=True)))
        size, missing = x[0].planes.shape[2], len(self._blocks) - len(x)
        self._blocks.append(value)
        zeros = Columns.none(0, size, self._on)
        return [*x, *[zeros] * missing, Columns.units(size, units, self._on)]


def _local(plane: Slice, frame: Frame, on: Arrays) -> Columns:
    """The network's input in local coordinates: columns of the two coordinates and the constant."""
    (u, v), scale = frame.centre, frame.scale
    numbers, below = common_integers([scale, u, v])
    e1, e2, origin = plane.block.columns.T
    rows = [e1 * numbers[0], e2 * numbers[0], origin * below + e1 * numbers[1] + e2 * numbers[2]]
    return Columns.of(np.stack(rows, axis=1), mpq(1, below * plane.block.denominator), on)


def _in_floats(x: _Value) -> list[FloatColumns]:
    """The blocks of a value that are not zero, in floats."""
    return [
        FloatColumns(k, *block.floats(), block.on) for k, block in enumerate(x) if not block.zero
    ]


def _on_pieces(node: Pointwise, pieces: np.ndarray, x: _Value) -> _Value:
    """The units' pieces of a value: without the deviations from these."""
    pairs, which = np.unique(np.stack([node.which, pieces]), axis=1, return_inverse=True)
    which = which.reshape(-1)
    maps = [node.functions[f].pieces[p] for f, p in pairs.T.tolist()]
    slopes = objects(slope for slope, _ in maps)
    out = [columns.times_by(slopes, which) for columns in x]
    if any(intercept for _, intercept in maps):
        numbers, scale = common_integers(intercept for _, intercept in maps)
        out[0] = out[0].plus(Columns.constant(objects(numbers)[which], mpq(1, scale), x[0].on))
    return out


def _difference(largest: int, source: int, size: int, own: np.ndarray) -> Affine:
    """The node of some maxima minus one member of each."""
    count = len(own)
    terms = [
        (Sparse.selection(count, range(count)), mpz(1)),
        (Sparse.selection(size, own, -1), mpz(1)),
    ]
    return Affine.combine([largest, source], terms, (objects([mpz(0)] * count), mpz(1)))
