"""Result files that are of the form but no partition: refused for what they say, in one line."""

from __future__ import annotations

import copy
import gzip
import json
import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import exactcam
from exactcam import Network, load_partition
from exactcam.cli import main
from exactcam.complex.partition_file import _lines, is_result
from exactcam.errors import FileFormatError
from exactcam.grading import EngineOutput
from exactcam.grading.adapters import polygons
from tools.mutate import spots

Lines = list[Any]


@pytest.fixture(scope="module")
def good(random_network: Callable[..., Network], tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """The lines of a result file of many regions, parsed."""
    path = tmp_path_factory.mktemp("good") / "good.jsonl"
    exactcam.partition(random_network([2, 12, 8, 2], 5), window=(-3, -3, 3, 3)).save(path)
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(lines: Lines, path: Path) -> None:
    """Write a forged file; its end line promises what it holds."""
    batch = lines[1]
    used = sorted({v for cell in batch["corners"] for v in cell})
    number = {v: k for k, v in enumerate(used)}
    batch["vertices"] = [x for v in used for x in batch["vertices"][3 * v : 3 * v + 3]]
    batch["corners"] = [[number[v] for v in cell] for cell in batch["corners"]]
    lines[-1] = {"end": True, "cells": len(batch["corners"]), "vertices": len(used)}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def leave_out(lines: Lines) -> None:
    for name in ("corners", "patterns", "forms"):
        del lines[1][name][5]


def repeat(lines: Lines) -> None:
    for name in ("corners", "patterns", "forms"):
        lines[1][name].append(lines[1][name][5])


def repeat_with_another_pattern(lines: Lines) -> None:
    repeat(lines)
    codes = bytearray.fromhex(lines[1]["patterns"][5])
    known = set(lines[1]["patterns"])
    for unit in range(len(codes)):
        changed = codes.copy()
        changed[unit] = 2 - changed[unit]
        if changed.hex() not in known:
            lines[1]["patterns"][-1] = changed.hex()
            return


def move(lines: Lines) -> None:
    """Shift one region by a third."""
    batch = lines[1]
    flat = batch["vertices"]
    new = []
    for v in batch["corners"][5]:
        x, y, w = (int(text, 16) for text in flat[3 * v : 3 * v + 3])
        x, y, w = 3 * x + w, 3 * y, 3 * w
        common = math.gcd(x, y, w)
        new.append(len(flat) // 3)
        flat += [format(n // common, "x") for n in (x, y, w)]
    batch["corners"][5] = new


def turn(lines: Lines) -> None:
    lines[1]["corners"][5].reverse()


def cross(lines: Lines) -> None:
    cell = next(c for c in lines[1]["corners"] if len(c) > 3)
    cell[0], cell[1] = cell[1], cell[0]


def wind_twice(lines: Lines) -> None:
    """A pentagram turns left at every corner."""
    cell = next(k for k, c in enumerate(lines[1]["corners"]) if len(c) > 4)
    corners = lines[1]["corners"][cell]
    lines[1]["corners"][cell] = [corners[k] for k in (0, 2, 4, 1, 3)]


def another_map(lines: Lines) -> None:
    forms = lines[1]["forms"]
    forms[5] = next(form for form in forms if form != forms[5])


def one_map(lines: Lines) -> None:
    lines[1]["forms"] = [lines[1]["forms"][0]] * len(lines[1]["forms"])


def another_network(lines: Lines) -> None:
    lines[0]["network"]["nodes"][0]["bias"][0] = "1" + lines[0]["network"]["nodes"][0]["bias"][
        0
    ].lstrip("-")


def larger_window(lines: Lines) -> None:
    lines[0]["slice"]["window"] = [["-4", "-4"], ["4", "-4"], ["4", "4"], ["-4", "4"]]


FORGERIES = [
    (leave_out, r"region \d+ has an edge"),
    (repeat, "line 2: two regions have the same pattern"),
    (repeat_with_another_pattern, r"regions \d+ and \d+ overlap"),
    (move, r"region \d+ has an edge|overlap"),
    (turn, r"region 5 is not strictly convex"),
    (cross, r"region \d+ is not strictly convex"),
    (wind_twice, r"region \d+ is not strictly convex"),
    (another_map, r"region \d+: output \d does not continue"),
    (one_map, r"region \d+: its output map is not the network's"),
    (another_network, r"region \d+: its (pattern|output map) is not the network's"),
    (larger_window, r"region \d+ has an edge|areas sum"),
]


@pytest.mark.parametrize(("forge", "message"), FORGERIES)
def test_a_forged_result_is_refused(
    good: Lines, tmp_path: Path, forge: Callable[[Lines], None], message: str
) -> None:
    lines, path = copy.deepcopy(good), tmp_path / "forged.jsonl"
    write(lines, path)
    load_partition(path)  # what is forged is the only fault
    forge(lines)
    write(lines, path)
    with pytest.raises(FileFormatError, match=message) as error:
        load_partition(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("command", ["stats", "render", "view", "sample"])
def test_commands_refuse_them(
    good: Lines, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, path, out = copy.deepcopy(good), tmp_path / "forged.jsonl", tmp_path / "out.html"
    leave_out(lines)
    write(lines, path)
    assert main([command, str(path), "-o", str(out)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not out.exists()


def test_what_is_not_proved_is_said(
    good: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r"  # no suffix: told from its content
    write(copy.deepcopy(good), path)
    assert is_result(path)
    assert main(["stats", str(path)]) == 0
    assert "compared with the network on 16 regions" in capsys.readouterr().err


def test_the_truth_of_a_comparison_is_proved(
    good: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where two units swap their codes nothing but the network can tell."""
    path, found = tmp_path / "truth.jsonl", tmp_path / "engine.npz"
    write(copy.deepcopy(good), path)
    part = load_partition(path)
    points = part.float_vertices[part.corners]
    polygons.write(EngineOutput(points, part.offsets), found)
    assert main(["compare", "polygons", str(found), "--truth", str(path)]) == 0
    lines = copy.deepcopy(good)
    codes = bytearray.fromhex(lines[1]["patterns"][1])  # not among those that loading compares
    codes[-1] = 2 - codes[-1]
    if codes.hex() in lines[1]["patterns"]:
        codes[-2] = 2 - codes[-2]
    lines[1]["patterns"][1] = codes.hex()
    write(lines, path)
    capsys.readouterr()
    assert main(["compare", "polygons", str(found), "--truth", str(path)]) == 2
    assert "pattern" in capsys.readouterr().err


@pytest.mark.parametrize("piece", [b"[],", b'{"a":0},', b"0,"])
def test_a_small_file_of_many_values_is_refused(tmp_path: Path, piece: bytes) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b"[" + piece * 8_000_000 + b"0]\n"))
    with pytest.raises(FileFormatError, match="far too many"):
        load_partition(path)


WORDS: list[Any] = ["", "0", "1", "-1", "2", "ff", "1/3", "x", 0, 1, -1, 2**40, True, None, [], {}]


def mutate(lines: Lines, draw: random.Random) -> None:
    """Change, repeat, leave out or exchange something."""
    holder, last = draw.choice(spots(lines))
    kind = draw.randrange(5)
    if kind == 0:
        holder[last] = draw.choice(WORDS)
    elif kind == 1:
        del holder[last]
    elif kind == 2 and isinstance(holder, list):
        holder.insert(last, copy.deepcopy(draw.choice(holder)))
    elif kind == 3 and isinstance(holder[last], str) and holder[last]:
        k = draw.randrange(len(holder[last]))
        holder[last] = holder[last][:k] + draw.choice("0123f-/") + holder[last][k + 1 :]
    else:
        other = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        holder[last], holder[other] = holder[other], holder[last]


def fuzz(good: Lines, path: Path, trials: range) -> int:
    loaded, whole = 0, len(good[1]["patterns"])
    for seed in trials:
        draw, lines = random.Random(seed), copy.deepcopy(good)
        mutate(lines, draw)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        try:
            part = load_partition(path)
        except FileFormatError as error:
            assert re.match(re.escape(str(path)), str(error)), (seed, error)  # noqa: PT017
            continue
        loaded += 1
        assert len(part) == whole, seed
        assert part.area_sum == part.window.area, seed
    return loaded


def test_mutated_results_load_right_or_are_refused(good: Lines, tmp_path: Path) -> None:
    assert fuzz(good, tmp_path / "x.jsonl", range(150)) < 75


@pytest.mark.slow
def test_many_mutated_results(good: Lines, tmp_path: Path) -> None:
    fuzz(good, tmp_path / "x.jsonl", range(150, 20_000))


def test_cells_that_pack_to_nothing_are_not_read_one_by_one(good: Lines, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl.gz"
    first, second = (json.dumps(line).encode() + b"\n" for line in good[:2])
    junk = b'{"vertices":[' + b'"0",' * 40_000 + b'"0"],"corners":[]}\n'
    path.write_bytes(gzip.compress(first + second + junk * 80, 9))
    with pytest.raises(FileFormatError, match="line 3"):  # the first that is no batch
        load_partition(path)
    pieces = [line for _, line in zip(range(2), _lines(path), strict=False)]
    assert len(pieces) == 2
    with pytest.raises(FileFormatError, match="far too many for the file's size"):
        for _ in _lines(path):
            pass
