"""Plots with matplotlib: partitions, knot lines, samples, 1-D slices, statistics.

Every `plot_...` function draws on the matplotlib axes it is given, or on those of a new
figure, and returns them, so figures compose; without matplotlib it raises
MissingExtraError. Positions are data coordinates (u, v), rounded once, and beyond 1e100 or below
1e-100 in units of a power of ten that the axis names; for a window below the spacing of floats
use `exactcam.draw`, which scales exactly first.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from ..analysis.boundary_points import BoundarySamples
from ..analysis.line_slice import LineSlice
from ..analysis.tables import Table, comparison, edges_of_layers, region_table
from ..arithmetic.rational import mpq, to_float
from ..complex.partition import Partition
from ..errors import ExactcamError, MissingExtraError
from ..files.writing import write_bytes
from ..model.geometry import cartesian
from ..runtime.arguments import expect, words
from .scene import Scene, log10, scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

__all__ = [
    "bench_figure",
    "curves_figure",
    "plot_boundary",
    "plot_distribution",
    "plot_knot_lines",
    "plot_line_slice",
    "plot_partition",
    "plot_samples",
    "save",
    "save_figure",
    "statistics_figure",
]

_SMALL, _LARGE = mpq(10) ** -100, mpq(10) ** 100  # matplotlib squares what it shows
_POWERS: WeakKeyDictionary[Axes, int] = WeakKeyDictionary()  # of the coordinates on some axes

# Okabe and Ito's colours, apart for every kind of colour blindness.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7a7f87")


def plot_partition(
    partition: Partition,
    axes: Axes | None = None,
    colour: str | None = None,
    boundary: bool = True,
    level: Any = 0,
) -> Axes:
    """Plot the regions with edges and boundary; the other parameters are those of `exactcam.draw`."""
    axes = _axes(axes)
    from matplotlib.transforms import Affine2D

    expect(partition, Partition, "partition", "a Partition")
    corners = _floats(partition.window.corners, _power_of(partition))
    low = corners.min(axis=0)
    size = float((corners.max(axis=0) - low).max())
    move = Affine2D().scale(size).translate(*low) + axes.transData
    _add_scene(axes, scene(partition, colour, boundary, level), move)
    return _frame(axes, partition)


def plot_boundary(
    partition: Partition, axes: Axes | None = None, level: Any = 0, **style: Any
) -> Axes:
    """Plot the decision boundary at `level`; `style` goes to matplotlib's LineCollection."""
    axes = _axes(axes)
    expect(partition, Partition, "partition", "a Partition")
    found, power = partition.decision_boundary(level).polylines, _power_of(partition)
    lines = [_floats(map(cartesian, line), power) for line in found]
    _lines(axes, lines, **{"colors": "#c2185b", "linewidths": 1.8, **style})
    return _frame(axes, partition)


def plot_knot_lines(partition: Partition, axes: Axes | None = None, legend: bool = True) -> Axes:
    """Plot the knot lines, where the layers' units bend the map, in a colour for each layer."""
    axes = _axes(axes)
    expect(partition, Partition, "partition", "a Partition")
    power = _power_of(partition)
    if power:
        vertices = _floats(map(cartesian, partition.vertices), power)
    else:
        vertices = partition.float_vertices
    network, ends = partition.network, vertices[partition.edges.vertices]
    for layer, edges in zip(network.layers, edges_of_layers(partition), strict=True):
        label = f"layer {layer.number + 1} ({network.names[layer.index]})"
        _lines(axes, list(ends[edges]), colors=_colour(layer.number), linewidths=0.9, label=label)
    if legend:
        axes.legend(loc="upper right", fontsize=8, framealpha=0.9)
    return _frame(axes, partition)


def plot_samples(samples: BoundarySamples, axes: Axes | None = None, **style: Any) -> Axes:
    """Plot boundary samples in slice coordinates; `style` goes to matplotlib's scatter."""
    axes = _axes(axes)
    expect(samples, BoundarySamples, "samples", "BoundarySamples, of sample_boundary")
    power = _POWERS.get(axes)
    if power is None:
        power = _power(x for point in samples.points for x in point)
    u, v = _floats(samples.points, power).T
    axes.scatter(u, v, **{"s": 9, "color": "#111111", "zorder": 4, **style})
    return axes


