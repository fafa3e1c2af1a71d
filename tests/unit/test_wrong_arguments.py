"""Every entry point takes what it says or raises one clear line of ExactcamError."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam import ExactcamError, Partition, Slice, Window, tables
from exactcam.errors import FileFormatError, FileWriteError, NetworkError, NumberError, SliceError
from exactcam.testing import assert_partition_matches, oracle

NETWORK = exactcam.from_arrays([([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [-0.5])])
PART = exactcam.partition(NETWORK, engine="reference")
LINE = exactcam.line_slice(NETWORK, [0, 0], [1, 1])
OUTPUT = exactcam.EngineOutput(np.zeros((3, 2)), np.asarray([0, 3]))
RESULT = exactcam.compare(PART, OUTPUT)
CELL = PART.cells[0]

HUGE = 10**12
NAMES: list[Any] = [None, 5, b"m.npz", "a\0b", "\ud800.npz", [], True, Path("a\0b")]
NOT_A_VECTOR: list[Any] = [None, 5, "12", b"12", {1: 2}, np.asarray(1.0), Decimal(1)]
NOT_NUMBERS: list[Any] = [
    None,
    float("nan"),
    float("inf"),
    1j,
    "x",
    [1],
    np.longdouble(1),
    Decimal(1),
]
NOT_INTEGERS: list[Any] = [None, 1.5, "2", True, [1], np.asarray(1), float("nan"), 1j]


def keyword(function: Callable[..., Any], name: str, *args: Any) -> Callable[[Any], Any]:
    return lambda value: function(*args, **{name: value})


# (entry point, argument, wrong values, error): the argument's name is in every message.
TABLE: list[tuple[str, Callable[[Any], Any], list[Any], type[ExactcamError], str]] = [
    (
        "partition network",
        exactcam.partition,
        [None, "m.npz", [NETWORK], 5, PART],
        NetworkError,
        "network",
    ),
    (
        "Network nodes",
        lambda value: exactcam.Network(1, value, 0),
        [None, 5, "nodes", b"", {}, NETWORK, [None], ["node"], [NETWORK], (NETWORK.nodes,)],
        NetworkError,
        "nodes",
    ),
    (
        "Network names",
        lambda value: exactcam.Network(1, (), 0, value),
        [5, "", "names", {}, NETWORK, [None]],
        NetworkError,
        "name",
    ),
    (
        "Network notes",
        lambda value: exactcam.Network(1, (), 0, (), value),
        [None, 5, "a note", {}, NETWORK, [None], [b"note"]],
        NetworkError,
        "note",
    ),
    (
        "Network inputs",
        lambda value: exactcam.Network(value, (), 0),
        NOT_INTEGERS,
        NetworkError,
        "inputs",
    ),
    (
        "Network output",
        lambda value: exactcam.Network(1, (), value),
        NOT_INTEGERS,
        NetworkError,
        "output",
    ),
    (
        "partition window",
        keyword(exactcam.partition, "window", NETWORK),
        [*NOT_A_VECTOR, "1234", [], [None] * 3, [[0, 0], [1, 0], [1, 1], 3]],
        SliceError,
        "window|corner",
    ),
    (
        "partition window of no numbers",
        lambda x: exactcam.partition(NETWORK, window=(0, 0, x, 1)),
        [x for x in NOT_NUMBERS if x != [1]],
        NumberError,
        "window umax",
    ),
    (
        "partition slice",
        lambda x: exactcam.partition(NETWORK, x),
        ["xy", 5, (-1, -1, 1, 1)],
        SliceError,
        "Slice",
    ),
    (
        "partition engine",
        keyword(exactcam.partition, "engine", NETWORK),
        [5, [], "x", {}],
        ExactcamError,
        "engine",
    ),
    (
        "partition jobs",
        keyword(exactcam.partition, "jobs", NETWORK),
        [None, "2", 1.5, 0, -1, [1]],
        ExactcamError,
        "jobs",
    ),
    (
        "partition progress",
        keyword(exactcam.partition, "progress", NETWORK),
        [5, "x", []],
        ExactcamError,
        "progress",
    ),
    (
        "partition executor",
        keyword(exactcam.partition, "executor", NETWORK),
        [5, "x", []],
        ExactcamError,
        "executor",
    ),
    ("load", exactcam.load, NAMES, FileFormatError, ""),
    ("load_partition", exactcam.load_partition, NAMES, FileFormatError, ""),
    ("read_network", exactcam.read_network, NAMES, FileFormatError, ""),
    ("save", PART.save, NAMES, ExactcamError, ""),
    ("certify", PART.certify, NAMES, ExactcamError, ""),
    ("certify network", lambda x: PART.certify("c", network=x), NAMES[1:], ExactcamError, ""),
    ("draw path", lambda x: exactcam.draw(PART, x), NAMES, ExactcamError, ""),
    ("draw", lambda x: exactcam.draw(x, "o.svg"), [None, NETWORK, 5], ExactcamError, "partition"),
    (
        "draw colour",
        lambda x: exactcam.draw(PART, "o.svg", x),
        [5, [], "x"],
        ExactcamError,
        "colour",
    ),
    (
        "draw title",
        lambda x: exactcam.draw(PART, "o.svg", title=x),
        [5, []],
        ExactcamError,
        "title",
    ),
    ("write_network path", lambda x: exactcam.write_network(NETWORK, x), NAMES, ExactcamError, ""),
    (
        "write_network",
        lambda x: exactcam.write_network(x, "n"),
        [None, PART, 5],
        NetworkError,
        "network",
    ),
    (
        "check network",
        lambda x: exactcam.check(x, "s", "c"),
        [None, 5, b"n", "a\0b"],
        ExactcamError,
        "",
    ),
    (
        "check slice",
        lambda x: exactcam.check("n", x, "c"),
        [None, 5, (), (1, 2), (1, 2, 3)],
        ExactcamError,
        "slice",
    ),
    ("check certificate", lambda x: exactcam.check("n", "s", x), NAMES, ExactcamError, ""),
    (
        "from_arrays",
        exactcam.from_arrays,
        [*NOT_A_VECTOR, [1], [(1, 2, 3)], ["ab"], [None]],
        NetworkError,
        "layer",
    ),
    ("Slice", lambda x: Slice(x, [1, 0], [0, 1]), NOT_A_VECTOR, SliceError, "origin"),
    ("Slice.through", lambda x: Slice.through([0, 0], x, [0, 1]), NOT_A_VECTOR, SliceError, "b is"),
    ("Slice.axes", Slice.axes, NOT_A_VECTOR, SliceError, "at"),
    (
        "Slice.axes i",
        lambda x: Slice.axes([0, 0], x),
        [*NOT_INTEGERS, HUGE, -1],
        SliceError,
        "i is|axes",
    ),
    ("Slice.plane", Slice.plane, [*NOT_INTEGERS, HUGE, 3], SliceError, "size|inputs"),
    ("Slice.at", lambda x: PART.slice.at(x, 0), NOT_NUMBERS, NumberError, "u is"),
    ("Window", Window, [*NOT_A_VECTOR, [1, 2, 3], ["12"] * 3, [[0]] * 3], SliceError, "window"),
    ("Window.rectangle", lambda x: Window.rectangle(0, 0, 1, x), NOT_NUMBERS, NumberError, "vmax"),
    ("evaluate", NETWORK.evaluate, [*NOT_A_VECTOR, [1], [1, 2, 3]], NetworkError, "point 0"),
    ("evaluate numbers", lambda x: NETWORK.evaluate([x, 0]), NOT_NUMBERS, NumberError, "point 0"),
    ("evaluate_many", NETWORK.evaluate_many, [None, 5, "12", [5], [None]], NetworkError, "point"),
    ("locate", lambda x: PART.locate(0, x), NOT_NUMBERS, NumberError, "v is"),
    ("level", PART.decision_boundary, NOT_NUMBERS, NumberError, "level"),
    (
        "boundary jobs",
        keyword(PART.decision_boundary, "jobs"),
        [None, "2", 1.5, 0],
        ExactcamError,
        "jobs",
    ),
    ("prefetch jobs", PART.prefetch, [None, "2", 1.5, 0], ExactcamError, "jobs"),
    (
        "cells",
        PART.cells.__getitem__,
        [*NOT_INTEGERS, 999, -999, HUGE, slice("a", 2)],
        ExactcamError,
        "cell",
    ),
    (
        "sample",
        lambda x: exactcam.sample_boundary(x, 5),
        [None, NETWORK],
        ExactcamError,
        "partition",
    ),
    (
        "count",
        lambda x: exactcam.sample_boundary(PART, x),
        [*NOT_INTEGERS, -1, HUGE],
        ExactcamError,
        "count",
    ),
    (
        "seed",
        lambda x: exactcam.sample_boundary(PART, 1, seed=x),
        NOT_INTEGERS,
        ExactcamError,
        "seed",
    ),
    (
        "nearest",
        lambda x: exactcam.nearest_boundary_point(PART, x, 0),
        NOT_NUMBERS,
        NumberError,
        "u is",
    ),
    (
        "nearest of",
        lambda x: exactcam.nearest_boundary_point(x, 0, 0),
        [None, NETWORK],
        ExactcamError,
        "partition",
    ),
    (
        "line_slice",
        lambda x: exactcam.line_slice(NETWORK, x, [0, 0]),
        NOT_A_VECTOR,
        SliceError,
        "start",
    ),
    (
        "line_slice of",
        lambda x: exactcam.line_slice(x, [0, 0], [1, 1]),
        [None, PART],
        NetworkError,
        "network",
    ),
    ("LineSlice.at", LINE.at, NOT_NUMBERS, NumberError, "t is"),
    ("LineSlice.outputs", LINE.outputs, NOT_NUMBERS, NumberError, "t is"),
    ("LineSlice.affine", LINE.affine, [*NOT_INTEGERS, 99, HUGE], ExactcamError, "piece"),
    ("compare", lambda x: exactcam.compare(x, []), [None, NETWORK], ExactcamError, "truth"),
    (
        "compare polygons",
        lambda x: exactcam.compare(PART, x),
        [*NOT_A_VECTOR, NETWORK, "x"],
        FileFormatError,
        "polygons",
    ),
    (
        "compare polygon",
        lambda x: exactcam.compare(PART, [x]),
        [None, 5, "ab", [[0, 0], [1]], np.asarray([None, None]), np.zeros((3, 3)), [[1j, 0]] * 3],
        FileFormatError,
        "polygon 0",
    ),
    (
        "tolerance",
        lambda x: exactcam.compare(PART, [], tolerance=x),
        [*NOT_NUMBERS, -1],
        ExactcamError,
        "tolerance",
    ),
    (
        "unknown field",
        lambda x: exactcam.compare(PART, [], **{x: 1}),
        ["x", "vertices"],
        FileFormatError,
        "field",
    ),
    (
        "patterns",
        lambda x: exactcam.compare(PART, [], patterns=x),
        [5, "ab", [[0], [1, 2]], [None]],
        FileFormatError,
        "patterns",
    ),
    (
        "vertices",
        lambda x: exactcam.EngineOutput(x, [0, 0]),
        [None, 5, "ab", [[0], [1, 2]]],
        FileFormatError,
        "vertices",
    ),
    (
        "offsets",
        lambda x: exactcam.EngineOutput(np.zeros((0, 2)), x),
        [None, 5, [0.0], [1], [[0]]],
        FileFormatError,
        "offsets",
    ),
    (
        "output network",
        lambda x: exactcam.EngineOutput(np.zeros((0, 2)), [0], network=x),
        [5, "n"],
        FileFormatError,
        "network",
    ),
    ("polygon", OUTPUT.polygon, [*NOT_INTEGERS, -1, 99, HUGE], ExactcamError, "polygon"),
    ("of_kind", RESULT.of_kind, [None, 5, "nonsense", []], ExactcamError, "kind"),
    ("summary", RESULT.summary, [*NOT_INTEGERS, -1], ExactcamError, "limit"),
    ("region_table", tables.region_table, [None, NETWORK, 5], ExactcamError, "partition"),
    (
        "comparison",
        tables.comparison,
        [None, PART, [PART], {"a": None}, {"a": NETWORK}],
        ExactcamError,
        "partitions",
    ),
    (
        "as_floats",
        tables.as_floats,
        [None, 5, [], {"a": 5}, {"a": [1], "b": []}],
        ExactcamError,
        "table|column",
    ),
    (
        "csv_text",
        tables.csv_text,
        [None, 5, [], {"a": 5}, {"a": [1], "b": []}],
        ExactcamError,
        "table|column",
    ),
    ("write_csv", lambda x: tables.write_csv({"a": [1]}, x), NAMES, ExactcamError, ""),
    ("edges_of_layers", tables.edges_of_layers, [None, NETWORK], ExactcamError, "partition"),
    ("Oracle", lambda x: oracle.Oracle(x, PART.slice), [None, PART], ExactcamError, "network"),
    ("Oracle slice", lambda x: oracle.Oracle(NETWORK, x), [None, 5], ExactcamError, "slice"),
    (
        "patterns at",
        oracle.Oracle(NETWORK, PART.slice).patterns,
        [None, 5, "ab", [[0, 1, 2]], [[0], [1, 2]], [[float("nan"), 0]], [[1j, 0]], [["a", "b"]]],
        ExactcamError,
        "points",
    ),
    (
        "grid_points",
        lambda x: oracle.grid_points(PART.window, x),
        [*NOT_INTEGERS, 0, HUGE],
        ExactcamError,
        "per_side",
    ),
    (
        "random_points",
        lambda x: oracle.random_points(PART.window, x),
        [*NOT_INTEGERS, -1, HUGE],
        ExactcamError,
        "count",
    ),
    (
        "points in",
        lambda x: oracle.random_points(x, 1),
        [None, (-1, -1, 1, 1)],
        ExactcamError,
        "window",
    ),
    (
        "adversarial",
        lambda x: oracle.adversarial_points(PART, x),
        [*NOT_INTEGERS, 0, HUGE],
        ExactcamError,
        "per_place",
    ),
    (
        "disagreements",
        lambda x: oracle.disagreements(x, np.zeros((1, 2))),
        [None, NETWORK],
        ExactcamError,
        "part",
    ),
    (
        "lower bound",
        lambda x: oracle.region_lower_bound(x, np.zeros((1, 2))),
        [None, NETWORK],
        ExactcamError,
        "oracle",
    ),
    ("assert", lambda x: assert_partition_matches([], x), [None, 5, PART, b"n"], ExactcamError, ""),
    ("region_expression", exactcam.region_expression, [None, 5, PART], ExactcamError, "cell"),
    (
        "expression output",
        lambda x: exactcam.region_expression(CELL, x),
        [*NOT_INTEGERS, 9, -1],
        ExactcamError,
        "output",
    ),
    (
        "symbols",
        lambda x: exactcam.region_expression(CELL, 0, x),
        [5, "uv", [1, 2], []],
        ExactcamError,
        "symbols",
    ),
    ("piecewise", exactcam.piecewise, [None, NETWORK], ExactcamError, "partition"),
]

CALLS = [
    pytest.param(call, value, error, words, id=f"{name}-{k}")
    for name, call, values, error, words in TABLE
    for k, value in enumerate(values)
]


@pytest.mark.parametrize(("call", "value", "error", "words"), CALLS)
def test_a_wrong_argument_is_one_line_that_names_it(
    call: Callable[[Any], Any],
    value: Any,
    error: type[ExactcamError],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        call(value)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 300
    assert re.search(words, text), text
    assert list(tmp_path.iterdir()) == [], "a refused call wrote a file"


PLOTS: list[tuple[str, list[Any]]] = [
    ("plot_partition", [None, NETWORK]),
    ("plot_boundary", [None, NETWORK]),
    ("plot_knot_lines", [None, NETWORK]),
    ("plot_samples", [None, PART]),
    ("plot_line_slice", [None, PART]),
    ("statistics_figure", [None, PART, {"a": NETWORK}]),
]


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in PLOTS for v in values])
def test_plots_refuse_wrong_arguments(name: str, value: Any) -> None:
    pytest.importorskip("matplotlib")
    from exactcam.render import plots

    with pytest.raises(ExactcamError, match="give"):
        getattr(plots, name)(value)
    with pytest.raises(ExactcamError, match="measure"):
        plots.plot_distribution({"a": PART}, "nonsense")


def test_what_was_taken_is_still_taken() -> None:
    windows: list[Any] = [
        np.asarray([-1, -1, 1, 1]),
        iter((-1, -1, 1, 1)),
        [np.asarray([-1, -1]), (1, -1), [1, 1], np.asarray([-1, 1])],
        np.asarray([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]),
        ("-1", "-1", "1", "1"),
    ]
    for window in windows:
        assert exactcam.partition(NETWORK, window=window, engine="reference").counts == PART.counts
    assert [cell.index for cell in PART.cells] == list(range(len(PART)))
    assert PART.cells[-1].index == len(PART) - 1
    assert [cell.index for cell in PART.cells[1:3]] == [1, 2]
    assert PART.cells[np.int64(1)].index == 1
    assert len(exactcam.sample_boundary(PART, np.int64(2))) == 2  # type: ignore[arg-type]
    assert NETWORK.evaluate(np.asarray([0.5, 0.5])) == NETWORK.evaluate(["1/2", "0.5"])
    with pytest.raises(IndexError):
        PART.cells[len(PART)]


def test_tensors_are_taken_as_arrays() -> None:
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.eye(2))
    for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        network = exactcam.from_arrays([(weight.to(kind), torch.zeros(2, dtype=kind))])
        assert network.sha256 == exactcam.from_arrays([(np.eye(2), np.zeros(2))]).sha256
    window = torch.tensor([-1.0, -1, 1, 1])
    assert exactcam.partition(NETWORK, window=window, engine="reference").counts == PART.counts
    corners = [torch.tensor(np.asarray(c.vertices, dtype=float)) for c in PART.cells]
    assert exactcam.compare(PART, corners).passed


def test_a_file_that_cannot_be_written_is_an_error_of_both_families(tmp_path: Path) -> None:
    from exactcam.files.writing import write_text

    with pytest.raises(FileWriteError, match="cannot be written") as caught:
        write_text(tmp_path, "text")
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, ExactcamError)
    assert caught.value.filename == str(tmp_path)


def test_partition_is_a_partition() -> None:
    assert isinstance(PART, Partition)
