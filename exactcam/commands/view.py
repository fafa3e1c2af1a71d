"""`exactcam view`: a partition as an interactive page, opened in the browser."""

from __future__ import annotations

import argparse
import tempfile
import webbrowser
from pathlib import Path

from ..arithmetic.rational import rational
from ..render import COLOURS, draw
from .common import add_partition_options, partition_or_result

HELP = "walk through the partition of a network, or of a result file, in the browser"


def configure(parser: argparse.ArgumentParser) -> None:
    add_partition_options(parser)
    parser.add_argument("-o", "--output", metavar="PAGE", help="where to write the page (.html)")
    parser.add_argument("--no-open", action="store_true", help="only write the page")
    parser.add_argument("--colour", choices=COLOURS, help="what tells regions apart at first")
    parser.add_argument("--level", default="0", help="level of the boundary of one output")


def run(args: argparse.Namespace) -> int:
    part = partition_or_result(args)
    name = Path(args.model).stem
    path = Path(args.output or Path(tempfile.mkdtemp(prefix="exactcam-")) / f"{name}.html")
    level = rational(args.level.strip(), "--level")
    part.prefetch(args.jobs)
    part.decision_boundary(level, args.jobs)
    draw(part, path.with_suffix(".html"), args.colour, level=level, title=name)
    print(path.with_suffix(".html"))
    if not args.no_open:
        webbrowser.open(path.with_suffix(".html").resolve().as_uri())
    return 0
