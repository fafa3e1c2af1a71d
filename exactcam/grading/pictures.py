"""The report as one self-contained HTML page: the summary, and the worst places enlarged.

A vertex off by 1e-9 cannot be seen in a picture of the window, so every place gets a
view of the region and, where the error is much smaller, a second one zoomed to it.
Coordinates are taken relative to the view's centre as exact rationals before they
become floats, so a view of width 1e-20 is as sharp as one of width 1.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arithmetic.rational import mpq, to_float
from ..files.writing import write_text
from ..model.geometry import cartesian
from .matching import truth_shapes
from .result import KINDS, Comparison, Finding, finding_text
from .shapes import Shapes

__all__ = ["write_html"]

_SIZE, _REACH, _PER_KIND, _PLACES, _OVERVIEW = 420, 1.25, 4, 24, 4000
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1360px; color: #1c2833;
       padding: 0 1rem }
pre { background: #f4f6f7; padding: 1rem; overflow-x: auto; font-size: 13px }
.places { display: flex; flex-wrap: wrap; gap: 1.5rem }
figure { margin: 0; width: 422px } figcaption { font-size: 13px; margin-top: .3rem }
svg { border: 1px solid #aab7b8; background: #fff; display: block }
.cell { fill: #eaf2f8; stroke: #1f618d; stroke-width: 1 }
.wanted { fill: #a9dfbf; stroke: #1f618d; stroke-width: 1.5 }
.polygon { fill: none; stroke: #c0392b; stroke-width: 1.2; stroke-dasharray: 5 3 }
.given { fill: #e74c3c; fill-opacity: .3; stroke: #c0392b; stroke-width: 2 }
.mark { fill: none; stroke: #c0392b; stroke-width: 2 } text { font: 12px system-ui, sans-serif }
h1.pass { color: #1e8449 } h1.fail { color: #b03a2e }
"""
_LEGEND = (
    "Blue: exact regions, green those named. Red dashes: the engine's polygons, filled red those "
    "named. The bar gives the scale."
)

Corner = tuple[mpq, mpq]


@dataclass(frozen=True)
class _View:
    """A square view of the slice: its centre, and half its side."""

    centre: Corner
    half: mpq

    def relative(self, corners: Sequence[Corner]) -> list[tuple[float, float]]:
        """Coordinates in units of the half width, upwards."""
        (u, v), half = self.centre, self.half
        return [(to_float((x - u) / half), to_float((y - v) / half)) for x, y in corners]

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """A float box (low, high), (1, 2) each, that contains the view with a margin."""
        reach = self.half * mpq(5, 4)
        low = np.asarray([[to_float(c - reach) for c in self.centre]])
        high = np.asarray([[to_float(c + reach) for c in self.centre]])
        return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


class _Scene:
    """Everything that can be drawn, found by bounding box."""

    def __init__(self, result: Comparison) -> None:
        self.result = result
        self.cells = truth_shapes(result.truth)
        polygons = [result.output.polygon(k) for k in range(len(result.output))]
        # A polygon with NaN has no place.
        finite = [k for k, p in enumerate(polygons) if len(p) and np.isfinite(p).all()]
        self.numbers = np.asarray(finite, dtype=np.int64)
        self.polygons = Shapes.of([polygons[k].astype(np.float64) for k in finite])

    def cell(self, k: int) -> list[Corner]:
        """The exact corners of a cell."""
        return [cartesian(p) for p in self.cells.points(k)]

    def polygon(self, k: int) -> list[Corner]:
        """The corners of a polygon of the engine, none where one is not finite."""
        return _exact(self.result.output.polygon(k))

    def segments(self, finding: Finding) -> list[list[Corner]]:
        """The exact segments and the engine's that a finding names."""
        exact = self.result.truth.decision_boundary().segments
        given = self.result.output.boundary
        out = [[cartesian(exact[k].start), cartesian(exact[k].end)] for k in finding.cells]
        lines = [] if given is None else [_exact(given[k]) for k in finding.polygons]
        return out + [line for line in lines if line]

    def near(self, shapes: Shapes, view: _View) -> list[int]:
        """The shapes whose bounding box meets the view."""
        return [] if not len(shapes) else sorted(shapes.tree.pairs(*view.box())[1].tolist())


