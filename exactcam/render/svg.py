"""Writes a scene as SVG text: no dependencies, one shape a region, readable in any browser."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

import numpy as np

from .scene import Key, Scene

__all__ = ["svg_text"]

_SIZE, _LEFT, _TOP, _BOTTOM, _LEGEND = 720.0, 70.0, 44.0, 56.0, 190.0
_FONT = "font-family='Helvetica, Arial, sans-serif'"


def svg_text(scene: Scene) -> str:
    """A scene as SVG text; the longer side of the window is 720 units. O(corners)."""
    return "\n".join(_lines(scene)) + "\n"


def _lines(scene: Scene) -> Iterator[str]:
    """The lines of the SVG file, background first."""
    width, height = scene.width * _SIZE, scene.height * _SIZE
    full = (_LEFT + width + _LEGEND, _TOP + max(height, 24.0 * len(scene.legend)) + _BOTTOM)
    yield (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_n(full[0])} {_n(full[1])}' "
        f"width='{_n(full[0])}' height='{_n(full[1])}'>"
    )
    yield f"<title>{escape(scene.title)}</title>"
    yield "<rect width='100%' height='100%' fill='#ffffff'/>"
    yield _text(_LEFT, _TOP - 18, scene.title, 15, "start")

    def path(points: np.ndarray, closed: bool = True) -> str:
        at = points * _SIZE
        pairs = (f"{_n(_LEFT + x)} {_n(_TOP + height - y)}" for x, y in at)
        return "M" + "L".join(pairs) + ("Z" if closed else "")

    # A stroke of its own colour closes the hairline gaps between neighbours.
    yield "<g stroke-width='0.4' stroke-linejoin='round'>"
    for points, colour in scene.fills:
        yield f"<path d='{path(points)}' fill='{colour}' stroke='{colour}'/>"
    yield "</g>"
    for key, shapes, closed in (
        (Scene.EDGE, scene.edges, False),
        (Scene.SLIVER, scene.slivers, True),
        (Scene.BOUNDARY, scene.boundary, False),
    ):
        opacity = " stroke-opacity='0.6'" if key is Scene.EDGE else ""
        if shapes:
            yield (
                f"<path d='{''.join(path(s, closed) for s in shapes)}' fill='none' "
                f"stroke='{key.colour}' stroke-width='{key.width}' stroke-linecap='round' "
                f"stroke-linejoin='round'{opacity}/>"
            )
    for x, y in scene.dots:
        yield (
            f"<circle cx='{_n(_LEFT + x * _SIZE)}' cy='{_n(_TOP + height - y * _SIZE)}' r='3.5' "
            f"fill='{Scene.BOUNDARY.colour}'/>"
        )
    yield from _axes(scene, width, height)
    yield from _legend(scene.legend, _LEFT + width + 20)
    yield "</svg>"


def _axes(scene: Scene, width: float, height: float) -> Iterator[str]:
    """The ticks and names of both axes."""
    horizontal, vertical = scene.axes
    floor = _TOP + height
    for place, label in horizontal.ticks:
        x = _LEFT + place * _SIZE
        yield f"<path d='M{_n(x)} {_n(floor + 4)}v6' stroke='#555555'/>"
        yield _text(x, floor + 25, label, 13, "middle")
    for place, label in vertical.ticks:
        y = floor - place * _SIZE
        yield f"<path d='M{_n(_LEFT - 4)} {_n(y)}h-6' stroke='#555555'/>"
        yield _text(_LEFT - 14, y + 4.5, label, 13, "end")
    yield _text(_LEFT + width / 2, floor + 47, horizontal.label, 14, "middle")
    x, y = 18, _TOP + height / 2
    yield (
        f"<text transform='translate({_n(x)} {_n(y)}) rotate(-90)' {_FONT} font-size='14' "
        f"fill='#222222' text-anchor='middle'>{escape(vertical.label)}</text>"
    )


def _legend(keys: list[Key], left: float) -> Iterator[str]:
    """A line of the legend for each key."""
    for k, key in enumerate(keys):
        y = _TOP + 12 + 24 * k
        if key.kind == "fill":
            yield (
                f"<rect x='{_n(left)}' y='{_n(y - 7)}' width='22' height='14' "
                f"fill='{key.colour}' stroke='#22262b' stroke-width='0.5'/>"
            )
        else:
            yield (
                f"<path d='M{_n(left)} {_n(y)}h22' stroke='{key.colour}' "
                f"stroke-width='{key.width}'/>"
            )
        yield _text(left + 30, y + 4.5, key.label, 13, "start")


def _text(x: float, y: float, words: str, size: int, anchor: str) -> str:
    """An SVG text element."""
    return (
        f"<text x='{_n(x)}' y='{_n(y)}' {_FONT} font-size='{size}' fill='#222222' "
        f"text-anchor='{anchor}'>{escape(words)}</text>"
    )


def _n(value: float) -> str:
    """A coordinate to a hundredth of a unit, without trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
