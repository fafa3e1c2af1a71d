"""`exactcam render`: a picture of a partition, from a model or from a result file."""

from __future__ import annotations

import argparse

from ..render import COLOURS, draw
from .common import partition_or_result
from .options import add_level, add_partition_options, level_of

HELP = "draw the partition of a network, or of a result file, as SVG, PNG, PDF or a page"


def configure(parser: argparse.ArgumentParser) -> None:
    add_partition_options(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help=".svg, .html, .png or .pdf"
    )
    parser.add_argument("--colour", choices=COLOURS, help="what tells regions apart")
    add_level(parser)
    parser.add_argument("--no-boundary", action="store_true", help="draw the regions only")
    parser.add_argument("--title", help="instead of the three counts")


def run(args: argparse.Namespace) -> int:
    part = partition_or_result(args)
    level = level_of(args)
    part.prefetch(args.jobs, forms=False)
    if not args.no_boundary:
        part.decision_boundary(level, args.jobs)
    draw(part, args.output, args.colour, not args.no_boundary, level, args.title)
    print(args.output)
    return 0
