"""The command line `exactcam`: runs a subcommand and turns errors into exit codes.

A subcommand is a module in `exactcam.commands` with `HELP`, `configure(parser)`
and `run(args) -> int`; only the one that is asked for is imported. Exit codes: 0
done, 2 bad input (one line on stderr), 130 interrupted; a subcommand may define
more. Defects of exactcam itself are not caught: their traceback is the report.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from . import __version__
from .errors import ExactcamError, InvariantError, interrupted

__all__ = ["COMMANDS", "main"]

COMMANDS = (
    "demo",
    "partition",
    "render",
    "view",
    "stats",
    "sample",
    "line",
    "info",
    "compare",
    "certify",
    "check",
    "conformance",
    "bench",
)

_NEGATIVE = re.compile(r"-[.\d]")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of repeating the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    """The parser that knows the subcommands `names`."""
    parser = _Parser(
        prog="exactcam", description="The exact geometry of piecewise-linear networks."
    )
    parser.add_argument("--version", action="version", version=f"exactcam {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        module = _module(name)
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.configure(command)
        command.set_defaults(run=module.run)
    return parser


def _module(name: str) -> ModuleType:
    """The module of a subcommand, imported now."""
    return importlib.import_module(f".commands.{name}", __package__)


def _complain(message: str) -> None:
    """Print an error on stderr, in one line."""
    print(f"exactcam: error: {' '.join(message.split())}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the program's name; those of this process unless given.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    SystemExit
        From argparse: 0 for --help and --version, 2 for a command line it cannot read.
    InvariantError
        For a defect of exactcam itself.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    names = words[:1] if words and words[0] in COMMANDS else COMMANDS
    # A leading space keeps argparse from taking a value such as -1,0.5 for an option.
    words = [f" {word}" if _NEGATIVE.match(word) else word for word in words]
    try:
        args = _parser(names).parse_args(words)
        return int(args.run(args))
    except InvariantError:
        raise
    except BrokenPipeError:  # the reader of stdout went away, as in `exactcam info x | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 2
    except ExactcamError as error:
        _complain(str(error))
        return 2
    except (KeyboardInterrupt, SystemError) as error:
        if not interrupted(error):
            raise
        print("\nexactcam: interrupted", file=sys.stderr)
        # Python would wait for a pool's own thread, which may wait for a worker that is gone.
        if any(not t.daemon for t in threading.enumerate() if t is not threading.main_thread()):
            sys.stderr.flush()
            os._exit(130)
        return 130
