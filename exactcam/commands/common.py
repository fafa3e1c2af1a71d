"""What the shared options ask for: the model loaded, its partition read or computed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from ..complex.partition import COMPARED, Partition, load_partition
from ..complex.partition_file import is_result
from ..compute import partition
from ..errors import MissingExtraError, escaped
from ..loaders import load
from ..model.network import Network
from .options import slice_of, window_from
from .progress import Progress

__all__ = ["load_model", "note", "partition_of", "partition_or_result", "read_model", "scheduler"]


def note(text: str) -> None:
    """Say on stderr, in one line, what a reader of the result should know."""
    print(f"exactcam: note: {escaped(text)}", file=sys.stderr)


def read_model(args: argparse.Namespace) -> Network:
    """The network that MODEL names, loaded as its options say."""
    return load(
        args.model, drop_final=args.drop_final, check=not args.no_check, output=args.model_output
    )


def load_model(args: argparse.Namespace) -> Network:
    """The network that MODEL names; what the loader had to substitute is said on stderr."""
    network = read_model(args)
    for text in network.notes:
        note(text)
    return network


def partition_of(
    args: argparse.Namespace, check: Callable[[Network], None] | None = None
) -> Partition:
    """Load MODEL, `check` it, and compute the partition the options ask for, showing progress."""
    network = load_model(args)
    if check is not None:
        check(network)
    plane, window = slice_of(args, network.inputs), window_from(args)
    with Progress("regions") as progress, scheduler(args) as executor:
        reduce = {"yes": True, "no": False}.get(args.reduce, args.reduce)
        return partition(network, plane, window, args.engine, progress, args.jobs, executor, reduce)


@contextmanager
def scheduler(args: argparse.Namespace) -> Iterator[Executor | None]:
    """The executor of the scheduler that --scheduler names, None without the option."""
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
    """The partition in MODEL if that is a result file, else the one computed from it.

    What of the file is not proved is said on stderr.
    """
    if not (args.model.endswith((".jsonl", ".gz")) or is_result(args.model)):
        return partition_of(args)
    part = load_partition(args.model)
    if len(part) > COMPARED:
        note(
            f"{args.model}: regions tile the window and maps are continuous "
            f"(proved); patterns and maps were compared with the network on {COMPARED} regions, "
            "Partition.check_invariants compares all; engine is what the file says"
        )
    return part
