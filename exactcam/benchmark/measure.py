"""Times the engines on one network, in turn and on one thread, and compares their counts.

Complete partitions are also timed on several processes, if these are asked for. Each case runs in a process of its own, started after the environment has been told to
use one thread, so that an engine that runs out of memory ends alone and peak memory is
its own. Times are wall-clock medians of turns; engines take them alternately, so that what
else the machine does hits all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..analysis.measures import areas
from ..complex.partition import Partition
from ..compute import partition
from ..errors import ExactcamError, UnsupportedLayerError
from ..grading.adapters.dense import dense_layers
from ..model.slice import Window
from ..runtime.processes import serve
from .cases import Case

__all__ = ["Limits", "import_seconds", "measure"]

Limits = dict[str, int]  # the most regions an engine is asked for
# What makes an engine's input, before it is timed, and what runs the engine and counts regions.
Runner = tuple[Callable[[], Any], Callable[[Any], int]]
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")


def measure(case: Case, repeat: int, limits: Limits, jobs: int = 1) -> dict[str, Any]:
    """Time every engine on one case.

    Parameters
    ----------
    case : Case
        What to time.
    repeat : int
        How many times each engine runs; medians are reported.
    limits : dict
        By engine, and for exact areas as "exact": the most regions it is asked for.
    jobs : int
        With more than one, complete partitions are also timed on that many processes.

    Returns
    -------
    dict
        The figures of `exactcam bench --json`; just the case and "died" where the process
        did not survive it.
    """
    os.environ.update({f"{name}_NUM_THREADS": "1" for name in _THREADS})
    facts: dict[str, Any] = {"family": case.family, "width": case.width, "depth": case.depth}
    facts["weights"] = case.source
    try:
        facts |= _elsewhere(_measured, case, repeat, limits)
    except BrokenProcessPool:
        return facts | {"died": True}
    if jobs > 1:
        with suppress(BrokenProcessPool, ExactcamError, MemoryError):
            facts |= _elsewhere(_on_processes, case, repeat, jobs)
    return facts


def import_seconds(program: str, runs: int = 3) -> float:
    """Processor seconds of a new Python that runs `program`, start included: the least of `runs`."""
    program += "; import time; print(time.process_time())"
    words = [sys.executable, "-c", program]
    done = [subprocess.run(words, capture_output=True, text=True, check=True) for _ in range(runs)]
    return min(float(run.stdout) for run in done)


def _elsewhere(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    with ProcessPoolExecutor(1, get_context("spawn"), serve, (os.getpid(),)) as worker:
        return worker.submit(work, *given).result()


def _on_processes(case: Case, repeat: int, jobs: int) -> dict[str, Any]:
    """Time complete partitions of a prepared network on one process and on `jobs`."""
    _compile(case)
    seconds: dict[int, list[float]] = {1: [], jobs: []}
    for _ in range(repeat):
        for number, times in seconds.items():
            start = time.perf_counter()
            partition(case.network, case.plane, Window.rectangle(-1, -1, 1, 1), jobs=number)
            times.append(time.perf_counter() - start)
    return {"jobs_seconds": {str(number): median(times) for number, times in seconds.items()}}


def _measured(case: Case, repeat: int, limits: Limits) -> dict[str, Any]:
    from ..engine.refine import Engine

    window = Window.rectangle(-1, -1, 1, 1)
    _compile(case)
    before = _peak(reset=True)
    part = partition(case.network, case.plane, window)
    regions = len(part)
    out: dict[str, Any] = {"regions": regions, "vertices": part.vertex_count}
    out["bytes_per_region"] = (_peak() - before) / regions
    ran: list[Any] = []
    new = [replace(case.network) for _ in range(repeat)]  # a network is prepared just once
    start = time.perf_counter()
    for network in new:
        ran.append(Engine(network, case.plane, window))
    out["prepare_seconds"] = (time.perf_counter() - start) / repeat
    engines, floor = _engines(case, window, part, ran, limits)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    counts: dict[str, int] = {}
    for turn in range(repeat):
        for name, engine in engines.items():
            if name != "reference" or not turn:
                counts[name], taken = _turn(*engine)
                seconds[name].append(taken)
    out["seconds"] = {name: median(times) for name, times in seconds.items()}
    out["counts"] = counts
    if floor is not None:
        out["floor"] = floor
    out |= asdict(ran[-1].statistics)
    if regions <= limits["exact"]:
        start = time.perf_counter()
        areas(part)
        out["areas_seconds"] = time.perf_counter() - start
    return out


def _turn(ready: Callable[[], Any], run: Callable[[Any], int]) -> tuple[int, float]:
    """An engine's count and mean time over at least 0.05 s.

    One short run would measure the caches that the engine before it has left cold.
    """
    taken: list[float] = []
    while sum(taken) < 0.05:
        given = ready()
        start = time.perf_counter()
        count = run(given)
        taken.append(time.perf_counter() - start)
    return count, sum(taken) / len(taken)


def _engines(
    case: Case, window: Window, part: Partition, ran: list[Any], limits: Limits
) -> tuple[dict[str, Runner], float | None]:
    """How each engine is prepared and run, by name; and the floor, for dense networks."""
    from ..engine.refine import Engine

    network, plane = case.network, case.plane

    def prepared() -> Engine:
        ran.append(Engine(network, plane, window))
        return ran[-1]

    engines: dict[str, Runner] = {
        "cells": (prepared, lambda engine: sum(len(b) for b in engine.run())),
        "complete": (lambda: replace(network), lambda new: len(partition(new, plane, window))),
    }
    floor = None
    try:
        layers, _ = dense_layers(network, np.float32)
    except UnsupportedLayerError:
        layers = []  # the float engine and the floor are for dense networks
    if layers:
        if find_spec("regioncam") and len(part) <= limits["regioncam"]:
            engines["regioncam"] = (lambda: layers, _regioncam)
        floor = _floor(layers, part.vertex_count)
    if len(part) <= limits["reference"]:
        engines["reference"] = (
            lambda: network,
            lambda it: len(partition(it, plane, window, engine="reference")),
        )
    return engines, floor


def _regioncam(layers: list[tuple[np.ndarray, np.ndarray]]) -> int:
    """regioncam's number of regions; it is given the hidden layers, all that a count needs."""
    import regioncam

    camera = regioncam.Regioncam(size=1.0)
    for weight, bias in layers[:-1]:
        camera.linear(np.ascontiguousarray(weight.T), bias)
        camera.relu()
    return int(camera.num_faces)


def _floor(layers: list[tuple[np.ndarray, np.ndarray]], vertices: int) -> float:
    """Time the float64 matrix products of one evaluation at every vertex, 1,024 at a time.

    An engine that knows the network's values at the vertices pays at least this.
    """
    inputs = [np.random.default_rng(0).normal(size=(1024, w.shape[1])) for w, _ in layers]
    matrices = [np.ascontiguousarray(w.T, dtype=np.float64) for w, _ in layers]
    outputs = [np.empty((1024, w.shape[0])) for w, _ in layers]
    start = time.perf_counter()
    for low in range(0, vertices, 1024):
        count = min(1024, vertices - low)
        for x, w, y in zip(inputs, matrices, outputs, strict=True):
            np.matmul(x[:count], w, out=y[:count])
    return time.perf_counter() - start


def _compile(case: Case) -> None:
    """Load the compiled kernels before anything is timed, by a small window of the problem."""
    partition(case.network, case.plane, (-1, -1, "-0.998", "-0.998"))


def _peak(reset: bool = False) -> int:
    """The peak resident memory of this process in bytes, counted from now on if `reset`.

    Read from Linux's /proc; 0, also in the report, where there is none.
    """
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return 1024 * next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM"))
