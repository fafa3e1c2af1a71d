"""`exactcam check`: run the independent checker; its exit status is the command's.

With `--proved` the checker whose soundness is a theorem (proofs/coq), a program of its own.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

from .. import checker
from ..errors import ExactcamError

HELP = "verify a certificate (0 verified, 1 rejected, 2 unreadable, 3 malformed)"
_PROGRAM = "exactcam-check"
_SOURCES = Path(__file__).parents[2] / "proofs" / "coq"  # there in a checkout, not in a wheel


def configure(parser: argparse.ArgumentParser) -> None:
    """The three files, and which checker reads them."""
    parser.add_argument("network", metavar="NETWORK", help="the exact network file")
    parser.add_argument("slice", metavar="SLICE", help="the slice file")
    parser.add_argument("certificate", metavar="CERT", help="the certificate, packed or not")
    parser.add_argument(
        "--proved", action="store_true", help="by the checker that is proved in Coq (proofs/coq)"
    )


def run(args: argparse.Namespace) -> int:
    """The checker's exit status; it prints its verdict."""
    files = [args.network, args.slice, args.certificate]
    if not args.proved:
        return checker.main(files)
    status = subprocess.run([_program(), "--", *files], check=False).returncode
    if status not in (0, 1, 2, 3):
        raise ExactcamError(f"{_PROGRAM} ended with status {status} and no verdict: run it again")
    return status


def _program() -> str:
    """The proved checker: that of this checkout if it is built, or the one on the PATH."""
    if found := shutil.which(_PROGRAM, path=_SOURCES) or shutil.which(_PROGRAM):
        return found
    raise ExactcamError(
        f"--proved: {_PROGRAM} is not built and not on the PATH: run `make -C proofs/coq` in a "
        "checkout of exactcam, with coq, ocaml-nox, ocaml-findlib and libzarith-ocaml-dev installed"
    )
