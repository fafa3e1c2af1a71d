"""Options that several subcommands share: the model, the slice, the window, the engine.

Numbers on the command line are decimal text and mean exactly what they say: 0.1 is
one tenth, and 1/3 and 2e-5 are allowed too.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..arithmetic.rational import mpq, rational
from ..complex.partition import Partition, load_partition
from ..compute import ENGINES, partition
from ..errors import FileFormatError, MissingExtraError, SliceError
from ..loaders import load
from ..model.network import Network
from ..model.slice import Slice, Window

__all__ = [
    "Progress",
    "add_model",
    "add_partition_options",
    "load_model",
    "partition_of",
    "partition_or_result",
    "read_model",
    "scheduler",
    "slice_of",
    "vector",
    "window_from",
]


def add_model(parser: argparse.ArgumentParser) -> None:
    """The positional MODEL."""
    parser.add_argument(
        "model", metavar="MODEL", help="exact network file, .npz (weight0 bias0 ...), .onnx or .pt2"
    )
    parser.add_argument(
        "--drop-final", action="store_true", help="leave out a final softmax or sigmoid (recorded)"
    )
    parser.add_argument(
        "--no-check", action="store_true", help="do not compare with the model's own forward pass"
    )


def add_partition_options(parser: argparse.ArgumentParser) -> None:
    """MODEL with the options that say which slice and window of it, and the engine."""
    add_model(parser)
    where = parser.add_argument_group(
        "slice", "for more than two inputs; a vector is V,V,... or @FILE (text or .npy)"
    )
    where.add_argument(
        "--axes", nargs=2, type=int, metavar=("I", "J"), help="inputs that vary (default 0 1)"
    )
    where.add_argument("--at", metavar="V,V,...", help="the inputs that do not vary (default 0)")
    where.add_argument("--origin", metavar="V,V,...", help="the input at (u, v) = (0, 0)")
    where.add_argument("--e1", metavar="V,V,...", help="the direction of u")
    where.add_argument("--e2", metavar="V,V,...", help="the direction of v")
    where.add_argument(
        "--through", nargs=3, metavar=("A", "B", "C"), help="three inputs: (0, 0), (1, 0), (0, 1)"
    )
    window = parser.add_argument_group("window").add_mutually_exclusive_group()
    window.add_argument(
        "--window", nargs=4, metavar=("UMIN", "VMIN", "UMAX", "VMAX"), help="default -1 -1 1 1"
    )
    window.add_argument("--polygon", metavar='"u,v u,v ..."', help="a convex window")
    parser.add_argument("--engine", choices=ENGINES, help="default: the fastest")
    work = parser.add_mutually_exclusive_group()
    work.add_argument("--jobs", type=int, default=1, metavar="N", help="processes to use")
    work.add_argument(
        "--scheduler", metavar="ADDRESS", help="a dask scheduler to use (extra: cluster)"
    )


def read_model(args: argparse.Namespace) -> Network:
    """The network MODEL names, as the options of `add_model` ask for it."""
    return load(args.model, drop_final=args.drop_final, check=not args.no_check)


def load_model(args: argparse.Namespace) -> Network:
    """The network MODEL names; says on stderr what the loader had to substitute."""
    network = read_model(args)
    for note in network.notes:
        print(f"exactcam: note: {note}", file=sys.stderr)
    return network


def slice_of(args: argparse.Namespace, size: int) -> Slice:
    """The slice the options give for a network of `size` inputs. Raises SliceError."""
    plane = [args.origin, args.e1, args.e2]
    ways = [
        args.axes is not None or args.at is not None,
        any(v is not None for v in plane),
        args.through is not None,
    ]
    if sum(ways) > 1:
        raise SliceError("give the slice in one way: --axes/--at, --origin/--e1/--e2 or --through")
    if args.through is not None:
        return Slice.through(*(vector(v, "--through", size) for v in args.through))
    if ways[1]:
        if None in plane:
            raise SliceError("--origin, --e1 and --e2 go together: give all three")
        names = ("--origin", "--e1", "--e2")
        return Slice(*(vector(v, n, size) for v, n in zip(plane, names, strict=True)))
    if not ways[0]:
        if size != 2:
            raise SliceError(
                f"the network has {size} inputs: say where to cut it with --axes and --at, "
                "--origin --e1 --e2, or --through"
            )
        return Slice.plane(size)
    at = [mpq(0)] * size if args.at is None else vector(args.at, "--at", size)
    return Slice.axes(at, *(args.axes or (0, 1)))


def window_from(args: argparse.Namespace) -> Window:
    """The window the options give, [-1, 1] x [-1, 1] if they give none. Raises SliceError."""
    if args.polygon is not None:
        return Window([_numbers(p, "--polygon") for p in args.polygon.split()])
    return Window.rectangle(*(text.strip() for text in args.window or ("-1", "-1", "1", "1")))


def partition_of(args: argparse.Namespace) -> Partition:
    """Load MODEL and compute the partition the options ask for, showing progress."""
    network = load_model(args)
    plane, window = slice_of(args, network.inputs), window_from(args)
    with Progress("regions") as progress, scheduler(args) as executor:
        return partition(network, plane, window, args.engine, progress, args.jobs, executor)


@contextmanager
def scheduler(args: argparse.Namespace) -> Iterator[Executor | None]:
    """The executor of --scheduler, None without."""
    if args.scheduler is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError(
            "--scheduler needs dask.distributed: pip install 'exactcam[cluster]'"
        ) from None
    with Client(args.scheduler) as client:
        yield client.get_executor(pure=False)


def partition_or_result(args: argparse.Namespace) -> Partition:
    """The partition MODEL holds if it is a result file, else that of `partition_of`."""
    if args.model.endswith((".jsonl", ".gz")):
        return load_partition(args.model)
    return partition_of(args)


def vector(text: str, option: str, size: int) -> list[mpq]:
    """The exact vector of V,V,... or @FILE (text or .npy). Raises SliceError for another size."""
    values = _from_file(text[1:], option) if text.startswith("@") else _numbers(text, option)
    if len(values) != size:
        raise SliceError(f"{option} has {len(values)} entries, the network {size} inputs")
    return values


def _from_file(path: str, option: str) -> list[mpq]:
    try:
        if path.endswith(".npy"):
            text, entries = "", np.load(path, allow_pickle=False).ravel()
        else:
            text, entries = Path(path).read_text(encoding="ascii"), None
    except (OSError, EOFError, ValueError) as error:
        raise FileFormatError(f"{option} @{path}: cannot be read ({error})") from None
    if entries is None:
        return _numbers(text, path)
    return [rational(x, f"{path}[{k}]") for k, x in enumerate(entries)]


def _numbers(text: str, where: str) -> list[mpq]:
    words = re.split(r"\s*,\s*|\s+", text.strip())
    return [rational(word, f"{where} entry {k}") for k, word in enumerate(words)]


class Progress:
    """A line on stderr that counts, shown only on a terminal and wiped at the end."""

    def __init__(self, what: str) -> None:
        self._what, self._shown = what, False
        self._live, self._next = sys.stderr.isatty(), time.monotonic() + 0.5

    def __enter__(self) -> Progress:
        if self._live:  # the very first run compiles for some seconds before it counts
            self._shown = True
            print("computing ...", end="", file=sys.stderr, flush=True)
        return self

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if self._live and now >= self._next:
            self._next, self._shown = now + 0.2, True
            print(f"\r{done:,} {self._what} ...", end="", file=sys.stderr, flush=True)

    def __exit__(self, *exc: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
