"""The assertion other projects use, and the example project that uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam.testing import assert_partition_matches

ROOT = Path(__file__).parents[2]
HIDDEN = ([[1, 0], [0, 1]], [0, 0])
QUARTERS = [np.array([[0.0, 0], [s, 0], [s, t], [0, t]]) for s in (1.0, -1.0) for t in (1.0, -1.0)]


def test_it_passes_and_fails_by_name(tmp_path: Path) -> None:
    network = exactcam.from_arrays([HIDDEN, ([[1, 1]], [-1])])
    exactcam.write_network(network, tmp_path / "net.json")
    for model in (network, tmp_path / "net.json", str(tmp_path / "net.json")):
        assert assert_partition_matches(QUARTERS, model).passed
    page = tmp_path / "page.html"
    with pytest.raises(AssertionError, match=r"missing: +1") as caught:
        assert_partition_matches(QUARTERS[1:], network, report=page)
    assert str(page) in str(caught.value)
    assert "missing" in page.read_text()
    with pytest.raises(AssertionError, match="wrong pattern"):
        assert_partition_matches(QUARTERS, network, patterns=np.zeros((4, 2), dtype=int))


def test_another_slice_and_window() -> None:
    network = exactcam.from_arrays([([[1, 0, 0], [0, 1, 0]], [0, 0]), ([[1, 1]], [-1])])
    plane = exactcam.Slice.axes([0, 0, 5])
    shifted = [np.clip(2 * q, -1, 2) for q in QUARTERS]
    assert_partition_matches(shifted, network, (-1, -1, 2, 2), plane)


def test_the_example_project_passes() -> None:
    folder = ROOT / "examples" / "engine_project"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout[-3000:]
