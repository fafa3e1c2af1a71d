"""Commands on a machine that fails at a random moment: kills, signals, full disks, little memory.

Whatever happens, a command ends, says at most one line besides its notes, and leaves the old file
or the new one; a run is continued to the same bytes. `pytest -m slow -s` prints how many faults.
"""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import exactcam
from exactcam import Network
from exactcam.__main__ import program
from exactcam.grading import EngineOutput
from exactcam.grading.adapters import polygons
from tools.processes import GROUP, running

pytestmark = [
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(sys.platform != "linux", reason="needs signals and /proc"),
]
OLD = b"precious\n"
COMMANDS = [
    "partition MODEL -o OUT.jsonl",
    "partition MODEL --jobs 2 -o OUT.jsonl.gz",
    "partition MODEL -o OUT.run --totals",
    "partition MODEL --jobs 2 -o OUT.run --totals",
    "partition MODEL --jobs 2 -o OUT.run",
    "render MODEL -o OUT.svg",
    "view MODEL --no-open -o OUT.html",
    "certify MODEL --jobs 2 -o OUT.cert.gz",
    "certify MODEL -o OTHER --network-out OUT.json",
    "stats MODEL --regions OUT.csv",
    "stats MODEL --figure OUT.png",
    "sample MODEL -n 500 -o OUT.csv",
    "line MODEL --start=-1,-1 --end=1,1 -o OUT.csv",
    "complexity MODEL --points POINTS --radius 0.5 -o OUT.csv",
    "complexity MODEL --points POINTS --radius 1 --planes 20 --jobs 2 -o OUT.csv",
    "compare polygons ENGINE --model MODEL --report OUT.html",
]
SIGNALS = {
    "kill": [signal.SIGKILL],
    "Ctrl-C": [signal.SIGINT],
    "Ctrl-C twice": [signal.SIGINT, signal.SIGINT],
    "SIGTERM": [signal.SIGTERM],
    "SIGHUP": [signal.SIGHUP],
}
FAULTS = [*SIGNALS, "worker killed", "disk full", "memory", "stdout full", "stderr full"]
TIMES = re.compile(rb"time [ 0-9.:smn]+|\d+\.\d+ s\b")


class Ended(NamedTuple):
    """How a command ended: its exit code (a signal's is negative), seconds, standard error."""

    code: int
    seconds: float
    err: str


@pytest.fixture(scope="module")
def files(
    random_network: Callable[..., Network], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("files")
    net = random_network([2, 16, 16, 2], 0)
    part = exactcam.partition(net, engine="fast")
    part.prefetch()
    exactcam.draw(part, folder / "warm.svg")
    exactcam.write_network(net, folder / "model.json")
    points = part.float_vertices[part.corners]
    polygons.write(EngineOutput(points, part.offsets), folder / "engine.npz")
    np.save(folder / "points.npy", np.zeros((3, 2)))
    return {
        "POINTS": str(folder / "points.npy"),
        "MODEL": str(folder / "model.json"),
        "ENGINE": str(folder / "engine.npz"),
        "OTHER": str(folder / "other"),
    }


def command(words: list[str], err: int, limit: tuple[int, int] | None, full: int) -> None:
    """Become a command in a forked child: a group of its own; `full` is a stream's number."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(err, 2)
    if full:
        os.dup2(os.open("/dev/full", os.O_WRONLY), full)
    for number, name in ((1, "stdout"), (2, "stderr")):
        setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115
    sys.argv = ["exactcam", *words]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if limit is not None:
        resource.setrlimit(limit[0], (limit[1], resource.RLIM_INFINITY))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    program()


def ended(words: list[str], fault: str, draw: random.Random, took: float) -> Ended:
    """Run a command with a fault in it, in a child of this warm process."""
    full = {"stdout full": 1, "stderr full": 2}.get(fault, 0)
    limit = None
    if fault == "disk full":
        limit = resource.RLIMIT_FSIZE, draw.choice([0, 100, 5_000, 50_000])
    elif fault == "memory":
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limit = resource.RLIMIT_AS, size + draw.randrange(1 << 26)
    ending = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    read, write = os.pipe()  # no file: a disk that is full refuses those
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            command(words, write, limit, full)
        except SystemExit as end:
            code = int(end.code or 0)
        except KeyboardInterrupt:  # before the command began
            print("interrupted", file=sys.stderr)
            code = 130
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
    os.close(write)
    moment = start + draw.uniform(0, 1.1 * took)
    time.sleep(max(0.0, moment - time.monotonic()))
    for number in SIGNALS.get(fault, []):
        os.kill(child, number)
        time.sleep(draw.uniform(0, 0.02))
    if fault == "worker killed":
        for worker in set(running(GROUP, child)) - {child}:
            os.kill(worker, signal.SIGKILL)
            break
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - start
    while running(GROUP, child):
        time.sleep(0.05)
    with open(read) as said:
        return Ended(os.waitstatus_to_exitcode(status), seconds, said.read())


def trial(words: str, fault: str, files: dict[str, str], folder: Path, seed: int) -> int:
    """Try one command with one fault at a random moment; returns its exit code."""
    draw, what = random.Random(seed), f"{words}: {fault}, seed {seed}"
    given = [files.get(word, word.replace("OUT", str(folder / "out"))) for word in words.split()]
    path = next(Path(word) for word in given if word.startswith(str(folder / "out")))
    path.unlink(missing_ok=True)
    whole = ended(given, "none", draw, 0.0)
    assert whole.code == 0, (what, whole)
    new = path.read_bytes()
    path.unlink()
    if path.suffix != ".run":
        path.write_bytes(OLD)
    end = ended(given, fault, draw, whole.seconds)
    lines = [line for line in end.err.splitlines() if line and "exactcam: note: " not in line]
    assert "Traceback" not in end.err, (what, end)
    # A negative code: killed, or a signal came before the command began or when it was done.
    assert len(lines) == (end.code > 0) or fault == "stderr full", (what, end)
    codes = {0, 2, *(128 + n for n in (1, 2, 15)), -1, -2, -9, -15}
    assert end.code in codes, (what, end)
    found = path.read_bytes() if path.exists() else b""
    same = TIMES.sub(b"", found) == TIMES.sub(b"", new)
    if path.suffix == ".run":
        assert new.startswith(found), what
    else:
        assert same or (found == OLD and end.code != 0), (what, end)
    assert end.code == -signal.SIGKILL or not list(folder.glob(".*")), what
    again = ended(given, "none", draw, 0.0)
    assert again.code == 0, (what, again)
    assert TIMES.sub(b"", path.read_bytes()) == TIMES.sub(b"", new), what
    assert not list(folder.glob(".*")), what
    return end.code


@pytest.mark.parametrize("faults", [3, pytest.param(300, marks=pytest.mark.slow)])
def test_commands_under_faults(files: dict[str, str], tmp_path: Path, faults: int) -> None:
    codes: Counter[tuple[str, int]] = Counter()
    for seed in range(faults):
        quick = faults < 100  # a worker killed, a full disk, little memory
        fault = FAULTS[(seed + 5 * quick) % len(FAULTS)]
        words = COMMANDS[seed + 1 if quick else seed * 5 % len(COMMANDS)]
        codes[fault, trial(words, fault, files, tmp_path, seed)] += 1
    print(f"{codes.total()} faults, nothing lost:", dict(codes))
