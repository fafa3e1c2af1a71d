"""`exactcam check`: run the independent checker; its exit status is the command's."""

from __future__ import annotations

import argparse

from .. import checker

HELP = "verify a certificate (0 verified, 1 rejected, 2 unreadable, 3 malformed)"


def configure(parser: argparse.ArgumentParser) -> None:
    """The three files."""
    parser.add_argument("network", metavar="NETWORK", help="the exact network file")
    parser.add_argument("slice", metavar="SLICE", help="the slice file")
    parser.add_argument("certificate", metavar="CERT", help="the certificate, packed or not")


def run(args: argparse.Namespace) -> int:
    """The checker's exit status; it prints its verdict."""
    return checker.main([args.network, args.slice, args.certificate])
