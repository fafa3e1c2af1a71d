"""What is written comes back the same, for any network and partition."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings

import exactcam
from exactcam import Network, Slice, Window
from exactcam.testing.strategies import cases, networks
from tools.partitions import same

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@SETTINGS
@given(network=networks())
def test_network_files(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "network.json"
    exactcam.write_network(network, path)
    again = exactcam.load(path)
    assert again.sha256 == network.sha256
    assert (again.names, again.notes) == (network.names, network.notes)
    point = ["1/3"] * network.inputs
    assert again.evaluate(point) == network.evaluate(point)


@SETTINGS
@given(case=cases())
def test_result_files(tmp_path: Path, case: tuple[Network, Slice, Window]) -> None:
    part = exactcam.partition(*case)
    path = tmp_path / "part.jsonl"
    part.save(path)
    assert same(exactcam.load_partition(path), part)
