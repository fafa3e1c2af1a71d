"""Files that version 0.1.0 wrote are read, and say what they said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam.engine.refine import Engine
from exactcam.engine.run_file import read_run, write_run
from exactcam.model.slice_file import read_slice
from tools.partitions import same

FOLDER = Path(__file__).with_name("version-0.1.0")
COUNTS = exactcam.Counts(21, 21, 21)


@pytest.fixture(scope="module")
def part() -> exactcam.Partition:
    plane, window = read_slice(FOLDER / "slice.json")
    network = exactcam.load(FOLDER / "network.json")
    return exactcam.partition(network, plane, window, engine="fast")


def test_networks_and_slices(part: exactcam.Partition) -> None:
    assert exactcam.load(FOLDER / "network.npz").sha256 == part.network.sha256
    assert part.counts == COUNTS


@pytest.mark.parametrize("name", ["result.jsonl", "result.jsonl.gz"])
def test_results(part: exactcam.Partition, name: str) -> None:
    read = exactcam.load_partition(FOLDER / name)
    assert same(read, part)
    assert read.counts == COUNTS


def test_runs(part: exactcam.Partition, tmp_path: Path) -> None:
    engine = Engine(part.network, part.slice, part.window)
    read = read_run(engine, FOLDER / "regions.run")
    assert np.array_equal(read.patterns, part.patterns)
    assert same(read, part)
    # What is finished is not computed again, and a part of it is gone on with.
    content = (FOLDER / "regions.run").read_bytes()
    for lines in (None, -1, 1):
        path = tmp_path / "again.run"
        path.write_bytes(b"".join(content.splitlines(keepends=True)[:lines]))
        assert write_run(engine, path).activation_regions == len(part)
        assert same(read_run(engine, path), part)


@pytest.mark.parametrize("name", ["certificate", "certificate.gz"])
def test_certificates(name: str) -> None:
    files = (FOLDER / "network.json", FOLDER / "slice.json", FOLDER / name)
    assert exactcam.check(*files).verified
