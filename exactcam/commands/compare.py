"""`exactcam compare`: grades a float engine's output file against the exact partition."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..complex.partition import Partition, load_partition, proving
from ..compute import partition
from ..errors import ExactcamError, FileFormatError
from ..files.writing import write_text
from ..grading import EngineOutput, compare
from ..grading.adapters import edges, polygons, regioncam, relucent, splinecam, syrenn
from ..loaders import load
from ..model.slice import Slice, Window
from .progress import Progress

HELP = "grade the output of a floating-point engine against the exact partition"
READERS = {
    "splinecam": splinecam.read,
    "regioncam": regioncam.read,
    "syrenn": syrenn.read,
    "edges": edges.read,
    "relucent": relucent.read,
    "polygons": polygons.read,
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=READERS, metavar="FORMAT", help=", ".join(READERS))
    parser.add_argument("file", metavar="FILE", help="the engine's output, an .npz file")
    parser.add_argument("--model", help="the network, where FILE does not carry it")
    parser.add_argument(
        "--truth",
        metavar="RESULT",
        help="a result file of exactcam partition -o, proved exactly; else computed",
    )
    window = "where FILE does not carry it (default -1 -1 1 1)"
    parser.add_argument("--window", nargs=4, metavar=("UMIN", "VMIN", "UMAX", "VMAX"), help=window)
    parser.add_argument(
        "--tolerance", default="1e-5", metavar="T", help="the pass mark (default 1e-5)"
    )
    parser.add_argument("--report", metavar="OUT", help="out.html with pictures, or out.json")
    parser.epilog = "exit code: 0 pass, 1 differs, cannot tell or the engine raised, 2 bad input"


def run(args: argparse.Namespace) -> int:
    if args.report and not args.report.endswith((".html", ".json")):
        raise ExactcamError(f"--report {args.report}: give a name that ends in .html or .json")
    output = READERS[args.format](args.file)
    result = compare(_truth(args, output), output, args.tolerance.strip())
    if args.report:
        if args.report.endswith(".html"):
            from ..grading.pictures import write_html

            write_html(result, args.report, f"{args.format} {Path(args.file).name}")
        else:
            text = json.dumps(result.to_json(), indent=1)
            write_text(args.report, text + "\n")
    print(result.summary())
    return 0 if result.passed else 1


def _truth(args: argparse.Namespace, output: EngineOutput) -> Partition:
    """The exact partition: from RESULT, or of the network that --model or the file gives.

    Where two of them give a network, a slice or a window, they must be the same: an
    engine graded on another network than it was run on would fail for no fault of its own.
    """
    model = load(args.model) if args.model else None
    if args.truth:
        truth = load_partition(args.truth)
        with proving(args.truth):
            truth.check_invariants()
    else:
        network = model or output.network
        if network is None:
            raise FileFormatError(f"{args.file}: carries no network; give it with --model")
        given = args.window and [text.strip() for text in args.window]
        window = given or output.window or (-1, -1, 1, 1)
        with Progress("regions") as progress:
            truth = partition(network, output.slice, window, progress=progress)
    for where, network in (("--model", model), (args.file, output.network)):
        if network is not None and network.sha256 != truth.network.sha256:
            raise FileFormatError(f"{where}: is not the network of the exact partition")
    for name in ("slice", "window"):
        held = getattr(output, name)
        if held is not None and _facts(held) != _facts(getattr(truth, name)):
            raise FileFormatError(f"{args.file}: has another {name} than the exact partition")
    return truth


def _facts(value: Slice | Window) -> object:
    """A slice as it is, a window as the set of its corners: the first may be any of them."""
    return frozenset(value.corners) if isinstance(value, Window) else value
