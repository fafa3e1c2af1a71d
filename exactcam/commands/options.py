"""The options that several subcommands share, and the exact values they stand for.

Numbers on the command line are decimal text and mean exactly what they say: 0.1 is
one tenth, and 1/3 and 2e-5 are allowed too.
"""

from __future__ import annotations

import argparse
import re

from ..arithmetic.rational import mpq, rational
from ..compute import ENGINES
from ..errors import FileFormatError, SliceError
from ..files.arrays import read_npy
from ..files.reading import read_text
from ..model.slice import Slice, Window

__all__ = [
    "add_level",
    "add_model",
    "add_partition_options",
    "level_of",
    "slice_of",
    "vector",
    "window_from",
]

_ENTRIES = 1 << 22  # of a vector in a file, as many as a network may have inputs


def add_model(parser: argparse.ArgumentParser) -> None:
    """The positional argument MODEL and how to load it."""
    parser.add_argument(
        "model", metavar="MODEL", help="exact network file, .npz (weight0 bias0 ...), .onnx or .pt2"
    )
    parser.add_argument(
        "--drop-final", action="store_true", help="leave out a final softmax or sigmoid (recorded)"
    )
    parser.add_argument(
        "--no-check", action="store_true", help="do not compare with the model's own forward pass"
    )
    parser.add_argument(
        "--model-output", metavar="I|NAME", help="which output of a model that has several"
    )


def add_partition_options(parser: argparse.ArgumentParser) -> None:
    """MODEL with the options for its slice and window, the engine and the processes."""
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
    parser.add_argument(
        "--reduce",
        metavar="yes|no|DEVICE",
        help="first reduce the network to the units that change in the window, on torch's DEVICE "
        "if one is named (default: for large networks)",
    )
    work = parser.add_mutually_exclusive_group()
    jobs = "processes to use; no more than processors, or than EXACTCAM_PROCESSES where it is set"
    work.add_argument("--jobs", type=int, default=1, metavar="N", help=jobs)
    work.add_argument(
        "--scheduler", metavar="ADDRESS", help="a dask scheduler to use (extra: cluster)"
    )


def add_level(parser: argparse.ArgumentParser) -> None:
    """The option --level."""
    parser.add_argument("--level", default="0", help="level of the boundary of one output")


def level_of(args: argparse.Namespace) -> mpq:
    """The number that --level gives. Raises NumberError."""
    return rational(args.level.strip(), "--level")


def slice_of(args: argparse.Namespace, size: int) -> Slice:
    """The slice that the options describe, for a network of `size` inputs. Raises SliceError."""
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
    """The window that the options describe, by default [-1, 1] x [-1, 1]. Raises SliceError."""
    if args.polygon is not None:
        return Window([_numbers(p, "--polygon") for p in args.polygon.split()])
    return Window.rectangle(*(text.strip() for text in args.window or ("-1", "-1", "1", "1")))


def vector(text: str, option: str, size: int) -> list[mpq]:
    """The exact vector that V,V,... or @FILE (text or .npy) gives.

    Raises SliceError unless it has `size` entries; the message names `option`.
    """
    values = _from_file(text[1:], option) if text.startswith("@") else _numbers(text, option)
    if len(values) != size:
        raise SliceError(f"{option} has {len(values)} entries, the network {size} inputs")
    return values


def _from_file(path: str, option: str) -> list[mpq]:
    """The numbers of a text file or of a .npy array."""
    if path.endswith(".npy"):
        array = read_npy(path)
        _check_count(array.size, path)
        return [rational(x, f"{path}[{k}]") for k, x in enumerate(array.ravel())]
    text = read_text(path)
    _check_count(1 + text.count(","), path)
    return _numbers(text, path)


def _check_count(entries: int, path: str) -> None:
    """Refuse a file of more numbers than a network may have inputs."""
    if entries > _ENTRIES:
        raise FileFormatError(f"{path}: holds {entries:,} numbers, more than {_ENTRIES:,}")


def _numbers(text: str, where: str) -> list[mpq]:
    """The exact numbers of a text, separated by commas or spaces."""
    words = re.split(r"\s*,\s*|\s+", text.strip())
    return [rational(word, f"{where} entry {k}") for k, word in enumerate(words)]
