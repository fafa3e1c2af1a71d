"""`exactcam certify`: write a partition with everything needed to check it independently."""

from __future__ import annotations

import argparse

from ..complex.certificate import check_limits
from .common import partition_of
from .options import add_partition_options

HELP = "write a certificate of the exact partition that `exactcam check` can verify"


def configure(parser: argparse.ArgumentParser) -> None:
    """MODEL, the options of partitions, and the files to write."""
    add_partition_options(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="CERT", help="the certificate (.gz compresses)"
    )
    parser.add_argument("--network-out", metavar="NETWORK", help="write the exact network file too")
    parser.add_argument("--slice-out", metavar="SLICE", help="write the slice and window too")


def run(args: argparse.Namespace) -> int:
    """Write the files, and say what the certificate claims and how to check it."""
    part = partition_of(args, check_limits)
    part.certify(args.output, args.network_out, args.slice_out, args.jobs)
    counts = part.counts
    print(
        f"certificate of {counts.activation_regions:,} activation regions, "
        f"{counts.linear_regions:,} linear regions, {counts.affine_pieces:,} affine pieces: "
        f"{args.output}"
    )
    network = args.network_out or "NETWORK"
    print(f"check it with: exactcam check {network} {args.slice_out or 'SLICE'} {args.output}")
    return 0
