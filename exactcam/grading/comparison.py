"""Grades an engine's polygons against the exact partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arithmetic.rational import digits, mpq, rational
from ..complex.partition import Partition
from ..errors import ExactcamError
from ..runtime.arguments import expect
from .areas import Areas, areas
from .attributes import Attributes
from .clean import clean
from .matching import match, rounded_vertices, truth_shapes
from .output import EngineOutput, engine_output
from .result import Comparison, Finding, pass_mark
from .segments import check_boundary
from .shapes import Shapes, ragged

__all__ = ["compare"]

_UNCOVERED = mpq(1, 1000)  # of the window: rounding to float32 leaves less uncovered


def compare(
    truth: Partition,
    polygons: EngineOutput | Sequence[Any],
    tolerance: Any = "1e-5",
    **more: Any,
) -> Comparison:
    """Grade an engine's output against the exact partition `truth`.

    Parameters
    ----------
    truth : Partition
        The exact partition of the network, slice and window the engine was run on.
    polygons : EngineOutput or sequence of float arrays (vertices, 2)
        The engine's regions in slice coordinates, open or closed, of any orientation.
        Every float is taken as the exact number it is.
    tolerance : exact number
        The pass mark: how far a region (Hausdorff distance) or an end of a segment may be off,
        in units of half the longer side of the window (so 1e-5 is 1e-5 on [-1, 1]^2); and a
        map's coefficient, relative to the largest for a map with coefficients above 1. Also
        the share of the window that may be uncovered, where it is above a thousandth.
    **more
        `patterns`, `affine`, `boundary` and the other fields of EngineOutput.

    Returns
    -------
    Comparison
        Every decision exact. Near-linear: 100,000 regions take under a minute.

    Raises
    ------
    FileFormatError
        Where the arrays do not fit together or do not fit the network.
    ExactcamError
        For a negative tolerance.
    """
    expect(truth, Partition, "truth", "the exact partition, of exactcam.partition")
    output = engine_output(polygons, **more)
    mark = rational(tolerance, "tolerance")
    if mark < 0:
        raise ExactcamError(f"tolerance {tolerance} is negative: give the largest error allowed")
    if output.error:
        nothing = Areas(truth.window.area, mpq(0))
        empty = np.zeros((0, 2), dtype=np.int64)
        return Comparison(truth, output, mark, empty, None, 0, 0, None, nothing, ())
    with np.errstate(all="ignore"):  # what overflows or underflows is decided exactly
        return _graded(truth, output, mark)


def _graded(truth: Partition, output: EngineOutput, tolerance: mpq) -> Comparison:
    """The comparison of an output that has polygons."""
    mark = pass_mark(tolerance, truth.window)
    engine, shapes = clean(output, mark), truth_shapes(truth)
    attributes = Attributes(truth, output, tolerance)
    found = match(output, engine, shapes, mark, attributes)
    owners = engine.owner[found.hulls]
    rounded, corners = _rounded(output, engine.hulls, found.hulls, shapes, found.cells)
    error, wrong_attributes = attributes.check(owners, found.cells)
    wrong_lines, unclear = check_boundary(truth, output, mark)
    unclear += [
        f"whether polygon {k} stands for region {c}: smaller than the pass mark, and neither its "
        "pattern nor its map is given"
        for k, c in found.unsure
    ]
    worst = None
    if found.worst is not None:
        squared, k = found.worst
        worst = squared, int(owners[k]), int(found.cells[k])
    pairs = [*zip(owners.tolist(), found.cells.tolist(), strict=True), *found.degenerate.items()]
    covered = areas(engine.parts, truth.window)
    wrong = [*found.findings, *wrong_attributes, *wrong_lines]
    if not wrong:
        wrong = _uncovered(covered, max(tolerance, _UNCOVERED))
    return Comparison(
        truth,
        output,
        tolerance,
        matched=np.asarray(sorted(pairs), dtype=np.int64).reshape(-1, 2),
        worst=worst,
        rounded=rounded,
        corners=corners,
        map_error=error,
        areas=covered,
        findings=tuple(wrong),
        folded=tuple(engine.folded),
        unclear=tuple(unclear),
    )


def _uncovered(covered: Areas, share: mpq) -> list[Finding]:
    """A finding where more than that share of the window is covered by no polygon. Exact."""
    if covered.gap_beyond(share * covered.window) <= 0:
        return []
    gap = covered.gap
    percent = digits(100 * mpq(gap) / covered.window, 3)
    return [Finding("uncovered", note=f"{percent}% of the window's area ({digits(gap)})")]


def _rounded(
    output: EngineOutput, hulls: Shapes, which: np.ndarray, shapes: Shapes, cells: np.ndarray
) -> tuple[int, int]:
    """(correctly rounded, all) corners of matched polygons, in the engine's precision."""
    position, flat = ragged(hulls.offsets, which)
    row, exact = ragged(shapes.offsets, cells)
    right = rounded_vertices(shapes, exact, output.vertices.dtype).astype(np.float64)
    keys = np.concatenate(
        [
            np.column_stack([position.astype(np.float64), hulls.xy[flat]]),
            np.column_stack([row.astype(np.float64), right]),
        ]
    )
    _, number = np.unique(keys + 0.0, axis=0, return_inverse=True)  # + 0.0: -0.0 equals 0.0
    number = number.ravel()
    return int(np.isin(number[: len(flat)], number[len(flat) :]).sum()), len(flat)