def plot_line_slice(
    line: LineSlice, axes: Axes | None = None, level: Any = 0, points: bool = True
) -> Axes:
    """Plot every output along a segment, with its bends and the crossings of the boundary.

    `points` says whether to mark the bends, `level` is that of the boundary of one output.
    """
    axes = _axes(axes)
    expect(line, LineSlice, "line", "a LineSlice, of line_slice")
    ts = [to_float(t) for t in line.breakpoints]
    exact = [line.outputs(t) for t in line.breakpoints]
    power = _power(y for row in exact for y in row)
    values = np.asarray([[to_float(_over(y, power)) for y in row] for row in exact])
    for k, column in enumerate(values.T):
        dashes = "-" if k < len(COLOURS) else "--"
        label = f"output {k}"
        axes.plot(ts, column, color=_colour(k), linewidth=1.3, label=label, linestyle=dashes)
    if points:
        for t in line.bends:
            for k, y in enumerate(line.outputs(t)):
                axes.plot(
                    to_float(t), to_float(_over(y, power)), ".", color=_colour(k), markersize=3
                )
    for crossing in line.crossings(level):
        start, end = to_float(crossing.start), to_float(crossing.end)
        axes.axvspan(start, end, color="#c2185b", alpha=0.7, linewidth=1.2)
    axes.set(xlabel="t", ylabel=_label("output", power), xlim=(0, 1))
    if values.shape[1] > 1:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return axes


def plot_distribution(
    partitions: Mapping[str, Partition], measure: str, axes: Axes | None = None
) -> Axes:
    """Plot the distribution of a measure: the share of regions at most that large.

    `partitions` are named in the legend; `measure` is a column of `region_table`.
    """
    axes = _axes(axes)
    _distributions(axes, _tables(partitions), measure)
    return axes


def statistics_figure(partitions: Mapping[str, Partition]) -> Figure:
    """A figure that compares networks: distributions of their measures, counts, layers."""
    figure = _new_figure(10, 6)
    panels = figure.subplots(2, 3).ravel()
    tables = _tables(partitions)
    for axes, measure in zip(panels, ("area", "eccentricity", "slope", "vertices"), strict=False):
        _distributions(axes, tables, measure)
    summary = comparison(partitions)
    _bars(panels[4], summary, ["activation_regions", "linear_regions", "affine_pieces"], "regions")
    layers = [c for c in summary if c.endswith("_edges")]
    _bars(panels[5], summary, layers, "edges on knot lines")
    panels[0].legend(fontsize=8, loc="upper left")
    return figure


def bench_figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """A figure of benchmark results: seconds of every engine against regions, width and depth.

    `results` are those that `exactcam bench --json` writes.
    """
    figure = _new_figure(12, 4)
    panels = figure.subplots(1, 3, sharey=True)
    timed = [r for r in results if "seconds" in r]
    he = [r for r in timed if r["family"] == "he"]
    sets = (timed, [r for r in he if r["depth"] == 3], [r for r in he if r["width"] == 32])
    names = dict.fromkeys(name for r in timed for name in r["seconds"])
    for axes, x, chosen in zip(panels, ("regions", "width", "depth"), sets, strict=True):
        for k, name in enumerate(names):
            points = sorted((r[x], r["seconds"][name]) for r in chosen if name in r["seconds"])
            xs, ys = zip(*points, strict=True) if points else ((), ())
            marks = "o" if x == "regions" else "o-"
            axes.plot(xs, ys, marks, color=_colour(k), label=name, markersize=4)
        axes.set(xlabel=x, yscale="log")
        if x != "depth":
            axes.set_xscale("log", base=2 if x == "width" else 10)
        axes.grid(alpha=0.25)
    panels[0].set(ylabel="seconds")
    panels[0].legend(fontsize=8)
    return figure


