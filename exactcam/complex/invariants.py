"""Check a partition against the definition, sharing no code with the engines.

A set of polygons is the exact partition if (a) each is strictly convex and
counter-clockwise, (b) they fit edge to edge and their areas sum to the window's,
(c) at the corners of a polygon no unit is strictly on another piece than the
polygon's pattern says, so that by induction on layers the network is one affine map
on it, and (d) patterns are distinct and are the network's in the interior, so that
no region is cut in two. Forward passes at points, comparisons and edges suffice.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..arithmetic.rational import objects
from ..errors import InvariantError
from ..model.geometry import homogeneous, polygon_of, side
from ..model.nodes import Affine, Block, MaxGroups, Pointwise
from .cell_data import CellData

__all__ = ["check_invariants"]

_CHUNK = 1 << 22  # codes compared at once: bounds memory, not a decision


def check_invariants(data: CellData) -> None:
    """Raise InvariantError unless the complex is what a partition must be.

    O(corners x units) comparisons and one exact forward pass per vertex and cell.
    """
    data.vertices.prefetch()
    _check_outlines(data)
    _check_tiling(data)
    keys = [pattern.tobytes() for pattern in data.patterns]
    if any(a >= b for a, b in pairwise(keys)):
        raise InvariantError("patterns are not distinct and in canonical order")
    points = [homogeneous(*cell.interior_point) for cell in data.cells]
    codes = data.network.forward(data.slice.points(points))[1]
    if not np.array_equal(codes.T, data.patterns):
        raise InvariantError("a pattern is not the network's at an interior point of its cell")
    _check_corners(data)


def _check_outlines(data: CellData) -> None:
    """(a): every corner is strictly to the left of every edge that it is no end of."""
    for cell in data.cells:
        outline = polygon_of(cell.points)
        for k, (_, line) in enumerate(outline):
            for m, (point, _) in enumerate(outline):
                if m not in (k, (k + 1) % len(outline)) and side(line, point) <= 0:
                    raise InvariantError(f"cell {cell.index} is not strictly convex")


def _check_tiling(data: CellData) -> None:
    """(b): cells fit edge to edge, Euler's formula holds, and areas sum to the window's."""
    edges, vertices = data.edges, data.vertices
    for a, b in edges.vertices[(edges.cells < 0).any(axis=1)]:
        ends = vertices[a], vertices[b]
        if not any(all(side(s, end) == 0 for end in ends) for s in data.window.sides):
            raise InvariantError("an edge with a cell on one side only is not on the window")
    euler = data.vertex_count - len(edges) + len(data)
    if euler != 1:
        raise InvariantError(f"V - E + F = {euler}, not 1")
    if data.area_sum != data.window.area:
        raise InvariantError(f"areas sum to {data.area_sum}, the window's is {data.window.area}")


def _check_corners(data: CellData) -> None:
    """(c), and that the output maps are the network's at three corners or more of each cell."""
    network, corners = data.network, data.corners
    owner = np.repeat(np.arange(len(data)), np.diff(data.offsets))
    chunks = 1 + len(corners) * network.units // _CHUNK
    for here in np.array_split(np.arange(len(corners)), chunks):
        cells = owner[here]
        points = [data.vertices[v] for v in corners[here]]
        patterns = data.patterns[cells].T.astype(np.int64)
        values, start = {0: data.slice.points(points)}, 0
        for k, node in enumerate(network.nodes):
            if isinstance(node, Affine):
                values[k + 1] = node.apply([values[i] for i in node.inputs])
                continue
            own = patterns[start : start + node.size]
            wrong = _strictly_elsewhere(node, values[node.source], own)
            if wrong.any():
                unit, corner = np.argwhere(wrong)[0]
                raise InvariantError(
                    f"cell {cells[corner]}: unit {start + unit} leaves its piece at a corner"
                )
            start += node.size
            values[k + 1] = node.apply(values[node.source], own)
        output = values[network.output]
        flat = objects((x for point in points for x in point), (len(points), 1, 3))
        ours = (data.forms[cells] * flat).sum(axis=2)
        differs = ours * output.denominator != output.columns.T * data.form_scale
        if differs.any():
            cell = cells[np.argwhere(differs)[0, 0]]
            raise InvariantError(f"cell {cell}: the output map is not the network's")


def _strictly_elsewhere(node: Pointwise | MaxGroups, block: Block, own: np.ndarray) -> np.ndarray:
    """Where a unit is not on the closure of the piece `own` (units, columns)."""
    codes = node.codes(block)
    if isinstance(node, Pointwise):
        return np.abs(codes - own) > (own % 2 == 0)
    return node.apply(block, own).columns != node.apply(block, codes).columns
