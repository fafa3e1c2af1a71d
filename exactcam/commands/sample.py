"""`exactcam sample`: points exactly on the decision boundary, as CSV of exact inputs."""

from __future__ import annotations

import argparse
import sys

from ..analysis.boundary_points import nearest_boundary_point, sample_boundary
from ..analysis.tables import csv_text
from ..arithmetic.rational import Real, decimal_text, digits
from ..errors import ExactcamError
from ..files.writing import write_text
from .common import note, partition_or_result
from .options import add_level, add_partition_options, level_of

HELP = "draw points exactly on the decision boundary, uniformly by length, or find the nearest"


def configure(parser: argparse.ArgumentParser) -> None:
    add_partition_options(parser)
    parser.add_argument("-n", "--count", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal points")
    add_level(parser)
    parser.add_argument(
        "--nearest", metavar="U,V", help="instead: the boundary point nearest to (U, V), its margin"
    )
    parser.add_argument("-o", "--output", metavar="CSV", help="instead of standard output")


def _margin(margin: Real) -> str:
    """All digits of a rounded number."""
    return repr(margin) if isinstance(margin, float) else digits(margin, 17)


def run(args: argparse.Namespace) -> int:
    part = partition_or_result(args)
    level = level_of(args)
    part.decision_boundary(level, args.jobs)
    if args.nearest is not None:
        words = args.nearest.split(",")
        if len(words) != 2:
            raise ExactcamError(f"--nearest {args.nearest.strip()} is not two numbers U,V")
        near = nearest_boundary_point(part, words[0].strip(), words[1].strip(), level)
        print(
            f"point    {', '.join(map(decimal_text, near.point))}\n"
            f"margin   {_margin(near.margin)} in input space, squared {decimal_text(near.squared_margin)}\n"
            f"certain  {'yes' if near.certain else 'no: something outside the window may be nearer'}"
        )
        return 0
    samples = sample_boundary(part, args.count, args.seed, level)
    if not len(samples):
        note("there is no decision boundary in the window")
    table = {"u": [u for u, _ in samples.points], "v": [v for _, v in samples.points]}
    for k in range(part.network.inputs):
        table[f"input_{k}"] = [row[k] for row in samples.inputs]
    text = csv_text({**table, "classes": [" ".join(map(str, c)) for c in samples.classes]})
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_text(args.output, text)
    return 0
