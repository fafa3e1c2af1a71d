"""Check a partition against the definition, sharing no code with the engines.

A set of polygons is the exact partition if (a) each is strictly convex and
counter-clockwise, (b) they fit edge to edge and their areas sum to the window's,
(c) at the corners of a polygon no unit is strictly on another piece than the
polygon's pattern says, so that by induction on layers the network is one affine map
on it, and (d) patterns are distinct and are the network's in the interior, so that
no region is cut in two. Forward passes at points, comparisons and edges suffice.
"""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np

from ..arithmetic.rational import objects, shortened
from ..errors import InvariantError
from ..model.geometry import homogeneous, side
from ..model.nodes import Affine, Block, MaxGroups, Pointwise
from .cell_data import CellData
from .patterns import following

__all__ = ["check_continuity", "check_invariants", "check_some", "check_tiling"]

_CHUNK = 1 << 22  # codes compared at once: bounds memory, not a decision


def check_invariants(data: CellData) -> None:
    """Raise InvariantError unless the complex is what a partition must be.

    O(corners x units) comparisons and one exact forward pass per vertex and cell.
    """
    check_tiling(data)
    points = [homogeneous(*cell.interior_point) for cell in data.cells]
    codes = data.network.forward(data.slice.points(points))[1]
    if not np.array_equal(codes.T, data.patterns):
        raise InvariantError("a pattern is not the network's at an interior point of its cell")
    _check_corners(data)


def check_tiling(data: CellData) -> None:
    """Raise InvariantError unless the cells tile the window and have different patterns.

    This is what can be said of a result without its network: (a), (b) and the first half of
    (d). It takes a fraction of the time of reading a result file.

    A strictly convex counter-clockwise cell winds once around each of its points. The sum of
    all cells' outlines, in which inner edges cancel, therefore winds around a point as often as
    cells cover it. What is left of the sum runs along the window's boundary, so it winds
    equally often around all of the window's interior and never around a point outside; by the
    areas, once.
    """
    data.vertices.prefetch()
    _check_outlines(data)
    _check_cover(data)
    keys = [pattern.tobytes() for pattern in data.patterns]
    if any(a >= b for a, b in pairwise(keys)):
        raise InvariantError("patterns are not distinct and in canonical order")


def check_continuity(data: CellData) -> None:
    """Raise InvariantError unless the output maps of all cells at a vertex agree there."""
    corners, first = data.corners, np.unique(data.corners, return_index=True)[1]
    owner = np.repeat(np.arange(len(data)), np.diff(data.offsets))
    x, y, w = _places(data)
    for output in range(data.network.outputs):
        a, b, c = data.forms[:, output].T
        values = a[owner] * x
        values += b[owner] * y
        values += c[owner] * w
        wrong = values != values[first[corners]]
        if wrong.any():
            cell, other = owner[np.argmax(wrong)], owner[first[corners[np.argmax(wrong)]]]
            raise InvariantError(
                f"region {cell}: output {output} does not continue that of region {other}"
            )


def check_some(data: CellData, most: int) -> None:
    """Raise InvariantError unless pattern and output map of a few cells are the network's there.

    Evenly spaced, at one interior point each: what this proves of other cells is nothing.
    """
    chosen = [data.cells[int(k)] for k in np.linspace(0, len(data) - 1, min(most, len(data)))]
    points = [homogeneous(*cell.interior_point) for cell in chosen]
    output, codes = data.network.forward(data.slice.points(points))
    for k, (cell, point) in enumerate(zip(chosen, points, strict=True)):
        if not np.array_equal(codes[:, k], cell.pattern):
            raise InvariantError(f"region {cell.index}: its pattern is not the network's")
        ours = data.form(cell.index).dot(objects(point)) * output.denominator
        if (ours != output.columns[:, k] * data.form_scale).any():
            raise InvariantError(f"region {cell.index}: its output map is not the network's")


def _places(data: CellData) -> np.ndarray:
    """The homogeneous coordinates x, y, w of all corners, exact, (3, corners)."""
    flat = np.fromiter(chain.from_iterable(data.vertices), dtype=object)
    return flat.reshape(-1, 3).T[:, data.corners]


def _check_outlines(data: CellData) -> None:
    """(a): every cell turns left at every corner, and once around.

    Lexicographically, a walk around a convex polygon goes up and then down: where it turns left
    everywhere, it has as many such pairs of runs as it goes around.
    """
    x, y, w = _places(data)
    after = following(data.offsets)
    p, q, r = x[after], y[after], w[after]
    a, b, c = y * r - w * q, w * p - x * r, x * q - y * p  # the lines of the edges, as in `join`
    onward = after[after]
    left = a * x[onward] + b * y[onward] + c * w[onward] > 0
    up = b > 0  # to a larger u, or to a larger v at the same u
    upright = np.nonzero(b == 0)[0]
    up[upright] = a[upright] < 0
    runs = np.add.reduceat((up != up[after]).astype(np.int64), data.offsets[:-1])
    bad = ~np.logical_and.reduceat(left.astype(bool), data.offsets[:-1]) | (runs != 2)
    if bad.any():
        cell = int(bad.argmax())
        raise InvariantError(f"region {cell} is not strictly convex and counter-clockwise")


def _check_cover(data: CellData) -> None:
    """(b): cells fit edge to edge, Euler's formula holds, and areas sum to the window's."""
    edges, vertices, sides = data.edges, data.vertices, data.window.sides
    outer = np.nonzero((edges.cells < 0).any(axis=1))[0]
    ends = [tuple(vertices[end] for end in pair) for pair in edges.vertices[outer]]
    for edge, pair in zip(outer, ends, strict=True):
        if not any(all(side(s, end) == 0 for end in pair) for s in sides):
            raise InvariantError(
                f"region {edges.cells[edge].max()} has an edge with a region on one side only that "
                "is not on the window's boundary"
            )
    euler = data.vertex_count - len(edges) + len(data)
    if euler != 1:
        raise InvariantError(f"V - E + F = {euler}, not 1 (Euler's formula)")
    if data.area_sum != data.window.area:
        raise InvariantError(
            f"areas sum to {shortened(data.area_sum)}, the window's is "
            f"{shortened(data.window.area)}"
        )
    for edge, pair in zip(outer, ends, strict=True):
        if any(side(s, end) < 0 for s in sides for end in pair):
            raise InvariantError(f"region {edges.cells[edge].max()} is not inside the window")


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
