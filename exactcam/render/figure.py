"""A scene as PNG or PDF: the only module that imports matplotlib."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import MissingExtraError
from .scene import Scene

__all__ = ["save_figure"]


def save_figure(scene: Scene, path: str | Path) -> None:
    """Draw `scene` into a file matplotlib knows by its suffix, 8 inches wide, 200 dpi.

    Raises MissingExtraError where matplotlib is not installed.
    """
    try:
        from matplotlib.collections import LineCollection, PolyCollection
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch
    except ImportError:
        raise MissingExtraError(
            f"{path} needs matplotlib: pip install 'exactcam[plot]', or write .svg instead"
        ) from None
    figure = Figure(figsize=(8.4, 6.4), layout="constrained")
    axes = figure.add_subplot()
    shapes, colours = [points for points, _ in scene.fills], [c for _, c in scene.fills]
    axes.add_collection(
        PolyCollection(shapes, facecolors=colours, edgecolors=colours, linewidths=0.2)
    )
    closed = [[*points, points[0]] for points in scene.slivers]
    for key, lines, opacity in (
        (Scene.EDGE, scene.edges, 0.6),
        (Scene.SLIVER, closed, 1.0),
        (Scene.BOUNDARY, scene.boundary, 1.0),
    ):
        axes.add_collection(
            LineCollection(
                lines, colors=key.colour, linewidths=key.width * 0.7, alpha=opacity,
                capstyle="round",
            )
        )  # fmt: skip
    if scene.dots:
        x, y = np.asarray(scene.dots).T
        axes.scatter(x, y, s=12, color=Scene.BOUNDARY.colour, zorder=3)
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
    # No date inside, so that the same partition gives the same file.
    stamp = {"CreationDate": None} if str(path).lower().endswith(".pdf") else None
    figure.savefig(path, dpi=200, metadata=stamp, bbox_inches="tight")
