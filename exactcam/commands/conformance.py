"""`exactcam conformance`: grade a floating-point engine on networks with known partitions."""

from __future__ import annotations

import argparse
import json
import sys

from ..arithmetic.rational import rational
from ..conformance.corpus import GROUPS, VERSION
from ..conformance.runner import Result
from ..conformance.runner import run as run_suite
from ..errors import ExactcamError
from ..files.writing import write_text

HELP = "run a floating-point engine on a corpus of networks whose exact partitions are known"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "engine",
        metavar="ENGINE",
        help="package.module:function of (network, window) -> polygons, or a command that is "
        "given IN.npz and OUT.npz (see exactcam.conformance)",
    )
    parser.add_argument("--tolerance", default="1e-5", metavar="T", help="pass mark (default 1e-5)")
    parser.add_argument("--timeout", default="60", metavar="S", help="seconds a case (default 60)")
    parser.add_argument("--group", action="append", choices=GROUPS, help="only this; repeatable")
    parser.add_argument("--json", metavar="OUT", help="write every verdict as JSON")
    parser.add_argument("--failures", action="store_true", help="list the cases that do not pass")
    parser.epilog = "exit code: 0 every case passes, 1 not, 2 bad input"


def run(args: argparse.Namespace) -> int:
    tolerance = args.tolerance.strip()
    if rational(tolerance, "--tolerance") < 0:
        raise ExactcamError(f"--tolerance {tolerance}: is negative")
    seconds = float(rational(args.timeout.strip(), "--timeout"))
    if seconds <= 0:
        raise ExactcamError(
            f"--timeout is {args.timeout.strip()}: give a positive number of seconds"
        )
    done: list[Result] = []

    def progress(result: Result) -> None:
        done.append(result)
        if sys.stderr.isatty():
            print(f"\r\x1b[K{len(done)} {result.group}/{result.name}", end="", file=sys.stderr)

    card = run_suite(args.engine, tolerance, seconds, args.group or GROUPS, progress)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if args.json:
        write_text(args.json, json.dumps(card.to_json(), indent=1) + "\n")
    print(f"conformance corpus {VERSION}, pass mark {tolerance}: {args.engine}")
    print(card.table())
    if args.failures:
        for result in card.results:
            if result.verdict != "pass":
                found = ", ".join(f"{n} {kind}" for kind, n in result.counts.items())
                print(f"{result.group}/{result.name}: {result.verdict}; {found or result.detail}")
    return 0 if card.passed else 1
