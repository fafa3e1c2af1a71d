"""Changed files through every parser, in one process.

    python -m tools.fuzz COUNT [SEED] [--only NAME ...] [--file NUMBER] [--keep FOLDER]

in `tests`. Each file must be read, or refused in one printable line with the file's name, within
10 s and a gigabyte, and make the process import, run and open nothing else. A file that is not is
kept by name. Files are made from the seed, the parser and a number: `--file` makes one again.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tools.audit import peak, said_of
from tools.parsers import Parser, parsers

SECONDS = 10
GIGABYTE = 1 << 30


class TooSlow(BaseException):
    """A file takes longer than any may."""


class Count(NamedTuple):
    """How a parser fared: files, those that loaded, failed names, processor seconds in all and
    at most."""

    files: int
    loaded: int
    failed: list[str]
    seconds: float
    slowest: float


@contextmanager
def _alarms() -> Iterator[None]:
    """Have `_alarm` raise TooSlow."""

    def late(number: int, frame: Any) -> None:
        raise TooSlow(f"takes more than {SECONDS} s")

    before = signal.signal(signal.SIGPROF, late)
    try:
        yield
    finally:
        signal.signal(signal.SIGPROF, before)
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def _alarm() -> Iterator[None]:
    """Interrupt what is inside after the seconds of processor time that a file may take."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _fault(parser: Parser, paths: list[Path]) -> tuple[bool, str]:
    """Whether a file loads, and what is wrong with how it is read."""
    named = not parser.refusals  # the checker's rules name none
    try:
        with _alarm():
            said = said_of(parser.read, paths[0], beside=paths, refusals=parser.refusals)
    except (Exception, TooSlow):
        return False, traceback.format_exc()
    names = (paths[0].name, "--at")  # the option may stand for the file
    if "needs more memory" in said or (said and named and not any(n in said for n in names)):
        return False, f"refused with {said}"
    return not said, ""


def fuzz(name: str, parser: Parser, folder: Path, numbers: range, seed: int, keep: Path) -> Count:
    """Read the files of these numbers."""
    with _alarms():
        return _fuzzed(name, parser, folder, numbers, seed, keep)


def _fuzzed(
    name: str, parser: Parser, folder: Path, numbers: range, seed: int, keep: Path
) -> Count:
    loaded, failed, slowest, begin = 0, list[str](), 0.0, time.process_time()
    for number in numbers:
        if number % 512 == 0:  # where signals are no use: the file stays in the folder
            faulthandler.dump_traceback_later(30 * SECONDS, exit=True)
        files = parser.change(random.Random(f"{seed} {name} {number}"))
        paths = [folder / file for file in files]
        for path, content in zip(paths, files.values(), strict=True):
            path.write_bytes(content)
        start = time.process_time()
        loads, fault = _fault(parser, paths)
        slowest = max(slowest, time.process_time() - start)
        loaded += loads
        if fault:
            keep.mkdir(parents=True, exist_ok=True)
            label = f"{name}-{seed}-{number}".replace(" ", "_")
            failed.append(label)
            for path, content in zip(paths, files.values(), strict=True):
                (keep / f"{label}-{path.name}").write_bytes(content)
            print(f"{label}: {fault}", flush=True)
    return Count(len(numbers), loaded, failed, time.process_time() - begin, slowest)


def limit_memory() -> None:
    """Let this process have a gigabyte more than it has."""
    room = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (room + GIGABYTE,) * 2)


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m tools.fuzz")
    options.add_argument("count", type=int)
    options.add_argument("seed", type=int, nargs="?", default=0)
    options.add_argument("--only", nargs="+")
    options.add_argument("--file", type=int)
    options.add_argument("--keep", type=Path, default=Path("fuzzed"))
    given = options.parse_args(arguments)
    warnings.simplefilter("error", RuntimeWarning)
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    counts: dict[str, Count] = {}
    try:
        table = parsers(folder)
        chosen = {name: table[name] for name in given.only or table}
        for name, parser in chosen.items():  # what is imported and compiled once
            fuzz(name, parser, folder, range(-20, 0), given.seed, given.keep)
        limit_memory()
        shares = sum(parser.share for parser in chosen.values())
        before = peak()
        print(f"{'parser':14}{'files':>11}{'loaded':>11}{'failed':>8}{'ms':>9}{'slowest':>9}")
        for name, parser in chosen.items():
            numbers = range(-(-given.count * parser.share // shares))
            if given.file is not None:
                numbers = range(given.file, given.file + 1)
            count = fuzz(name, parser, folder, numbers, given.seed, given.keep)
            counts[name] = count
            each = count.seconds / max(1, count.files) * 1e3
            print(
                f"{name:14}{count.files:11,}{count.loaded:11,}{len(count.failed):8}"
                f"{each:9.2f}{count.slowest:8.2f}s",
                flush=True,
            )
    finally:
        shutil.rmtree(folder)
    failed = sum(len(count.failed) for count in counts.values())
    files = sum(count.files for count in counts.values())
    print(f"{files:,} files, {failed} failed; {peak() - before >> 20} MB more than at first")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
