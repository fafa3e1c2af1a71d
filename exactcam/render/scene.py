"""Lays out a picture: polygons, edges and boundary in paper coordinates, with colours.

Paper coordinates are (0, 0) to (width, height) with the longer side 1, obtained
from the exact vertices before anything is rounded: a window of 1e-30 is drawn as
sharply as one of 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analysis.measures import areas, slopes
from ..arithmetic.rational import decimal_text, digits, mpq, mpz, to_float
from ..complex.boundary import cut_by_class
from ..complex.partition import Partition
from ..model.geometry import Point, cartesian
from ..model.slice import Slice
from ..runtime.arguments import expect, words

__all__ = ["COLOURS", "Axis", "Key", "Scene", "scene"]

COLOURS = ("class", "region", "slope", "area")

Fill = tuple[np.ndarray, str]

# Ten hues that stay apart in print and for colour-blind readers when tinted.
_HUES = (
    *("#3b6fb6", "#e08a3c", "#4a9d6e", "#8e6bb0", "#c9504f"),
    *("#3fa7ae", "#94704f", "#d67fa8", "#a3a33e", "#7a7f87"),
)
_FAR = 1000  # window sizes from zero, where ticks begin to count from the first
_PLATEAU = "#2b2b2b"
_RAMP = ("#2d2f6b", "#2f6690", "#3a9a8c", "#8cc269", "#f4e07a")  # low to high
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Axis:
    """An axis: its name, and tick positions in paper coordinates with their labels."""

    label: str
    ticks: list[tuple[float, str]]

    def __repr__(self) -> str:
        return f"<Axis {self.label[:60]!r}: {len(self.ticks)} ticks>"


@dataclass(frozen=True)
class Key:
    """A line of the legend: `kind` is "fill" or "line", `colour` #rrggbb, `width` in points."""

    label: str
    kind: str
    colour: str
    width: float = 0.0

    def __repr__(self) -> str:
        return f"<Key {self.label[:60]!r}: {self.kind} {self.colour}>"


@dataclass(frozen=True)
class Scene:
    """Everything that is drawn, bottom to top, in paper coordinates.

    Attributes
    ----------
    width, height : float
        The window's; the larger is 1.
    fills : list of (float ndarray (n, 2), str)
        Polygons and their colours #rrggbb.
    edges, slivers, boundary : list of float ndarray (n, 2)
        Open lines, closed outlines of regions thinner than a pixel, open lines.
    dots : list of float ndarray (2,)
        Isolated points of the boundary.
    axes : (Axis, Axis)
        The horizontal and the vertical one.
    legend : list of Key
        Its lines, top to bottom.
    title : str
        The title.
    """

    width: float
    height: float
    fills: list[Fill]
    edges: list[np.ndarray]
    slivers: list[np.ndarray]
    boundary: list[np.ndarray]
    dots: list[np.ndarray]
    axes: tuple[Axis, Axis]
    legend: list[Key]
    title: str

    def __repr__(self) -> str:
        return (
            f"<Scene {self.width:.3g} x {self.height:.3g}: {len(self.fills)} fills, "
            f"{len(self.edges)} edges, {len(self.boundary)} boundary lines>"
        )

    EDGE = Key("region border", "line", "#22262b", 0.5)
    SLIVER = Key("thinner than a pixel", "line", "#22262b", 1.4)
    BOUNDARY = Key("decision boundary", "line", "#c2185b", 2.2)


def scene(
    partition: Partition,
    colour: str | None = None,
    boundary: bool = True,
    level: Any = 0,
    title: str | None = None,
) -> Scene:
    """Lay out a picture of a partition.

    The parameters are those of `exactcam.draw`.

    Returns
    -------
    Scene
        Positions are exact until they are rounded once. O(corners + boundary segments).

    Raises
    ------
    ExactcamError
        For an unknown colour.
    """
    expect(partition, Partition, "partition", "a Partition")
    if colour is not None:
        words(colour, "colour", COLOURS)
    place, width, height = _paper(partition)
    vertices = np.asarray([place(p) for p in partition.vertices])
    outlines = [vertices[cell.corners] for cell in partition.cells]
    fills, legend = _fills(partition, colour, level, place, outlines)
    slivers = [outline for outline in outlines if _thickness(outline) < 1 / 700]
    legend.append(Scene.EDGE)
    if slivers:
        legend.append(Scene.SLIVER)
    lines, dots = [], []
    if boundary:
        found = partition.decision_boundary(level)
        lines = [np.asarray([place(p) for p in line]) for line in found.polylines]
        dots = [np.asarray(place(p)) for p in found.points]
        if lines or dots:
            legend.append(Scene.BOUNDARY)
    if title is None:
        counts = partition.counts
        title = (
            f"{counts.activation_regions:,} activation regions, {counts.linear_regions:,} linear "
            f"regions, {counts.affine_pieces:,} affine pieces"
        )
    edges = list(vertices[partition.edges.vertices])
    axes = _axes(partition)
    return Scene(width, height, fills, edges, slivers, lines, dots, axes, legend, title)


