"""What the machine does to a command: signals, dead workers, damaged caches, little memory, streams."""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from multiprocessing import active_children
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import exactcam
from exactcam import ExactcamError, Network
from exactcam.cli import main
from exactcam.engine.kernels import jit
from exactcam.runtime.processes import FORKS, Workers, at_once, lost, workers
from tools.processes import PARENT, gone, running

pytestmark = [
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(sys.platform != "linux", reason="needs signals and /proc"),
]
COMMAND = [sys.executable, "-m", "exactcam"]


@pytest.fixture(scope="module")
def model(random_network: Callable[..., Network], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.json"
    net = random_network([2, 96, 96, 96, 1], 1)
    exactcam.partition(random_network([2, 4, 1], 0), engine="fast")  # compiled before
    exactcam.write_network(net, path)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.npz"
    weight = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    np.savez(path, weight0=weight, bias0=np.zeros(4), weight1=np.ones((1, 4)), bias1=[-1.0])
    return path


def start(*words: str | Path, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "EXACTCAM_PROCESSES": "2", **more},
    )


def until_child(process: subprocess.Popen[str]) -> list[int]:
    found: list[int] = []
    while not found and process.poll() is None:
        found = running(PARENT, process.pid)
        time.sleep(0.005)
    return found


TWO_THREADS = """
import os, sys
os.environ["EXACTCAM_PROCESSES"] = "4"
from concurrent.futures import ThreadPoolExecutor
import exactcam
from exactcam.engine.fast import fast_partition
from exactcam.engine.schedule import Schedule
net = exactcam.load(sys.argv[1])
plane, window = exactcam.Slice.plane(2), exactcam.Window.rectangle(-1, -1, 1, 1)
def work(_):
    part = fast_partition(net, plane, window, jobs=2, schedule=Schedule(head_start=0.0))
    return len(part), part.counts, len(part.decision_boundary(jobs=2).segments)
alone = work(0)
with ThreadPoolExecutor(2) as pool:
    assert set(pool.map(work, range(int(sys.argv[2])))) == {alone}
"""