def _exact(corners: np.ndarray) -> list[Corner]:
    """Float points as exact ones, none where one is not finite."""
    if not np.isfinite(corners).all():
        return []
    return [(mpq(u), mpq(v)) for u, v in corners.astype(np.float64).tolist()]


def write_html(result: Comparison, path: str | Path, title: str = "exactcam compare") -> None:
    """Write the report of a comparison as one HTML page that loads nothing else.

    Parameters
    ----------
    result : Comparison
        What to report. At most 24 places are drawn, four of a kind.
    path : str or Path
        The file to write.
    title : str
        The page's title.
    """
    scene = _Scene(result)
    places = _places(result)
    body = [
        f"<h1 class='{'pass' if result.passed else 'fail'}'>{html.escape(title)}: "
        f"{result.verdict}</h1>",
        f"<pre>{html.escape(result.summary())}</pre>",
    ]
    views = [(f, v) for f in places for v in _views(scene, f)]
    if len(result.truth) <= _OVERVIEW and not result.output.error:
        body.append(f"<p>{_LEGEND}</p>")
        body.append("<div class='places'>" + _overview(scene, [v for _, v in views]))
    else:
        body.append("<div class='places'>")
    for number, (finding, view) in enumerate(views, 1):
        caption = f"{number}. <b>{finding.kind}</b>: {html.escape(finding_text(finding))}"
        meaning = KINDS.get(finding.kind, "")
        body.append(
            f"<figure>{_picture(scene, view, finding)}<figcaption title='{meaning}'>{caption}"
            "</figcaption></figure>"
        )
    page = "\n".join([*body, "</div>"])
    write_text(
        path,
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<style>{_STYLE}</style>\n{page}\n</html>\n",
    )


def _places(result: Comparison) -> list[Finding]:
    """A few findings of each kind, the largest distance first; the worst match if none."""
    out: list[Finding] = []
    for kind in KINDS:
        found = result.of_kind(kind)
        found.sort(key=lambda f: -(f.squared or 0))
        out += found[:_PER_KIND]
    if not out and result.worst is not None:
        squared, polygon, cell = result.worst
        out.append(Finding("worst match", (polygon,), (cell,), squared))
    return out[:_PLACES]


def _views(scene: _Scene, finding: Finding) -> Iterator[_View]:
    """The region, and where the distance is under a thirtieth of it, the place up close."""
    if finding.kind.startswith("boundary"):
        shapes = scene.segments(finding)
    else:
        shapes = [scene.cell(c) for c in finding.cells] + [
            scene.polygon(k) for k in finding.polygons
        ]
    corners = [corner for shape in shapes for corner in shape]
    if not corners:
        return
    whole = _around(corners)
    yield whole
    if finding.squared and finding.squared * 900 < whole.half**2 and len(shapes) > 1:
        far = mpq(to_float(finding.squared) ** 0.5)
        yield _View(_farthest(shapes), 4 * far)
    smallest = min((_around(shape) for shape in shapes if shape), key=lambda view: view.half)
    if smallest.half * 30 < whole.half:
        yield smallest


def _around(corners: list[Corner]) -> _View:
    """The square around some corners, with a margin."""
    low = [min(c[axis] for c in corners) for axis in (0, 1)]
    high = [max(c[axis] for c in corners) for axis in (0, 1)]
    half = max(high[0] - low[0], high[1] - low[1]) * mpq(3, 5)
    return _View(((low[0] + high[0]) / 2, (low[1] + high[1]) / 2), half or mpq(1, 1 << 20))


def _farthest(shapes: list[list[Corner]]) -> Corner:
    """The corner of one shape that is farthest from all corners of the others."""
    best: tuple[float, Corner] = (-1.0, shapes[0][0])
    for k, shape in enumerate(shapes):
        others = [c for m, other in enumerate(shapes) if m != k for c in other]
        for u, v in shape:
            far = min(to_float((u - x) ** 2 + (v - y) ** 2) for x, y in others)
            best = max(best, (far, (u, v)))
    return best[1]


