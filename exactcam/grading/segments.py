"""Decision boundary segments an engine gave, against the exact boundary's."""

from __future__ import annotations

import numpy as np

from ..arithmetic.rational import mpq, to_float
from ..complex.boundary import Segment
from ..complex.partition import Partition
from ..model.geometry import Point, homogeneous
from .boxes import BoxTree
from .output import EngineOutput
from .result import Finding
from .shapes import distance_to_segment

__all__ = ["check_boundary"]


def check_boundary(
    truth: Partition, output: EngineOutput, tolerance: mpq
) -> tuple[list[Finding], list[str]]:
    """(findings, what cannot be told) about the decision boundary segments given."""
    if output.boundary is None and not output.boundary_unclear:
        return [], []
    boundary = truth.decision_boundary()
    exact = boundary.segments
    if output.boundary is None:
        if exact:
            return [Finding("boundary missing", (), (k,)) for k in range(len(exact))], []
        return [], ["the engine's answer for the boundary means 'none' (right) or 'failed'"]
    given = output.boundary
    finite = np.isfinite(given).all(axis=(1, 2))
    ends = {
        int(g): (homogeneous(*given[g, 0].tolist()), homogeneous(*given[g, 1].tolist()))
        for g in np.nonzero(finite)[0]
    }
    near = _near(given[finite], np.nonzero(finite)[0], exact, tolerance)
    ranked = sorted((_ends_off(ends[g], exact[e]), g, e) for g, e in near)
    taken: dict[int, int] = {}
    used: set[int] = set()
    findings = []
    # Nearest first: within the pass mark it is the segment, nearer than its own length it
    # stands for it with wrong ends.
    for far, g, e in ranked:
        if g in taken or e in used or far > max(tolerance**2, exact[e].squared_length):
            continue
        taken[g] = e
        used.add(e)
        if far > tolerance**2:
            findings.append(Finding("boundary wrong", (g,), (e,), far))
    findings += [Finding("boundary extra", (g,)) for g in range(len(given)) if g not in taken]
    findings += [Finding("boundary missing", (), (e,)) for e in range(len(exact)) if e not in used]
    return findings, []


def _near(
    given: np.ndarray, numbers: np.ndarray, exact: tuple[Segment, ...], tolerance: mpq
) -> list[tuple[int, int]]:
    """(segment given, exact segment) whose boxes come within the pass mark."""
    if not len(given) or not exact:
        return []
    points = np.asarray([[_float(s.start), _float(s.end)] for s in exact])
    given = given.astype(np.float64)
    margin = to_float(tolerance) * (1 + 2.0**-40) + 2.0**-50 * np.abs(given).max()
    query, box = BoxTree(points.min(axis=1), points.max(axis=1)).pairs(
        given.min(axis=1) - margin, given.max(axis=1) + margin
    )
    return list(zip(numbers[query].tolist(), box.tolist(), strict=True))


def _float(point: Point) -> tuple[float, float]:
    return to_float(mpq(point[0], point[2])), to_float(mpq(point[1], point[2]))


def _squared(a: Point, b: Point) -> mpq:
    return distance_to_segment(a, b, b)


def _ends_off(ends: tuple[Point, Point], segment: Segment) -> mpq:
    """The squared distance of the farther ends, in the better of the two directions."""
    a, b = ends
    s, t = segment.start, segment.end
    return min(max(_squared(a, s), _squared(b, t)), max(_squared(a, t), _squared(b, s)))
