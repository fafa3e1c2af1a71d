"""The exact restriction of a network to the straight segment between two inputs (a 1-D slice).

On the segment start + t (end - start), 0 <= t <= 1, the network is a piecewise
linear function of one variable. This module finds every breakpoint t as an exact
rational, the pattern and output map between breakpoints, and every crossing of
the decision boundary. In one dimension a cell is an interval and a knot line is
a root, so no geometry is needed: each layer cuts each interval at the roots of its
units and reads the codes off between them. Input spaces of any dimension cost the
same per piece: one exact forward pass of two columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from ..arithmetic.rational import common_integers, digits, mpq, mpz, objects, rational
from ..errors import ExactcamError, NetworkError, SliceError
from ..model.network import Network
from ..model.nodes import Affine, Block, Cpwl, MaxGroups, Pointwise
from ..runtime.arguments import expect, integer, listed
from ..runtime.cached import WithoutCaches, cached_property

__all__ = ["Crossing", "LineSlice", "line_slice"]

Classes = tuple[int, ...]
_CONSTANT = objects([mpz(0), mpz(1)])  # an affine form a t + c is the row (a, c)


@dataclass(frozen=True)
class Crossing:
    """Where a segment meets the decision boundary.

    Attributes
    ----------
    start, end : mpq
        The parameters t at which it begins and ends; equal, except where the tie holds on a
        whole interval.
    classes : tuple of int
        The outputs that tie for the largest, none for a level of one output.
    """

    start: mpq
    end: mpq
    classes: Classes

    def __repr__(self) -> str:
        ends = dict.fromkeys((self.start, self.end))
        where = " to ".join(map(digits, ends))
        tied = f", {len(self.classes)} outputs tie" if self.classes else ""
        return f"<Crossing at t = {where}{tied}>"


@dataclass(frozen=True)
class LineSlice(WithoutCaches):
    """The pieces of a network along a segment, with what it is on each.

    Attributes
    ----------
    network, start, end : Network, tuple of mpq, tuple of mpq
        The network and the two inputs.
    breakpoints : tuple of mpq (pieces + 1,)
        From 0 to 1; piece k is the interval from breakpoints[k] to breakpoints[k + 1].
    patterns : int ndarray (pieces, units)
        The code of every unit (see `exactcam.model.nodes`).
    forms, form_scale : object ndarray (pieces, outputs, 2) of mpz, mpz
        Each output is a t + c with (a, c) = forms[piece, output] / form_scale.
    """

    network: Network
    start: tuple[mpq, ...]
    end: tuple[mpq, ...]
    breakpoints: tuple[mpq, ...]
    patterns: np.ndarray
    forms: np.ndarray
    form_scale: mpz

    def __len__(self) -> int:
        return len(self.patterns)

    def __repr__(self) -> str:
        sizes = f"{self.network.inputs} inputs, {self.network.outputs} outputs"
        return f"<LineSlice: {len(self)} pieces, {len(self.bends)} bends, {sizes}>"

    def at(self, t: Any) -> tuple[mpq, ...]:
        """The input at parameter t."""
        s = rational(t, "t")
        return tuple(a + s * (b - a) for a, b in zip(self.start, self.end, strict=True))

    def affine(self, piece: int) -> list[tuple[mpq, mpq]]:
        """Per output (a, c): the output is a t + c on the piece."""
        last = len(self) - 1
        forms = self.forms[integer(piece, "piece", least=-len(self), most=last)]
        return [(mpq(a, self.form_scale), mpq(c, self.form_scale)) for a, c in forms]

    def outputs(self, t: Any) -> tuple[mpq, ...]:
        """The exact outputs at parameter t. Raises SliceError for a t outside [0, 1]."""
        s = rational(t, "t")
        if not 0 <= s <= 1:
            raise SliceError(f"t = {t} is not between 0 and 1")
        piece = next(k for k, stop in enumerate(self.breakpoints[1:]) if s <= stop)
        return tuple(a * s + c for a, c in self.affine(piece))

    @cached_property
    def bends(self) -> tuple[mpq, ...]:
        """The breakpoints at which the output map itself changes."""
        changes = (self.forms[1:] != self.forms[:-1]).any(axis=(1, 2))
        return tuple(t for t, bend in zip(self.breakpoints[1:-1], changes, strict=True) if bend)

    @property
    def units(self) -> list[list[int]]:
        """For each inner breakpoint the units (in pattern order) whose code changes there."""
        return [np.nonzero(a != b)[0].tolist() for a, b in pairwise(self.patterns)]

    def crossings(self, level: Any = 0) -> list[Crossing]:
        """Every crossing of the decision boundary, in order of t.

        Parameters
        ----------
        level : exact number
            One output: its boundary is where it equals `level`. Several outputs: where the
            two largest tie, and `level` must be 0.

        Returns
        -------
        list of Crossing
            O(pieces x outputs^2) exact predicates.

        Raises
        ------
        ExactcamError
            For a level other than 0 with several outputs.
        """
        value = rational(level, "level")
        outputs = self.network.outputs
        if outputs > 1 and value:
            raise ExactcamError(f"level {value} needs a network of one output, not {outputs}")
        unit: Pointwise | MaxGroups = (
            Pointwise(0, (Cpwl.through([value], [0, 1]),), np.zeros(1, dtype=np.int64))
            if outputs == 1
            else MaxGroups(0, (tuple(range(outputs)),))
        )
        found: list[Crossing] = []
        for k, (low, high) in enumerate(pairwise(self.breakpoints)):
            block = Block(self.forms[k], _CONSTANT, self.form_scale)
            for a, b, _ in _refine(low, high, unit, block):
                for start, end in ((a, a), (a, b), (b, b)):
                    classes = _tied(self.forms[k], self.form_scale, (start + end) / 2, value)
                    if classes is not None:
                        found.append(Crossing(start, end, classes))
        return _merged(found)


def line_slice(network: Network, start: Sequence[Any], end: Sequence[Any]) -> LineSlice:
    """The exact pieces of a network on the straight segment between two inputs.

    Parameters
    ----------
    network : Network
        The network.
    start, end : sequence of exact numbers (inputs,)
        The ends of the segment, t = 0 and t = 1.

    Returns
    -------
    LineSlice
        Costs one exact forward pass (two columns) per piece and layer.

    Raises
    ------
    SliceError
        Where the two do not fit the network or are the same point.
    """
    expect(network, Network, "network", "a Network", NetworkError)
    wanted = "a vector of exact numbers"
    given = listed(start, "start", wanted, SliceError), listed(end, "end", wanted, SliceError)
    first = tuple(rational(x, f"start[{i}]") for i, x in enumerate(given[0]))
    last = tuple(rational(x, f"end[{i}]") for i, x in enumerate(given[1]))
    if not len(first) == len(last) == network.inputs:
        raise SliceError(
            f"start and end have {len(first)} and {len(last)} entries, "
            f"the network {network.inputs} inputs"
        )
    if first == last:
        raise SliceError("start and end are the same point: there is no segment between them")
    steps = [b - a for a, b in zip(first, last, strict=True)]
    numbers, scale = common_integers([*steps, *first])
    inputs = Block(objects(numbers, (2, network.inputs)).T, _CONSTANT, scale)
    _, highs, codes, outputs = zip(*_pieces(network, inputs), strict=True)
    return LineSlice(
        network,
        first,
        last,
        breakpoints=(mpq(0), *highs),
        patterns=np.stack(codes).astype(network.pattern_dtype),
        forms=np.stack([block.columns for block in outputs]),
        form_scale=outputs[0].denominator,
    )


def _pieces(network: Network, inputs: Block) -> Iterator[tuple[mpq, mpq, np.ndarray, Block]]:
    """(low, high, codes, output) of every piece, from left to right, depth first."""

    def affine(k: int, sources: list[Block]) -> Block:
        node = network.nodes[k]
        assert isinstance(node, Affine)
        return node.apply(sources)

    stack = [(0, mpq(0), mpq(1), {0: inputs}, [np.zeros(0, dtype=np.int64)])]
    while stack:
        number, low, high, known, codes = stack.pop()
        values = network.through_affine(number, known, affine)
        if number == len(network.layers):
            yield low, high, np.concatenate(codes), values[network.output]
            continue
        layer = network.layers[number]
        source = values[layer.source]
        for a, b, part in reversed(_refine(low, high, layer.node, source)):
            child = {**values, layer.value: layer.node.apply(source, part)}
            stack.append((number + 1, a, b, child, [*codes, part]))


def _refine(
    low: mpq, high: mpq, node: Pointwise | MaxGroups, block: Block
) -> list[tuple[mpq, mpq, np.ndarray]]:
    """Cut [low, high] where the codes of the node's units change: [(from, to, codes)].

    Between neighbouring roots no unit changes, so the codes at the middle hold
    throughout; an odd code there means a unit that is at its breakpoint throughout.
    """
    roots = {low, high}
    for slope, height in _forms(node, block, low, high):
        if slope:
            root = mpq(-height, slope)
            if low < root < high:
                roots.add(root)
    cuts = sorted(roots)
    middles = [(a + b) / 2 for a, b in pairwise(cuts)]
    columns = np.stack([_column(block, t) for t in middles], axis=1)
    weights = objects(t.denominator for t in middles)
    codes = node.codes(Block(columns, weights, block.denominator))
    out: list[tuple[mpq, mpq, np.ndarray]] = []
    for k, (a, b) in enumerate(pairwise(cuts)):
        if out and np.array_equal(out[-1][2], codes[:, k]):
            out[-1] = (out[-1][0], b, codes[:, k])
        else:
            out.append((a, b, codes[:, k]))
    return out


def _column(block: Block, t: mpq) -> np.ndarray:
    """The values of the block at t, times t's denominator and the block's."""
    return block.columns.dot(objects([t.numerator, t.denominator]))


def _forms(
    node: Pointwise | MaxGroups, block: Block, low: mpq, high: mpq
) -> Iterator[tuple[mpz, mpz]]:
    """The affine forms (a, c) at whose roots a code of the node can change."""
    if isinstance(node, Pointwise):
        forms = node.knot_values(block)
        ends = forms.dot(np.stack([objects([t.numerator, t.denominator]) for t in (low, high)]).T)
        yield from (tuple(forms[k]) for k in np.nonzero((ends[:, 0] < 0) ^ (ends[:, 1] < 0))[0])
        return
    at_low, at_high = _column(block, low), _column(block, high)
    for group in node.groups:
        members = list(group)
        if _one_wins(at_low[members], at_high[members]):
            continue
        for i, j in combinations(members, 2):
            yield tuple(block.columns[i] - block.columns[j])


def _one_wins(first: np.ndarray, last: np.ndarray) -> bool:
    """Whether one member is largest at both ends, hence all the way."""
    return bool(((first == first.max()) & (last == last.max())).any())


def _tied(forms: np.ndarray, scale: mpz, t: mpq, level: mpq) -> Classes | None:
    """The outputs that tie for the largest at t (none where one equals the level), or None."""
    values = forms.dot(objects([t.numerator, t.denominator]))
    if len(values) == 1:
        return () if values[0] == level * scale * t.denominator else None
    largest = np.nonzero(values == values.max())[0]
    return tuple(largest.tolist()) if len(largest) > 1 else None


def _merged(found: list[Crossing]) -> list[Crossing]:
    """The crossings without repetition, in order: intervals joined, their ends left out."""
    intervals: list[Crossing] = []
    for item in sorted((c for c in found if c.start < c.end), key=lambda c: c.start):
        last = intervals[-1] if intervals else None
        if last is not None and last.end == item.start and last.classes == item.classes:
            intervals[-1] = Crossing(last.start, item.end, item.classes)
        else:
            intervals.append(item)
    covered = {t for c in intervals for t in (c.start, c.end)}
    points = {c.start: c for c in found if c.start == c.end}
    inside = [
        c
        for t, c in points.items()
        if t not in covered and not any(i.start < t < i.end for i in intervals)
    ]
    return sorted([*intervals, *inside], key=lambda c: c.start)
