"""Jobs and run files: the same partition whoever computes it, and nothing lost on the way."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import exactcam
from exactcam import ExactcamError, Network, Partition, Slice, Window
from exactcam.arithmetic.rational import mpq
from exactcam.engine import executor_jobs as parallel
from exactcam.engine import fast, run_file
from exactcam.engine.assemble import glue
from exactcam.engine.division import divide, shares
from exactcam.engine.executor_jobs import solve, solved
from exactcam.engine.refine import Engine
from exactcam.engine.run_file import RunTotals, _arrays, read_run, write_run
from exactcam.engine.schedule import DEFAULT, Schedule
from exactcam.errors import FileFormatError
from exactcam.runtime import fork_pool as forked
from exactcam.runtime.float_mode import _blas, quiet
from exactcam.runtime.fork_pool import spread
from exactcam.runtime.processes import FORKS

pytestmark = pytest.mark.xdist_group("processes")
needs_fork = pytest.mark.skipif(not FORKS, reason="processes cannot be forked here")


@pytest.fixture(autouse=True)
def some_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about several processes on machines of one processor too."""
    monkeypatch.setenv("EXACTCAM_PROCESSES", "8")


AT_ONCE = Schedule(head_start=0.0)  # small runs have help from the start too


def forked_partition(
    network: Network, jobs: int, progress: Callable[[int], None] | None = None
) -> Partition:
    """`partition` by the fast engine, with helpers from the start."""
    outline = Window.rectangle(-1, -1, 1, 1)
    return fast.fast_partition(network, Slice.plane(2), outline, progress, jobs, schedule=AT_ONCE)


@pytest.fixture(scope="module")
def network(random_network: Callable[..., Network]) -> Network:
    return random_network([2, 24, 24, 24, 2], 3)


@pytest.fixture(scope="module")
def truth(network: Network) -> Partition:
    return exactcam.partition(network)


def engine(network: Network, schedule: Schedule = DEFAULT) -> Engine:
    return Engine(network, Slice.plane(2), Window.rectangle(-1, -1, 1, 1), schedule=schedule)


def assert_same(ours: Partition, truth: Partition) -> None:
    assert np.array_equal(ours.patterns, truth.patterns)
    assert np.array_equal(ours.offsets, truth.offsets)
    assert np.array_equal(ours.corners, truth.corners)
    assert list(ours.vertices[:50]) == list(truth.vertices[:50])


def test_processes_give_the_same_partition(network: Network, truth: Partition) -> None:
    assert_same(exactcam.partition(network, jobs=2), truth)
    assert_same(forked_partition(network, 2), truth)


def test_any_executor_gives_the_same_partition(network: Network, truth: Partition) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert_same(exactcam.partition(network, executor=executor), truth)


def test_a_layer_may_be_divided_before_all_its_units_have_cut(
    network: Network, truth: Partition
) -> None:
    run = engine(network, Schedule(units_at_once=4, early_cells=20))
    jobs = divide(run)
    assert {job.task.activation for job in jobs} == {0}
    assert {job.task.units for job in jobs} <= {4, 8, 12}
    assert_same(glue(run, solved(run, jobs, None)), truth)


def test_threads_do_not_share_an_engine(network: Network) -> None:
    """An engine keeps what it traced last: another thread's question in between spoils it."""
    both = Barrier(2, timeout=60)

    def finish(engine: Engine, number: int, batches: object) -> int:
        both.wait()
        return id(engine)

    with ThreadPoolExecutor(2) as executor:
        run = engine(network)
        one, other = solved(run, divide(run)[:2], executor, finish)
    assert one != other


def test_the_last_thread_to_leave_gives_blas_its_threads_back() -> None:
    def threads() -> set[int]:
        return {library.get_num_threads() for library in _blas()}

    def compute(inside: Event, leave: Event) -> None:
        with quiet(), quiet():
            inside.set()
            assert leave.wait(60)

    before = threads()
    with threadpool_limits(2, user_api="blas"):
        found = threads()
        events = [(Event(), Event()) for _ in range(2)]
        both = [Thread(target=compute, args=pair) for pair in events]
        for thread, (inside, _) in zip(both, events, strict=True):
            thread.start()
            assert inside.wait(60)
            assert threads() == {1}
        for thread, (_, leave) in zip(both, events, strict=True):
            assert threads() == {1}
            leave.set()
            thread.join(60)
        assert threads() == found
    assert threads() == before


