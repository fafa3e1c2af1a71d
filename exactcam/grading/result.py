"""The result of a comparison: findings and figures, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..arithmetic.rational import Real, decimal_text, digits, json_number, mpq, nearest, root_sum
from ..complex.partition import Partition
from ..model.slice import Window
from ..runtime.arguments import integer, words
from .areas import Areas
from .output import EngineOutput

__all__ = ["KINDS", "Comparison", "Finding", "finding_text", "pass_mark"]

KINDS = {
    "missing": "a region no polygon stands for",
    "merged": "one polygon covers several regions",
    "split": "several polygons share one region",
    "displaced": "the region is there, off by more than the pass mark",
    "duplicated": "a second polygon for a region that has one",
    "extra": "a polygon that stands for no region",
    "uncovered": "no polygon covers a part of the window, though every region has one",
    "phantom": "no polygon at all: zero area, under three vertices, folded or not finite",
    "wrong pattern": "the pattern given is not the region's",
    "wrong map": "the affine map given is off by more than the pass mark",
    "boundary missing": "a decision boundary segment the engine does not have",
    "boundary extra": "a segment that is not on the decision boundary",
    "boundary wrong": "a segment on the decision boundary with wrong ends",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with an engine's output.

    Attributes
    ----------
    kind : str
        One of KINDS.
    polygons, cells : tuple of int
        The engine's polygons and the exact cells concerned; for the kinds "boundary ...",
        segments of either.
    squared : mpq or None
        The exact squared Hausdorff distance, where one was measured.
    note : str
        What else is to be said.
    """

    kind: str
    polygons: tuple[int, ...] = ()
    cells: tuple[int, ...] = ()
    squared: mpq | None = None
    note: str = ""

    def __repr__(self) -> str:
        text = _short(finding_text(replace(self, note=""), most=2), 70)
        return f"<Finding {self.kind}{': ' if text else ''}{text}>"

    @property
    def distance(self) -> Real | None:
        """The exact Hausdorff distance, rounded once (see `rational.root_sum`)."""
        return None if self.squared is None else root_sum([self.squared])


