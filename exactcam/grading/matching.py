"""Which polygon stands for which exact cell, and a name for everything that does not fit.

A polygon and a cell are *linked* if each holds the other's witness point (a point
strictly inside). A polygon stands for a cell if their Hausdorff distance is within
the pass mark; linked pairs are taken in order of distance, each polygon and each
cell once. Cells smaller than the engine's own error may not be linked at all, so
what is left over is paired by distance alone - if the polygon's vertices are the
cell's rounded ones, or its pattern or map fits the cell. Without either, position
cannot tell, and the pair is reported as such. What is still left is named by its
links: merged, split, displaced, duplicated, extra, missing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ..arithmetic.rational import mpq, sign, to_float
from ..complex.partition import Partition
from ..model.geometry import homogeneous
from .boxes import BoxTree
from .clean import Polygons, convex_polygons, without_repeats
from .labels import Labels
from .output import EngineOutput
from .result import Finding
from .shapes import (
    Shapes,
    distance_squared,
    distance_to_segment,
    ragged,
    squared_distance_to,
)

__all__ = ["Match", "match", "rounded_vertices", "truth_shapes"]


@dataclass(frozen=True, eq=False)
class Match:
    """`hulls` and `cells` matched pairwise, the exact worst (squared distance, position),
    `degenerate` pairs (polygon, cell) whose rounded cell has no interior either, `unsure`
    pairs (polygon, cell) that only their position matches."""

    hulls: np.ndarray
    cells: np.ndarray
    worst: tuple[mpq, int] | None
    degenerate: dict[int, int]
    unsure: list[tuple[int, int]]
    findings: list[Finding]


def truth_shapes(truth: Partition) -> Shapes:
    """The exact cells with their correctly rounded vertices."""
    xy = truth.float_vertices[truth.corners]
    return Shapes(xy, truth.offsets, lambda i: truth.vertices[truth.corners[i]])


class _Pairs:
    """Hausdorff distances of (hull, cell) pairs: bounds for all, exact values on demand."""

    def __init__(self, engine: Polygons, truth: Shapes, tolerance: mpq) -> None:
        self.engine, self.truth, self.tolerance = engine, truth, tolerance

    def squared(self, hull: int, cell: int) -> mpq:
        exact = distance_squared(self.engine.hulls.points(hull), self.truth.points(cell))
        return max(exact, self.engine.depth2.get(hull, mpq(0)))

    def within(
        self, hulls: np.ndarray, cells: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(within the pass mark? exact; bounds of the distance)."""
        low, high = self.engine.hulls.distances(hulls, self.truth, cells)
        mark = to_float(self.tolerance)
        out = high <= np.nextafter(mark, 0)
        deep = np.isin(hulls, list(self.engine.depth2))
        for k in np.nonzero(deep | (~out & ~(low > np.nextafter(mark, np.inf))))[0]:
            out[k] = self.squared(int(hulls[k]), int(cells[k])) <= self.tolerance**2
        return out, low, high


def match(
    output: EngineOutput, engine: Polygons, shapes: Shapes, tolerance: mpq, labels: Labels
) -> Match:
    """Match polygons to cells and name what is wrong. Near-linear; every decision exact."""
    pairs = _Pairs(engine, shapes, tolerance)
    covers, home = _links(engine, shapes)
    linked = [(h, c) for h, c in home.items() if c in covers.get(h, ())]
    one, two = np.asarray(linked, dtype=np.int64).reshape(-1, 2).T
    taken = _assign(pairs, one, two, labels)
    free = np.asarray(sorted(set(range(len(engine.owner))) - set(taken)), dtype=np.int64)
    left = set(range(len(shapes))) - set(taken.values())
    open_cells = np.asarray(sorted(left), dtype=np.int64)
    hulls, cells = _nearby(engine.hulls, free, shapes, open_cells, tolerance)
    fits = labels.agree(engine.owner[hulls], cells) >= 0
    small = _assign(pairs, hulls[fits], cells[fits], labels)
    taken |= small
    degenerate = _degenerate(output, engine, shapes, left - set(taken.values()), tolerance, labels)
    alone = {**{int(engine.owner[h]): c for h, c in small.items()}, **degenerate}
    unsure = _unsure(output, shapes, alone, labels)
    matched = sorted(taken.items())
    one, two = np.asarray(matched, dtype=np.int64).reshape(-1, 2).T
    findings = _name(
        engine, len(shapes), taken, covers, home, pairs, labels, set(degenerate.values())
    )
    findings += [
        Finding("phantom", (k,), note=reason)
        for k, reason in engine.phantoms.items()
        if k not in degenerate
    ]
    return Match(one, two, _worst(pairs, one, two), degenerate, unsure, findings)