def curves_figure(table: Table) -> Figure:
    """A figure of the curves of a `Watch`: regions against training steps, and all that was noted.

    `table` has the columns `step`, `regions`, `standard_error` and any others.
    """
    expect(table, dict, "table", "that of a Watch")
    others = [name for name in table if name not in ("step", "regions", "standard_error")]
    figure = _new_figure(8, 3 + 1.6 * len(others))
    ratios = [3.0, *(1.6 for _ in others)]
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    steps, mean = np.asarray(table["step"]), np.asarray(table["regions"], dtype=np.float64)
    error = np.asarray(table["standard_error"], dtype=np.float64)
    panels[0].fill_between(steps, mean - error, mean + error, color=_colour(0), alpha=0.2, lw=0)
    panels[0].plot(steps, mean, color=_colour(0))
    panels[0].set(ylabel="regions on a random plane")
    for k, (axes, name) in enumerate(zip(panels[1:], others, strict=True), 1):
        axes.plot(steps, np.asarray(table[name], dtype=np.float64), color=_colour(k))
        axes.set(ylabel=name)
    for axes in panels:
        axes.grid(alpha=0.25)
    panels[-1].set(xlabel="step")
    return figure


def save_figure(scene: Scene, path: str | Path) -> None:
    """Draw a scene with matplotlib into a file, 8.4 x 6.4 inches or less at 200 dpi.

    Parameters
    ----------
    scene : Scene
        What to draw.
    path : str or Path
        The file; its suffix (.png, .pdf, .svg) says what it is.

    Raises
    ------
    MissingExtraError
        Where matplotlib is not installed.
    """
    axes = _new_figure(8.4, 6.4).add_subplot()
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    _add_scene(axes, scene, axes.transData)
    axes.set_aspect("equal")
    axes.set(xlim=(0, scene.width), ylim=(0, scene.height), title=scene.title)
    axes.title.set_fontsize(10)
    horizontal, vertical = scene.axes
    for axis, set_ticks in ((horizontal, axes.set_xticks), (vertical, axes.set_yticks)):
        set_ticks([place for place, _ in axis.ticks], [label for _, label in axis.ticks])
    axes.set(xlabel=horizontal.label, ylabel=vertical.label)
    for side in axes.spines.values():
        side.set_visible(False)
    handles = [
        Patch(facecolor=key.colour, edgecolor=Scene.EDGE.colour, linewidth=0.4, label=key.label)
        if key.kind == "fill"
        else Line2D([], [], color=key.colour, linewidth=key.width * 0.7, label=key.label)
        for key in scene.legend
    ]
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9
    )
    save(axes, path)


def _add_scene(axes: Axes, scene: Scene, transform: Transform) -> None:
    """Add the regions, edges, slivers and boundary of `scene` to `axes`.

    `transform` takes paper coordinates to the display: `axes.transData` where the
    axes show the paper itself.
    """
    from matplotlib.collections import PolyCollection

    shapes, colours = [points for points, _ in scene.fills], [c for _, c in scene.fills]
    axes.add_collection(
        PolyCollection(
            shapes, facecolors=colours, edgecolors=colours, linewidths=0.2, transform=transform
        )
    )
    closed = [np.concatenate([points, points[:1]]) for points in scene.slivers]
    for key, lines, opacity in (
        (Scene.EDGE, scene.edges, 0.6),
        (Scene.SLIVER, closed, 1.0),
        (Scene.BOUNDARY, scene.boundary, 1.0),
    ):
        width = key.width * 0.7
        _lines(axes, lines, colors=key.colour, linewidths=width, alpha=opacity, transform=transform)
    if scene.dots:
        x, y = np.asarray(scene.dots).T
        axes.scatter(x, y, s=12, color=Scene.BOUNDARY.colour, zorder=3, transform=transform)


def save(figure: Figure | Axes, path: str | Path, dpi: int = 200) -> None:
    """Write a figure, or the figure of some axes: .png, .pdf or .svg, the same bytes every time."""
    stamp = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(Path(path).suffix.lower())
    whole: Any = getattr(figure, "figure", None) or figure
    path = path if Path(path).suffix else f"{path}.png"
    kind = Path(path).suffix[1:].lower()
    if kind not in (kinds := whole.canvas.get_supported_filetypes()):
        raise ExactcamError(f"{path}: a figure's name must end in one of {', '.join(kinds)}")
    content = BytesIO()  # as a whole: some formats need a file that can be read back
    whole.savefig(content, format=kind, dpi=dpi, metadata=stamp, bbox_inches="tight")
    write_bytes(path, content.getbuffer())