@dataclass(frozen=True, eq=False)
class Comparison:
    """An engine's output graded against the exact partition.

    Attributes
    ----------
    truth, output : Partition, EngineOutput
        What was compared.
    tolerance : mpq
        The pass mark for a window of half width 1 (see `mark`).
    matched : int64 ndarray (m, 2)
        The pairs of polygon and cell.
    worst : (mpq, int, int) or None
        The largest exact squared Hausdorff distance of a pair, its polygon and its cell.
    rounded, corners : int
        So many of all vertices of matched polygons are the correctly rounded exact ones,
        in the engine's own precision.
    map_error : mpq or None
        The largest error of a coefficient of a matched polygon's map.
    areas : Areas
        Exact areas of gaps, overlaps and of what is outside the window.
    findings : tuple of Finding
        Everything that is wrong.
    folded : tuple of int
        Polygons that cross themselves by less than the pass mark.
    unclear : tuple of str
        What cannot be told from the engine's output.
    """

    truth: Partition = field(repr=False)
    output: EngineOutput = field(repr=False)
    tolerance: mpq
    matched: np.ndarray
    worst: tuple[mpq, int, int] | None
    rounded: int
    corners: int
    map_error: mpq | None
    areas: Areas
    findings: tuple[Finding, ...]
    folded: tuple[int, ...] = ()
    unclear: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<Comparison {self.verdict}: {len(self.matched)} of {len(self.truth)} regions "
            f"matched, {len(self.findings)} findings>"
        )

    @property
    def mark(self) -> mpq:
        """The pass mark on this window: `tolerance` times half of its longer side."""
        return pass_mark(self.tolerance, self.truth.window)

    @property
    def verdict(self) -> str:
        """'engine raised', 'differs', 'cannot tell' or 'pass': the worst that applies."""
        if self.output.error:
            return "engine raised"
        return "differs" if self.findings else "cannot tell" if self.unclear else "pass"

    @property
    def passed(self) -> bool:
        """Whether the verdict is 'pass'."""
        return self.verdict == "pass"

    @property
    def worst_distance(self) -> Real:
        """The largest exact Hausdorff distance of a matched region, rounded once."""
        return 0.0 if self.worst is None else root_sum([self.worst[0]])

    @property
    def counts(self) -> dict[str, int]:
        """How many findings of each kind, kinds without any left out."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    def of_kind(self, kind: str) -> list[Finding]:
        """The findings of one of KINDS."""
        words(kind, "kind", tuple(KINDS))
        return [finding for finding in self.findings if finding.kind == kind]

    def summary(self, limit: int = 5) -> str:
        """The report as text; at most `limit` findings of a kind are named."""
        integer(limit, "limit", least=0)
        lines = [f"verdict             {self.verdict}"]
        if self.output.error:
            lines.append(f"engine's error      {self.output.error}")
        lines += [
            f"pass mark           {decimal_text(self.tolerance)} ({digits(self.tolerance)}), "
            f"{digits(self.mark)} on this window",
            f"regions             {len(self.truth):,} exact, {len(self.output):,} polygons, "
            f"{len(self.matched):,} matched",
        ]
        if self.worst is not None:
            lines.append(
                f"worst vertex error  {digits(self.worst_distance)} "
                f"(polygon {self.worst[1]}, region {self.worst[2]})"
            )
            lines.append(f"correctly rounded   {self.rounded:,} of {self.corners:,} corners")
        if self.map_error is not None:
            lines.append(f"worst affine map    {digits(self.map_error)}")
        if not self.output.error:
            lines.append(
                f"areas               gap {digits(self.areas.gap)}, "
                f"overlap {digits(self.areas.overlap)}, "
                f"outside {digits(self.areas.outside)}, "
                f"sum {digits(self.areas.total, 17)}"
            )
        if self.folded:
            lines.append(
                f"folded              {len(self.folded)} polygons, by less than the pass mark"
            )
        for kind, number in self.counts.items():
            lines.append(f"{kind + ':':<19} {number:,} ({KINDS[kind]})")
            lines += [f"  {finding_text(finding)}" for finding in self.of_kind(kind)[:limit]]
            if number > limit:
                lines.append(f"  ... and {number - limit:,} more")
        lines += [f"cannot tell: {reason}" for reason in self.unclear]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The whole report as JSON values; areas and distances exact as p/q text.

        A rounded number beyond the range of floats is p/q text too: there is no NaN and no
        infinity.
        """
        worst = None
        if self.worst is not None:
            squared, polygon, region = self.worst
            worst = {
                "distance": json_number(self.worst_distance),
                "squared_distance": decimal_text(squared),
                "polygon": polygon,
                "region": region,
            }
        return {
            "verdict": self.verdict,
            "error": self.output.error,
            "tolerance": decimal_text(self.tolerance),
            "mark": decimal_text(self.mark),
            "network_sha256": self.truth.network.sha256,
            "regions": len(self.truth),
            "polygons": len(self.output),
            "matched": self.matched.tolist(),
            "worst": worst,
            "corners": self.corners,
            "correctly_rounded": self.rounded,
            "map_error": None if self.map_error is None else json_number(nearest(self.map_error)),
            "areas": {
                "window": decimal_text(self.truth.window.area),
                "total": decimal_text(self.areas.total),
                "gap": json_number(self.areas.gap),
                "overlap": json_number(self.areas.overlap),
                "outside": json_number(self.areas.outside),
            },
            "counts": self.counts,
            "findings": [
                {
                    "kind": f.kind,
                    "polygons": list(f.polygons),
                    "regions": list(f.cells),
                    "distance": json_number(f.distance),
                    "note": f.note,
                }
                for f in self.findings
            ],
            "folded": list(self.folded),
            "unclear": list(self.unclear),
        }


def pass_mark(tolerance: mpq, window: Window) -> mpq:
    """How far a region may be off on a window: `tolerance` times half of its longer side."""
    return tolerance * window.extent / 2


def finding_text(finding: Finding, most: int = 8) -> str:
    """One line: which polygons, which regions (at most `most` of each by number), how far."""
    segment = finding.kind.startswith("boundary")
    parts = []
    for label, numbers in (
        ("segment" if segment else "polygon", finding.polygons),
        ("exact segment" if segment else "region", finding.cells),
    ):
        if numbers:
            shown = ", ".join(map(str, numbers[:most])) + (", ..." if len(numbers) > most else "")
            parts.append(f"{label}{'s' if len(numbers) > 1 else ''} {shown}")
    if finding.distance is not None:
        parts.append(f"off by {digits(finding.distance)}")
    if finding.note:
        parts.append(finding.note)
    return "; ".join(parts)


def _short(text: str, most: int) -> str:
    """The text, cut to `most` characters."""
    return text if len(text) <= most else text[: most - 3] + "..."