def test_the_division_does_not_depend_on_the_workers(network: Network) -> None:
    run = engine(network)
    jobs = divide(run)
    assert len(jobs) > 20
    alone = [batch.patterns.whole().tobytes() for batch in solved(run, jobs, None)]
    with ThreadPoolExecutor(1) as executor:
        found = [b.patterns.whole().tobytes() for b in solved(run, jobs, executor, ahead=3)]
    assert found == alone


@needs_fork
@pytest.mark.parametrize("processes", [2, 3, 7])
def test_helpers_give_the_same_partition(
    network: Network, truth: Partition, processes: int
) -> None:
    heard: list[int] = []
    part = forked_partition(network, processes, heard.append)
    assert_same(part, truth)
    assert heard == sorted(heard)
    assert heard[-1] == len(truth)
    assert part.decision_boundary() == truth.decision_boundary()
    assert part.counts == truth.counts
    assert list(part.vertices) == list(truth.vertices)
    run = engine(network, AT_ONCE)
    tasks = shares(run, processes)
    assert len(tasks) > processes
    assert sum(len(batch) for task in tasks for batch in run.run([task])) == len(truth)


@needs_fork
def test_help_is_asked_for_where_work_is_left_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = os.getpid()

    def by(begun_alone: int) -> Callable[[int], list[int]]:
        """Who solves a share; this process leaves all but so many to a helper first."""
        helped = get_context("fork").Event()

        def solve(number: int) -> list[int]:
            if os.getpid() != here:
                helped.set()
            elif number >= begun_alone:
                assert helped.wait(60)
            return [os.getpid()]

        return solve

    clock = itertools.count()
    monkeypatch.setattr(forked, "monotonic", lambda: next(clock))  # once before each share
    both = spread(by(2), 20, 2, head_start=3.0)
    assert both[0] == both[1] == [here]
    assert len({who for (who,) in both}) == 2
    assert len({who for (who,) in spread(by(0), 8, 2)}) == 2
    assert spread(by(8), 8, 2, head_start=99.0) == [[here]] * 8


