"""Pictures of a partition.

SVG and an interactive page need nothing else installed, PNG and PDF need matplotlib.
`scene` decides what is drawn where and in which colour, once; `svg` and `figure` only put
it on paper.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..complex.partition import Partition
from ..errors import ExactcamError
from .html import html_page
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
    """Draw a partition into `path`: .svg, .html, or .png and .pdf with the extra `plot`.

    `colour` is "class" (the largest output, or the side of `level` for a network of
    one output), "region" (regions told apart), "slope" (norm of the output map) or
    "area"; by default "class" where there is more than one, else "region". Raises
    ExactcamError for another suffix, MissingExtraError without matplotlib.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".html":
        page = html_page(partition, title or "exactcam", colour or "slope", level)
        Path(path).write_text(page, encoding="utf-8")
        return
    picture = scene(partition, colour, boundary, level, title)
    if suffix == ".svg":
        Path(path).write_text(svg_text(picture), encoding="utf-8")
    elif suffix in (".png", ".pdf"):
        from .plots import save_figure

        save_figure(picture, path)
    else:
        raise ExactcamError(f"{path}: a picture's name must end in .svg, .html, .png or .pdf")
