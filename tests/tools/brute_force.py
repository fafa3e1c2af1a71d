"""The partition of a small network by brute force: every polygon is split by every line.

Nothing of the engines is used and nothing is clever: rational polygons and affine maps, one cell
at a time. A pattern may come out in several pieces (max groups are split by all pairs of their
members), so what is compared is the exact area of each pattern.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from gmpy2 import mpq

from exactcam import Network, Slice, Window
from exactcam.model.nodes import Affine, MaxGroups, Pointwise

Point = tuple[mpq, mpq]
Form = tuple[mpq, mpq, mpq]


def areas_of_patterns(network: Network, plane: Slice, window: Window) -> dict[tuple[int, ...], mpq]:
    """The exact area of every activation pattern that has one."""
    inputs = [
        (mpq(u), mpq(v), mpq(w)) for u, v, w in zip(plane.e1, plane.e2, plane.origin, strict=True)
    ]
    found: dict[tuple[int, ...], mpq] = defaultdict(mpq)
    corners = [(mpq(u), mpq(v)) for u, v in window.corners]
    for codes, polygon in _refined(network, 0, [inputs], [], corners):
        found[tuple(codes)] += _area(polygon)
    return dict(found)


def _refined(
    network: Network, k: int, values: list[list[Form]], codes: list[int], polygon: list[Point]
) -> Iterator[tuple[list[int], list[Point]]]:
    """The parts of a polygon on which all nodes from k on are affine, with their codes."""
    if k == len(network.nodes):
        yield codes, polygon
        return
    node = network.nodes[k]
    if isinstance(node, Affine):
        yield from _refined(network, k + 1, [*values, _affine(node, values)], codes, polygon)
        return
    x = values[node.source]
    if isinstance(node, Pointwise):
        functions = [node.functions[f] for f in node.which]
        lines = [
            (a, b, c - t) for (a, b, c), f in zip(x, functions, strict=True) for t in f.breakpoints
        ]
    else:
        lines = [_minus(x[i], x[j]) for group in node.groups for i, j in combinations(group, 2)]
    parts = [polygon]
    for line in lines:
        parts = [half for part in parts for half in _halves(part, line)]
    for part in parts:
        u, v = (sum((p[axis] for p in part), mpq(0)) / len(part) for axis in (0, 1))
        if isinstance(node, Pointwise):
            own, out = _pointwise(functions, x, u, v)
        else:
            own, out = _largest(node, x, u, v)
        yield from _refined(network, k + 1, [*values, out], [*codes, *own], part)


def _affine(node: Affine, values: list[list[Form]]) -> list[Form]:
    rows = []
    for row in range(node.size):
        total = [mpq(0), mpq(0), mpq(node.bias[row])]
        for matrix, value in zip(node.matrices, node.inputs, strict=True):
            indptr, indices, data = matrix.csr()
            for m in range(indptr[row], indptr[row + 1]):
                for axis in range(3):
                    total[axis] += data[m] * values[value][indices[m]][axis]
        rows.append((total[0] / node.scale, total[1] / node.scale, total[2] / node.scale))
    return rows


def _pointwise(functions: Any, x: list[Form], u: mpq, v: mpq) -> tuple[list[int], list[Form]]:
    codes, out = [], []
    for (a, b, c), function in zip(x, functions, strict=True):
        height = a * u + b * v + c
        below = sum(t < height for t in function.breakpoints)
        tie = a == b == 0 and height in function.breakpoints
        slope, intercept = function.pieces[below]
        codes.append(2 * below + tie)
        out.append((slope * a, slope * b, slope * c + intercept))
    return codes, out


def _largest(node: MaxGroups, x: list[Form], u: mpq, v: mpq) -> tuple[list[int], list[Form]]:
    codes = []
    for group in node.groups:
        heights = [x[m][0] * u + x[m][1] * v + x[m][2] for m in group]
        codes.append(heights.index(max(heights)))
    return codes, [x[group[code]] for group, code in zip(node.groups, codes, strict=True)]


def _minus(p: Form, q: Form) -> Form:
    return p[0] - q[0], p[1] - q[1], p[2] - q[2]


def _halves(polygon: list[Point], line: Form) -> list[list[Point]]:
    """The parts of a polygon on the two sides of a line that crosses it, else the polygon."""
    heights = [line[0] * u + line[1] * v + line[2] for u, v in polygon]
    if min(heights) >= 0 or max(heights) <= 0:
        return [polygon]
    out = []
    for side in (1, -1):
        half: list[Point] = []
        for k, (u, v) in enumerate(polygon):
            here, (x, y), there = side * heights[k - 1], polygon[k - 1], side * heights[k]
            if here * there < 0:
                share = here / (here - there)
                half.append((x + share * (u - x), y + share * (v - y)))
            if there >= 0:
                half.append((u, v))
        out.append(half)
    return out


def _area(polygon: list[Point]) -> mpq:
    pairs = zip(polygon, [*polygon[1:], polygon[0]], strict=True)
    return sum((u * y - x * v for (u, v), (x, y) in pairs), mpq(0)) / 2