@needs_fork
def test_a_slight_run_is_begun_alone(
    random_network: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> Any:
        raise AssertionError("a helper was asked for")

    monkeypatch.setattr(forked, "_helper", refused)
    patient, outline = Schedule(head_start=60.0), Window.rectangle(-1, -1, 1, 1)
    small, large = random_network([2, 20, 20, 1], 0), random_network([2, 400, 400, 1], 0)
    part = fast.fast_partition(small, Slice.plane(2), outline, jobs=2, schedule=patient)
    assert_same(part, exactcam.partition(small, engine="reference"))
    assert part.counts == exactcam.partition(small, engine="reference").counts
    assert len(shares(engine(small, patient), 2)) <= 40
    with pytest.raises(AssertionError, match="a helper"):
        fast.fast_partition(large, Slice.plane(2), outline, jobs=2, schedule=patient)
    assert 40 < len(shares(engine(large, patient), 1000)) <= 900


@needs_fork
def test_helpers_without_anything_to_do(random_network: Callable[..., Network]) -> None:
    small = random_network([2, 2, 1], 0)
    assert_same(forked_partition(small, 5), exactcam.partition(small, engine="reference"))


@needs_fork
@pytest.mark.parametrize(
    ("end", "message"),
    [(lambda: os._exit(9), "a helper process died"), (lambda: os.listdir("nowhere"), "nowhere")],
)
def test_a_helper_that_fails_is_heard(
    network: Network, monkeypatch: pytest.MonkeyPatch, end: Callable[[], Any], message: str
) -> None:
    here, find, shares_here = os.getpid(), fast.pieces, []

    def pieces(*given: Any) -> Any:
        if os.getpid() != here:
            end()
        while len(active_children()) == 2:  # until one has failed
            time.sleep(0.01)
        shares_here.append(given)
        return find(*given)

    monkeypatch.setattr(fast, "pieces", pieces)
    with pytest.raises((ExactcamError, OSError), match=message):
        forked_partition(network, 3)
    assert len(shares_here) < len(shares(engine(network, AT_ONCE), 3)) / 2
    assert not active_children()


@needs_fork
def test_helpers_end_with_a_run_that_is_interrupted(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    here, find = os.getpid(), fast.pieces
    monkeypatch.setattr(
        fast, "pieces", lambda *given: time.sleep(5 * (os.getpid() != here)) or find(*given)
    )
    with pytest.raises(KeyboardInterrupt):
        forked_partition(network, 3, interrupt)
    assert not active_children()


def test_too_few_jobs_are_refused(network: Network) -> None:
    for engine in (None, "fast", "reference"):
        with pytest.raises(ExactcamError, match="at least 1"):
            exactcam.partition(network, engine=engine, jobs=0)


def test_a_run_file_holds_the_partition(network: Network, truth: Partition, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    totals = write_run(engine(network), path)
    assert totals.activation_regions == len(truth)
    assert (totals.edges, totals.vertices) == (len(truth.edges), truth.vertex_count)
    assert abs(totals.area - 4.0) <= totals.area_error < 1e-6
    assert_same(read_run(engine(network), path), truth)
    again = write_run(engine(network), path)  # finished: only counted
    assert again == totals


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("scale", [1.0, 2.0**-540])
def test_the_area_of_a_run_is_within_its_error(seed: int, scale: float) -> None:
    """Slivers with exact corners: all the error there is comes of rounding products."""
    a, c, x = (float(t) * scale for t in np.random.default_rng(seed).random(3))
    window = Window([(-a, -a), (c, c), (x, x + 1e-13 * scale)])
    run = Engine(exactcam.from_arrays([([[1, 0]], [9]), ([[1]], [0])]), Slice.plane(2), window)
    (batch,) = run.run()
    totals = RunTotals.of(run, batch)
    assert abs(mpq(totals.area) - window.area) <= mpq(totals.area_error)


@pytest.mark.parametrize("size", [1, 4096])
@pytest.mark.parametrize("cut", [1, 40, 2000])
def test_a_cut_run_goes_on(
    network: Network,
    truth: Partition,
    tmp_path: Path,
    cut: int,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "x.run"
    monkeypatch.setattr(run_file, "_CELLS", size)
    totals = write_run(engine(network), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + cut])
    with pytest.raises(FileFormatError, match="partial"):
        read_run(engine(network), path)
    finished = path.read_bytes().count(b'"left":0')
    solved_jobs = []

    class Counting(ThreadPoolExecutor):
        def submit(self, fn, *args):  # type: ignore[no-untyped-def,override]
            solved_jobs.extend(args[1])
            return super().submit(fn, *args)

    with Counting(1) as executor:
        assert write_run(engine(network), path, executor) == totals
    assert len(solved_jobs) == len(divide(engine(network))) - finished
    assert path.read_bytes() == whole
    assert_same(read_run(engine(network), path), truth)


def test_damage_and_other_runs_are_refused(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    write_run(engine(network), path)
    other = Engine(network, Slice.plane(2), Window.rectangle(-1, -1, 1, 2))
    for use in (write_run, read_run):
        with pytest.raises(FileFormatError, match="another network, slice or window"):
            use(other, path)
    lines = path.read_bytes().split(b"\n")
    job = json.loads(lines[3])
    for name, value in (
        ("labels", ["AAAA", 0]),
        ("cells", 1),
        ("job", 7),
        ("codes", 3),
        ("left", -1),
    ):
        lines[3] = json.dumps({**job, name: value}).encode()
        path.write_bytes(b"\n".join(lines))
        with pytest.raises(FileFormatError, match="job"):
            read_run(engine(network), path)


def test_what_is_no_region_is_refused(network: Network, tmp_path: Path) -> None:
    """A checksum is no proof: a `start` that is not increasing had kernels read anywhere."""
    path = tmp_path / "x.run"
    write_run(engine(network), path)
    header, first, *rest = path.read_bytes().splitlines(keepends=True)
    batch = next(engine(network).run())
    start, labels, codes = batch.start.copy(), batch.labels.copy(), batch.codes.copy()
    start[1], labels[0], codes[0, 0] = 10**9, 10**6, 77
    for wrong in ({"start": start}, {"labels": labels}, {"codes": codes}):
        line = {**json.loads(first), "cells": len(batch), **_arrays(replace(batch, **wrong))}
        path.write_bytes(b"".join([header, json.dumps(line).encode() + b"\n", *rest]))
        for use in (write_run, read_run):
            with pytest.raises(FileFormatError, match=r"job 0: a (region|code)"):
                use(engine(network), path)


def test_nothing_follows_the_end_of_a_run(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    write_run(engine(network), path)
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[1])
    for use in (write_run, read_run):
        with pytest.raises(FileFormatError, match="not the last"):
            use(engine(network), path)


def test_another_version_is_told_from_another_run(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    write_run(engine(network), path)
    path.write_bytes(path.read_bytes().replace(b'"version":3', b'"version":2', 1))
    with pytest.raises(FileFormatError, match="run file of version 2"):
        write_run(engine(network), path)


def test_a_job_that_lacks_a_line_is_refused(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    write_run(engine(network), path)
    lines = path.read_bytes().splitlines(keepends=True)
    first = {**json.loads(lines[1]), "left": 2}
    path.write_bytes(b"".join([lines[0], json.dumps(first).encode() + b"\n", *lines[1:]]))
    for use in (write_run, read_run):
        with pytest.raises(FileFormatError, match="job 0: a line is missing"):
            use(engine(network), path)


def test_a_killed_command_leaves_a_partial_file_and_goes_on(
    random_network: Callable[..., Network], tmp_path: Path
) -> None:
    model, path = tmp_path / "model.json", tmp_path / "x.run"
    exactcam.write_network(random_network([2, 48, 48, 48, 1], 1), model)
    command = [sys.executable, "-m", "exactcam", "partition", str(model), "-o", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and (not path.exists() or path.stat().st_size < 20_000):
        time.sleep(0.01)
    process.kill()  # nothing, where it was so quick that it is gone
    process.communicate()
    again = subprocess.run(
        [*command, "--totals", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(again.stdout)["activation_regions"] == len(
        exactcam.partition(exactcam.load(str(model)))
    )


@contextmanager
def local_cluster(workers: int) -> Iterator[tuple[Any, Any]]:
    """A cluster of dask on this machine, and a client of it."""
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, processes=True
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield cluster, client


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_loses_nothing(network: Network, truth: Partition) -> None:
    with local_cluster(2) as (cluster, client):
        executor, run = client.get_executor(pure=False), engine(network)
        batches = []
        for k, batch in enumerate(solved(run, divide(run), executor)):
            batches.append(batch)
            if k == 2:
                next(iter(cluster.workers.values())).process.process.kill()
        codes = np.concatenate([batch.patterns.whole() for batch in batches])
        assert np.array_equal(codes, truth.patterns)


@pytest.mark.slow
def test_a_cluster_without_workers_is_waited_for(network: Network, truth: Partition) -> None:
    """The only worker is lost and does not come back: the run goes on when another one joins."""
    found: list[Partition] = []
    with local_cluster(1) as (cluster, client):
        executor = client.get_executor(pure=False)
        cluster.sync(next(iter(cluster.workers.values())).close)
        while client.scheduler_info()["workers"]:
            time.sleep(0.05)
        run = Thread(
            target=lambda: found.append(exactcam.partition(network, executor=executor)), daemon=True
        )
        run.start()
        run.join(3)
        assert run.is_alive()
        cluster.scale(2)
        run.join(120)
    assert [np.array_equal(part.patterns, truth.patterns) for part in found] == [True]


def test_a_broken_pool_says_so(network: Network) -> None:
    run = engine(network)
    jobs = divide(run)
    with ProcessPoolExecutor(1) as pool:
        pool.submit(os.getpid).result()
        for process in pool._processes.values():
            process.kill()
        with pytest.raises(ExactcamError, match=r"a worker process died.*terminated abruptly"):
            list(solved(run, jobs, pool))
    batch = solve(run, jobs[0])
    assert batch is not None
    assert len(batch) > 0


def test_a_process_that_does_not_know_the_network_is_told(network: Network) -> None:
    run = engine(network)
    jobs = divide(run)
    alone = [batch.patterns.whole().tobytes() for batch in solved(run, jobs, None)]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert [batch.patterns.whole().tobytes() for batch in solved(run, jobs, pool)] == alone


def test_runs_that_overlap_do_not_disturb_each_other(network: Network) -> None:
    """A table of the last two settings lost the first of three runs under way."""
    runs = [engine(network) for _ in range(3)]
    with ThreadPoolExecutor(2) as executor:
        coming = [solved(run, divide(run), executor, lambda e, n, b: n) for run in runs]
        for step in range(5):
            assert [next(numbers) for numbers in coming] == [step] * 3
        for numbers in coming:
            numbers.close()
    assert not parallel._known
