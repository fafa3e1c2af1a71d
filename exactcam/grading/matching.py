"""Match an engine's polygons to the exact cells, and name everything that does not fit.

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
from .attributes import Attributes
from .boxes import BoxTree
from .clean import Polygons, convex_polygons, without_repeats
from .output import EngineOutput
from .result import Finding
from .shapes import Shapes, distance_squared, distance_to_segment, ragged, squared_distance_to

__all__ = ["Match", "match", "rounded_vertices", "truth_shapes"]


@dataclass(frozen=True, eq=False)
class Match:
    """Which hulls of an engine's polygons stand for which cells, and what is wrong with the rest.

    Attributes
    ----------
    hulls, cells : int64 ndarray (matched,)
        The matched pairs.
    worst : (mpq, int) or None
        The largest exact squared Hausdorff distance of a pair, and the position of that pair.
    degenerate : dict
        Polygon -> cell, where both have no interior once the cell is rounded.
    unsure : list of (int, int)
        Pairs (polygon, cell) that position alone matches.
    findings : list of Finding
        One for everything that does not fit.
    """

    hulls: np.ndarray
    cells: np.ndarray
    worst: tuple[mpq, int] | None
    degenerate: dict[int, int]
    unsure: list[tuple[int, int]]
    findings: list[Finding]


def truth_shapes(truth: Partition) -> Shapes:
    """The exact cells of a partition as shapes, with their correctly rounded vertices."""
    xy = truth.float_vertices[truth.corners]
    return Shapes(xy, truth.offsets, lambda i: truth.vertices[truth.corners[i]])


@dataclass(frozen=True, eq=False)
class _Inputs:
    """What is matched: polygons to cells, with distances between them on demand."""

    output: EngineOutput
    engine: Polygons
    truth: Shapes
    tolerance: mpq
    attributes: Attributes

    def squared(self, hull: int, cell: int) -> mpq:
        """The exact squared Hausdorff distance of a polygon and a cell."""
        exact = distance_squared(self.engine.hulls.points(hull), self.truth.points(cell))
        return max(exact, self.engine.depth2.get(hull, mpq(0)))

    def within(
        self, hulls: np.ndarray, cells: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(within the pass mark, decided exactly; lower, upper bound of the distance) of pairs."""
        low, high = self.engine.hulls.distances(hulls, self.truth, cells)
        mark = to_float(self.tolerance)
        out = high <= np.nextafter(mark, 0)
        deep = np.isin(hulls, list(self.engine.depth2))
        for k in np.nonzero(deep | (~out & ~(low > np.nextafter(mark, np.inf))))[0]:
            out[k] = self.squared(int(hulls[k]), int(cells[k])) <= self.tolerance**2
        return out, low, high

    def agree(self, hulls: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """1, -1 or 0 for each pair, as `Attributes.agree`."""
        return self.attributes.agree(self.engine.owner[hulls], cells)

    def rounded(self, flat: np.ndarray) -> np.ndarray:
        """The exact flat vertices, correctly rounded to the engine's precision."""
        return rounded_vertices(self.truth, flat, self.output.vertices.dtype)


@dataclass(frozen=True, eq=False)
class _Links:
    """Which polygons and cells hold each other's witness point.

    `covers`: hull -> cells whose witness it holds; `home`: hull -> cell that holds its own.
    """

    covers: dict[int, list[int]]
    home: dict[int, int]

    def mutual(self) -> np.ndarray:
        """The linked pairs (hull, cell), int64 (pairs, 2)."""
        found = [(h, c) for h, c in self.home.items() if c in self.covers.get(h, ())]
        return np.asarray(found, dtype=np.int64).reshape(-1, 2)


def match(
    output: EngineOutput,
    engine: Polygons,
    truth: Shapes,
    tolerance: mpq,
    attributes: Attributes,
) -> Match:
    """Match an engine's polygons to exact cells, and name what is wrong.

    Parameters
    ----------
    output, engine : EngineOutput, Polygons
        What the engine returned, and the same sorted by `clean`.
    truth : Shapes
        The exact cells, from `truth_shapes`.
    tolerance : mpq
        The pass mark, in slice coordinates.
    attributes : Attributes
        The engine's patterns and maps, as far as it gave them.

    Returns
    -------
    Match
        Every decision exact. Near-linear in the number of polygons and cells.
    """
    given = _Inputs(output, engine, truth, tolerance, attributes)
    links = _links(engine, truth)
    taken = _assign(given, *links.mutual().T)
    free = np.asarray(sorted(set(range(len(engine.owner))) - set(taken)), dtype=np.int64)
    left = set(range(len(truth))) - set(taken.values())
    hulls, cells = _nearby(given, free, np.asarray(sorted(left), dtype=np.int64))
    fits = given.agree(hulls, cells) >= 0
    small = _assign(given, hulls[fits], cells[fits])
    taken |= small
    degenerate = _degenerate(given, left - set(taken.values()))
    by_position = {**{int(engine.owner[h]): c for h, c in small.items()}, **degenerate}
    one, two = np.asarray(sorted(taken.items()), dtype=np.int64).reshape(-1, 2).T
    findings = _named(given, taken, links, set(degenerate.values()))
    findings += [
        Finding("phantom", (k,), note=reason)
        for k, reason in engine.phantoms.items()
        if k not in degenerate
    ]
    unsure = _unsure(given, by_position)
    return Match(one, two, _worst(given, one, two), degenerate, unsure, findings)


def _links(engine: Polygons, truth: Shapes) -> _Links:
    """Which polygons and cells hold each other's witness point."""
    covers: dict[int, list[int]] = defaultdict(list)
    home: dict[int, int] = {}
    if len(engine.owner):
        part, cell = engine.parts.holding(truth)
        for h, c in sorted(set(zip(engine.part_owner[part].tolist(), cell.tolist(), strict=True))):
            covers[h].append(c)
        cell, part = truth.holding(engine.parts)
        for p, c in sorted(zip(part.tolist(), cell.tolist(), strict=True)):
            home.setdefault(int(engine.part_owner[p]), c)
    return _Links(covers, home)


def _assign(given: _Inputs, hulls: np.ndarray, cells: np.ndarray) -> dict[int, int]:
    """Pair each hull and each cell at most once, nearest first, within the pass mark.

    Where there is a choice (cells that round to one polygon), pairs that the pattern or
    the map contradicts come last.
    """
    within, _, value = given.within(hulls, cells)
    hulls, cells, value = hulls[within], cells[within], value[within]
    choice = np.zeros(len(hulls), dtype=bool)
    for side in (hulls, cells):
        choice |= np.bincount(side, minlength=1)[side] > 1
    doubt = np.zeros(len(hulls), dtype=bool)
    doubt[choice] = given.agree(hulls[choice], cells[choice]) < 0
    taken: dict[int, int] = {}
    used: set[int] = set()
    for k in np.lexsort((cells, hulls, value, doubt)):
        h, c = int(hulls[k]), int(cells[k])
        if h not in taken and c not in used:
            taken[h] = c
            used.add(c)
    return taken


def _nearby(given: _Inputs, free: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (hull, cell) whose boxes agree within the pass mark, as they must if the polygons do."""
    if not len(free) or not len(cells):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    hulls = given.engine.hulls
    low, high = (side[free] for side in hulls.boxes)
    cell_low, cell_high = (side[cells] for side in given.truth.boxes)
    margin = to_float(given.tolerance) * (1 + 2.0**-40) + 2.0**-50 * np.abs(hulls.xy).max()
    query, box = BoxTree(cell_low, cell_low).pairs(low - margin, low + margin)
    same = (np.abs(cell_high[box] - high[query]) <= margin).all(axis=1)
    return free[query[same]], cells[box[same]]


def _degenerate(given: _Inputs, cells: set[int]) -> dict[int, int]:
    """Phantoms that are what rounding makes of a cell: {polygon: cell}.

    A cell thinner than the spacing of the engine's floats rounds to a polygon without
    area, so an engine that returns its rounded vertices is right.
    """
    truth, tolerance = given.truth, given.tolerance
    phantoms = [k for k, reason in given.engine.phantoms.items() if reason != "not finite"]
    if not phantoms or not cells:
        return {}
    chosen = np.asarray(sorted(cells))
    position, flat = ragged(truth.offsets, chosen)
    xy = given.rounded(flat).astype(np.float64)
    thin = chosen[convex_polygons(*without_repeats(xy, position, len(chosen))) == 0]
    out: dict[int, int] = {}
    for k in phantoms:
        corners = [homogeneous(*p) for p in sorted(map(tuple, given.output.polygon(k).tolist()))]
        for c in thin.tolist() if corners else ():
            points = truth.points(c)
            there = max(squared_distance_to(p, points) for p in corners)
            back = max(distance_to_segment(p, corners[0], corners[-1]) for p in points)
            fits = given.attributes.agree(np.asarray([k]), np.asarray([c]))[0] >= 0
            if fits and c not in out.values() and max(there, back) <= tolerance**2:
                out[k] = c
                break
    return out


def _unsure(given: _Inputs, by_position: dict[int, int]) -> list[tuple[int, int]]:
    """Of the pairs (polygon, cell) matched by position, those that nothing else confirms.

    Neither pattern nor map is given, and the vertices are not the cell's correctly rounded ones.
    """
    if not by_position:
        return []
    polygons, cells = (np.asarray(side) for side in zip(*sorted(by_position.items()), strict=True))
    out = []
    for k, c, agrees in zip(polygons, cells, given.attributes.agree(polygons, cells), strict=True):
        right = given.rounded(np.arange(given.truth.offsets[c], given.truth.offsets[c + 1]))
        corners = given.output.polygon(k)
        if not agrees and set(map(tuple, right.tolist())) != set(map(tuple, corners.tolist())):
            out.append((int(k), int(c)))
    return out


def rounded_vertices(shapes: Shapes, flat: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Exact vertices, correctly rounded to the nearest floats of a precision.

    Parameters
    ----------
    shapes : Shapes
        Exact cells with their vertices rounded to float64.
    flat : int ndarray (n,)
        Flat indices of vertices.
    dtype : dtype
        float16, float32 or float64.

    Returns
    -------
    ndarray (n, 2) of `dtype`
    """
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


def _worst(given: _Inputs, hulls: np.ndarray, cells: np.ndarray) -> tuple[mpq, int] | None:
    """The largest exact squared distance of a pair, and its position.

    Evaluated only for pairs whose bounds allow them to be the largest.
    """
    if not len(hulls):
        return None
    low, high = given.engine.hulls.distances(hulls, given.truth, cells)
    deep = np.isin(hulls, list(given.engine.depth2))
    running = np.nonzero((high >= low.max()) | deep)[0]
    return max((given.squared(int(hulls[k]), int(cells[k])), int(k)) for k in running)


def _named(
    given: _Inputs, taken: dict[int, int], links: _Links, degenerate: set[int]
) -> list[Finding]:
    """A finding for every polygon and cell that is not matched, named by its links."""
    engine, home, covers = given.engine, links.home, links.covers
    by_cell = {c: h for h, c in taken.items()}
    open_cells = set(range(len(given.truth))) - set(by_cell) - degenerate
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
        return int(given.agree(np.asarray([h]), np.asarray([c]))[0])

    for h in left:
        inside = home.get(h, -1)
        held = [c for c in covers.get(h, ()) if c in open_cells]
        if len(held) > 1:
            add("merged", [h], held)
        elif len(sharing.get(inside, ())) > 1:
            if sharing[inside][0] == h:
                add("split", sharing[inside], [inside])
        elif held and (held[0] == inside or fits(h, held[0]) >= 0):
            add("displaced", [h], held, given.squared(h, held[0]))
        elif inside in open_cells:
            add("displaced", [h], [inside], given.squared(h, inside))
        elif inside in by_cell and given.squared(h, inside) <= given.tolerance**2:
            add("duplicated", [h], [inside])
        elif inside in by_cell and fits(h, inside) > 0:
            add("split", [by_cell[inside], h], [inside])
        else:
            add("extra", [h], sorted({inside, *covers.get(h, ())} - {-1}))
    return findings + [Finding("missing", (), (c,)) for c in sorted(open_cells - told)]