def _picture(scene: _Scene, view: _View, finding: Finding) -> str:
    """A view as SVG: everything in it, what the finding names emphasised."""
    line = finding.kind.startswith("boundary")
    cells = set() if line else set(finding.cells)
    polygons = set() if line else set(finding.polygons)
    shapes = [
        (scene.cell(k), "wanted" if k in cells else "cell") for k in scene.near(scene.cells, view)
    ]
    for k in scene.numbers[scene.near(scene.polygons, view)].tolist():
        shapes.append((scene.polygon(k), "given" if k in polygons else "polygon"))
    if line:
        shapes += [(segment, "given") for segment in scene.segments(finding)]
    shapes.sort(key=lambda s: ("cell", "wanted", "polygon", "given").index(s[1]))
    return _svg(view, shapes)


def _overview(scene: _Scene, views: list[_View]) -> str:
    """The whole window with every place marked."""
    view = _around(list(scene.result.truth.window.corners))
    shapes = [(scene.cell(k), "cell") for k in range(len(scene.cells))]
    shapes += [(scene.polygon(int(k)), "polygon") for k in scene.numbers]
    marks = []
    for number, place in enumerate(views, 1):
        ((x, y),) = view.relative([place.centre])
        at, radius = _pixels([(x, y)])[0], max(6.0, to_float(place.half / view.half) * _SIZE / 2)
        marks.append(
            f"<circle class='mark' cx='{at[0]:.2f}' cy='{at[1]:.2f}' r='{radius:.2f}'/>"
            f"<text x='{at[0] + radius + 2:.2f}' y='{at[1]:.2f}'>{number}</text>"
        )
    return (
        f"<figure>{_svg(view, shapes, ''.join(marks))}<figcaption>The window, every place below "
        "marked.</figcaption></figure>"
    )


def _svg(view: _View, shapes: list[tuple[list[Corner], str]], more: str = "") -> str:
    """Shapes (corners, CSS class) as SVG, clipped to the view, with a bar for the scale."""
    paths = []
    for corners, style in shapes:
        points = _clip(view.relative(corners), len(corners) > 2)
        if points:
            d = "L".join(f"{x:.2f} {y:.2f}" for x, y in _pixels(points))
            paths.append(f"<path class='{style}' d='M{d}{'Z' if len(corners) > 2 else ''}'/>")
    bar = 10.0 ** np.floor(np.log10(to_float(view.half)))
    length = bar / to_float(view.half) * _SIZE / 2
    scale = (
        f"<path d='M10 {_SIZE - 10}h{length:.2f}' stroke='#1c2833' stroke-width='3'/>"
        f"<text x='10' y='{_SIZE - 16}'>{bar:g}</text>"
    )
    return (
        f"<svg viewBox='0 0 {_SIZE} {_SIZE}' width='{_SIZE}' height='{_SIZE}'>"
        f"{''.join(paths)}{more}{scale}</svg>"
    )


def _pixels(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """View coordinates in [-1, 1], upwards, as pixels, downwards."""
    return [((1 + x) * _SIZE / 2, (1 - y) * _SIZE / 2) for x, y in points]


def _clip(points: list[tuple[float, float]], closed: bool) -> list[tuple[float, float]]:
    """A shape cut to just outside the view, so that no renderer meets a coordinate of 1e20."""
    for axis, side in ((0, 1), (0, -1), (1, 1), (1, -1)):
        out: list[tuple[float, float]] = []
        for k, here in enumerate(points):
            before = points[k - 1]
            inside, was = side * here[axis] <= _REACH, side * before[axis] <= _REACH
            if inside != was and (closed or k):
                t = (side * _REACH - before[axis]) / (here[axis] - before[axis])
                out.append(
                    (before[0] + t * (here[0] - before[0]), before[1] + t * (here[1] - before[1]))
                )
            if inside:
                out.append(here)
        points = out
    return points
