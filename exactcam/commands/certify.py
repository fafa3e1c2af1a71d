"""`exactcam certify`: a partition with everything a sceptic needs to check it."""

from __future__ import annotations

import argparse

from ..complex.certificate import write_certificate
from ..model.network_file import write_network
from ..model.slice_file import write_slice
from .common import add_partition_options, partition_of

HELP = "write a certificate of the exact partition that `exactcam check` can verify"


def configure(parser: argparse.ArgumentParser) -> None:
    add_partition_options(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="CERT", help="the certificate (.gz compresses)"
    )
    parser.add_argument("--network-out", metavar="NETWORK", help="write the exact network file too")
    parser.add_argument("--slice-out", metavar="SLICE", help="write the slice and window too")


def run(args: argparse.Namespace) -> int:
    part = partition_of(args)
    write_certificate(part, args.output)
    if args.network_out is not None:
        write_network(part.network, args.network_out)
    if args.slice_out is not None:
        write_slice(part.slice, part.window, args.slice_out)
    counts = part.counts
    print(
        f"certificate of {counts.activation_regions:,} activation regions, "
        f"{counts.linear_regions:,} linear regions, {counts.affine_pieces:,} affine pieces: "
        f"{args.output}"
    )
    network = args.network_out or "NETWORK"
    print(f"check it with: exactcam check {network} {args.slice_out or 'SLICE'} {args.output}")
    return 0
