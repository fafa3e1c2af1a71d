"""Models of several outputs: one is chosen by its place or name, or the error lists them."""

from collections import namedtuple

import numpy as np
import pytest

import exactcam
from exactcam.cli import main
from exactcam.errors import ExactcamError, NetworkError
from exactcam.loaders.outputs import chosen
from tools.torch_modules import Call

Pair = namedtuple("Pair", "first second")


def test_an_output_is_chosen_by_place_or_name():
    names = ["logits", "1", "0"]
    assert [chosen(names, x) for x in (0, 1, 2, np.int64(2))] == [0, 1, 2, 2]
    assert [chosen(names, x) for x in ("logits", "1", "0")] == [0, 1, 2]  # a name before a place
    assert chosen(["a", "b"], "1") == 1
    assert chosen(["a"], None) == 0


@pytest.mark.parametrize("output", [-1, 2, "2", "c", "", "-1", "²", "9" * 5000, True, 1.0, [0]])
def test_another_output_is_refused_in_one_line(output):
    with pytest.raises(ExactcamError) as caught:
        chosen(["a", "b\n"], output)
    assert str(caught.value).isprintable()


def test_several_outputs_are_listed():
    with pytest.raises(NetworkError, match=r"\(0: a, 1: b\).*output="):
        chosen(["a", "b"], None)
    with pytest.raises(NetworkError) as caught:
        chosen(["n" * 5000] * 1000, None)
    assert len(str(caught.value)) < 2000


def save(path):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Neg", ["a"], ["b"]),
        helper.make_node("Sigmoid", ["a"], ["c"]),
    ]
    x = helper.make_tensor_value_info("x", 1, (1, 2))
    outputs = [helper.make_empty_tensor_value_info(name) for name in "abc"]
    model = helper.make_model(helper.make_graph(nodes, "several", [x], outputs))
    model.ir_version = 8
    onnx.save(model, path)
    return path


def test_onnx_outputs(tmp_path, capsys):
    path = save(tmp_path / "m.onnx")
    with pytest.raises(
        NetworkError, match=r"m.onnx: the model gives 3 outputs, \(0: a, 1: b, 2: c\)"
    ):
        exactcam.load(path)
    for output, value in ((0, (0, 2)), ("a", (0, 2)), (1, (0, -2)), ("b", (0, -2))):
        assert exactcam.load(path, output=output).evaluate([-1, 2]) == value
    assert main(["info", str(path), "--model-output", "b"]) == 0
    capsys.readouterr()
    assert main(["info", str(path)]) == 2
    assert "--model-output" in capsys.readouterr().err


def test_other_files_have_one_output(tmp_path):
    np.savez(tmp_path / "m.npz", weight0=np.eye(2), bias0=np.ones(2))
    with pytest.raises(NetworkError, match="has one output"):
        exactcam.load(tmp_path / "m.npz", output=0)


RETURNS = {
    "a tuple": (lambda y: (y, -y), (0, 1)),
    "a dictionary": (lambda y: {"p": y, "n": -y}, ("p", "n")),
    "a named tuple": (lambda y: Pair(y, -y), ("first", "second")),
    "nested": (lambda y: [{"p": [None, y]}, 3, (y, -y)], ("0.p.1", "2.1")),
}


@pytest.mark.parametrize("name", RETURNS)
def test_torch_outputs(name):
    torch = pytest.importorskip("torch")
    make, (plus, minus) = RETURNS[name]
    module = Call(lambda x: make(torch.relu(x)))
    assert exactcam.from_torch(module, (2,), output=plus).evaluate([-1, 2]) == (0, 2)
    assert exactcam.from_torch(module, (2,), output=minus).evaluate([-1, 2]) == (0, -2)
    with pytest.raises(NetworkError, match=rf"gives \d outputs, \(0: {plus}, .*{minus}\)"):
        exactcam.from_torch(module, (2,))


def test_outputs_of_exported_programs(tmp_path):
    torch = pytest.importorskip("torch")
    module = Call(lambda x: {"p": torch.relu(x), "n": -torch.relu(x)})
    program = torch.export.export(module, (torch.zeros(1, 2),))
    torch.export.save(program, tmp_path / "m.pt2")
    assert exactcam.load(tmp_path / "m.pt2", output=1).evaluate([-1, 2]) == (0, -2)
    with pytest.raises(NetworkError, match="gives 2 outputs"):
        exactcam.load(tmp_path / "m.pt2")
