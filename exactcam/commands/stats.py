"""`exactcam stats`: measures of the regions, of one network or of several side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..analysis.tables import as_floats, comparison, csv_text, region_table, write_csv
from ..arithmetic.rational import rational
from ..complex.partition import Partition
from ..errors import ExactcamError
from .common import add_partition_options, partition_or_result

HELP = "measure the regions of networks or result files: areas, shapes, slopes, layers"


def configure(parser: argparse.ArgumentParser) -> None:
    add_partition_options(parser)
    parser.add_argument(
        "--and",
        dest="others",
        action="append",
        default=[],
        metavar="MODEL",
        help="another model or result to compare with, on the same slice and window",
    )
    parser.add_argument("-o", "--output", metavar="CSV", help="write the comparison, exact")
    parser.add_argument("--regions", metavar="CSV", help="write a row per region (one MODEL)")
    parser.add_argument("--figure", metavar="OUT", help="draw it: .png, .pdf or .svg")
    parser.add_argument("--csv", action="store_true", help="print CSV instead of text")
    parser.add_argument("--level", default="0", help="level of the boundary of one output")


def run(args: argparse.Namespace) -> int:
    names = [args.model, *args.others]
    if args.regions is not None and args.others:
        raise ExactcamError("--regions is for one MODEL: leave out --and")
    parts: dict[str, Partition] = {}
    for name in names:
        args.model = name
        parts[_label(name, names)] = partition_or_result(args)
    table = comparison(parts, rational(args.level.strip(), "--level"))
    print(csv_text(table) if args.csv else _text(as_floats(table)), end="")
    if args.output is not None:
        write_csv(table, args.output)
    if args.regions is not None:
        write_csv(region_table(parts[_label(names[0], names)]), args.regions)
    if args.figure is not None:
        from ..render.plots import save, statistics_figure

        save(statistics_figure(parts), args.figure)
    return 0


def _label(name: str, names: list[str]) -> str:
    stem = Path(name).name.split(".")[0]
    return stem if sum(Path(n).name.split(".")[0] == stem for n in names) == 1 else name


def _text(table: dict[str, list[Any]]) -> str:
    """A line a measure, a column a network."""
    rows = [
        [
            name,
            *("-" if x is None else f"{x:.6g}" if isinstance(x, float) else f"{x}" for x in column),
        ]
        for name, column in table.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        + "\n"
        for row in rows
    )
