"""Compares the decision boundary segments an engine gave with those of the exact boundary."""

from __future__ import annotations

import numpy as np

from ..arithmetic.rational import mpq, to_float
from ..complex.boundary import Segment
from ..complex.partition import Partition
from ..model.geometry import Point, cartesian, homogeneous, squared_distance
from .boxes import BoxTree
from .output import EngineOutput
from .result import Finding

__all__ = ["check_boundary"]


def check_boundary(
    truth: Partition, output: EngineOutput, tolerance: mpq
) -> tuple[list[Finding], list[str]]:
    """Compare an engine's decision boundary segments with the exact ones.

    Parameters
    ----------
    truth, output : Partition, EngineOutput
        What is compared.
    tolerance : mpq
        The pass mark: how far an end may be off, in slice coordinates.

    Returns
    -------
    findings : list of Finding
        "boundary missing", "boundary extra" and "boundary wrong"; decided exactly.
    unclear : list of str
        What the engine's output does not tell. Near-linear in the number of segments.
    """
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
    # Nearest first. Within the pass mark a segment is the exact one; if it is off by more, but
    # by less than the exact one's length, it is taken for that one with wrong ends.
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
    points = np.asarray(
        [[[to_float(x) for x in cartesian(end)] for end in (s.start, s.end)] for s in exact]
    )
    given = given.astype(np.float64)
    margin = to_float(tolerance) * (1 + 2.0**-40) + 2.0**-50 * np.abs(given).max()
    query, box = BoxTree(points.min(axis=1), points.max(axis=1)).pairs(
        given.min(axis=1) - margin, given.max(axis=1) + margin
    )
    return list(zip(numbers[query].tolist(), box.tolist(), strict=True))


def _ends_off(ends: tuple[Point, Point], segment: Segment) -> mpq:
    """The squared distance of the farther ends, in the better of the two directions."""
    (a, b), (s, t) = ends, (segment.start, segment.end)
    same = max(squared_distance(a, s), squared_distance(b, t))
    return min(same, max(squared_distance(a, t), squared_distance(b, s)))
