"""Pictures of a partition: SVG and an interactive page, and with matplotlib PNG and PDF.

`scene` decides what is drawn where and in which colour; `svg` and `plots` write it in
their formats.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..complex.partition import Partition
from ..errors import ExactcamError
from ..files.writing import write_text
from ..runtime.arguments import expect, file_name
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
    """Draw a partition into a file: .svg, .html, or .png and .pdf with the extra `plot`.

    Parameters
    ----------
    partition : Partition
        What to draw.
    path : str or Path
        The file to write; its suffix says what.
    colour : str, optional
        "class" (the largest output, or the side of `level` for a network of one output),
        "region" (regions told apart), "slope" (norm of the output map) or "area"; by
        default "class" where there is more than one, else "region". For a page, what it
        shows first, by default "slope".
    boundary : bool
        Whether to draw the decision boundary.
    level : exact number
        The level of the boundary of a network of one output.
    title : str, optional
        The title; the three counts unless given.

    Raises
    ------
    ExactcamError
        For another suffix or an unknown colour.
    MissingExtraError
        For .png and .pdf without matplotlib.
    """
    expect(partition, Partition, "partition", "a Partition")
    path = file_name(path)
    if title is not None:
        expect(title, str, "title", "text")
    suffix = Path(path).suffix.lower()
    if suffix == ".html":
        page = html_page(partition, title or "exactcam", colour or "slope", level)
        write_text(path, page)
        return
    picture = scene(partition, colour, boundary, level, title)
    if suffix == ".svg":
        write_text(path, svg_text(picture))
    elif suffix in (".png", ".pdf"):
        from .plots import save_figure

        save_figure(picture, path)
    else:
        raise ExactcamError(f"{path}: a picture's name must end in .svg, .html, .png or .pdf")