@pytest.mark.parametrize("rounds", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_two_threads_that_both_ask_for_helpers(model: Path, rounds: int) -> None:
    """Both waited for ever in a product: BLAS's threads, which a fork ends, were computing."""
    subprocess.run(
        [sys.executable, "-c", TWO_THREADS, str(model), str(rounds)], check=True, timeout=600
    )


@pytest.mark.skipif(not FORKS, reason="processes cannot be forked here")
def test_blas_has_one_thread_in_whatever_thread_and_no_fork_beside_it() -> None:
    from threading import Event, Thread

    from exactcam.runtime.float_mode import _blas, only_thread, quiet

    inside, leave = Event(), Event()
    seen: list[set[int]] = []

    def compute() -> None:
        with quiet():
            seen.append({library.get_num_threads() for library in _blas()})
            inside.set()
            assert leave.wait(60)

    with quiet(), only_thread() as alone:  # this thread has set a limit before the other does
        assert alone
    thread = Thread(target=compute)
    thread.start()
    try:
        assert inside.wait(60)
        with only_thread() as alone:
            assert not alone
    finally:
        leave.set()
        thread.join(60)
    assert seen == [{1}]
    with only_thread() as alone:
        assert alone


KERNELS = """
import os, random, signal, sys, threading
import exactcam
net = exactcam.load(sys.argv[1])
exactcam.partition(net, window=(-1, -1, "-0.8", "-0.8"), engine="fast").counts
random.seed(1)
for _ in range(int(sys.argv[2])):
    try:
        threading.Timer(random.uniform(0.001, 0.03), os.kill, (os.getpid(), signal.SIGINT)).start()
        while True:
            exactcam.partition(net, window=(-1, -1, "-0.8", "-0.8"), engine="fast").counts
    except KeyboardInterrupt:
        pass
"""


@pytest.mark.parametrize("times", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_an_interrupt_in_python_is_a_keyboard_interrupt(model: Path, times: int) -> None:
    """In a kernel it was a SystemError, or crashed the process."""
    subprocess.run([sys.executable, "-c", KERNELS, str(model), str(times)], check=True, timeout=600)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("tries", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_signal_once_or_twice_is_one_line(
    model: Path, tmp_path: Path, number: signal.Signals, times: int, tries: int
) -> None:
    chance = random.Random(times)
    for _ in range(tries):
        process = start("partition", model, "--jobs", "2", "-o", tmp_path / "x.jsonl")
        workers = until_child(process)
        assert workers, process.communicate()
        time.sleep(chance.uniform(0, 0.1))
        for _ in range(times):
            process.send_signal(number)
            time.sleep(chance.uniform(0, 0.03))
        _, err = process.communicate(timeout=120)
        assert process.returncode == 128 + number, err
        assert len(err.strip().splitlines()) == 1
        while not all(gone(worker) for worker in workers):
            time.sleep(0.05)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("run", [True, False])
def test_a_killed_worker_is_one_line_and_a_run_goes_on(
    model: Path, tmp_path: Path, run: bool
) -> None:
    """A pool's loss was a traceback of 24 lines."""
    out = tmp_path / ("x.run" if run else "x.jsonl")
    words = ["partition", model, "--jobs", "2", "-o", out, *(["--totals", "--json"] if run else [])]
    process = start(*words)
    workers = until_child(process)
    assert workers, process.communicate()
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err.count("\n")) == (2, 1), err
    assert "process died" in err
    if run:
        again = start(*words)
        text, err = again.communicate(timeout=120)
        assert again.returncode == 0, err
        assert json.loads(text)["activation_regions"] == len(
            exactcam.partition(exactcam.load(model))
        )
    else:
        assert not out.exists()


def stop_while_sending(how: int, sent: Path) -> None:
    """Make this process send half a result, and then end by signal `how`, or sleep (0)."""

    def half(self: Connection, buffer: bytes) -> None:
        os.write(self.fileno(), struct.pack("!i", 1000) + bytes(500))
        sent.touch()
        if how:
            os.kill(os.getpid(), how)
        time.sleep(600)

    Connection._send_bytes = half  # type: ignore[attr-defined]


def pool_threads() -> list[Thread]:
    """The threads whose end Python waits for."""
    return [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]


@pytest.mark.skipif(not FORKS, reason="processes cannot be forked here")
@pytest.mark.parametrize("how", [0, signal.SIGKILL])
def test_a_worker_that_ends_while_it_sends_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: int
) -> None:
    """The pool's own thread waited for the rest: a run on a full disk never ended."""
    monkeypatch.setenv("EXACTCAM_PROCESSES", "2")
    sent = tmp_path / "sent"

    def work() -> None:
        with workers(2) as pool, lost():
            assert pool is not None
            future = pool.submit(stop_while_sending, how, sent)
            while how or not sent.exists():
                with suppress(FutureTimeout):
                    future.result(timeout=0.01)
            raise ExactcamError("the disk is full")

    with pytest.raises(ExactcamError, match="worker process died" if how else "the disk is full"):
        work()
    for thread in pool_threads():
        thread.join(120)
    assert not pool_threads()


def test_a_run_that_fails_while_workers_are_busy_says_so_alone(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before Python 3.12 a thread failed, since the tasks under way had been cancelled."""
    monkeypatch.setenv("EXACTCAM_PROCESSES", "2")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (100, 30_000, 300_000):
        (tmp_path / "x.run").unlink(missing_ok=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            assert (
                main(["partition", str(model), "--jobs", "2", "-o", str(tmp_path / "x.run")]) == 2
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        for thread in pool_threads():
            thread.join(120)
        err = capsys.readouterr().err
        assert err == f"exactcam: error: {tmp_path / 'x.run'}: File too large\n"


def test_main_never_ends_the_process_of_its_caller(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a signal it did, where another thread of the caller was running."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    go_on = threading.Event()
    thread = Thread(target=go_on.wait, args=(120,))
    thread.start()
    try:
        monkeypatch.setattr("exactcam.commands.common.partition", interrupted)
        monkeypatch.setattr(sys, "argv", ["exactcam", "partition", str(small)])
        assert main() == main(sys.argv[1:]) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        go_on.set()
        thread.join(120)
    assert capsys.readouterr().err.strip() == "exactcam: interrupted\n\nexactcam: interrupted"


def test_no_more_processes_than_tasks_or_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXACTCAM_PROCESSES", raising=False)
    cores = len(os.sched_getaffinity(0))
    assert at_once(48, 1000) == min(48, cores)
    assert at_once(1, 1000) == at_once(48, 1) == at_once(48, 0) == 1
    monkeypatch.setenv("EXACTCAM_PROCESSES", "6")
    assert (at_once(48, 1000), at_once(48, 3), at_once(2, 9)) == (6, 3, 2)
    pool = Workers(48)
    pool.expect(2)
    pool.submit(os.getpid).result()
    assert len(running(PARENT, os.getpid())) <= 2
    pool.shutdown()
    for wrong in ("0", "many", "-3"):
        monkeypatch.setenv("EXACTCAM_PROCESSES", wrong)
        with pytest.raises(ExactcamError, match="EXACTCAM_PROCESSES"):
            at_once(2, 2)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "garbage": lambda content: random.Random(1).randbytes(3000),
    "half": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content[:-50] + bytes([content[-50] ^ 1]) + content[-49:],
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_cache_counts_as_missing(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every run ended in a traceback, for ever."""
    from exactcam.runtime.jit import Compiler

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def kernel() -> Callable[[int], int]:
        compiler = Compiler([Path(__file__)])

        @compiler()
        def twice(x: int) -> int:
            return 2 * x

        return twice

    assert kernel()(4) == 8
    files = list(tmp_path.rglob("*.nb?"))
    assert {path.suffix for path in files} == {".nbi", ".nbc"}
    for suffix in (".nbi", ".nbc"):
        for path in files:
            if path.suffix == suffix:
                path.write_bytes(DAMAGE[how](path.read_bytes()))
        new = kernel()
        assert new(4) == 8
        assert sum(new.stats.cache_hits.values()) == 0  # type: ignore[attr-defined]
        again = kernel()
        assert again(4) == 8
        assert sum(again.stats.cache_hits.values()) == 1  # type: ignore[attr-defined]  # replaced


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exactcam.runtime.jit import Compiler, cache_folder

    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert cache_folder(jit.sources) is None
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "folder"))
    compiler = Compiler([Path(__file__)])

    @compiler()
    def twice(x: int) -> int:
        return 2 * x

    shutil.rmtree(tmp_path / "folder")
    (tmp_path / "folder").write_bytes(b"")  # whoever is root may write in read-only folders
    assert twice(4) == 8


