"""Writes the interactive page: one self-contained HTML file, exact at any zoom.

The page is put together from the small files in `viewer/` when it is written: no build
step, no network access (its own content policy forbids it), nothing to install. The
data is one compressed block (see `viewer_data`).
"""

from __future__ import annotations

import base64
import html
from importlib.resources import files
from typing import Any

from ..complex.partition import Partition
from .viewer_data import pack

__all__ = ["html_page"]

# In the order in which they build on each other.
_SCRIPTS = ("exact", "data", "colour", "scene", "webgl", "canvas2d", "panel", "viewer", "page")


def html_page(
    partition: Partition, title: str = "exactcam", colour: str = "slope", level: Any = 0
) -> str:
    """The interactive page of a partition as HTML text, 200 bytes a region and more.

    Parameters and errors are those of `viewer_data.pack`, which makes its data block.
    """
    folder = files(__package__).joinpath("viewer")
    page = folder.joinpath("page.html").read_text(encoding="utf-8")
    scripts = "\n".join(
        folder.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS
    )
    filled = {
        "title": html.escape(title),
        "style": folder.joinpath("style.css").read_text(encoding="utf-8"),
        "data": base64.b64encode(pack(partition, title, colour, level)).decode("ascii"),
        "script": scripts,
    }
    for name, text in filled.items():
        page = page.replace(f"<!--{name}-->", text, 1)
    return page
