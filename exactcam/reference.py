"""The definition in code: every region, cell by cell, in exact integers only.

Starting from the window, each activation layer cuts each cell along the knot
lines of its units (Lemma 1 and 2 of SplineCam: on a cell the layers so far are
one affine map of (u, v), so a unit's pre-activation is a line). There is no
floating point, no tolerance and no special case for degenerate input: a unit
splits a cell if and only if its pre-activation has both strict signs at corners.

Two savings keep it usable, neither changes what is decided: units that do not
cut a cell are settled by one matrix of corner values, and siblings differ in few
units, so their affine maps are the first sibling's plus a low-rank update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from .geometry import Line, Point, Polygon, side, split
from .network import Network
from .nodes import Affine, Block, MaxGroups, Node, Pointwise
from .rational import objects
from .slice import Slice, Window

__all__ = ["RawCell", "activation_cells", "refine"]


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
    values, node = _through_affine(network, {0: slice.block})
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
        children = _siblings(network, k, values, [part_codes for _, part_codes in parts])
        for (part, part_codes), (next_node, child) in zip(parts, children, strict=True):
            stack.append((next_node, part, child, [*codes, part_codes]))


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
        np.add.at(codes, node.knots[0], state + 1)
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
    parts = [(polygon, np.zeros(node.size, dtype=np.int64))]
    for group, members in enumerate(node.groups):
        rows = values[list(members)]
        always = np.nonzero((rows == rows.max(axis=0)).all(axis=1))[0]
        if len(always):
            for _, codes in parts:
                codes[group] = always[0]
            continue
        forms = block.columns[list(members)]
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


def _through_affine(network: Network, values: dict[int, Block]) -> tuple[dict[int, Block], int]:
    """Evaluate the affine nodes before the first activation node."""
    run = _affine_run(network, 0)
    for k in run:
        node = network.nodes[k]
        assert isinstance(node, Affine)
        values[k + 1] = node.apply([values[i] for i in node.inputs])
    return _live(network, values, len(run)), len(run)


def _affine_run(network: Network, start: int) -> list[int]:
    rest = range(start, len(network.nodes))
    return list(takewhile(lambda k: isinstance(network.nodes[k], Affine), rest))


def _live(network: Network, values: dict[int, Block], k: int) -> dict[int, Block]:
    return {value: block for value, block in values.items() if network.last_use[value] >= k}


def _siblings(
    network: Network, k: int, values: dict[int, Block], all_codes: list[np.ndarray]
) -> list[tuple[int, dict[int, Block]]]:
    """The values after node k and the affine nodes behind it, for each sibling's codes."""
    node = network.nodes[k]
    assert not isinstance(node, Affine)
    source = values[node.source]
    first = dict(values)
    first[k + 1] = node.apply(source, all_codes[0])
    run = _affine_run(network, k + 1)
    # Keep every value of the run: siblings need the first one's as their base.
    for m in run:
        affine = network.nodes[m]
        assert isinstance(affine, Affine)
        first[m + 1] = affine.apply([first[i] for i in affine.inputs])
    stop = k + 1 + len(run)
    out = [(stop, _live(network, first, stop))]
    for codes in all_codes[1:]:
        units = np.nonzero(codes != all_codes[0])[0]
        block = node.apply(source, codes) if len(run) == 0 or len(units) else first[k + 1]
        sibling = {**values, k + 1: block}
        changed: dict[int, tuple[np.ndarray | None, np.ndarray]] = {
            k + 1: (units, block.columns[units] - first[k + 1].columns[units])
        }
        for m in run:
            affine = network.nodes[m]
            assert isinstance(affine, Affine)
            base = first[m + 1]
            update = None
            for matrix, value in zip(affine.matrices, affine.inputs, strict=True):
                if value not in changed:
                    continue
                rows, difference = changed[value]
                factor = base.denominator // (affine.scale * first[value].denominator)
                term = (
                    matrix.apply(difference)
                    if rows is None
                    else matrix.apply_columns(rows, difference)
                )
                term = term * factor if factor != 1 else term
                update = term if update is None else update + term
            if update is None:
                sibling[m + 1] = base
                continue
            sibling[m + 1] = Block(base.columns + update, base.weights, base.denominator)
            changed[m + 1] = (None, update)
        out.append((stop, _live(network, sibling, stop)))
    return out
