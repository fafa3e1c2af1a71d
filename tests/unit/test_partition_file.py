"""Result files lose nothing, and anything that is not one is refused in one line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam import Network, Slice, Window, from_arrays, load_partition
from exactcam.cli import main
from exactcam.complex.partition_file import PartitionWriter
from exactcam.errors import FileFormatError
from tools.partitions import same


@pytest.mark.parametrize("name", ["part.jsonl", "part.jsonl.gz"])
def test_nothing_is_lost(random_network: Callable[..., Network], tmp_path: Path, name: str) -> None:
    network = random_network([4, 12, 12, 3], seed=3, negative_slope=0.01)
    plane = Slice([0, 0.1, 0, "1/3"], [1, 0, 2, 0], [0, 1, 0, -1])
    part = exactcam.partition(network, plane, Window([("-1/7", -1), (1, 0), (0, 1)]))
    part.save(tmp_path / name)
    assert same(part, load_partition(tmp_path / name))
    load_partition(tmp_path / name).check_invariants()


def test_several_batches_in_any_order(
    random_network: Callable[..., Network], tmp_path: Path
) -> None:
    part = exactcam.partition(random_network([2, 16, 16, 1]))
    path = tmp_path / "shuffled.jsonl"
    with PartitionWriter(path, part.network, part.slice, part.window, part.engine) as writer:
        for k in np.random.default_rng(0).permutation(len(part)):
            cell = part.cells[int(k)]
            corners = np.arange(len(cell.corners))
            patterns, forms = part.patterns[k : k + 1], part.forms[k : k + 1]
            writer.batch(cell.points, [corners], patterns, forms, part.form_scale)
    assert same(part, load_partition(path))


def test_many_cells_make_many_lines(
    random_network: Callable[..., Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exactcam.complex.partition_file._BATCH", 7)
    part = exactcam.partition(random_network([2, 16, 16, 1]))
    part.save(tmp_path / "part.jsonl")
    lines = (tmp_path / "part.jsonl").read_text().splitlines()
    assert len(lines) == 2 + -(-len(part) // 7)
    assert same(part, load_partition(tmp_path / "part.jsonl"))


@pytest.fixture
def lines(tmp_path: Path) -> list[Any]:
    """The lines of a small good file, parsed."""
    network = from_arrays([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    exactcam.partition(network).save(tmp_path / "good.jsonl")
    return [json.loads(line) for line in (tmp_path / "good.jsonl").read_text().splitlines()]


def change(lines: list[Any], number: int, key: str, value: Any) -> None:
    lines[number][key] = value


HOSTILE: list[tuple[str, Callable[[list[Any]], Any]]] = [
    ("is partial: it ends after 4 cells", lambda x: x.pop()),
    ("is partial: it ends after 0 cells", lambda x: [x.pop(), x.pop()]),
    ("promises 4 cells on 9 vertices, the file holds 0", lambda x: x.pop(1)),
    ("line 3: two regions have the same pattern", lambda x: x.insert(1, x[1])),
    ("promises 5 cells", lambda x: change(x, 2, "cells", 5)),
    ("promises 4 cells on 8 vertices", lambda x: change(x, 2, "vertices", 8)),
    ("must be the last line", lambda x: x.append(x[1])),
    ("must be the last line", lambda x: change(x, 2, "end", 1)),
    ("line 1: needs an object", lambda x: x.clear()),
    ("line 1: needs an object", lambda x: x.pop(0)),
    ("of version 1", lambda x: change(x, 0, "version", 2)),
    ("of version 1", lambda x: change(x, 0, "engine", 2)),
    ("of version 1", lambda x: change(x, 0, "format", "exactcam-network")),
    ("network: needs an object", lambda x: change(x, 0, "network", {})),
    ("linearly dependent", lambda x: x[0]["slice"].update(e1=x[0]["slice"]["e2"])),
    (
        "slice does not fit",
        lambda x: x[0]["slice"].update(origin=["0"] * 3, e1=["0", "0", "1"], e2=["1", "0", "1"]),
    ),
    ("slice: needs an object", lambda x: x[0]["slice"].update(extra=1)),
    ("e1 is not a canonical", lambda x: x[0]["slice"].update(e1=["0.5", "1"])),
    ("window is not counter-clockwise", lambda x: x[0]["slice"]["window"].reverse()),
    ("at least 3 corners", lambda x: x[0]["slice"]["window"].clear()),
    ("not a rational in lowest terms", lambda x: x[0]["slice"]["window"][0].__setitem__(0, "2/2")),
    ("batch: needs an object", lambda x: x.__setitem__(1, [])),
    ("batch: needs an object", lambda x: x[1].update(extra=1)),
    ("no different points", lambda x: x[1]["vertices"].pop()),
    ("no different points", lambda x: x[1]["vertices"].extend(x[1]["vertices"][:3])),
    ("is not a reduced point", lambda x: x[1]["vertices"].__setitem__(2, "0")),
    ("is not a reduced point", lambda x: x[1]["vertices"].__setitem__(2, "-1")),
    (
        "is not a reduced point",
        lambda x: x[1]["vertices"].__setitem__(slice(0, 3), ["2", "2", "2"]),
    ),
    ("vertices[0] is not a canonical", lambda x: x[1]["vertices"].__setitem__(0, "00")),
    ("vertices[0] is not a canonical", lambda x: x[1]["vertices"].__setitem__(0, 1)),
    ("corners and vertices do not match", lambda x: x[1]["corners"][0].__setitem__(0, 9)),
    ("corners[0][0]: needs a non-negative", lambda x: x[1]["corners"][0].__setitem__(0, -1)),
    ("corners[0][0]: needs a non-negative", lambda x: x[1]["corners"][0].__setitem__(0, True)),
    ("corners and vertices do not match", lambda x: x[1]["vertices"].extend(["7", "7", "1"])),
    (
        "at least 3 different corners",
        lambda x: x[1]["corners"].__setitem__(0, x[1]["corners"][0] * 2),
    ),
    ("positive scale and at least one cell", lambda x: x[1].update(scale="0")),
    ("patterns: needs an array of 4", lambda x: x[1]["patterns"].pop()),
    ("patterns[0] are not the digits of 2 codes", lambda x: x[1]["patterns"].__setitem__(0, "00")),
    (
        "patterns[0] are not the digits of 2 codes",
        lambda x: x[1]["patterns"].__setitem__(0, "0 0 "),
    ),
    ("unit 1 has no such piece", lambda x: x[1]["patterns"].__setitem__(0, "0003")),
    ("forms[0]: needs an array of 3", lambda x: x[1]["forms"][0].pop()),
    ("forms[0] is not a canonical", lambda x: x[1]["forms"][0].__setitem__(0, "0x1")),
    ("scale differs", lambda x: x.insert(1, {**x[1], "scale": "2"})),
]


@pytest.mark.parametrize(("message", "spoil"), HOSTILE)
def test_files_that_are_not_of_the_form(
    lines: list[Any], tmp_path: Path, message: str, spoil: Callable[[list[Any]], Any]
) -> None:
    spoil(lines)
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(FileFormatError) as error:
        load_partition(path)
    assert message in str(error.value)
    assert "bad.jsonl" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cut", [1, 10, 200, 300])
@pytest.mark.parametrize("name", ["cut.jsonl", "cut.jsonl.gz"])
def test_cut_off_files_are_refused(
    random_network: Callable[..., Network], tmp_path: Path, name: str, cut: int
) -> None:
    path = tmp_path / name
    exactcam.partition(random_network([2, 4, 1])).save(path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(FileFormatError, match=r"partial|cannot be read"):
        load_partition(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b\x08\x00junk", b"\xff\xfe", b"NaN\n", b"[" * 99999]
)
def test_junk_is_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("junk.jsonl", "junk.jsonl.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileFormatError, match=r"junk\.jsonl"):
            load_partition(tmp_path / name)


@pytest.mark.parametrize("name", ["part.jsonl", "part.jsonl.gz"])
def test_an_interrupted_run_keeps_the_old_file(
    random_network: Callable[..., Network], tmp_path: Path, name: str
) -> None:
    part = exactcam.partition(random_network([2, 4, 1]))
    path = tmp_path / name
    path.write_bytes(b"old")
    with (
        pytest.raises(KeyboardInterrupt),
        PartitionWriter(path, part.network, part.slice, part.window, part.engine),
    ):
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_command_writes_one(
    random_network: Callable[..., Network], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = random_network([2, 8, 1])
    exactcam.write_network(network, tmp_path / "network.json")
    out = tmp_path / "part.jsonl.gz"
    assert main(["partition", str(tmp_path / "network.json"), "-o", str(out), "--json"]) == 0
    regions = json.loads(capsys.readouterr().out)["activation_regions"]
    assert len(load_partition(out)) == regions
    assert len(gzip.decompress(out.read_bytes()).splitlines()) == 3
    assert main(["partition", str(tmp_path / "network.json"), "-o", str(tmp_path / "no/x")]) == 2