def _links(engine: Polygons, shapes: Shapes) -> tuple[dict[int, list[int]], dict[int, int]]:
    """(cells whose witness each hull's polygon holds, cell that holds its witness)."""
    covers: dict[int, list[int]] = defaultdict(list)
    home: dict[int, int] = {}
    if len(engine.owner):
        piece, cell = engine.pieces.holding(shapes)
        for h, c in sorted(
            set(zip(engine.piece_owner[piece].tolist(), cell.tolist(), strict=True))
        ):
            covers[h].append(c)
        cell, piece = shapes.holding(engine.pieces)
        for p, c in sorted(zip(piece.tolist(), cell.tolist(), strict=True)):
            home.setdefault(int(engine.piece_owner[p]), c)
    return covers, home


def _assign(pairs: _Pairs, hulls: np.ndarray, cells: np.ndarray, labels: Labels) -> dict[int, int]:
    """Each hull and each cell at most once, nearest first, within the pass mark; where there
    is a choice (cells that round to one polygon) those last that pattern or map contradict."""
    within, _, value = pairs.within(hulls, cells)
    hulls, cells, value = hulls[within], cells[within], value[within]
    choice = np.zeros(len(hulls), dtype=bool)
    for side in (hulls, cells):
        choice |= np.bincount(side, minlength=1)[side] > 1
    doubt = np.zeros(len(hulls), dtype=bool)
    doubt[choice] = labels.agree(pairs.engine.owner[hulls[choice]], cells[choice]) < 0
    taken: dict[int, int] = {}
    used: set[int] = set()
    for k in np.lexsort((cells, hulls, value, doubt)):
        h, c = int(hulls[k]), int(cells[k])
        if h not in taken and c not in used:
            taken[h] = c
            used.add(c)
    return taken


