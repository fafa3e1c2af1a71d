"""What went wrong beside a run: hangs, and a Ctrl-C that was not one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

import exactcam
from exactcam import Network
from exactcam.cli import main
from exactcam.engine import fast
from exactcam.runtime.cached import cached_property
from exactcam.runtime.processes import FORKS

pytestmark = pytest.mark.xdist_group("processes")

MODEL = Path(exactcam.__file__).with_name("data") / "two_moons.json"

BEFORE = """
import os, threading
os.environ["EXACTCAM_PROCESSES"] = "8"
import exactcam
from exactcam.engine.fast import fast_partition
from exactcam.engine.schedule import Schedule

def partition(net, jobs):
    plane, window = exactcam.Slice.plane(2), exactcam.Window.rectangle(-1, -1, 1, 1)
    soon = Schedule(head_start=0.0)  # a helper from the start, small as the networks are
    return fast_partition(net, plane, window, jobs=jobs, schedule=soon)
"""

LOADING = """
net = exactcam.from_arrays([
    ([[1, 0], [0, 1], [1, 1], [1, -1]] * 3, [i / 9 for i in range(12)]),
    ([[(i * j) % 5 - 2 for j in range(12)] for i in range(12)], [i / 7 - 0.8 for i in range(12)]),
    ([[1] * 12], [0]),
])
nets = net, net
"""

HELD = """
import multiprocessing, time
from numba.core.compiler_lock import global_compiler_lock
from exactcam.runtime import jit
from exactcam.runtime.fork_pool import spread
held, forking = threading.Event(), threading.Event()
here, helped = os.getpid(), multiprocessing.get_context("fork").Event()
os.register_at_fork(before=forking.set)  # the last that is registered is the first to run

def compile():
    with global_compiler_lock:
        held.set()
        assert forking.wait(60)
        time.sleep(0.2)  # a fork that does not wait for the lock happens now

def find(number):
    with global_compiler_lock:
        if os.getpid() != here:
            helped.set()
    assert helped.wait(60)
    return [os.getpid()]

def work():
    assert held.wait(60)
    found.extend(spread(find, 8, 2))

found = []
threads = [threading.Thread(target=target, daemon=True) for target in (compile, work)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(120)
os._exit(len({who for (who,) in found}) != 2)
"""

LATE_MAX = """
import numpy as np
from exactcam import Network
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Pointwise

def numbers(rows, columns):
    weight = [[(7 * i * i + 3 * i * j + j * j) % 11 - 5 for j in range(columns)] for i in range(rows)]
    return weight, [i % 5 - 2 for i in range(rows)]

def network(depth, width, largest):
    nodes, last = [], 2
    for k in range(depth):
        nodes.append(Affine.dense(len(nodes), *numbers(width, last)))
        last = width
        if k == largest:
            last = width // 2
            groups = tuple((2 * i, 2 * i + 1) for i in range(last))
            nodes.append(MaxGroups(len(nodes), groups))
        else:
            nodes.append(Pointwise(len(nodes), (Cpwl.relu(),), np.zeros(width, dtype=np.int64)))
    nodes.append(Affine.dense(len(nodes), *numbers(1, last)))
    return Network(2, tuple(nodes), len(nodes))

partition(network(2, 8, None), 2)
nets = network(1, 4, 0), network(4, 48, 3)
"""

BESIDE = """
threads = [
    threading.Thread(target=partition, args=(net, jobs)) for net, jobs in zip(nets, (1, 2))
]
for thread in threads:
    thread.daemon = True
    thread.start()
for thread in threads:
    thread.join(120)
os._exit(any(thread.is_alive() for thread in threads))
"""

INTERRUPTS = """
import os, signal, threading
import exactcam
net = exactcam.from_arrays([
    ([[i % 5 - 2, i % 3 - 1] for i in range(24)], [i / 29 - 0.4 for i in range(24)]),
    ([[(i * j) % 7 / 3 - 1 for j in range(24)] for i in range(24)], [i / 23 - 0.5 for i in range(24)]),
    ([[1] * 24], [0]),
])
exactcam.partition(net, engine="fast")
for k in range(30):
    try:
        threading.Timer(0.001 * (1 + k), os.kill, (os.getpid(), signal.SIGINT)).start()
        while True:
            exactcam.partition(net, engine="fast")
    except KeyboardInterrupt:
        pass
"""


@pytest.mark.skipif(not FORKS, reason="processes cannot be forked here")
def test_a_helper_forked_while_another_thread_loads_kernels(
    random_network: Callable[..., Network],
) -> None:
    """It waited for numba's lock, which only that thread could have opened."""
    exactcam.partition(random_network([2, 4, 1], 0), engine="fast")  # they are compiled, at least
    subprocess.run([sys.executable, "-c", BEFORE + HELD], check=True, timeout=300)
    for _ in range(3):
        subprocess.run([sys.executable, "-c", BEFORE + LOADING + BESIDE], check=True, timeout=300)


@pytest.mark.skipif(not FORKS, reason="processes cannot be forked here")
def test_a_helper_forked_while_another_thread_imports_a_module() -> None:
    """It waited for the lock of `cut_max`, imported where a max node first cut."""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", BEFORE + LATE_MAX + BESIDE], check=True, timeout=300)


def test_what_is_computed_once_holds_no_lock() -> None:
    """A helper forked while another thread computed `Engine.ties` of another engine waited for
    the lock that functools.cached_property had for all of them before Python 3.12."""

    class Slow:
        @cached_property
        def known(self) -> int:
            begun.set()
            return int(go_on.wait(60))

    begun, go_on, slow = Event(), Event(), (Slow(), Slow())
    threads = [Thread(target=lambda each=each: each.known) for each in slow]
    try:
        for thread in threads:  # the second begins while the first has not ended
            begun.clear()
            thread.start()
            assert begun.wait(60)
    finally:
        go_on.set()
        for thread in threads:
            thread.join(120)
    assert [each.known for each in slow] == [1, 1]


def test_an_interrupt_in_compiled_code_is_one() -> None:
    """numba made more than half of them a SystemError."""
    subprocess.run([sys.executable, "-c", INTERRUPTS], check=True, timeout=300)


def test_another_system_error_stays_one(
    random_network: Callable[..., Network],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object) -> None:
        raise SystemError("inside")

    monkeypatch.setattr(fast, "fast_partition", fails)
    with pytest.raises(SystemError, match="inside"):
        exactcam.partition(random_network([2, 4, 1], 0), engine="fast")
    with pytest.raises(SystemError, match="inside"):
        main(["partition", str(MODEL), "--engine", "fast"])
    assert "interrupted" not in capsys.readouterr().err
