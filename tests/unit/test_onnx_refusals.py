"""ONNX files that are refused: unsupported, malformed, truncated, hostile. One line, exit 2."""

import numpy as np
import pytest

import exactcam
from exactcam.cli import main
from exactcam.errors import FileFormatError, NetworkError, UnsupportedLayerError
from exactcam.loaders import onnx_forward, onnx_ops
from exactcam.model.nodes import Cpwl

onnx = pytest.importorskip("onnx")
EncodeError = pytest.importorskip("google.protobuf.message").EncodeError
models = pytest.importorskip("tools.onnx_build")
helper = onnx.helper


def build(rows, constants=None, shape=(1, 4), opset=13, kind=1):
    """A model of rows (operator, inputs, outputs, attributes) from "x" to "y"."""
    return models.model_of(models.nodes_of(rows), constants or {}, shape, opset, kind)


def saved(tmp_path, model):
    onnx.save(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def refused(tmp_path, model, error, match):
    path = saved(tmp_path, model)
    with pytest.raises(error, match=match) as caught:
        exactcam.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [
        "Sigmoid",
        "Tanh",
        "Softmax",
        "Sin",
        "Gelu",
        "HardSwish",
        "ArgMax",
        "Floor",
        "Sqrt",
        "Softplus",
    ],
)
def test_refused_by_name(kind, tmp_path):
    model = build([("Relu", "x", "a", {}), (kind, "a", "b", {}), ("Abs", "b", "y", {})], opset=20)
    model.graph.node[1].name = "middle"
    refused(tmp_path, model, UnsupportedLayerError, rf"layer middle \({kind}\)")


@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax", "Sigmoid"])
def test_final_layer_is_left_out_on_request(kind, tmp_path):
    model = build([("Relu", "x", "a", {}), (kind, "a", "y", {})])
    refused(tmp_path, model, UnsupportedLayerError, "drop-final")
    network = exactcam.load(tmp_path / "m.onnx", drop_final=True)
    assert network.notes == (f"layer y: the final {kind} was left out on request",)
    assert network.evaluate([-1, 2, 3, -4]) == (0, 2, 3, 0)


MALFORMED = {
    "not computed": [("Relu", "nothing", "y", {})],
    "no input": [("Relu", "", "y", {})],
    "too few inputs": [("Add", "x", "y", {})],
    "wrong shapes": [("MatMul", "x w", "y", {})],
    "bad axis": [("Concat", "x x", "y", {"axis": 9})],
    "bad permutation": [("Transpose", "x", "y", {"perm": [0, 0]})],
    "bad reshape": [("Reshape", "x s", "y", {})],
    "huge": [("ConstantOfShape", "h", "a", {}), ("Add", "x a", "y", {})],
    "huge tile": [("Tile", "x h", "y", {})],
    "huge resize": [("Upsample", "x e", "y", {})],
    "doubled forty times": [
        ("Identity", "x", "v0", {}),
        *(("Concat", f"v{k} v{k}", f"v{k + 1}", {"axis": 1}) for k in range(40)),
        ("Relu", "v40", "y", {}),
    ],
    "huge padding": [("Reshape", "x i", "a", {}), ("Conv", "a k", "y", {"pads": [1 << 40, 0]})],
    "huge pool": [
        ("Reshape", "x i", "a", {}),
        ("MaxPool", "a", "y", {"kernel_shape": [1 << 40], "pads": [1 << 40, 1 << 40]}),
    ],
    "huge broadcast": [("Add", "c d", "a", {}), ("Add", "x a", "y", {})],
    "computed indices": [("Gather", "w x", "y", {})],
    "computed kernel": [("MatMul", "x x", "y", {})],
    "product": [("Mul", "x x", "y", {})],
    "division by zero": [("Div", "x z", "y", {})],
    "pool without kernel": [("MaxPool", "x", "y", {})],
    "twice": [("Relu", "x", "y", {}), ("Abs", "x", "y", {})],
    "no output": [("Relu", "x", "a", {})],
    "constant output": [("Identity", "w", "y", {})],
    "training": [("Dropout", "x r t", "y", {})],
    "unused part": [("MaxPool", "x", "y i", {"kernel_shape": [2]}), ("Relu", "i", "z", {})],
    "nan": [("Add", "x n", "y", {})],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name, tmp_path):
    constants = {
        "w": np.ones((3, 2), np.float32),
        "s": np.asarray([3, -1]),
        "z": np.float32(0),
        "h": np.asarray([1 << 40, 1 << 40]),
        "e": np.float32([1, 1e15]),
        "r": np.float32(0.5),
        "t": np.asarray(True),
        "n": np.float32(np.nan),
        "i": np.asarray([1, 1, 4]),
        "k": np.ones((1, 1, 1), np.float32),
        "c": np.ones((1 << 12, 1), np.float32),
        "d": np.ones((1, 1 << 12), np.float32),
    }
    refused(tmp_path, build(MALFORMED[name], constants), exactcam.ExactcamError, "m.onnx: ")


