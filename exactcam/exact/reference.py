"""The definition in code: every region, cell by cell, in exact integers only.

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
from ..model.geometry import Line, Point, Polygon, side, split
from ..model.network import Network
from ..model.nodes import Affine, Block, MaxGroups, Node, Pointwise
from ..model.slice import Slice, Window

__all__ = ["RawCell", "Siblings", "activation_cells", "refine", "through_affine"]


@dataclass(frozen=True)
class RawCell:
    """One activation region: corners counter-clockwise, codes of all units, output map."""

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
    values, node = through_affine(network, 0, {0: slice.block})
    stack = [(node, outline, values, [np.zeros(0, dtype=np.int64)])]
    found = 0
    while stack:
        k, polygon, values, codes = stack.pop()
        if k == len(network.nodes):
            found += 1
            if progress is not None and found % 64 == 0:
                progress(found)
            corners = tuple(corner for corner, _ in polygon)
            yield RawCell(corners, np.concatenate(codes), values[network.output])
            continue
        node_here = network.nodes[k]
        parts = refine(polygon, node_here, values[node_here.inputs[0]])
        siblings = Siblings(network, k, values, parts[0][1])
        for part, own in parts:
            stack.append((siblings.stop, part, siblings.member(own), [*codes, own]))


def refine(polygon: Polygon, node: Node, block: Block) -> list[tuple[Polygon, np.ndarray]]:
    """Cut one convex cell along an activation node: [(part, codes of its units)].

    `block` is the node's input as affine forms on the cell: columns (u, v, 1).
    """
    corners = objects((x for corner, _ in polygon for x in corner), (len(polygon), 3)).T
    if isinstance(node, Pointwise):
        return _refine_pointwise(polygon, corners, node, block)
    assert isinstance(node, MaxGroups)
    return _refine_max(polygon, corners, node, block)


def _refine_pointwise(
    polygon: Polygon, corners: np.ndarray, node: Pointwise, block: Block
) -> list[tuple[Polygon, np.ndarray]]:
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
            for piece, state in _cut(part, line)
        ]
    out = []
    for part, settled in parts:
        state = sides.copy()
        state[crossing] = settled
        codes = np.zeros(node.size, dtype=np.int64)
        np.add.at(codes, node.knots.unit, state + 1)
        out.append((part, codes))
    return out


def _cut(polygon: Polygon, line: Line) -> list[tuple[Polygon, int]]:
    signs = [side(line, corner) for corner, _ in polygon]
    if 1 in signs and -1 in signs:
        positive, negative = split(polygon, signs, line)
        return [(positive, 1), (negative, -1)]
    return [(polygon, 1 if 1 in signs else -1 if -1 in signs else 0)]


def _refine_max(
    polygon: Polygon, corners: np.ndarray, node: MaxGroups, block: Block
) -> list[tuple[Polygon, np.ndarray]]:
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
        signs = [side(line, corner) for corner, _ in polygon]
        if 1 not in signs:
            return None
        if -1 in signs:
            polygon = split(polygon, signs, line)[0]
    return polygon


def through_affine(
    network: Network, start: int, values: dict[int, Block]
) -> tuple[dict[int, Block], int]:
    """Evaluate the affine nodes from `start` up to the next activation node, and its index."""
    run = _affine_run(network, start)
    for k, node in run:
        values[k + 1] = node.apply([values[i] for i in node.inputs])
    stop = start + len(run)
    return _live(network, values, stop), stop


def _affine_run(network: Network, start: int) -> list[tuple[int, Affine]]:
    run: list[tuple[int, Affine]] = []
    for k in range(start, len(network.nodes)):
        node = network.nodes[k]
        if not isinstance(node, Affine):
            break
        run.append((k, node))
    return run


def _live(network: Network, values: dict[int, Block], k: int) -> dict[int, Block]:
    return {value: block for value, block in values.items() if network.last_use[value] >= k}


class Siblings:
    """The values behind activation node k, for cells with equal codes before it.

    The first member is evaluated in full up to the next activation node; every other
    differs from it in few units, so its values are the first's plus a low-rank update.
    """

    def __init__(
        self, network: Network, k: int, values: dict[int, Block], codes: np.ndarray
    ) -> None:
        node = network.nodes[k]
        assert not isinstance(node, Affine)
        self._network, self._k, self._node = network, k, node
        self._source, self._codes = values[node.source], codes
        self._run = _affine_run(network, k + 1)
        self.stop = k + 1 + len(self._run)
        self._first = {**values, k + 1: node.apply(self._source, codes)}
        for m, affine in self._run:
            self._first[m + 1] = affine.apply([self._first[i] for i in affine.inputs])

    def member(self, codes: np.ndarray) -> dict[int, Block]:
        """The live values of the sibling with these codes."""
        units = np.nonzero(codes != self._codes)[0]
        if not len(units):
            return _live(self._network, self._first, self.stop)
        first, own = self._first, self._first[self._k + 1]
        rows_now = self._node.apply(self._source, codes, units).columns
        values = dict(first)
        if self._network.last_use[self._k + 1] >= self.stop:  # read later, so wanted whole
            columns = own.columns.copy()
            columns[units] = rows_now
            values[self._k + 1] = Block(columns, own.weights, own.denominator)
        # Per changed value: the rows that changed (None: all of them) and by how much.
        changed: dict[int, tuple[np.ndarray | None, np.ndarray]] = {
            self._k + 1: (units, rows_now - own.columns[units])
        }
        for m, affine in self._run:
            base, update = first[m + 1], None
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
                values[m + 1] = Block(base.columns + update, base.weights, base.denominator)
                changed[m + 1] = (None, update)
        return _live(self._network, values, self.stop)