def _colour(k: int) -> str:
    """The colour of series k."""
    return COLOURS[k % len(COLOURS)]


def _floats(points: Iterable[tuple[mpq, mpq]], power: int = 0) -> np.ndarray:
    """Exact points over 10^power, rounded once, float64 (n, 2)."""
    rounded = [[to_float(_over(u, power)), to_float(_over(v, power))] for u, v in points]
    return np.asarray(rounded).reshape(-1, 2)


def _power(values: Iterable[Any]) -> int:
    """The power of ten that numbers are shown in units of: 0 where matplotlib can take them."""
    largest = max((abs(mpq(x)) for x in values), default=mpq(0))
    if not largest or _SMALL < largest < _LARGE:
        return 0
    return math.floor(log10(largest))


def _power_of(partition: Partition) -> int:
    """The `_power` of the coordinates in a partition's window."""
    return _power(x for corner in partition.window.corners for x in corner)


def _over(value: mpq, power: int) -> mpq:
    """value / 10^power."""
    return value / mpq(10) ** power if power else value


def _label(name: str, power: int) -> str:
    """The name of an axis in units of a power of ten."""
    return f"{name} / 1e{power}" if power else name


def _tables(partitions: Mapping[str, Partition]) -> dict[str, Table]:
    """The region table of every partition."""
    expect(partitions, Mapping, "partitions", "a mapping of names to partitions")
    return {name: region_table(part) for name, part in partitions.items()}


def _distributions(axes: Axes, tables: Mapping[str, Table], measure: str) -> None:
    """The distribution of a measure in every table, and the names of the axes."""
    for table in tables.values():
        words(measure, "measure", list(table))
    power = _power(x for table in tables.values() for x in table[measure])
    for k, (name, table) in enumerate(tables.items()):
        _steps(axes, [to_float(_over(mpq(x), power)) for x in table[measure]], name, k)
    _finish(axes, measure, power)


def _steps(axes: Axes, column: list[Any], name: str, k: int) -> None:
    """The distribution function of a column, as series k."""
    values = np.sort(np.asarray(column, dtype=np.float64))
    share = np.arange(1, len(values) + 1) / len(values)
    axes.step(values, share, where="post", color=_colour(k), label=name)


def _finish(axes: Axes, measure: str, power: int) -> None:
    """The axes of a distribution: names, scale and grid."""
    axes.set(xlabel=_label(measure, power), ylabel="share of regions", ylim=(0, 1))
    if measure in ("area", "perimeter", "inradius_bound"):
        axes.set_xscale("log")
    axes.grid(alpha=0.25)


def _bars(axes: Axes, table: Table, columns: list[str], label: str) -> None:
    """Columns of `comparison` as groups of bars, one bar a network."""
    width = 0.8 / len(table["network"])
    for k, name in enumerate(table["network"]):
        heights = [table[column][k] or 0 for column in columns]
        places = np.arange(len(columns)) + (k - (len(table["network"]) - 1) / 2) * width
        axes.bar(places, heights, width, color=_colour(k), label=name)
    axes.set_xticks(range(len(columns)), [c.rsplit("_", 1)[0].replace("_", " ") for c in columns])
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylabel(label)


def _lines(axes: Axes, lines: Sequence[np.ndarray], **style: Any) -> None:
    """Add open lines, arrays (n, 2), with round caps."""
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(lines, capstyle="round", **style))


def _frame(axes: Axes, partition: Partition) -> Axes:
    """The axes, limited to the window and named."""
    power = _POWERS[axes] = _power_of(partition)
    corners = _floats(partition.window.corners, power)
    (left, low), (right, high) = corners.min(axis=0), corners.max(axis=0)
    axes.set(
        xlim=(left, right), ylim=(low, high), xlabel=_label("u", power), ylabel=_label("v", power)
    )
    axes.set_aspect("equal")
    return axes


def _axes(axes: Axes | None) -> Axes:
    """The axes given, or those of a new figure."""
    return _new_figure(6.4, 6).add_subplot() if axes is None else axes


def _new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches. Raises MissingExtraError."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)  # of a home that cannot be written it warns, and goes on
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("figures need matplotlib: pip install 'exactcam[plot]'") from None
    finally:
        logger.setLevel(level)
    return Figure(figsize=(width, height), layout="constrained")
