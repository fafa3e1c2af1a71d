"""The command line `exactcam`: runs a subcommand and turns errors into exit codes.

A subcommand is a module in `exactcam.commands` with `HELP`, `configure(parser)`
and `run(args) -> int`; only the one that is asked for is imported. Exit codes: 0
done, 2 bad input, too little memory or a stream that cannot be written (one line on stderr),
130 interrupted by Ctrl-C, 143 and 129 ended by SIGTERM and SIGHUP; a subcommand may define
more. Defects of exactcam itself are not caught: their traceback is the report.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import NoReturn

from . import __version__
from .errors import ExactcamError, InvariantError, escaped, interrupted
from .runtime import signals, streams

__all__ = ["COMMANDS", "main"]

COMMANDS = (
    "demo",
    "partition",
    "render",
    "view",
    "stats",
    "sample",
    "line",
    "complexity",
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
    _say(f"exactcam: error: {escaped(' '.join(message.split()))}")


def _say(line: str) -> None:
    """Print a line on stderr, if that can be written."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        streams.abandon(2)


def main(argv: Sequence[str] | None = None, final: bool = False) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the program's name; those of this process unless given.
    final : bool
        The process ends with what is returned (`__main__`): signals are no longer answered then,
        and its standard streams are replaced by ones whose errors name them.

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
    came: list[int] = []
    try:
        with signals.stopping(final) as came:
            streams.prepare(final)
            return _answered(list(sys.argv[1:] if argv is None else argv))
    except (KeyboardInterrupt, SystemError) as error:
        if not interrupted(error):
            raise
        return _ended(came)


def _answered(words: list[str]) -> int:
    """The exit code of a command; errors are said on stderr."""
    try:
        try:
            code = _command(words)
        except SystemExit as end:  # of argparse, which has printed
            sys.stdout.flush()
            raise end from None
        sys.stdout.flush()
        return code
    except InvariantError:
        raise
    except OSError as error:
        return _failed(error)
    except ExactcamError as error:
        _complain(str(error))
    except MemoryError as error:
        error.__traceback__ = None  # and with it what the frames hold
        _complain("out of memory: use fewer jobs, or stream the regions to a file (-o FILE.run)")
    except ImportError as error:
        if not _UNMAPPED.search(str(error)):
            raise
        _complain(f"out of memory: {error}")
    return 2


# What the loader of shared libraries says where memory is short.
_UNMAPPED = re.compile("failed to map|annot allocate memory|annot enable executable")


def _command(words: list[str]) -> int:
    """Run the subcommand that the words ask for."""
    names = words[:1] if words and words[0] in COMMANDS else COMMANDS
    # A leading space keeps argparse from taking a value such as -1,0.5 for an option.
    words = [f" {word}" if _NEGATIVE.match(word) else word for word in words]
    args = _parser(names).parse_args(words)
    return int(args.run(args))


def _failed(error: OSError) -> int:
    """The exit code after an error of the system, which is said in one line."""
    if isinstance(error, BrokenPipeError) and error.filename is None and streams.reader_left():
        streams.abandon(1)  # the reader of stdout went away, as in `exactcam info x | head -1`
        return 0
    _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    try:
        sys.stdout.flush()
    except OSError:  # that was it; Python would try once more at its end, and complain
        streams.abandon(1)
    return 2


def _ended(came: list[int]) -> int:
    """The exit code after a signal, which is said in one line."""
    number = came[-1] if came else 2
    _say("\nexactcam: interrupted" if number == 2 else f"exactcam: ended by signal {number}")
    with suppress(OSError):
        sys.stdout.flush()
    return 128 + number
