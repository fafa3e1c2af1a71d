"""`exactcam demo`: partitions a trained network that comes with the package."""

from __future__ import annotations

import argparse
import time
from importlib.resources import as_file, files
from pathlib import Path

from ..compute import partition
from ..loaders import load
from ..render import draw
from .partition import summary, text
from .progress import Progress

HELP = "partition a shipped two-moons classifier; write a picture and a result file"
WINDOW = ("-1.75", "-1.25", "2.75", "1.75")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", default=".", metavar="DIR", help="where to write")


def run(args: argparse.Namespace) -> int:
    start = time.perf_counter()
    with as_file(files("exactcam") / "data" / "two_moons.json") as path:
        network = load(path)
    with Progress("regions") as progress:
        # On so small a network the reference is done before the fast engine would be compiled.
        part = partition(network, window=WINDOW, engine="reference", progress=progress)
    facts = summary(part) | {"seconds": time.perf_counter() - start}
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    picture, result = folder / "exactcam-demo.svg", folder / "exactcam-demo.jsonl"
    draw(part, picture)
    part.save(result)
    print(f"Two-moons classifier on the window [-1.75, 2.75] x [-1.25, 1.75]\n{text(part, facts)}")
    print(f"picture             {picture.resolve()}\nresult file         {result.resolve()}")
    return 0
