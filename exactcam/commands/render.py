"""`exactcam render`: a picture of a partition, from a model or from a result file."""

from __future__ import annotations

import argparse

from ..arithmetic.rational import rational
from ..render import COLOURS, draw
from .common import add_partition_options, partition_or_result

HELP = "draw the partition of a network, or of a result file, as SVG, PNG, PDF or a page"


def configure(parser: argparse.ArgumentParser) -> None:
    add_partition_options(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help=".svg, .html, .png or .pdf"
    )
    parser.add_argument("--colour", choices=COLOURS, help="what tells regions apart")
    parser.add_argument("--level", default="0", help="level of the boundary of one output")
    parser.add_argument("--no-boundary", action="store_true", help="draw the regions only")
    parser.add_argument("--title", help="instead of the three counts")


def run(args: argparse.Namespace) -> int:
    part = partition_or_result(args)
    level = rational(args.level.strip(), "--level")
    part.prefetch(args.jobs, forms=False)
    if not args.no_boundary:
        part.decision_boundary(level, args.jobs)
    draw(part, args.output, args.colour, not args.no_boundary, level, args.title)
    print(args.output)
    return 0
