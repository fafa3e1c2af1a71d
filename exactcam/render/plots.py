"""Figures with matplotlib, on axes of one's own: partition, knot lines, statistics, 1-D slices.

Every function draws on the matplotlib `axes` it is given (or on new ones) and
returns them, so figures compose. Positions are data coordinates (u, v), rounded
once; for a window below the spacing of floats use `exactcam.draw`, which scales
exactly first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.boundary_points import BoundarySamples
from ..analysis.line_slice import LineSlice
from ..analysis.tables import as_floats, comparison, region_table
from ..arithmetic.rational import mpq, to_float
from ..complex.partition import Partition
from ..errors import MissingExtraError
from .scene import Scene, scene

__all__ = [
    "bench_figure",
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

# Okabe and Ito's colours, apart for every kind of colour blindness.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7a7f87")


def plot_partition(
    partition: Partition,
    axes: Any = None,
    colour: str | None = None,
    boundary: bool = True,
    level: Any = 0,
) -> Any:
    """The regions, coloured as `exactcam.draw` colours them, with edges and boundary."""
    axes = _axes(axes)
    from matplotlib.transforms import Affine2D

    low = np.asarray([[to_float(c) for c in corner] for corner in partition.window.corners])
    size = float((low.max(axis=0) - low.min(axis=0)).max())
    move = Affine2D().scale(size).translate(*low.min(axis=0)) + axes.transData
    _add_scene(axes, scene(partition, colour, boundary, level), move)
    return _frame(axes, partition)


def plot_boundary(partition: Partition, axes: Any = None, level: Any = 0, **style: Any) -> Any:
    """The decision boundary alone; `style` goes to matplotlib's LineCollection."""
    axes = _axes(axes)
    lines = [
        [(to_float(mpq(x, w)), to_float(mpq(y, w))) for x, y, w in line]
        for line in partition.decision_boundary(level).polylines
    ]
    _lines(axes, lines, **{"colors": "#c2185b", "linewidths": 1.8, **style})
    return _frame(axes, partition)


def plot_knot_lines(partition: Partition, axes: Any = None, legend: bool = True) -> Any:
    """The knot lines, a colour a layer: where each layer's units bend the map."""
    axes = _axes(axes)
    ends = partition.float_vertices[partition.edges.vertices]
    offsets = partition.network.unit_offsets
    layers = np.searchsorted(offsets, partition.edge_units, side="right")
    for k, node in enumerate(partition.network.activations):
        on = (layers == k + 1) & (partition.edge_units >= 0)
        label = f"layer {k + 1} ({partition.network.names[node]})"
        _lines(axes, ends[on], colors=COLOURS[k % len(COLOURS)], linewidths=0.9, label=label)
    if legend:
        axes.legend(loc="upper right", fontsize=8, framealpha=0.9)
    return _frame(axes, partition)


def plot_samples(samples: BoundarySamples, axes: Any = None, **style: Any) -> Any:
    """Boundary samples as dots in slice coordinates."""
    axes = _axes(axes)
    u, v = np.asarray([[to_float(c) for c in p] for p in samples.points]).reshape(-1, 2).T
    axes.scatter(u, v, **{"s": 9, "color": "#111111", "zorder": 4, **style})
    return axes


def plot_line_slice(line: LineSlice, axes: Any = None, level: Any = 0, points: bool = True) -> Any:
    """Every output along the segment, its bends as dots, crossings of the boundary as lines."""
    axes = _axes(axes)
    ts = [to_float(t) for t in line.breakpoints]
    values = np.asarray([[to_float(y) for y in line.outputs(t)] for t in line.breakpoints])
    for k, column in enumerate(values.T):
        axes.plot(
            ts,
            column,
            color=COLOURS[k % len(COLOURS)],
            linewidth=1.3,
            label=f"output {k}",
            linestyle="-" if k < len(COLOURS) else "--",
        )
    if points:
        for t in line.bends:
            for k, y in enumerate(line.outputs(t)):
                axes.plot(
                    to_float(t), to_float(y), ".", color=COLOURS[k % len(COLOURS)], markersize=3
                )
    for crossing in line.crossings(level):
        start, end = to_float(crossing.start), to_float(crossing.end)
        axes.axvspan(start, end, color="#c2185b", alpha=0.7, linewidth=1.2)
    axes.set(xlabel="t", ylabel="output", xlim=(0, 1))
    if values.shape[1] > 1:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return axes


def plot_distribution(partitions: Mapping[str, Partition], measure: str, axes: Any = None) -> Any:
    """The share of regions at most that large, for one column of `region_table`."""
    axes = _axes(axes)
    for k, (name, part) in enumerate(partitions.items()):
        values = np.sort(np.asarray(as_floats(region_table(part))[measure], dtype=np.float64))
        _steps(axes, values, name, k)
    _finish(axes, measure)
    return axes


def statistics_figure(partitions: Mapping[str, Partition]) -> Any:
    """One figure to compare networks: distributions of the measures, counts, layers."""
    figure = new_axes(10, 6).figure
    figure.clear()
    panels = figure.subplots(2, 3).ravel()
    tables = {name: as_floats(region_table(part)) for name, part in partitions.items()}
    for axes, measure in zip(panels, ("area", "eccentricity", "slope", "vertices"), strict=False):
        for k, (name, table) in enumerate(tables.items()):
            _steps(axes, np.sort(np.asarray(table[measure], dtype=np.float64)), name, k)
        _finish(axes, measure)
    summary = as_floats(comparison(partitions))
    _bars(panels[4], summary, ["activation_regions", "linear_regions", "affine_pieces"], "regions")
    layers = [c for c in summary if c.endswith("_edges")]
    _bars(panels[5], summary, layers, "edges on knot lines")
    panels[0].legend(fontsize=8, loc="upper left")
    return figure


