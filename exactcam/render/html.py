"""The interactive page: one self-contained HTML file, exact at any zoom.

The page is made of small files in `viewer/`, put into one when it is written: no
build step, no network access (its own content policy forbids it), nothing to
install. The data is one compressed block (see `viewer_data`).
"""

from __future__ import annotations

import base64
import html
from importlib.resources import files
from pathlib import Path

from ..partition import Partition
from .viewer_data import pack

__all__ = ["html_page", "write_html"]

# In the order in which they build on each other.
_SCRIPTS = ("exact", "data", "colour", "scene", "webgl", "canvas2d", "panel", "viewer", "page")


def html_page(partition: Partition, title: str = "exactcam") -> str:
    """The page for `partition` as text. About 100 bytes a region and up, with its numbers."""
    folder = files(__package__).joinpath("viewer")
    page = folder.joinpath("page.html").read_text(encoding="utf-8")
    scripts = "\n".join(
        folder.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS
    )
    filled = {
        "title": html.escape(title),
        "style": folder.joinpath("style.css").read_text(encoding="utf-8"),
        "data": base64.b64encode(pack(partition, title)).decode("ascii"),
        "script": scripts,
    }
    for name, text in filled.items():
        page = page.replace(f"<!--{name}-->", text, 1)
    return page


def write_html(partition: Partition, path: str | Path, title: str = "exactcam") -> None:
    """Write `html_page` to `path`."""
    Path(path).write_text(html_page(partition, title), encoding="utf-8")
