"""Runs an engine over the corpus and grades what it returns.

Nothing the engine does can stop the suite.

The engine runs in another process that is handed one case at a time and is killed
when a case takes too long; after a crash or a kill the next case gets a fresh one.
A command is started anew for every case. What comes back is graded like any other
engine output, and an engine that raised, died, hung or wrote nonsense has a verdict
of its own.
"""

from __future__ import annotations

import queue
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..arithmetic.rational import mpq, to_float
from ..complex.partition import Partition
from ..errors import ExactcamError, UnsupportedLayerError
from ..grading import compare
from ..grading.adapters import polygons
from ..grading.adapters.arrays import context_arrays
from ..grading.adapters.dense import dense_layers
from ..runtime.processes import starting
from .corpus import GROUPS, VERSION, Case, cases

__all__ = ["Result", "Scorecard", "run"]

_VERDICTS = ("pass", "differs", "cannot tell", "engine raised", "timed out", "died", "unsupported")
_DOTTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
_UNSUPPORTED = 3  # the exit code of a command for a case it does not claim to handle


@dataclass(frozen=True)
class Result:
    """The grade of one case.

    Attributes
    ----------
    group, name : str
        The case.
    verdict : str
        "pass", "differs", "cannot tell", "engine raised", "timed out", "died", "unsupported".
    detail : str
        A line that explains the verdict; empty where there is nothing to say.
    counts : dict
        How many findings there are of each kind ("merged", "missing", ...).
    worst : float or None
        The largest Hausdorff distance between a region and the polygon matched to it, as
        the nearest float64; None where nothing was graded.
    seconds : float
        What the engine took.
    """

    group: str
    name: str
    verdict: str
    detail: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    worst: float | None = None
    seconds: float = 0.0

    def __repr__(self) -> str:
        return f"<Result {self.group}/{self.name}: {self.verdict}>"


