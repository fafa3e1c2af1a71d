"""Reference algorithm: find every activation region by recursive cutting, in exact integers.

Starting from the window, each activation layer cuts each cell along the knot
lines of its units (Lemmas 1 and 2 of proofs/partition.md, of SplineCam too: on a cell
the layers so far are one affine map of (u, v), so a unit's pre-activation is a line).
Theorem 7 there says why the result is the partition. There is no
floating point, no tolerance and no special case for degenerate input: a unit
splits a cell if and only if its pre-activation has both strict signs at corners.

Two savings keep it usable, neither changes what is decided: units that do not
cut a cell are settled by one matrix of corner values, and siblings differ in few
units, so their affine maps are the first sibling's plus a low-rank update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..arithmetic.rational import objects
from ..model.geometry import Line, Point, Polygon, clip
from ..model.network import Layer, Network
from ..model.nodes import Activation, Block, MaxGroups, Pointwise
from ..model.slice import Slice, Window

__all__ = ["RawCell", "Siblings", "activation_cells", "refine"]


@dataclass(frozen=True)
class RawCell:
    """One activation region: corners counter-clockwise, codes of all units, affine output map."""

    corners: tuple[Point, ...]
    codes: np.ndarray
    output: Block


def activation_cells(
    network: Network, slice: Slice, window: Window, progress: Callable[[int], None] | None = None
) -> Iterator[RawCell]:
    """Every activation region of `network` on the window, in no particular order.

    Depth first, so memory is that of one branch. Time per region is dominated by
    (units of a layer) x (corners + units cut) integer products.
    """
    outline: Polygon = list(zip(window.vertices, window.sides, strict=True))
    values = network.blocks_before(0, {0: slice.block})
    stack = [(0, outline, values, [np.zeros(0, dtype=np.int64)])]
    found = 0
    while stack:
        number, polygon, values, codes = stack.pop()
        if number == len(network.layers):
            found += 1
            if progress is not None and found % 64 == 0:
                progress(found)
            corners = tuple(corner for corner, _ in polygon)
            yield RawCell(corners, np.concatenate(codes), values[network.output])
            continue
        layer = network.layers[number]
        parts = refine(polygon, layer.node, values[layer.source])
        siblings = Siblings(network, layer, values, parts[0][1])
        for part, own in parts:
            stack.append((number + 1, part, siblings.member(own), [*codes, own]))


def refine(polygon: Polygon, node: Activation, block: Block) -> list[tuple[Polygon, np.ndarray]]:
    """Cut one convex cell along an activation node: [(part, codes of its units)].

    `block` is the node's input as affine forms on the cell: columns (u, v, 1).
    """
    corners = objects((x for corner, _ in polygon for x in corner), (len(polygon), 3)).T
    if isinstance(node, Pointwise):
        return _refine_pointwise(polygon, corners, node, block)
    return _refine_max(polygon, corners, node, block)


def _refine_pointwise(
    polygon: Polygon, corners: np.ndarray, node: Pointwise, block: Block
) -> list[tuple[Polygon, np.ndarray]]:
    """Cut a cell along the knot lines of a pointwise layer that cross it."""
    lines = node.knot_values(block)
    values = lines.dot(corners)
    above, below = (values > 0).any(axis=1), (values < 0).any(axis=1)
    # +1 for each knot the unit is above, 0 on it, -1 below; crossing knots are set below.
    sides = above.astype(np.int64) - below.astype(np.int64)
    crossing = np.nonzero(above & below)[0]
    parts: list[tuple[Polygon, list[int]]] = [(polygon, [])]
    for knot in crossing:
        line: Line = tuple(lines[knot])
        parts = [
            (piece, [*settled, state])
            for part, settled in parts
            for piece, state in zip(clip(part, line), (1, -1), strict=True)
            if piece is not None
        ]
    out = []
    for part, settled in parts:
        state = sides.copy()
        state[crossing] = settled
        codes = np.zeros(node.size, dtype=np.int64)
        np.add.at(codes, node.knots.unit, state + 1)
        out.append((part, codes))
    return out


def _refine_max(
    polygon: Polygon, corners: np.ndarray, node: MaxGroups, block: Block
) -> list[tuple[Polygon, np.ndarray]]:
    """Cut a cell into the parts on which one member of each max group is the largest."""
    values = block.columns.dot(corners)
    settled = np.zeros(node.size, dtype=np.int64)
    cut: list[int] = []
    for units, groups in node.by_length:
        rows = values[groups]
        largest = (rows == rows.max(axis=1, keepdims=True)).all(axis=2)
        settled[units] = largest.argmax(axis=1)
        cut += units[~largest.any(axis=1)].tolist()
    parts = [(polygon, settled)]
    for group in sorted(cut):
        members = list(node.groups[group])
        rows, forms = values[members], block.columns[members]
        # A member that another one matches or beats at every corner is never needed.
        rivals = [m for m in range(len(members)) if not _dominated(rows, m)]
        refined = []
        for part, codes in parts:
            for m in rivals:
                piece = _where_largest(part, forms, m, rivals)
                if piece is not None:
                    piece_codes = codes.copy()
                    piece_codes[group] = m
                    refined.append((piece, piece_codes))
        parts = refined
    return parts


def _dominated(rows: np.ndarray, member: int) -> bool:
    """Whether one other member is as large at every corner (of equal members the first counts)."""
    covered = (rows >= rows[member]).all(axis=1)
    same = (rows == rows[member]).all(axis=1)
    first_of_equals = np.arange(len(rows)) < member
    return bool((covered & (~same | first_of_equals)).any())


def _where_largest(
    polygon: Polygon, forms: np.ndarray, member: int, rivals: list[int]
) -> Polygon | None:
    """The part of `polygon` where `member` is the largest, None if it has no interior."""
    for rival in rivals:
        line: Line = tuple(forms[member] - forms[rival])
        if rival == member or not any(line):
            continue
        positive = clip(polygon, line)[0]
        if positive is None:
            return None
        polygon = positive
    return polygon


class Siblings:
    """The values behind one layer for cells with equal codes before it: one pass, then updates.

    The first member is evaluated in full up to the next layer; every other differs from
    it in few units, so its values are the first's plus a low-rank update.

    Parameters
    ----------
    network : Network
    layer : Layer
        The layer in whose codes the members differ.
    values : dict of int to Block
        The live values at the layer, by number.
    codes : np.ndarray, int64 (units of the layer,)
        The first member's codes.
    """

    def __init__(
        self, network: Network, layer: Layer, values: dict[int, Block], codes: np.ndarray
    ) -> None:
        self._network, self._layer, self._codes = network, layer, codes
        self._source, self._run = values[layer.source], network.affine_runs[layer.number + 1]
        self._first = {**values, layer.value: layer.node.apply(self._source, codes)}
        for k in self._run.nodes:
            affine = network.affine_nodes[k]
            self._first[k + 1] = affine.apply([self._first[i] for i in affine.inputs])

    def member(self, codes: np.ndarray) -> dict[int, Block]:
        """The live values of the sibling with these codes."""
        units = np.nonzero(codes != self._codes)[0]
        values = dict(self._first)
        if len(units):
            self._update(values, codes, units)
        return {v: block for v, block in values.items() if v in self._run.live}

    def _update(self, values: dict[int, Block], codes: np.ndarray, units: np.ndarray) -> None:
        """Turn the first member's values into those of the member that differs in `units`."""
        first, at = self._first, self._layer.value
        own, rows_now = first[at], self._layer.node.apply(self._source, codes, units).columns
        if at in self._run.live:  # read later, so wanted whole
            columns = own.columns.copy()
            columns[units] = rows_now
            values[at] = Block(columns, own.weights, own.denominator)
        # Per changed value: the rows that changed (None: all of them) and by how much.
        changed: dict[int, tuple[np.ndarray | None, np.ndarray]] = {
            at: (units, rows_now - own.columns[units])
        }
        for k in self._run.nodes:
            affine, base, update = self._network.affine_nodes[k], first[k + 1], None
            for matrix, value in zip(affine.matrices, affine.inputs, strict=True):
                if value not in changed:
                    continue
                rows, difference = changed[value]
                term = (
                    matrix.apply(difference)
                    if rows is None
                    else matrix.apply_columns(rows, difference)
                )
                factor = base.denominator // (affine.scale * first[value].denominator)
                term = term * factor if factor != 1 else term
                update = term if update is None else update + term
            if update is not None:
                values[k + 1] = Block(base.columns + update, base.weights, base.denominator)
                changed[k + 1] = (None, update)
