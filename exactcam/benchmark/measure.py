"""One case measured: every engine in turn, again and again, single thread, counts compared;
complete partitions on several processes besides, if these are asked for.

Each case runs in a process of its own, started after the environment has been told to
use one thread, so that an engine that runs out of memory ends alone and peak memory is
its own. Times are wall-clock medians of turns; engines take them alternately, so that what
else the machine does hits all of them.
"""

from __future__ import annotations

import os
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

__all__ = ["Limits", "measure"]

Limits = dict[str, int]  # the most regions an engine is asked for
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")


def measure(case: Case, repeat: int, limits: Limits, jobs: int = 1) -> dict[str, Any]:
    """The facts of one case; key "died" if the process did not survive it. With more `jobs`
    than one, complete partitions are also timed on that many processes."""
    os.environ.update({f"{name}_NUM_THREADS": "1" for name in _THREADS})
    facts = {
        "family": case.family, "width": case.width, "depth": case.depth, "weights": case.source,
    }  # fmt: skip
    try:
        facts |= _elsewhere(_measured, case, repeat, limits)
    except BrokenProcessPool:
        return facts | {"died": True}
    if jobs > 1:
        with suppress(BrokenProcessPool, ExactcamError, MemoryError):
            facts |= _elsewhere(_on_processes, case, repeat, jobs)
    return facts


def _elsewhere(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    with ProcessPoolExecutor(1, get_context("spawn"), serve, (os.getpid(),)) as worker:
        return worker.submit(work, *given).result()


def _on_processes(case: Case, repeat: int, jobs: int) -> dict[str, Any]:
    """Seconds of a complete partition, the network prepared, on one process and on `jobs`."""
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
    out: dict[str, Any] = {
        "regions": regions, "vertices": part.vertex_count,
        "bytes_per_region": (_peak() - before) / regions,
    }  # fmt: skip
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
    """What an engine counts and the seconds it takes, on average over a twentieth of a second at
    least: what ran before has left the caches cold."""
    taken: list[float] = []
    while sum(taken) < 0.05:
        given = ready()
        start = time.perf_counter()
        count = run(given)
        taken.append(time.perf_counter() - start)
    return count, sum(taken) / len(taken)


def _engines(
    case: Case, window: Window, part: Partition, ran: list[Any], limits: Limits
) -> tuple[dict[str, tuple[Callable[[], Any], Callable[[Any], int]]], float | None]:
    """By name: what an engine is given, made before it is timed, and how it runs; the floor."""
    from ..engine.refine import Engine

    network, plane = case.network, case.plane

    def prepared() -> Engine:
        ran.append(Engine(network, plane, window))
        return ran[-1]

    engines: dict[str, tuple[Callable[[], Any], Callable[[Any], int]]] = {
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
            lambda: network, lambda it: len(partition(it, plane, window, engine="reference")),
        )  # fmt: skip
    return engines, floor


def _regioncam(layers: list[tuple[np.ndarray, np.ndarray]]) -> int:
    """regioncam's number of regions: hidden layers only, which is all a count needs."""
    import regioncam

    camera = regioncam.Regioncam(size=1.0)
    for weight, bias in layers[:-1]:
        camera.linear(np.ascontiguousarray(weight.T), bias)
        camera.relu()
    return int(camera.num_faces)


def _floor(layers: list[tuple[np.ndarray, np.ndarray]], vertices: int) -> float:
    """Seconds of the float64 matrix products of one evaluation at every vertex, in batches
    of 1,024: what any engine that knows values at vertices pays at least."""
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
    """Load every compiled kernel before anything is timed: a corner of the same problem."""
    partition(case.network, case.plane, (-1, -1, "-0.998", "-0.998"))


def _peak(reset: bool = False) -> int:
    """The largest resident memory of this process in bytes, from now on if `reset`.

    Where that cannot be asked (it is Linux's /proc) 0, and so the report says 0.
    """
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return 1024 * next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM"))