def _paper(partition: Partition) -> tuple[Callable[[Point], tuple[float, float]], float, float]:
    """(point -> paper coordinates, width, height): exact until the last rounding."""
    low, high = _extent(partition)
    size = max(high[0] - low[0], high[1] - low[1])

    def place(point: Point) -> tuple[float, float]:
        u, v = cartesian(point)
        return to_float((u - low[0]) / size), to_float((v - low[1]) / size)

    return place, to_float((high[0] - low[0]) / size), to_float((high[1] - low[1]) / size)


def _extent(partition: Partition) -> tuple[tuple[mpq, mpq], tuple[mpq, mpq]]:
    """The least and the greatest coordinates of the window."""
    us, vs = zip(*partition.window.corners, strict=True)
    return (min(us), min(vs)), (max(us), max(vs))


def _thickness(outline: np.ndarray) -> float:
    """Twice the area over the longest extent: the width of a thin polygon."""
    x, y = outline[:, 0] - outline[0, 0], outline[:, 1] - outline[0, 1]
    doubled = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return doubled / max(float(np.hypot(x, y).max()), 1e-300)


def _fills(
    partition: Partition,
    colour: str | None,
    level: Any,
    place: Callable[[Point], tuple[float, float]],
    outlines: list[np.ndarray],
) -> tuple[list[Fill], list[Key]]:
    """The polygons with their colours, and the legend's lines about them."""
    if colour in ("slope", "area"):
        return _by_measure(partition, colour, outlines)
    parts = cut_by_class(partition, level)
    classes = sorted({winner for _, _, winner in parts}, key=lambda c: (c is None, c))
    if colour is None:
        colour = "class" if len(classes) > 1 else "region"
    if colour == "region":
        hues = (_HUES[int(10 * _turn(k, 7)) % 10] for k in range(len(outlines)))
        tints = [_tint(hue, _turn(k)) for k, hue in enumerate(hues)]
        return list(zip(outlines, tints, strict=True)), []

    def shade(winner: int | None, turn: float) -> str:
        return _PLATEAU if winner is None else _tint(_HUES[winner % 10], turn)

    names = _class_names(partition, level)
    fills = [
        (np.asarray([place(p) for p in corners]), shade(winner, _turn(cell)))
        for cell, corners, winner in parts
    ]
    return fills, [Key(names(c), "fill", shade(c, 0.4)) for c in classes[:12]]


def _by_measure(
    partition: Partition, colour: str, outlines: list[np.ndarray]
) -> tuple[list[Fill], list[Key]]:
    """Regions shaded by the rank of their slope or area; the legend shows three of them."""
    if colour == "slope":
        measure, name = slopes(partition), "slope"
    else:
        # A huge or tiny area is still a float after its logarithm.
        measure, name = np.asarray([log10(a) for a in areas(partition)]), "log10 area"
    shades = [_ramp(s) for s in _spread(measure)]
    order = np.argsort(measure, kind="stable")
    shown = dict.fromkeys(int(order[round(q * (len(order) - 1))]) for q in (0, 0.5, 1))
    legend = [Key(f"{name} {digits(measure[k], 3)}", "fill", shades[k]) for k in shown]
    return list(zip(outlines, shades, strict=True)), legend


def _class_names(partition: Partition, level: Any) -> Callable[[int | None], str]:
    """What the legend calls a class; None is a tie."""
    if partition.network.outputs > 1:
        return lambda c: "largest outputs tie" if c is None else f"output {c} largest"
    return lambda c: f"output {'=<>'[0 if c is None else c + 1]} {level}"


