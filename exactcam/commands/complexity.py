"""`exactcam complexity`: exact region counts near points, on random planes through them."""

from __future__ import annotations

import argparse
from math import isfinite
from typing import Any

from ..analysis.tables import write_csv
from ..arithmetic.rational import rational, to_float
from ..files.arrays import read_npy
from ..runtime.arguments import file_name
from ..windows.complexity import local_complexity
from .common import load_model
from .options import add_model
from .progress import Progress

HELP = "count the regions near points, on random planes through them"


def configure(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--points", required=True, metavar="NPY", help="a .npy file: each row one input, flattened"
    )
    parser.add_argument(
        "--radius", required=True, metavar="R", help="count in squares of side 2 R around them"
    )
    parser.add_argument("--planes", type=int, default=1, metavar="K", help="for each point (1)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal planes")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes to use")
    parser.add_argument("-o", "--output", metavar="CSV", help="every count and other measures")


def run(args: argparse.Namespace) -> int:
    output = None if args.output is None else file_name(args.output)
    network, points = load_model(args), read_npy(args.points)
    radius = to_float(rational(args.radius.strip(), "--radius"))
    with Progress("planes") as progress:
        found = local_complexity(
            network, points, radius, args.planes, args.seed, args.jobs, progress
        )
        measures = None if output is None else found.partitions.measure(args.jobs, progress)
    print(
        f"{found.mean:.6g} regions on a random plane, standard error {found.standard_error:.2g} "
        f"({len(found.regions):,} points, planes through each: {args.planes:,})"
    )
    if output is not None and measures is not None:
        planes = range(len(measures))
        table: dict[str, list[Any]] = {
            "point": [k // args.planes for k in planes],
            "plane": [k % args.planes for k in planes],
        }
        for name, column in zip(found.partitions.MEASURES, measures.T, strict=True):
            exact = int if name.endswith(("regions", "pieces")) else float
            # No boundary, or no knot line, to be at a distance from: the entry is empty.
            table[name] = [exact(x) if isfinite(x) else None for x in column.tolist()]
        write_csv(table, output)
    return 0
