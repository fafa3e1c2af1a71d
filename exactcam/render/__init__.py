"""Pictures of a partition: SVG with nothing installed, PNG and PDF with matplotlib.

`scene` decides what is drawn where and in which colour, once; `svg` and `figure`
only put it on paper.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ExactcamError
from ..partition import Partition
from .scene import COLOURS, Scene, scene
from .svg import svg_text

__all__ = ["COLOURS", "Scene", "draw", "scene"]


def draw(
    partition: Partition,
    path: str | Path,
    colour: str | None = None,
    boundary: bool = True,
    level: Any = 0,
    title: str | None = None,
) -> None:
    """Draw a partition into `path`: .svg, or .png and .pdf with the extra `plot`.

    `colour` is "class" (the largest output, or the side of `level` for a network of
    one output), "region" (regions told apart), "slope" (norm of the output map) or
    "area"; by default "class" where there is more than one, else "region". Raises
    ExactcamError for another suffix, MissingExtraError without matplotlib.
    """
    picture = scene(partition, colour, boundary, level, title)
    suffix = Path(path).suffix.lower()
    if suffix == ".svg":
        Path(path).write_text(svg_text(picture), encoding="utf-8")
    elif suffix in (".png", ".pdf"):
        from .figure import save_figure

        save_figure(picture, path)
    else:
        raise ExactcamError(f"{path}: a picture's name must end in .svg, .png or .pdf")