def _nearby(
    hulls: Shapes, free: np.ndarray, shapes: Shapes, cells: np.ndarray, tolerance: mpq
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs whose boxes agree within the pass mark, as they must if the polygons do."""
    if not len(free) or not len(cells):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    low, high = (side[free] for side in hulls.boxes)
    cell_low, cell_high = (side[cells] for side in shapes.boxes)
    margin = to_float(tolerance) * (1 + 2.0**-40) + 2.0**-50 * np.abs(hulls.xy).max()
    query, box = BoxTree(cell_low, cell_low).pairs(low - margin, low + margin)
    same = (np.abs(cell_high[box] - high[query]) <= margin).all(axis=1)
    return free[query[same]], cells[box[same]]


def _degenerate(
    output: EngineOutput,
    engine: Polygons,
    shapes: Shapes,
    cells: set[int],
    tolerance: mpq,
    labels: Labels,
) -> dict[int, int]:
    """Phantoms that are what rounding makes of a cell: {polygon: cell}.

    A cell thinner than the engine's number type has no polygon in it; the engine
    that returns its rounded vertices is right, and so is its polygon without area.
    """
    phantoms = [k for k, reason in engine.phantoms.items() if reason != "not finite"]
    if not phantoms or not cells:
        return {}
    chosen = np.asarray(sorted(cells))
    position, flat = ragged(shapes.offsets, chosen)
    xy = rounded_vertices(shapes, flat, output.vertices.dtype).astype(np.float64)
    thin = chosen[convex_polygons(*without_repeats(xy, position, len(chosen))) == 0]
    out: dict[int, int] = {}
    for k in phantoms:
        corners = [homogeneous(*p) for p in sorted(map(tuple, output.polygon(k).tolist()))]
        for c in thin.tolist() if corners else ():
            points = shapes.points(c)
            there = max(squared_distance_to(p, points) for p in corners)
            back = max(distance_to_segment(p, corners[0], corners[-1]) for p in points)
            fits = labels.agree(np.asarray([k]), np.asarray([c]))[0] >= 0
            if fits and c not in out.values() and max(there, back) <= tolerance**2:
                out[k] = c
                break
    return out


def _unsure(
    output: EngineOutput, shapes: Shapes, alone: dict[int, int], labels: Labels
) -> list[tuple[int, int]]:
    """Of the pairs matched by position alone, those nothing else confirms: neither pattern
    nor map is given, and the vertices are not the cell's correctly rounded ones."""
    if not alone:
        return []
    polygons, cells = (np.asarray(side) for side in zip(*sorted(alone.items()), strict=True))
    out = []
    for k, c, agrees in zip(polygons, cells, labels.agree(polygons, cells), strict=True):
        flat = np.arange(shapes.offsets[c], shapes.offsets[c + 1])
        right = rounded_vertices(shapes, flat, output.vertices.dtype)
        if not agrees and set(map(tuple, right.tolist())) != set(
            map(tuple, output.polygon(k).tolist())
        ):
            out.append((int(k), int(c)))
    return out


def rounded_vertices(shapes: Shapes, flat: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The exact flat vertices, correctly rounded to `dtype` (float16, 32 or 64)."""
    xy = shapes.xy[flat]
    out = xy.astype(dtype)
    if dtype.itemsize == 8:
        return out
    # Rounding twice is wrong only where the first rounding lands halfway between two floats.
    back = out.astype(np.float64)
    toward = np.nextafter(out, np.where(xy > back, np.inf, -np.inf).astype(dtype))
    halfway = (xy != back) & (xy - back == toward.astype(np.float64) - xy)
    for i, axis in np.argwhere(halfway):
        point = shapes.exact(int(flat[i]))
        beyond = sign(mpq(point[axis], point[2]) - mpq(xy[i, axis]))
        if beyond:
            pair = (out[i, axis], toward[i, axis])
            out[i, axis] = max(pair) if beyond > 0 else min(pair)
    return out


def _worst(pairs: _Pairs, hulls: np.ndarray, cells: np.ndarray) -> tuple[mpq, int] | None:
    """The exact largest distance: only pairs whose bounds leave them in the running."""
    if not len(hulls):
        return None
    low, high = pairs.engine.hulls.distances(hulls, pairs.truth, cells)
    deep = np.isin(hulls, list(pairs.engine.depth2))
    running = np.nonzero((high >= low.max()) | deep)[0]
    return max((pairs.squared(int(hulls[k]), int(cells[k])), int(k)) for k in running)


def _name(
    engine: Polygons,
    cells: int,
    taken: dict[int, int],
    covers: dict[int, list[int]],
    home: dict[int, int],
    pairs: _Pairs,
    labels: Labels,
    explained: set[int],
) -> list[Finding]:
    """What the links say about every polygon and cell that is not matched."""
    by_cell = {c: h for h, c in taken.items()}
    open_cells = set(range(cells)) - set(by_cell) - explained
    sharing: dict[int, list[int]] = defaultdict(list)
    left = [h for h in range(len(engine.owner)) if h not in taken]
    for h in left:
        if home.get(h) in open_cells:
            sharing[home[h]].append(h)
    findings: list[Finding] = []
    told: set[int] = set()

    def add(kind: str, hulls: list[int], found: list[int], squared: mpq | None = None) -> None:
        owners = tuple(int(engine.owner[h]) for h in hulls)
        findings.append(Finding(kind, owners, tuple(found), squared))
        told.update(found)

    def fits(h: int, c: int) -> int:
        return int(labels.agree(engine.owner[[h]], np.asarray([c]))[0])

    for h in left:
        inside = home.get(h, -1)
        held = [c for c in covers.get(h, ()) if c in open_cells]
        if len(held) > 1:
            add("merged", [h], held)
        elif len(sharing.get(inside, ())) > 1:
            if sharing[inside][0] == h:
                add("split", sharing[inside], [inside])
        elif held and (held[0] == inside or fits(h, held[0]) >= 0):
            add("displaced", [h], held, pairs.squared(h, held[0]))
        elif inside in open_cells:
            add("displaced", [h], [inside], pairs.squared(h, inside))
        elif inside in by_cell and pairs.squared(h, inside) <= pairs.tolerance**2:
            add("duplicated", [h], [inside])
        elif inside in by_cell and fits(h, inside) > 0:
            add("split", [by_cell[inside], h], [inside])
        else:
            add("extra", [h], sorted({inside, *covers.get(h, ())} - {-1}))
    return findings + [Finding("missing", (), (c,)) for c in sorted(open_cells - told)]