def bench_figure(results: Sequence[Mapping[str, Any]]) -> Any:
    """Seconds of every engine against regions, width and depth, from `exactcam bench`."""
    figure = new_axes(12, 4).figure
    figure.clear()
    panels = figure.subplots(1, 3, sharey=True)
    timed = [r for r in results if "seconds" in r]
    he = [r for r in timed if r["family"] == "he"]
    sets = (timed, [r for r in he if r["depth"] == 3], [r for r in he if r["width"] == 32])
    names = dict.fromkeys(name for r in timed for name in r["seconds"])
    for axes, x, chosen in zip(panels, ("regions", "width", "depth"), sets, strict=True):
        for k, name in enumerate(names):
            points = sorted((r[x], r["seconds"][name]) for r in chosen if name in r["seconds"])
            line = "" if x == "regions" else "-"
            axes.plot(
                *zip(*points, strict=True) if points else ([], []),
                f"o{line}",
                color=COLOURS[k % len(COLOURS)],
                label=name,
                markersize=4,
            )
        axes.set(xlabel=x, yscale="log")
        if x != "depth":
            axes.set_xscale("log", base=2 if x == "width" else 10)
        axes.grid(alpha=0.25)
    panels[0].set(ylabel="seconds")
    panels[0].legend(fontsize=8)
    return figure


def save_figure(scene: Scene, path: str | Path) -> None:
    """Draw `scene` into a file matplotlib knows by its suffix, 8 inches wide, 200 dpi.

    Raises MissingExtraError where matplotlib is not installed.
    """
    axes = new_axes(8.4, 6.4)
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    _add_scene(axes, scene, axes.transData)
    axes.set_aspect("equal")
    axes.set(xlim=(0, scene.width), ylim=(0, scene.height), title=scene.title)
    axes.title.set_fontsize(10)
    horizontal, vertical = scene.axes
    axes.set_xticks(
        [place for place, _ in horizontal.ticks], [label for _, label in horizontal.ticks]
    )
    axes.set_yticks([place for place, _ in vertical.ticks], [label for _, label in vertical.ticks])
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


def _add_scene(axes: Any, scene: Scene, transform: Any) -> None:
    """Add the regions, edges, slivers and boundary of `scene` to `axes`.

    `transform` takes paper coordinates to the display: `axes.transData` where the
    axes show the paper itself.
    """
    from matplotlib.collections import LineCollection, PolyCollection

    shapes, colours = [points for points, _ in scene.fills], [c for _, c in scene.fills]
    axes.add_collection(
        PolyCollection(
            shapes, facecolors=colours, edgecolors=colours, linewidths=0.2, transform=transform
        )
    )
    closed = [[*points, points[0]] for points in scene.slivers]
    for key, lines, opacity in (
        (Scene.EDGE, scene.edges, 0.6),
        (Scene.SLIVER, closed, 1.0),
        (Scene.BOUNDARY, scene.boundary, 1.0),
    ):
        axes.add_collection(
            LineCollection(
                lines,
                colors=key.colour,
                linewidths=key.width * 0.7,
                alpha=opacity,
                capstyle="round",
                transform=transform,
            )
        )
    if scene.dots:
        x, y = np.asarray(scene.dots).T
        axes.scatter(x, y, s=12, color=Scene.BOUNDARY.colour, zorder=3, transform=transform)


def save(figure: Any, path: str | Path, dpi: int = 200) -> None:
    """Write a figure (or the figure of some axes): .png, .pdf, .svg; the same bytes every time."""
    stamp = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(Path(path).suffix.lower())
    figure = getattr(figure, "figure", None) or figure
    figure.savefig(path, dpi=dpi, metadata=stamp, bbox_inches="tight")


def _steps(axes: Any, values: np.ndarray, name: str, k: int) -> None:
    share = np.arange(1, len(values) + 1) / len(values)
    axes.step(values, share, where="post", color=COLOURS[k % len(COLOURS)], label=name)


def _finish(axes: Any, measure: str) -> None:
    axes.set(xlabel=measure, ylabel="share of regions", ylim=(0, 1))
    if measure in ("area", "perimeter", "inradius_bound"):
        axes.set_xscale("log")
    axes.grid(alpha=0.25)


def _bars(axes: Any, table: dict[str, list[Any]], columns: list[str], label: str) -> None:
    width = 0.8 / len(table["network"])
    for k, name in enumerate(table["network"]):
        heights = [table[column][k] or 0 for column in columns]
        places = np.arange(len(columns)) + (k - (len(table["network"]) - 1) / 2) * width
        axes.bar(places, heights, width, color=COLOURS[k % len(COLOURS)], label=name)
    axes.set_xticks(range(len(columns)), [c.rsplit("_", 1)[0].replace("_", " ") for c in columns])
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylabel(label)


def _lines(axes: Any, lines: Any, **style: Any) -> None:
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(lines, capstyle="round", **style))


def _frame(axes: Any, partition: Partition) -> Any:
    corners = np.asarray([[to_float(c) for c in p] for p in partition.window.corners])
    (left, low), (right, high) = corners.min(axis=0), corners.max(axis=0)
    axes.set(xlim=(left, right), ylim=(low, high), xlabel="u", ylabel="v")
    axes.set_aspect("equal")
    return axes


def _axes(axes: Any) -> Any:
    return new_axes(6.4, 6) if axes is None else axes


def new_axes(width: float, height: float) -> Any:
    """The only axes of a new figure of that many inches. Raises MissingExtraError."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("figures need matplotlib: pip install 'exactcam[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained").add_subplot()
