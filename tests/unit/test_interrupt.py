"""Worker processes end with the command that started them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import exactcam
from exactcam import Network
from exactcam.errors import interrupted
from tools.processes import GROUP, running

pytestmark = pytest.mark.xdist_group("processes")


def test_an_interrupt_is_seen_behind_the_error_that_numba_makes_of_it() -> None:
    error = SystemError("returned a result with an exception set")
    assert not interrupted(error)
    assert not interrupted(None)
    error.__cause__ = SystemError()
    error.__cause__.__cause__ = KeyboardInterrupt()
    assert interrupted(error)
    assert interrupted(error.__cause__.__cause__)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see processes")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_survives(
    random_network: Callable[..., Network], tmp_path: Path, how: signal.Signals
) -> None:
    model, out = tmp_path / "model.json", tmp_path / "err.txt"
    exactcam.write_network(random_network([2, 400, 400, 1], 1), model)
    command = [sys.executable, "-m", "exactcam", "partition", str(model), "--jobs", "2"]
    with out.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
    group = process.pid
    until = time.monotonic() + 120
    while process.poll() is None and len(running(GROUP, group)) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert process.poll() is None, "the run was over before it could be interrupted"
    if how is signal.SIGINT:
        os.killpg(group, how)  # as a terminal does
    else:
        process.kill()
    code = process.wait(120)
    until = time.monotonic() + 120
    while running(GROUP, group) and time.monotonic() < until:
        time.sleep(0.1)
    assert not running(GROUP, group)
    if how is signal.SIGINT:
        assert code == 130
        assert out.read_text().strip() == "exactcam: interrupted"