def test_out_of_memory_is_one_line(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((9, 9), np.dtype(float)),
        ImportError("libx.so: failed to map segment from shared object"),
    ):

        def fails(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("exactcam.commands.common.partition", fails)
        assert main(["partition", str(small)]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "out of memory" in err


def test_matplotlib_says_nothing_of_a_home_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It warns in two lines when it is imported; the figure is written all the same."""
    from exactcam.render.plots import _new_figure

    (tmp_path / "matplotlib").mkdir()
    says = "import logging\nlogging.getLogger(__name__).warning('mkdir -p failed')\n"
    (tmp_path / "matplotlib" / "__init__.py").write_text(says)
    (tmp_path / "matplotlib" / "figure.py").write_text(says + "Figure = dict\n")
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert _new_figure(1, 2)
    finally:
        for name in ("matplotlib.figure", "matplotlib"):
            sys.modules.pop(name, None)
    assert not caplog.records


@pytest.mark.parametrize("failing", [1, 2, 3, "a worker's"])
def test_a_thread_that_cannot_start_is_one_line(
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    failing: int | str,
) -> None:
    """It was a traceback where memory was too short for the stack of a thread, or never ended."""
    parent, me, right, started = os.getpid(), threading.get_ident(), Thread.start, 0

    def start(self: Thread) -> None:
        nonlocal started
        if os.getpid() != parent:
            fails = failing == "a worker's"
        else:  # not what the thread of an earlier pool may still start
            mine = threading.get_ident() == me
            started += mine
            fails = mine and failing == started
        if fails:
            raise RuntimeError("can't start new thread")
        right(self)

    monkeypatch.setenv("EXACTCAM_PROCESSES", "2")
    monkeypatch.setattr(Thread, "start", start)
    # What a pool logs goes to stderr, but under pytest.
    monkeypatch.setattr(logging.getLogger("concurrent.futures"), "propagate", False)
    assert main(["partition", str(small), "--jobs", "2", "-o", str(tmp_path / "x.run")]) == 2
    assert started == (failing if isinstance(failing, int) else 3)
    err = capfd.readouterr().err
    assert err.count("\n") == 1, err
    assert "memory" in err
    for thread in pool_threads():
        thread.join(120)
    for child in active_children():
        child.join(120)
    assert not active_children()


@pytest.mark.parametrize("words", [["info"], ["partition", "--engine", "reference"]])
def test_streams_that_cannot_be_written(small: Path, words: list[str]) -> None:
    shell = " ".join([*COMMAND, *words, str(small)])
    for redirect, code in (
        (">/dev/full", 2),
        (">&-", 0),
        ("2>&-", 0),
        (">&- 2>&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full 2>/dev/full", 2),
    ):
        done = subprocess.run(
            ["bash", "-c", f"{shell} {redirect}"], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, (redirect, done)
        assert done.stderr.count("\n") == (code == 2 and "2>" not in redirect), redirect
        assert ("standard output" in done.stderr) == (redirect == ">/dev/full"), redirect
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as nobody:
        done = subprocess.run(
            [*COMMAND, *words, str(small)], stdout=nobody, stderr=subprocess.PIPE, timeout=120
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_name_that_cannot_be_encoded_is_escaped(small: Path) -> None:
    """It was a traceback where stdout is ASCII."""
    named = small.with_name("nét ☃.npz")
    small.rename(named)
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for words, code in (
        (["render", named, "-o", named.with_name("pic ☃.svg")], 0),
        (["info", named], 0),
        (["info", named.with_name("nö ☃.npz")], 2),
    ):
        done = subprocess.run(
            [*COMMAND, *map(str, words)], capture_output=True, env=ascii_only, timeout=120
        )
        assert done.returncode == code, done
        assert done.stderr.count(b"\n") == (code == 2)
