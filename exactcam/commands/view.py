"""`exactcam view`: a partition as an interactive page, opened in the browser."""

from __future__ import annotations

import argparse
import tempfile
import webbrowser
from pathlib import Path

from ..render import COLOURS, draw
from .common import partition_or_result
from .options import add_level, add_partition_options, level_of

HELP = "walk through the partition of a network, or of a result file, in the browser"


def configure(parser: argparse.ArgumentParser) -> None:
    add_partition_options(parser)
    parser.add_argument("-o", "--output", metavar="PAGE", help="where to write the page (.html)")
    parser.add_argument("--no-open", action="store_true", help="only write the page")
    parser.add_argument("--colour", choices=COLOURS, help="what tells regions apart at first")
    add_level(parser)


def run(args: argparse.Namespace) -> int:
    part = partition_or_result(args)
    name = Path(args.model).stem
    path = Path(args.output or Path(tempfile.mkdtemp(prefix="exactcam-")) / f"{name}.html")
    page, level = path.with_suffix(".html"), level_of(args)
    part.prefetch(args.jobs)
    part.decision_boundary(level, args.jobs)
    draw(part, page, args.colour, level=level, title=name)
    print(page)
    if not args.no_open:
        webbrowser.open(page.resolve().as_uri())
    return 0