@dataclass(frozen=True)
class Scorecard:
    """The grades of one engine at one pass mark."""

    engine: str
    tolerance: str
    results: tuple[Result, ...]

    def __repr__(self) -> str:
        passes = sum(r.verdict == "pass" for r in self.results)
        return f"<Scorecard {self.engine[:40]}: {passes} of {len(self.results)} cases pass>"

    @property
    def passed(self) -> bool:
        """Whether every case passed; one that is unsupported did not."""
        return bool(self.results) and all(r.verdict == "pass" for r in self.results)

    def table(self) -> str:
        """One line per group: cases, and how many met each verdict that occurs."""
        used = [v for v in _VERDICTS if v == "pass" or any(r.verdict == v for r in self.results)]
        groups = [g for g in GROUPS if any(r.group == g for r in self.results)]
        rows = [["group", "cases", *used]]
        for group in [*groups, "all"]:
            of_group = [r.verdict for r in self.results if group in (r.group, "all")]
            rows.append([group, str(len(of_group)), *(str(of_group.count(v)) for v in used)])
        first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = []
        for name, *cells in rows:
            padded = (c.rjust(w) for c, w in zip(cells, widths, strict=True))
            lines.append("  ".join([name.ljust(first), *padded]))
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The scorecard as JSON values."""
        return {
            "format": "exactcam-conformance",
            "version": VERSION,
            "engine": self.engine,
            "tolerance": self.tolerance,
            "passed": self.passed,
            "results": [vars(result) for result in self.results],
        }


def run(
    engine: str,
    tolerance: str = "1e-5",
    timeout: float = 60.0,
    groups: Sequence[str] = GROUPS,
    progress: Callable[[Result], None] | None = None,
) -> Scorecard:
    """Run an engine on the corpus and grade what it returns.

    Parameters
    ----------
    engine : str
        "package.module:function" (see `conformance.engines`), or a command. A command is
        given two more words: IN.npz, which holds the network (as `network`, exact text, and
        for plain dense networks as `weight0 bias0 ...` and `negative_slope`) and its
        `window`, and OUT.npz, where it writes the neutral file of its polygons. Exit code
        3 says that the case is not supported.
    tolerance : str
        The pass mark, an exact number: see `exactcam.compare`.
    timeout : float
        Seconds for one case.
    groups : sequence of str
        Which of GROUPS to run.
    progress : callable, optional
        Called with each result.

    Raises
    ------
    ExactcamError
        Where the engine cannot be started at all.
    """
    results = []
    start = _Worker if _DOTTED.fullmatch(engine) else _Command
    with tempfile.TemporaryDirectory(prefix="exactcam-") as folder:
        paths = Path(folder) / "in.npz", Path(folder) / "out.npz"
        with start(engine, timeout) as host:
            for case in cases(groups):
                result = _graded(case, host, paths, tolerance)
                results.append(result)
                if progress is not None:
                    progress(result)
    return Scorecard(engine, tolerance, tuple(results))


def _graded(case: Case, host: _Host, paths: tuple[Path, Path], tolerance: str) -> Result:
    truth = case.truth()
    _write_question(truth, paths[0])
    paths[1].unlink(missing_ok=True)
    start = time.perf_counter()
    verdict, detail = host.answer(*paths)
    seconds = round(time.perf_counter() - start, 4)
    counts: dict[str, int] = {}
    worst = None
    if verdict == "done":
        try:
            graded = compare(truth, polygons.read(paths[1]), tolerance)
        except ExactcamError as error:  # what the engine wrote is no output
            verdict, detail = "engine raised", str(error)
        else:
            verdict, counts = graded.verdict, graded.counts
            worst = to_float(mpq(graded.worst_distance))
            detail = graded.output.error or "; ".join(graded.unclear[:1])
    return Result(case.group, case.name, verdict, detail, counts, worst, seconds)


def _write_question(truth: Partition, path: Path) -> None:
    arrays = context_arrays(truth.network, None, truth.window)
    try:
        layers, slope = dense_layers(truth.network)
    except UnsupportedLayerError:
        layers, slope = [], 0.0
    for k, (weight, bias) in enumerate(layers):
        arrays |= {f"weight{k}": weight, f"bias{k}": bias, "negative_slope": slope}
    np.savez(path, **arrays)


class _Host(Protocol):
    """What runs an engine: `answer` gives a verdict, or "done", and a detail."""

    def __enter__(self) -> _Host: ...
    def __exit__(self, *error: object) -> None: ...
    def answer(self, source: Path, target: Path) -> tuple[str, str]: ...


class _Worker:
    """Calls a function in another process, which lives until it misbehaves."""

    def __init__(self, name: str, timeout: float) -> None:
        self._words = [sys.executable, "-m", "exactcam.conformance.worker", name]
        self._name, self._timeout = name, timeout
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> _Worker:
        if self._start() != "ready":
            self._stop()
            raise ExactcamError(f"engine {self._name}: cannot be imported (see above)")
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def answer(self, source: Path, target: Path) -> tuple[str, str]:
        if self._process is None and self._start() != "ready":
            return "died", "the engine could not be started again"
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(f"{source}\t{target}\n")
            process.stdin.flush()
            line = self._lines.get(timeout=self._timeout)
        except queue.Empty:
            self._stop()
            return "timed out", f"no answer in {self._timeout:g} s"
        except BrokenPipeError:
            line = ""
        word, _, detail = line.partition(" ")
        if word not in ("done", "raised", "unsupported"):
            self._stop()
            return "died", f"exit code {process.returncode}"
        if word == "raised":
            self._stop()
            return "engine raised", detail
        return word, detail

    def _start(self) -> str:
        self._lines = queue.Queue()
        process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._process = process
        try:
            with starting():
                threading.Thread(target=_drain, args=(process, self._lines), daemon=True).start()
            return self._lines.get(timeout=self._timeout)
        except queue.Empty:
            self._stop()
            return "timed out"
        except MemoryError:
            self._stop()
            raise

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _drain(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    """Read the process's lines into a queue; an empty one says that it has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.rstrip("\n"))
    lines.put("")


class _Command:
    """Starts a command anew for every case."""

    def __init__(self, command: str, timeout: float) -> None:
        self._words, self._timeout = shlex.split(command), timeout
        if not self._words:
            raise ExactcamError("engine: give package.module:function or a command")

    def __enter__(self) -> _Command:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def answer(self, source: Path, target: Path) -> tuple[str, str]:
        words = [*self._words, str(source), str(target)]
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self._timeout,
                text=True,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "timed out", f"no answer in {self._timeout:g} s"
        except OSError as error:
            raise ExactcamError(f"engine {self._words[0]}: cannot be started ({error})") from None
        last = (done.stderr.strip().splitlines() or [""])[-1]
        if done.returncode == _UNSUPPORTED:
            return "unsupported", last
        if done.returncode < 0:
            return "died", f"signal {-done.returncode}"
        if done.returncode:
            return "engine raised", last or f"exit code {done.returncode}"
        return "done", ""
