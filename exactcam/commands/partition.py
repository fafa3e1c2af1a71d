"""`exactcam partition`: the exact partition of a network on a window, in numbers."""

from __future__ import annotations

import argparse
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..arithmetic.rational import decimal_text, digits, json_number, mpq
from ..complex.partition import Partition, proving
from ..errors import ExactcamError
from ..files.reading import reading
from ..runtime.processes import workers
from .common import load_model, note, partition_of, scheduler
from .options import add_level, add_partition_options, level_of, slice_of, window_from
from .progress import Progress

HELP = "compute the exact partition of a network on a window of a slice"


def configure(parser: argparse.ArgumentParser) -> None:
    add_partition_options(parser)
    add_level(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="write a result file (.gz compresses); a name that ends in .run: stream regions "
        "there as they are found, and go on where an interrupted run ended",
    )
    parser.add_argument(
        "--totals",
        action="store_true",
        help="with -o FILE.run: only what needs no memory for the whole (regions, edges, area)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    start, level = time.perf_counter(), level_of(args)
    streamed = args.output is not None and args.output.endswith(".run")
    if args.totals and not streamed:
        raise ExactcamError("--totals goes with -o FILE.run")
    part = _through_file(args) if streamed else partition_of(args)
    if part is None:
        return 0
    saved = args.output is not None and not streamed
    with ExitStack() as stack:
        if streamed:  # what is computed from the file's regions may show that they are none
            stack.enter_context(reading(args.output))
            stack.enter_context(proving(args.output))
        part.prefetch(args.jobs, vertices=saved, forms=saved)
        if saved:
            part.save(args.output)
        facts = summary(part, level, args.jobs)
    facts["seconds"] = round(time.perf_counter() - start, 3)
    print(json.dumps(facts) if args.json else text(part, facts))
    return 0


def _through_file(args: argparse.Namespace) -> Partition | None:
    """The partition, streamed to its file first; with --totals None, and the totals printed."""
    from ..engine.refine import Engine  # with numba, which takes a while
    from ..engine.run_file import REPLAYED, read_run, write_run

    network = load_model(args)
    plane, window = slice_of(args, network.inputs), window_from(args)
    if args.engine not in (None, "fast"):
        raise ExactcamError("-o FILE.run is for the fast engine")
    if args.reduce not in (None, "no"):
        raise ExactcamError("-o FILE.run works without --reduce")
    resumed = Path(args.output).is_file() and Path(args.output).stat().st_size > 0
    with Progress("regions") as progress, scheduler(args) as far, workers(args.jobs, far) as pool:
        engine = Engine(network, plane, window)
        totals = write_run(engine, args.output, pool, progress)
    if resumed:
        note(
            f"{args.output}: regions found before tile the window within the "
            "area's error (proved); their patterns and edges are the file's, compared with the "
            f"network for {REPLAYED} regions"
        )
    if not args.totals:
        return read_run(engine, args.output)
    counts = ("activation_regions", "corners", "outer_edges", "edges", "vertices")
    found: dict[str, Any] = {name: getattr(totals, name) for name in counts}
    areas = {name: getattr(totals, name) for name in ("area", "area_error")}
    lines = [f"{name.replace('_', ' '):20}{value:,}" for name, value in found.items()]
    lines += [f"{name.replace('_', ' '):20}{digits(value, 17)}" for name, value in areas.items()]
    found |= {name: json_number(value) for name, value in areas.items()}
    print(json.dumps(found) if args.json else "\n".join(lines))
    return None


def summary(part: Partition, level: Any = 0, jobs: int = 1) -> dict[str, Any]:
    """A partition in figures, as JSON values: counts, exact areas, boundary, network.

    `level` is that of the boundary of a network of one output, `jobs` the number of processes
    that find it. O(regions + boundary).
    """
    boundary = part.decision_boundary(level, jobs)
    return {
        "activation_regions": part.counts.activation_regions,
        "linear_regions": part.counts.linear_regions,
        "affine_pieces": part.counts.affine_pieces,
        "vertices": part.vertex_count,
        "edges": len(part.edges),
        "window_area": f"{part.window.area.numerator}/{part.window.area.denominator}",
        "area_sum": f"{part.area_sum.numerator}/{part.area_sum.denominator}",
        "boundary_segments": len(boundary.segments),
        "boundary_length": json_number(boundary.length),
        "plateaus": len(boundary.plateaus),
        "engine": part.engine,
        "network_sha256": part.network.sha256,
        "notes": list(part.network.notes),
    }


def text(part: Partition, facts: dict[str, Any]) -> str:
    """The figures of `summary`, with "seconds", as text, a line each."""
    network = part.network
    whole = part.area_sum == part.window.area
    return "\n".join(
        [
            f"network             {network.inputs} inputs, {network.units} units, "
            f"{network.outputs} outputs, sha256 {network.sha256[:16]}",
            f"activation regions  {part.counts.activation_regions:,}",
            f"linear regions      {part.counts.linear_regions:,}",
            f"affine pieces       {part.counts.affine_pieces:,}",
            f"vertices, edges     {part.vertex_count:,}, {len(part.edges):,}",
            f"area sum            {decimal_text(part.area_sum)} exactly"
            + (", the window's" if whole else f", BUT the window's is {facts['window_area']}"),
            f"decision boundary   {facts['boundary_segments']:,} segments, length "
            f"{digits(mpq(facts['boundary_length']), 15)}, {facts['plateaus']} plateaus",
            f"time                {facts['seconds']:.2f} s, engine {part.engine}",
        ]
    )
