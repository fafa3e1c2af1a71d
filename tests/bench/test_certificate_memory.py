"""Certificates of large partitions are written in bounded memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from exactcam import from_arrays
from exactcam.benchmark.cases import layers_of
from exactcam.model.network_file import write_network

# Between the tests and the command, so that only the command's memory is counted: neither
# that of other tests' processes nor that of the process it was forked from.
LAUNCHER = """
import resource, subprocess, sys
run = subprocess.run([sys.executable, "-m", "exactcam", *sys.argv[1:]], check=True)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit, "bytes")
"""


def wide() -> list[tuple[np.ndarray, np.ndarray]]:
    """One hidden layer, whose lines cross everywhere."""
    rng = np.random.default_rng(0)
    angle, shift = rng.uniform(0, np.pi, 540), rng.uniform(-0.7, 0.7, 540)
    lines = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return [(lines, shift), (rng.standard_normal((1, 540)), np.zeros(1))]


def deep() -> list[tuple[np.ndarray, np.ndarray]]:
    return layers_of("he", 256, 3, 0)[0]


@pytest.mark.slow
@pytest.mark.xdist_group("measured")
@pytest.mark.parametrize(("make", "half"), [(wide, "1"), (deep, "0.7")])
def test_a_hundred_thousand_regions_are_certified_within_a_gigabyte(
    tmp_path: Path, make: object, half: str
) -> None:
    model, certificate = tmp_path / "model.json", tmp_path / "certificate"
    write_network(from_arrays(make()), model)  # type: ignore[operator]
    window = ["--window", f"-{half}", f"-{half}", half, half]
    command = [sys.executable, "-c", LAUNCHER, "certify", str(model), *window]
    outputs = ["-o", str(certificate), "--slice-out", str(tmp_path / "slice.json")]
    run = subprocess.run([*command, *outputs], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    regions = int(re.search(r"certificate of ([\d,]+)", run.stdout)[1].replace(",", ""))  # type: ignore[index]
    peak = int(run.stdout.split()[-2])
    print(f"{regions:,} regions, {peak / 1e6:,.0f} MB")
    assert regions > 100_000
    assert peak < 1e9
    with certificate.open("rb") as file:
        lines = sum(line.startswith(b"c ") for line in file)
    assert lines == regions