def log10(value: mpq) -> float:
    """The decimal logarithm of a positive rational of any size."""
    bits = value.numerator.bit_length() - value.denominator.bit_length()
    scaled = value / mpq(2) ** bits
    return math.log10(to_float(scaled)) + bits * math.log10(2)


def _spread(values: np.ndarray) -> np.ndarray:
    """Ranks in [0, 1], equal values alike: every shade is used whatever the distribution."""
    _, rank = np.unique(values, return_inverse=True)
    return rank / max(1, int(rank.max(initial=0)))


def _turn(k: int, times: int = 1) -> float:
    """A number in [0, 1) for region k, far from those of its neighbours in number."""
    return (k * times * _GOLDEN) % 1.0


def _mix(first: str, second: str, share: float) -> str:
    """The colour at that share of the way from the first to the second."""
    pairs = ((int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _tint(hue: str, turn: float) -> str:
    """A lighter colour of a hue; `turn` in [0, 1) says how light."""
    return _mix(hue, "#ffffff", 0.3 + 0.45 * turn)


def _ramp(share: float) -> str:
    """The colour of a share in [0, 1] on the ramp from low to high."""
    position = share * (len(_RAMP) - 1)
    below = min(int(position), len(_RAMP) - 2)
    return _mix(_RAMP[below], _RAMP[below + 1], position - below)


def _axes(partition: Partition) -> tuple[Axis, Axis]:
    """The axes of u and v."""
    low, high = _extent(partition)
    size = max(high[0] - low[0], high[1] - low[1])
    names = _axis_names(partition.slice)
    first, second = (_axis(name, a, b, size) for name, a, b in zip(names, low, high, strict=True))
    return first, second


def _axis_names(slice: Slice) -> Sequence[str]:
    """The names of u and v: that of an input, where the coordinate is that input."""

    def name(letter: str, own: Sequence[mpq], other: Sequence[mpq]) -> str:
        used = [i for i, x in enumerate(own) if x]
        if (
            len(used) == 1
            and own[used[0]] == 1
            and not other[used[0]]
            and not slice.origin[used[0]]
        ):
            return f"input {used[0]}"
        return letter

    return name("u", slice.e1, slice.e2), name("v", slice.e2, slice.e1)


def _axis(name: str, low: mpq, high: mpq, size: mpq) -> Axis:
    """About five ticks at round numbers, exactly placed.

    Where their labels would be long, the axis says of what they are the multiples; far from
    zero they count from the first.
    """
    power = math.floor(log10(size / 5))
    step = next(s for f in (1, 2, 5, 10) if size / (s := f * mpq(10) ** power) <= 6)
    first = -(-low // step)
    numbers = [k * step for k in range(int(first), int(high // step) + 1)]
    labels = [_decimal(t) for t in numbers]
    if max(map(len, labels), default=0) > 8:
        far = max(abs(low), abs(high)) > _FAR * size
        base = numbers[0] if far else mpq(0)
        if far:
            name = f"{name} - ({_name(base)})" if base < 0 else f"{name} - {_name(base)}"
        top = max(map(abs, numbers))
        power = 0 if far or not top else math.floor(log10(top))
        if not -4 <= power < 6:
            name = f"{name} / 1e{power}"
        else:
            power = 0
        labels = [_short((t - base) / mpq(10) ** power) for t in numbers]
    places = [to_float((t - low) / size) for t in numbers]
    return Axis(name, list(zip(places, labels, strict=True)))


def _short(value: mpq) -> str:
    """The exact decimal if it is short, else six digits."""
    text = _decimal(value)
    return text if len(text) <= 8 else digits(value)


def _name(base: mpq) -> str:
    """What a tick is called in the name of an axis: its decimal, or the first digits of it."""
    text = _decimal(base)
    if len(text) < 24:
        return text
    return f"{text[:20]}..." if abs(base) < mpz(10) ** 18 else f"{digits(base, 17)}..."


def _decimal(value: mpq) -> str:
    """The exact decimal of a multiple of a power of ten."""
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
    digits = decimal_text(abs(value) * 10**places).rjust(places + 1, "0")
    minus = "-" if value < 0 else ""
    return minus + (digits[:-places] + "." + digits[-places:] if places else digits)
