"""Run files whose checksums are right and whose content is not: refused when read or resumed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactcam import Network, Slice, Window
from exactcam.engine.batch import Batch
from exactcam.engine.refine import Engine
from exactcam.engine.run_file import RunTotals, _arrays, _batch, read_run, write_run
from exactcam.errors import FileFormatError
from exactcam.files.strict_json import dump

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def engine(random_network: Callable[..., Network]) -> Engine:
    network = random_network([2, 12, 8, 1], 5)
    return Engine(network, Slice.plane(2), Window.rectangle(-3, -3, 3, 3))


@pytest.fixture(scope="module")
def good(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Lines:
    path = tmp_path_factory.mktemp("good") / "good.run"
    write_run(engine, path)
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def totals(engine: Engine, good: Lines, tmp_path_factory: pytest.TempPathFactory) -> RunTotals:
    path = tmp_path_factory.mktemp("good") / "good.run"
    write(good, path)
    return write_run(engine, path)


def write(lines: Lines, path: Path) -> None:
    path.write_text("".join(dump(line) + "\n" for line in lines))


def unpacked(lines: Lines, k: int, engine: Engine) -> Batch:
    """A copy of the batch in line k."""
    batch = _batch(lines[k], lines[k]["job"], engine, "x")[1]
    arrays = (np.array(getattr(batch, name)) for name in ("start", "corners", "labels", "codes"))
    return Batch(*arrays)


def packed(lines: Lines, k: int, batch: Batch) -> None:
    """Put a batch into line k, with right checksums, and count the cells anew."""
    lines[k] = {**lines[k], "cells": len(batch), **_arrays(batch)}
    if "end" in lines[-1]:
        lines[-1]["cells"] = sum(line["cells"] for line in lines[1:-1])


def forge(lines: Lines, engine: Engine, change: Callable[[Batch], Batch | None]) -> None:
    batch = unpacked(lines, 1, engine)
    packed(lines, 1, change(batch) or batch)


def leave_out(batch: Batch) -> Batch:
    return batch.take(np.delete(np.arange(len(batch)), 1))


def repeat(batch: Batch) -> Batch:
    return batch.take(np.r_[np.arange(len(batch)), 1])


def repeat_in_place(batch: Batch) -> Batch:
    return batch.take(np.sort(np.r_[np.arange(len(batch)), 1]))


def copy_a_pattern(batch: Batch) -> None:
    batch.codes[1] = batch.codes[2]


def exchange(batch: Batch) -> Batch:
    return batch.take(np.r_[1, 0, np.arange(2, len(batch))])


def another_label(batch: Batch) -> None:
    inner = np.nonzero(batch.labels >= 0)[0][0]
    batch.labels[inner] = (batch.labels[inner] + 1) % 12


def another_side(batch: Batch) -> None:
    inner = np.nonzero(batch.labels >= 0)[0][0]
    batch.labels[inner] = -1


def move(batch: Batch) -> None:
    batch.corners[batch.start[1] : batch.start[2], 0] += 1e-3


def halve(batch: Batch) -> None:
    batch.corners[:, :2] *= 0.5


def mirror(batch: Batch) -> None:
    batch.corners[:, 0] *= -1.0


def turn(batch: Batch) -> Batch:
    order = np.concatenate(
        [np.arange(a, b)[::-1] for a, b in zip(batch.start, batch.start[1:], strict=False)]
    )
    return replace(batch, corners=batch.corners[order], labels=batch.labels[order])


def no_error(batch: Batch) -> None:
    batch.corners[:, :2] += 1e-9
    batch.corners[:, 2] = 0.0


def number(column: int, value: float) -> Callable[[Batch], None]:
    def change(batch: Batch) -> None:
        batch.corners[1, column] = value

    change.__name__ = f"{value} in column {column}"
    return change


FORGERIES: list[tuple[Callable[[Batch], Batch | None], str]] = [
    (leave_out, "areas"),
    (repeat, "its pattern does not follow"),
    (repeat_in_place, "its pattern does not follow"),
    (copy_a_pattern, "its pattern does not follow"),
    (exchange, "its pattern does not follow"),
    (another_label, "where its edges meet|damaged"),
    (another_side, "side of the window it names|where its edges meet|damaged"),
    (move, "where its edges meet"),
    (halve, "where its edges meet|side of the window"),
    (mirror, "where its edges meet|side of the window"),
    (turn, "where its edges meet|damaged"),
    (no_error, "where its edges meet"),
    *((number(k, np.nan), "is not finite") for k in range(8)),
    *((number(k, np.inf), "is not finite") for k in (0, 1, 3, 4, 5)),
    *((number(k, 1e308), "where its edges meet") for k in (0, 1)),
    *((number(k, -1e-300), "is not finite") for k in (2, 6, 7)),
]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(("change", "message"), FORGERIES, ids=lambda x: getattr(x, "__name__", ""))
def test_a_forged_run_is_refused(
    engine: Engine,
    good: Lines,
    tmp_path: Path,
    change: Callable[[Batch], Batch | None],
    message: str,
    partial: bool,
) -> None:
    lines, path = copy.deepcopy(good), tmp_path / "x.run"
    forge(lines, engine, change)
    write(lines[:-3] if partial else lines, path)
    before = path.read_bytes()
    with pytest.raises(FileFormatError, match=message) as error:
        write_run(engine, path)
    assert str(error.value).startswith(str(path))
    if not partial:
        assert path.read_bytes() == before
        with pytest.raises(FileFormatError):
            read_run(engine, path)


@pytest.mark.parametrize("change", [leave_out, turn, move], ids=lambda x: x.__name__)
def test_beyond_the_regions_that_are_replayed(
    engine: Engine,
    good: Lines,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Batch], Batch | None],
) -> None:
    """Floats, areas and Euler's formula do without the network."""
    monkeypatch.setattr("exactcam.engine.run_file.REPLAYED", 0)
    lines, path = copy.deepcopy(good), tmp_path / "x.run"
    forge(lines, engine, change)
    write(lines, path)
    with pytest.raises(FileFormatError, match=r"Euler|area|convex|\d"):
        read_run(engine, path)
    if change is not move:  # the same figures: nothing that is printed of it is wrong
        with pytest.raises(FileFormatError, match=r"areas|convex"):
            write_run(engine, path)


