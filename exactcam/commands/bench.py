"""`exactcam bench`: time the fast engine, the reference and regioncam in one run."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from typing import Any

from ..benchmark.cases import FAMILIES, cases
from ..benchmark.measure import import_seconds, measure
from ..errors import ExactcamError
from ..files.writing import write_text

HELP = "time the engines side by side on one thread, comparing their counts as it goes"
# What a new Python does before the first partition: start, import, load what partition needs.
_IMPORTS = {
    "import exactcam": "import exactcam",
    "exactcam.partition": "import exactcam; exactcam.partition",
}
# Heads of the table's columns and their widths.
_COLUMNS = {
    "family": 11,
    "width": 5,
    "depth": 5,
    "regions": 8,
    "prepare": 7,
    "cells": 8,
    "complete": 8,
    "jobs": 5,
    "regioncam": 9,
    "ratio": 6,
    "reference": 9,
    "floor": 7,
    "areas": 7,
    "exact": 7,
    "B/region": 8,
    "counts": 0,
}
_EPILOG = """\
microseconds a region, medians; prepare: exact parameters to certified floats; cells: all regions,
prepared; complete: a partition with named vertices, from the exact network; jobs: how much faster
the same is on --jobs processes; ratio: regioncam / cells; floor: the float64 products of one
evaluation a vertex; areas: exact vertices and areas besides; exact: share of cells cut that needed
exact arithmetic. Exit code: 0 all counts agree with the reference where it ran, 1 not"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    add = parser.add_argument
    families = f"of {', '.join(FAMILIES)} (default all)"
    add("--families", nargs="+", choices=FAMILIES, default=FAMILIES, metavar="F", help=families)
    add("--widths", nargs="+", type=int, default=[16, 32, 64, 128, 256, 512])
    add("--depths", nargs="+", type=int, default=list(range(2, 9)))
    add("--seed", type=int, default=0)
    add("--repeat", type=int, default=3, metavar="N", help="runs each (default 3)")
    jobs = "time complete partitions on N processes too"
    add("--jobs", type=int, default=1, metavar="N", help=jobs)
    for engine, most in (("reference", 3000), ("regioncam", 200_000)):
        text = f"leave {engine} out above N regions (default {most:,})"
        add(f"--{engine}-limit", type=int, default=most, metavar="N", help=text)
    add("--json", metavar="OUT", help="write every figure as JSON")
    add("--figure", metavar="OUT", help="plot time against regions, width, depth")


def run(args: argparse.Namespace) -> int:
    for name in ("widths", "depths", "repeat", "jobs"):
        numbers = getattr(args, name)
        if min(numbers if isinstance(numbers, list) else [numbers]) < 1:
            raise ExactcamError(f"--{name} {numbers}: give positive numbers")
    if not find_spec("regioncam"):
        print("regioncam is not installed (pip install regioncam): left out")
    imports = {name: import_seconds(program) for name, program in _IMPORTS.items()}
    print(", ".join(f"{name}: {s:.2f} s" for name, s in imports.items()), "of processor")
    print(" ".join(name.rjust(size) for name, size in _COLUMNS.items()))
    limits = {"reference": args.reference_limit, "regioncam": args.regioncam_limit, "exact": 50_000}
    results = []
    for case in cases(args.families, args.widths, args.depths, args.seed):
        measured = measure(case, args.repeat, limits, args.jobs)
        results.append(measured | {"import_seconds": imports})
        print(_row(results[-1]), flush=True)
    _compare_families(results)
    if args.json:
        write_text(args.json, json.dumps(results, indent=1) + "\n")
    if args.figure:
        from ..render.plots import bench_figure, save

        save(bench_figure(results), args.figure)
    wrong = [r for r in results if r.get("died") or _differs(r, "reference")]
    return 1 if wrong else 0


def _differs(result: dict[str, Any], engine: str) -> bool:
    return bool(result["counts"].get(engine, result["regions"]) != result["regions"])


def _row(result: dict[str, Any]) -> str:
    if result.get("died"):
        return f"{result['family']:>11} {result['width']:5} {result['depth']:5} died"
    regions, seconds = result["regions"], result["seconds"]
    cells = {name: f"{1e6 * s / regions:.2f}" for name, s in seconds.items()}
    cells |= {key: str(result[key]) for key in ("family", "width", "depth", "regions")}
    if "regioncam" in seconds:
        cells["ratio"] = f"{seconds['regioncam'] / seconds['cells']:.1f}"
    if "floor" in result:
        cells["floor"] = f"{1e6 * result['floor'] / regions:.2f}"
    cells["prepare"] = f"{1e6 * result['prepare_seconds'] / regions:.2f}"
    if "areas_seconds" in result:
        cells["areas"] = f"{1e6 * result['areas_seconds'] / regions:.1f}"
    if "jobs_seconds" in result:
        one, many = result["jobs_seconds"].values()
        cells["jobs"] = f"{one / many:.2f}"
    cells["exact"] = f"{result['exact_cells'] / result['cells_cut']:.0e}"
    cells["B/region"] = f"{result['bytes_per_region']:.0f}"
    off = [f"{n} {c}" for n, c in result["counts"].items() if c != regions]
    cells["counts"] = ", ".join(off) or "equal"
    return " ".join(cells.get(name, "-").rjust(size) for name, size in _COLUMNS.items())


def _compare_families(results: list[dict[str, Any]]) -> None:
    """Print the time per region of degenerate networks over that of the generic one their size."""
    each = {
        (r["family"], r["width"], r["depth"]): r["seconds"]["cells"] / r["regions"]
        for r in results
        if "seconds" in r
    }
    generic = each.get(("he", 64, 3))
    for (family, width, depth), value in each.items():
        if generic and (width, depth) == (64, 3) and family not in ("he", "default"):
            print(f"{family}: {value / generic:.1f} times the generic time per region")
