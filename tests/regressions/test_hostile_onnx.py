"""ONNX files that strangers wrote: hidden sizes, sums of sizes, growing numbers, invalid models."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam.arithmetic.matrix import Sparse
from exactcam.arithmetic.rational import mpz, objects
from exactcam.errors import FileFormatError, NetworkError
from exactcam.loaders.graph import Graph
from exactcam.model.nodes import Cpwl
from tools.audit import said_of, within_a_gigabyte

onnx = pytest.importorskip("onnx")
models = pytest.importorskip("tools.onnx_build")
helper = onnx.helper
Row = tuple[str, str, str, dict[str, Any]]


def build(
    rows: list[Row], constants: dict[str, Any] | None = None, shape: Any = (1, 2), opset: int = 18
) -> Any:
    """A model of rows (operator, inputs, outputs, attributes) from "x" to "y"."""
    return models.model_of(models.nodes_of(rows), constants or {}, shape, opset)


def saved(model: Any, folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def refused(model: Any, folder: Path, **options: Any) -> str:
    path = saved(model, folder)
    said = said_of(exactcam.load, path, **options)
    assert said.startswith(str(path))
    return said


MANY = 1 << 22
RELU: Row = ("Relu", "x", "y", {})
BIG: dict[str, tuple[list[Row], dict[str, Any]]] = {
    "sizes that cancel": (
        [("Reshape", "x s", "a", {}), ("Resize", "a   n", "y", {})],
        {"s": [1, 1, 1, 2], "n": [1, 1, -(1 << 31), -(1 << 31)]},
    ),
    "a size of nought": (
        [("Reshape", "x s", "a", {}), ("Resize", "a   n", "y", {})],
        {"s": [1, 1, 1, 2], "n": [1, 1, 0, 1 << 40]},
    ),
    "an empty tensor of many rows": (
        [("ConstantOfShape", "n", "a", {}), RELU],
        {"n": [0, 1 << 40]},
    ),
    "negative sizes": ([("ConstantOfShape", "n", "a", {}), RELU], {"n": [-(1 << 20), -(1 << 20)]}),
    "expand": ([("Expand", "x n", "a", {}), RELU], {"n": [1 << 30, 2]}),
    "tile": ([("Tile", "x n", "a", {}), RELU], {"n": [1 << 30, 2]}),
    "negative tile": ([("Tile", "x n", "a", {}), RELU], {"n": [-(1 << 30), -(1 << 30)]}),
    "gather": (
        [
            ("ConstantOfShape", "n", "i", {"value": helper.make_tensor("v", 7, [1], [0])}),
            ("Expand", "x m", "a", {}),
            ("Gather", "a i", "b", {}),
            RELU,
        ],
        {"n": [1 << 20], "m": [2, 1 << 20]},
    ),
    "where": (
        [
            ("ConstantOfShape", "n", "a", {}),
            ("ConstantOfShape", "m", "b", {}),
            ("Equal", "a b", "c", {}),
            RELU,
        ],
        {"n": [1 << 16, 1], "m": [1, 1 << 16]},
    ),
    "product of batches": (
        [
            ("ConstantOfShape", "n", "a", {}),
            ("ConstantOfShape", "m", "b", {}),
            ("MatMul", "a b", "c", {}),
            RELU,
        ],
        {"n": [1 << 11, 1, 2, 2], "m": [1, 1 << 11, 2, 2]},
    ),
    "computed batches": (
        [
            ("ConstantOfShape", "m", "b", {}),
            ("Reshape", "x n", "a", {}),
            ("MatMul", "a b", "c", {}),
            RELU,
        ],
        {"n": [1, 1, 1, 2], "m": [1 << 10, 1 << 10, 2, 8]},
    ),
    "kernel": (
        [
            ("ConstantOfShape", "m", "k", {}),
            ("Reshape", "x n", "a", {}),
            ("Conv", "a k", "c", {"pads": [1 << 17, 1 << 17]}),
            RELU,
        ],
        {"n": [1, 1, 2], "m": [1, 1, 1 << 16]},
    ),
    "pooling": (
        [
            ("Reshape", "x n", "a", {}),
            ("MaxPool", "a", "c", {"kernel_shape": [1 << 16], "pads": [1 << 17, 1 << 17]}),
            RELU,
        ],
        {"n": [1, 1, 2]},
    ),
    "padding": (
        [("Pad", "x n", "a", {}), RELU],
        {"n": [0, 0, 0, 1 << 40]},
    ),
    "range": ([("Range", "a b c", "r", {}), RELU], {"a": 0, "b": 1 << 40, "c": 1}),
    "many ranges": (
        [("Range", "a b c", f"r{k}", {}) for k in range(400)] + [RELU],
        {"a": 0, "b": MANY // 4, "c": 1},
    ),
    "many expansions": (
        [("Expand", "x n", f"r{k}", {}) for k in range(400)] + [RELU],
        {"n": [MANY // 4, 2]},
    ),
    "many activations": (
        [("Expand", "x n", "a0", {}), *(("Relu", f"a{k}", f"a{k + 1}", {}) for k in range(50))],
        {"n": [MANY // 4, 2]},
    ),
    "many sums": (
        [("Add", f"{'a' * k}x {'a' * k}x", f"{'a' * (k + 1)}x", {}) for k in range(60)],
        {},
    ),
    "squares": (
        [("Mul", f"c{k} c{k}", f"c{k + 1}", {}) for k in range(60)] + [RELU],
        {"c0": np.float32([1.1])},
    ),
    "whole squares": (
        [("Mul", f"c{k} c{k}", f"c{k + 1}", {}) for k in range(60)] + [RELU],
        {"c0": [3]},
    ),
    "squares of matrices": (
        [("MatMul", f"c{k} c{k}", f"c{k + 1}", {}) for k in range(60)] + [RELU],
        {"c0": np.float32([[1.1, 0.3], [0.7, 0.2]])},
    ),
    "scalings": (
        [("Mul", "x c", "a0", {})]
        + [("Mul", f"a{k} c", f"a{k + 1}", {}) for k in range(4000)]
        + [("Relu", "a4000", "y", {})],
        {"c": np.float64([3e-300])},
    ),
}


def as_arrays(constants: dict[str, Any]) -> dict[str, Any]:
    return {
        n: np.asarray(v, None if isinstance(v, np.ndarray) else np.int64)
        for n, v in constants.items()
    }


def used(rows: list[Row]) -> list[Row]:
    """The rows with an output that needs every value that no row reads."""
    read = {name for _, inputs, _, _ in rows for name in inputs.split(" ")}
    ends = [out for _, _, outputs, _ in rows for out in outputs.split(" ") if out not in read]
    return [*rows, ("Concat", " ".join(["x", *ends]), "y", {"axis": 0})]


@pytest.mark.parametrize("name", BIG)
def test_sizes_are_known_before_anything_is_made(name: str, tmp_path: Path) -> None:
    rows, constants = BIG[name]
    if rows[-1] is RELU:
        rows = used(rows[:-1])
    path = saved(build(rows, as_arrays(constants)), tmp_path)
    status, said = within_a_gigabyte("info", path)
    assert (status, said.count("\n")) == (2, 1), said
    assert "memory" not in said


def test_the_budget_is_of_the_whole_graph() -> None:
    graph = Graph((1, 2), 0)
    for _ in range(16):
        graph.limit([(1 << 20) - 1])
    with pytest.raises(NetworkError, match="together"):
        graph.limit([1 << 20])
    for shape in ([-1], [-2, -2], [0, 1 << 40], [1 << 24], [1 << 62, 1 << 62]):
        with pytest.raises(NetworkError, match="shape"):
            Graph((1, 2)).limit(shape)
    with pytest.raises(NetworkError, match="bits"):
        Graph((1, 2)).limit([1], 1 << 30)


def test_floats_of_very_different_size_are_charged_by_their_length() -> None:
    wide = np.tile([1e308, 5e-324], 1 << 20)
    graph = Graph((1, 1 << 21), 0)
    for operate in (graph.add, graph.multiply):
        with pytest.raises(NetworkError, match="together"):
            operate(graph.input, wide)
    graph = Graph((1, 2), 0)
    with pytest.raises(NetworkError, match="together"):
        graph.weights(np.concatenate([wide, wide]), "weight")
    graph = Graph((1, 4), 0)
    assert graph.network(graph.add(graph.input, wide[:4])).outputs == 4


def test_rows_are_charged_where_they_are_copied() -> None:
    graph, wide = Graph((1, 2), 0), 1 << 12
    matrix = Sparse((1, 2), np.asarray([0, wide]), np.zeros(wide, int), objects([mpz(1)] * wide))
    row = graph.affine([(0, matrix, mpz(1))], (1,))
    copied = graph.view(row, lambda index: np.broadcast_to(index, (1 << 13,)))
    with pytest.raises(NetworkError, match="together"):
        graph.value(copied)


def test_the_matrices_of_a_long_sum_are_charged() -> None:
    graph = Graph((1, 2), 0)
    units = [graph.pointwise(graph.input, [Cpwl.relu()]) for _ in range(400)]
    with pytest.raises(NetworkError, match="together"):
        reduce(graph.add, units)


def test_integers_of_a_model_have_64_bits() -> None:
    graph, half = Graph((1, 2)), np.asarray(1 << 62)
    assert graph.multiply(half, np.asarray(2)) == 1 << 63
    with pytest.raises(NetworkError, match="64 bits"):
        graph.multiply(half, np.asarray(4))


def test_names_of_layers_are_printable() -> None:
    graph = Graph((1, 2))
    graph.layer = "a\nb"
    assert graph.network(graph.add(graph.input, np.ones(2))).names == ("a\\nb",)


IMAGE = {"s": np.int64([1, 1, 1, 2])}
TO_IMAGE: Row = ("Reshape", "x s", "a", {})
CONV = np.ones((1, 1, 1, 1), np.float32)
SCALES = np.float32([1, 1, 2, 2])
INVALID: dict[str, tuple[list[Row], dict[str, Any]]] = {
    "an unknown attribute": ([("Relu", "x", "y", {"slope": 0.5})], {}),
    "an attribute of another type": ([("LeakyRelu", "x", "y", {"alpha": "0.5"})], {}),
    "an attribute of another operator": ([("Abs", "x", "y", {"alpha": 0.5})], {}),
    "two inputs": ([("Relu", "x x", "y", {})], {}),
    "two outputs": ([("Relu", "x", "y z", {})], {}),
    "no input": ([("Add", "x", "y", {})], {}),
    "a vector in Gemm": ([("Gemm", "x w", "y", {})], {"w": np.ones(2, np.float32)}),
    "Gemm that widens": (
        [("Gemm", "x w c", "y", {})],
        {"w": np.ones((2, 2), np.float32), "c": np.ones((3, 2), np.float32)},
    ),
    "no group": ([TO_IMAGE, ("Conv", "a k", "y", {"group": 0})], {**IMAGE, "k": CONV}),
    "a negative group": ([TO_IMAGE, ("Conv", "a k", "y", {"group": -1})], {**IMAGE, "k": CONV}),
    "no stride": ([TO_IMAGE, ("Conv", "a k", "y", {"strides": [0, 1]})], {**IMAGE, "k": CONV}),
    "no dilation": ([TO_IMAGE, ("Conv", "a k", "y", {"dilations": [1, 0]})], {**IMAGE, "k": CONV}),
    "an empty kernel": (
        [TO_IMAGE, ("Conv", "a k", "y", {})],
        {**IMAGE, "k": np.ones((1, 1, 0, 1), np.float32)},
    ),
    "an axis twice": ([("Slice", "x b e t", "y", {})], {"b": [0, 1], "e": [2, 2], "t": [1, 1]}),
    "a step of nought": (
        [("Slice", "x b e t u", "y", {})],
        {"b": [0], "e": [2], "t": [1], "u": [0]},
    ),
    "an axis that is not there": ([("Gather", "x b", "y", {"axis": 7})], {"b": [0]}),
    **{
        f"Pad with mode {mode}": ([("Pad", "x n", "y", {"mode": mode})], {"n": [0, 1, 0, 1]})
        for mode in ("mean", "empty", "maximum", "linear_ramp", "symmetric", "")
    },
    **{
        f"{name} {value}": (
            [TO_IMAGE, ("Resize", "a  f", "y", {"mode": "nearest", name: value})],
            {**IMAGE, "f": SCALES},
        )
        for name in ("nearest_mode", "coordinate_transformation_mode", "mode")
        for value in ("", "mean", "half-pixel")
    },
    "padding of no kind": (
        [TO_IMAGE, ("Conv", "a k", "y", {"auto_pad": "SAME"})],
        {**IMAGE, "k": CONV},
    ),
}


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("name", INVALID)
def test_invalid_models(name: str, check: bool, tmp_path: Path) -> None:
    rows, constants = INVALID[name]
    refused(build(rows, as_arrays(constants)), tmp_path, check=check)


@pytest.mark.parametrize("field", ["name", "op_type", "input", "output", "attribute"])
def test_names_that_are_no_text(field: str, tmp_path: Path) -> None:
    node: Row = ("LeakyRelu", "QXXQ" if field == "input" else "x", "y", {"alpha": 0.5})
    model = build([node])
    if field == "output":
        model.graph.node[0].output[0] = model.graph.output[0].name = "QXXQ"
    elif field == "attribute":
        model.graph.node[0].attribute[0].name = "QXXQ"
    elif field != "input":
        setattr(model.graph.node[0], field, "QXXQ")
    content = model.SerializeToString().replace(b"QXXQ", b"Q\xff\xffQ")
    assert "UTF-8" in refused(content, tmp_path)


@pytest.mark.parametrize("name", ["a\nexactcam: all is well", "\x1b[2J", "n" * 9000])
def test_names_of_layers_are_one_line(name: str, tmp_path: Path) -> None:
    model = build([("Relu", "x", "y", {})])
    model.graph.node[0].name = name
    network = exactcam.load(saved(model, tmp_path))
    assert all(label.isprintable() and len(label) <= 4096 for label in network.names)
    model.graph.node[0].op_type = "Sigmoid"
    refused(model, tmp_path)


@pytest.mark.parametrize("place", ["mode", "layer", "input"])
def test_what_a_message_quotes_is_printable(place: str, tmp_path: Path) -> None:
    forged = "a\nexactcam: all is well\x1b[2J"
    model = build([TO_IMAGE, ("Resize", "a  f", "y", {"mode": "area"})], {**IMAGE, "f": SCALES})
    if place == "mode":
        model.graph.node[1].attribute[0].s = forged.encode()
    elif place == "layer":
        model.graph.node[1].name = forged
    else:
        model.graph.node[1].input[0] = forged
    refused(model, tmp_path)


def test_models_that_the_checker_is_too_strict_about(tmp_path: Path) -> None:
    model = build([RELU])
    model.ir_version = 99  # newer than the checker
    entry = model.graph.value_info.add()
    entry.name = "something"
    assert exactcam.load(saved(model, tmp_path), check=False).outputs == 2


def test_a_nameless_constant_is_no_input_that_is_left_out(tmp_path: Path) -> None:
    model = build([("Clip", "x  h", "y", {})], {"": np.float32(1), "h": np.float32(5)})
    network = exactcam.load(saved(model, tmp_path))
    assert network.evaluate([-2, 9]) == (-2, 5)


def test_a_model_that_its_runtime_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    path = saved(build([RELU]), tmp_path)

    def fail(*arguments: Any, **options: Any) -> None:
        raise runtime.capi.onnxruntime_pybind11_state.InvalidGraph("is\nno graph")

    monkeypatch.setattr(runtime, "InferenceSession", fail)
    assert "--no-check" in said_of(exactcam.load, path)
    assert not exactcam.load(path, check=False).notes


def test_without_a_runtime_the_note_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    model = build(
        [TO_IMAGE, ("BatchNormalization", "a o o o o", "y", {})],
        {**IMAGE, "o": np.ones(1, np.float32)},
        opset=9,
    )
    notes = exactcam.load(saved(model, tmp_path)).notes
    assert "not checked: onnxruntime is not installed" in notes


def test_padding_is_never_uninitialised(tmp_path: Path) -> None:
    pads = {"n": np.int64([0, 200, 0, 200])}
    found = set()
    for _ in range(3):
        model = build([("Pad", "x n", "y", {"mode": "edge"})], pads)
        found.add(exactcam.load(saved(model, tmp_path)).sha256)
    assert len(found) == 1
    with pytest.raises((FileFormatError, NetworkError), match="empty"):
        exactcam.load(saved(build([("Pad", "x n", "y", {"mode": "empty"})], pads), tmp_path))