def test_tensors_of_a_false_size(tmp_path):
    model = build([("Add", "x w", "y", {})], {"w": np.ones(4, np.float32)})
    model.graph.initializer[0].dims[0] = 1 << 40
    refused(tmp_path, model, FileFormatError, "not valid ONNX.*tensor name: w")


def test_inputs(tmp_path):
    rows = [("Relu", "x", "y", {})]
    refused(tmp_path, build(rows, shape=("N", "M")), NetworkError, "only its first dimension")
    refused(tmp_path, build(rows, kind=7), NetworkError, "not of a float type")
    model = build(rows)
    model.graph.input.append(helper.make_tensor_value_info("z", 1, [1]))
    assert exactcam.load(saved(tmp_path, model)).inputs == 4  # nothing reads the other
    model.graph.node.insert(0, helper.make_node("Add", ["x", "z"], ["xz"]))
    model.graph.node[1].input[0] = "xz"
    refused(tmp_path, model, NetworkError, "takes 2 inputs")


def test_truncated_and_flipped_files(tmp_path, capsys):
    rows = [("MatMul", "x w", "a", {}), ("Relu", "a", "y", {})]
    content = build(rows, {"w": np.ones((4, 3), np.float32)}).SerializeToString()
    path = tmp_path / "m.onnx"
    rng = np.random.default_rng(0)
    codes = set()
    for k in range(120):
        bad = bytearray(content[: rng.integers(len(content))] if k % 2 else content)
        if k % 2 == 0:
            for place in rng.integers(len(bad), size=3):
                bad[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(bad))
        codes.add(main(["info", str(path)]))
        lines = capsys.readouterr().err.splitlines()
        assert len([line for line in lines if not line.startswith("exactcam: note")]) <= 1
    assert codes <= {0, 2}
    assert 2 in codes


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 100, b"{}"])
def test_not_onnx(content, tmp_path, capsys):
    (tmp_path / "m.onnx").write_bytes(content)
    assert main(["info", str(tmp_path / "m.onnx")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_check_finds_a_wrong_translation_and_names_the_layer(tmp_path, monkeypatch):
    monkeypatch.setitem(onnx_ops.OPERATORS, "Relu", onnx_ops._unit(lambda n: Cpwl.relu(0.01)))
    model = build([("Abs", "x", "a", {}), ("Neg", "a", "b", {}), ("Relu", "b", "y", {})])
    model.graph.node[2].name = "last"
    refused(tmp_path, model, NetworkError, "layer last: the exact network differs")
    assert exactcam.load(tmp_path / "m.onnx", check=False).units == 8


def test_without_onnxruntime_the_reference_evaluator_checks(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    onnx.save(build([("Relu", "x", "y", {})]), tmp_path / "m.onnx")
    assert exactcam.load(tmp_path / "m.onnx").notes == ()
    monkeypatch.setitem(onnx_ops.OPERATORS, "Relu", onnx_ops.OPERATORS["Abs"])
    with pytest.raises(NetworkError, match="differs"):
        exactcam.load(tmp_path / "m.onnx")


def test_a_model_too_long_to_write_in_float64_is_checked_in_its_own_type(tmp_path, monkeypatch):
    """It was called damaged, with protobuf's words."""

    def too_long(*_):
        raise EncodeError("Failed to serialize proto")

    path = saved(tmp_path, build([("Relu", "x", "y", {})]))
    monkeypatch.setattr(onnx_forward, "_with_float32", too_long)
    assert exactcam.load(path).notes == ()
    monkeypatch.setattr(onnx_forward._Host, "_runner", too_long)
    assert exactcam.load(path).notes == (
        "not checked: the model does not run (Failed to serialize proto)",
    )


def test_info_reports_parameters_and_widths(tmp_path, capsys):
    rows = [("Gemm", "x w b", "a", {}), ("Relu", "a", "y", {})]
    constants = {"w": np.float32([[1], [0.5], [3], [0.25]]), "b": np.float32([1])}
    onnx.save(build(rows, constants), tmp_path / "m.onnx")
    assert main(["info", str(tmp_path / "m.onnx")]) == 0
    out = capsys.readouterr().out
    assert "parameters 5" in out
    assert "integers of 4 bits over a scale of 3" in out


BENCHMARKS = """Add Sub Mul Div MatMul Gemm Conv ConvTranspose Relu LeakyRelu PRelu Clip Abs Max Min
MaxPool AveragePool GlobalAveragePool BatchNormalization Flatten Reshape Transpose Concat Split
Slice Gather Squeeze Unsqueeze Pad Upsample Resize ReduceSum ReduceMean ReduceMax Dropout Identity
Constant Cast Shape ConstantOfShape"""


@pytest.mark.parametrize("kind", BENCHMARKS.split())
def test_operators_of_the_verification_benchmarks_are_there(kind):
    assert kind in onnx_ops.OPERATORS
