"""`exactcam line`: the network along the straight segment between two inputs."""

from __future__ import annotations

import argparse

from ..analysis.line_slice import line_slice
from ..analysis.tables import Table, write_csv
from ..arithmetic.rational import decimal_text, to_float
from .common import load_model
from .options import add_level, add_model, level_of, vector

HELP = "cut a network along the straight segment between two inputs: breakpoints and crossings"


def configure(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--start", required=True, metavar="V,V,...", help="or @FILE")
    parser.add_argument("--end", required=True, metavar="V,V,...", help="or @FILE")
    add_level(parser)
    parser.add_argument("-o", "--output", metavar="CSV", help="write a row per piece, exact")
    parser.add_argument("--figure", metavar="OUT", help="draw it: .png, .pdf or .svg")


def run(args: argparse.Namespace) -> int:
    network = load_model(args)
    ends = (vector(getattr(args, n), f"--{n}", network.inputs) for n in ("start", "end"))
    line, level = line_slice(network, *ends), level_of(args)
    table: Table = {"start": list(line.breakpoints[:-1]), "end": list(line.breakpoints[1:])}
    for k in range(network.outputs):
        table[f"slope_{k}"] = [line.affine(piece)[k][0] for piece in range(len(line))]
        table[f"intercept_{k}"] = [line.affine(piece)[k][1] for piece in range(len(line))]
    print(f"{len(line)} pieces, {len(line.bends)} bends of the output")
    for c in line.crossings(level):
        tie = f"outputs {', '.join(map(str, c.classes))} tie" if c.classes else f"output = {level}"
        place = (
            f"t = {decimal_text(c.start)} ({to_float(c.start)!r})"
            if c.start == c.end
            else f"all of t = {decimal_text(c.start)} to {decimal_text(c.end)}"
        )
        print(f"{tie} at {place}")
    if args.output is not None:
        write_csv(table, args.output)
    if args.figure is not None:
        from ..render.plots import plot_line_slice, save

        save(plot_line_slice(line, level=level), args.figure)
    return 0
