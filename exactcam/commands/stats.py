"""`exactcam stats`: measures of the regions of one network, or of several to compare."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..analysis.tables import comparison, csv_text, region_table, write_csv
from ..arithmetic.rational import digits
from ..complex.partition import Partition
from ..errors import ExactcamError
from .common import partition_or_result
from .options import add_level, add_partition_options, level_of

HELP = "measure the regions of networks or result files: areas, shapes, slopes, layers"


def configure(parser: argparse.ArgumentParser) -> None:
    add_partition_options(parser)
    others = "another model or result to compare with, on the same slice and window"
    parser.add_argument(
        "--and", dest="others", action="append", default=[], metavar="MODEL", help=others
    )
    parser.add_argument("-o", "--output", metavar="CSV", help="write the comparison, exact")
    parser.add_argument("--regions", metavar="CSV", help="write a row per region (one MODEL)")
    parser.add_argument("--figure", metavar="OUT", help="draw it: .png, .pdf or .svg")
    parser.add_argument("--csv", action="store_true", help="print CSV instead of text")
    add_level(parser)


def run(args: argparse.Namespace) -> int:
    names = [args.model, *args.others]
    if args.regions is not None and args.others:
        raise ExactcamError("--regions is for one MODEL: leave out --and")
    level = level_of(args)
    parts: dict[str, Partition] = {}
    for name in names:
        args.model = name
        part = parts[_label(name, names)] = partition_or_result(args)
        part.prefetch(args.jobs)
        part.decision_boundary(level, args.jobs)
    table = comparison(parts, level)
    print(csv_text(table) if args.csv else _text(table), end="")
    if args.output is not None:
        write_csv(table, args.output)
    if args.regions is not None:
        write_csv(region_table(parts[_label(names[0], names)]), args.regions)
    if args.figure is not None:
        from ..render.plots import save, statistics_figure

        save(statistics_figure(parts), args.figure)
    return 0


def _label(name: str, names: list[str]) -> str:
    """What the table calls a file: its stem where no other has the same, else the whole name."""
    stem = Path(name).name.split(".")[0]
    return stem if sum(Path(n).name.split(".")[0] == stem for n in names) == 1 else name


def _text(table: dict[str, list[Any]]) -> str:
    """A line a measure, a column a network."""

    def cell(value: Any) -> str:
        return (
            "-" if value is None else f"{value}" if isinstance(value, (int, str)) else digits(value)
        )

    rows = [[name, *map(cell, column)] for name, column in table.items()]
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = (
        [name.ljust(first), *(text.rjust(width) for text, width in zip(row, others, strict=True))]
        for name, *row in rows
    )
    return "".join("  ".join(line) + "\n" for line in lines)