def test_huge_errors_hide_nothing(
    engine: Engine, good: Lines, totals: RunTotals, tmp_path: Path
) -> None:
    def vague(batch: Batch) -> None:
        batch.corners[:, 2] = 1e300

    path = tmp_path / "x.run"
    for change in (None, leave_out):
        lines = copy.deepcopy(good)
        for k in range(1, len(lines) - 1):
            batch = unpacked(lines, k, engine)
            vague(batch)
            packed(lines, k, batch)
        if change is None:
            write(lines, path)
            assert write_run(engine, path).activation_regions == totals.activation_regions
            continue
        forge(lines, engine, change)
        write(lines, path)
        with pytest.raises(FileFormatError, match="areas"):
            write_run(engine, path)


def split(line: dict[str, Any], engine: Engine) -> Lines:
    """A job's line as three."""
    batch = _batch(line, line["job"], engine, "x")[1]
    parts = [batch.part(0, 1), batch.part(1, 2), batch.part(2, len(batch))]
    return [
        {"job": line["job"], "left": left, "cells": len(part), **_arrays(part)}
        for left, part in zip((2, 1, 0), parts, strict=True)
    ]


@pytest.mark.parametrize("lost", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("partial", [False, True])
def test_a_lost_line_is_noticed(
    engine: Engine, good: Lines, tmp_path: Path, lost: tuple[int, ...], partial: bool
) -> None:
    path, lines = tmp_path / "x.run", copy.deepcopy(good)
    job = next(k for k in range(2, len(lines) - 1) if lines[k]["cells"] > 2)
    parts = split(lines[job], engine)
    lines[job : job + 1] = [part for k, part in enumerate(parts) if k not in lost]
    if partial:
        del lines[-1]
    else:
        lines[-1]["cells"] = sum(line["cells"] for line in lines[1:-1])
    write(lines, path)
    with pytest.raises(FileFormatError):
        write_run(engine, path)


def test_more_jobs_than_there_are(engine: Engine, good: Lines, tmp_path: Path) -> None:
    path, lines = tmp_path / "x.run", copy.deepcopy(good)
    lines.insert(-1, {**lines[-2], "job": lines[-2]["job"] + 1})
    write(lines, path)
    for use in (write_run, read_run):
        with pytest.raises(FileFormatError, match="jobs only"):
            use(engine, path)


def fuzz(engine: Engine, good: Lines, totals: RunTotals, path: Path, trials: range) -> int:
    loaded = 0
    for seed in trials:
        draw, lines = random.Random(seed), copy.deepcopy(good)
        k = draw.randrange(1, len(lines) - 1)
        batch = unpacked(lines, k, engine)
        array = getattr(batch, draw.choice(["start", "corners", "labels", "codes"])).reshape(-1)
        at, kind = draw.randrange(len(array)), draw.randrange(4)
        if kind == 0:
            array[at] = draw.choice(array.tolist())
        elif kind == 1:
            array.view(np.uint8)[draw.randrange(array.nbytes)] ^= 1 << draw.randrange(8)
        elif kind == 2:
            array[at] = draw.choice([0, 1, 2, 3])
        else:
            batch = batch.take(np.array([draw.randrange(len(batch)) for _ in range(len(batch))]))
        lines[k] = {**lines[k], "cells": len(batch), **_arrays(batch)}
        lines[-1]["cells"] = sum(line["cells"] for line in lines[1:-1])
        if draw.random() < 0.3:
            place = draw.randrange(len(lines))
            name = draw.choice(sorted(lines[place]))
            lines[place][name] = draw.choice([0, 1, -1, 10**14, "", [], {}, None, True])
        write(lines, path)
        for use in (write_run, read_run):
            before = path.read_bytes()
            try:
                found = use(engine, path)
            except FileFormatError as error:
                assert str(error).startswith(str(path)), (seed, error)  # noqa: PT017
                assert path.read_bytes() == before, seed
                continue
            loaded += 1
            if isinstance(found, RunTotals):
                assert found.activation_regions == totals.activation_regions, seed
                assert abs(found.area - totals.area) <= found.area_error + totals.area_error, seed
            else:
                assert found.area_sum == engine.window.area, seed
    return loaded


def test_mutated_runs_load_right_or_are_refused(
    engine: Engine, good: Lines, totals: RunTotals, tmp_path: Path
) -> None:
    fuzz(engine, good, totals, tmp_path / "x.run", range(120))


@pytest.mark.slow
def test_many_mutated_runs(engine: Engine, good: Lines, totals: RunTotals, tmp_path: Path) -> None:
    fuzz(engine, good, totals, tmp_path / "x.run", range(120, 10_000))
