"""What the torch loader refuses, and that the refusal names the layer and the way out."""

import io
import json
import zipfile

import numpy as np
import pytest

import exactcam
from exactcam.errors import FileFormatError, NetworkError, UnsupportedLayerError
from exactcam.loaders import torch_ops
from exactcam.model.nodes import Cpwl

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
Call = pytest.importorskip("tools.torch_modules").Call


REFUSED = {
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "softmax": nn.Softmax(1),
    "hardswish": nn.Hardswish(),
    "elu": nn.ELU(),
    "softplus": nn.Softplus(),
    "hardshrink": nn.Hardshrink(),
    "threshold": nn.Threshold(0.1, 20),
    "layer_norm": nn.LayerNorm(4),
    "group_norm": nn.GroupNorm(2, 4),
    "sin": Call(torch.sin),
    "argmax": Call(lambda x: x.argmax(1, keepdim=True).float()),
    "product": Call(lambda x: x * x),
    "division": Call(lambda x: 1 / x),
    "cast": Call(lambda x: x.to(torch.int64).float()),
    "where": Call(lambda x: torch.where(x > 0, x, 0 * x)),
    "matrix product": Call(lambda x: x @ x.T),
    "argsort": Call(lambda x: x.argsort(1).float()),
    "rand_like": Call(lambda x: x + torch.rand_like(x)),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_name(kind):
    module = nn.Sequential(nn.Linear(3, 4), REFUSED[kind], nn.LazyLinear(2))
    module(torch.zeros(1, 3))
    with pytest.raises(UnsupportedLayerError, match=r"layer 1") as caught:
        exactcam.from_torch(module)
    assert "\n" not in str(caught.value)


def test_lstm():
    with pytest.raises(UnsupportedLayerError, match="lstm"):
        exactcam.from_torch(nn.Sequential(nn.LSTM(3, 2), Call(lambda outputs: outputs[0])), (4, 3))


@pytest.mark.parametrize("part", [nn.BatchNorm1d(4), nn.Dropout(0.5)])
def test_training_mode(part):
    module = nn.Sequential(nn.Linear(3, 4), part)
    with pytest.raises(UnsupportedLayerError, match=r"layer 1 .*training mode.*model\.eval\(\)"):
        exactcam.from_torch(module)
    assert exactcam.from_torch(module.eval()).outputs == 4


def test_training_flag_without_effect_is_harmless():
    assert exactcam.from_torch(nn.Sequential(nn.Linear(3, 4), nn.ReLU()).train()).units == 4


def test_functional_dropout_in_training_mode():
    with pytest.raises(UnsupportedLayerError, match=r"dropout.*training mode"):
        exactcam.from_torch(Call(lambda x: F.dropout(x, 0.5)), (3,))


def test_data_dependent_control_flow():
    branch = Call(lambda x: x if x.sum() > 0 else -x)
    with pytest.raises(NetworkError, match="cannot be traced"):
        exactcam.from_torch(branch, (3,))


def test_wrong_shape_and_missing_shape():
    with pytest.raises(NetworkError, match="cannot be traced on an input of shape"):
        exactcam.from_torch(nn.Sequential(nn.Linear(3, 4)), (5,))
    with pytest.raises(NetworkError, match="give input_shape"):
        exactcam.from_torch(nn.Conv2d(1, 1, 3))


def test_nan_parameter_is_named():
    layer = nn.Linear(2, 2)
    layer.weight.data[1, 0] = float("nan")
    with pytest.raises(exactcam.ExactcamError, match=r"layer linear: weight\[1, 0\] is nan|weight"):
        exactcam.from_torch(layer, (2,))


def test_final_softmax_is_left_out_on_request_only():
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Softmax(1))
    with pytest.raises(UnsupportedLayerError, match="--drop-final"):
        exactcam.from_torch(module)
    network = exactcam.from_torch(module, drop_final=True)
    assert network.notes == ("layer 2: the final softmax was left out on request",)
    assert network.sha256 == exactcam.from_torch(module[:2]).sha256


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_exact(dtype):
    torch.manual_seed(0)
    layer = nn.Linear(3, 2).to(dtype)
    network = exactcam.from_torch(nn.Sequential(layer, nn.ReLU()))
    weight = layer.weight.detach().double().numpy()
    x = [1, 2, -3]
    expected = [
        max(
            0,
            sum(exactcam.arithmetic.rational.rational(w) * c for w, c in zip(row, x, strict=True))
            + exactcam.arithmetic.rational.rational(b),
        )
        for row, b in zip(weight, layer.bias.detach().double().numpy(), strict=True)
    ]
    assert list(network.evaluate(x)) == expected


def test_python_scalar_is_the_float64():
    (y,) = exactcam.from_torch(nn.Sequential(nn.Identity(), nn.LeakyReLU(0.1)), (1,)).evaluate([-1])
    assert y == -exactcam.arithmetic.rational.rational(0.1)


def test_batch_norm_is_correctly_rounded_and_noted():
    norm = nn.BatchNorm1d(1, eps=0.5).eval()
    norm.running_var.fill_(1.5)
    norm.running_mean.fill_(1)
    network = exactcam.from_torch(norm, (1,))
    scale = exactcam.arithmetic.rational.rational(
        float(np.sqrt(0.5))
    )  # numpy's square root is rounded well
    assert network.evaluate([0]) == (-scale,)
    assert network.evaluate([1]) == (0,)
    (note,) = network.notes
    assert "BatchNorm" in note


def test_the_check_finds_a_wrong_translation_and_names_the_layer(monkeypatch):
    wrong = torch_ops._unit(lambda a: Cpwl.relu(0.001))
    monkeypatch.setitem(torch_ops.OPERATORS, "relu", wrong)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 1))
    with pytest.raises(NetworkError, match="layer 1: the exact network differs"):
        exactcam.from_torch(module)
    assert exactcam.from_torch(module, check=False).units == 4


def test_the_check_finds_a_cap_only_large_inputs_reach(monkeypatch):
    monkeypatch.setitem(torch_ops.OPERATORS, "hardtanh", torch_ops.OPERATORS["relu"])
    torch.manual_seed(0)
    with pytest.raises(NetworkError, match="layer 1: the exact network differs"):
        exactcam.from_torch(nn.Sequential(nn.Linear(2, 1), nn.ReLU6(), nn.Linear(1, 1)))


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(module, (torch.zeros(1, 2),)), path)
    return module, path


def test_saved_program(saved):
    module, path = saved
    assert exactcam.load(path).sha256 == exactcam.from_torch(module).sha256


def edited(path, change):
    """The archive with `change(name, content)` applied to each entry."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))
    path.write_bytes(out.getvalue())


class Trap:
    ran = False

    def __reduce__(self):
        return (setattr, (Trap, "ran", True))


def test_pickles_in_a_program_never_run(saved):
    _, path = saved
    buffer = io.BytesIO()
    torch.save((Trap(),), buffer)
    edited(path, lambda name, old: buffer.getvalue() if "sample_inputs" in name else old)
    exactcam.load(path)  # the example inputs are not read at all
    edited(path, lambda name, old: old.replace(b'"use_pickle": false', b'"use_pickle": true'))
    with pytest.raises(FileFormatError, match="pickled objects"):
        exactcam.load(path)
    assert not Trap.ran


def test_foreign_operators_and_expressions_in_a_program(saved):
    _, path = saved

    def foreign(name, old):
        if not name.endswith(".json") or "models/" not in name:
            return old
        document = json.loads(old)
        document["graph_module"]["graph"]["nodes"][0]["target"] = "os.system"
        return json.dumps(document).encode()

    original = path.read_bytes()
    edited(path, foreign)
    with pytest.raises(FileFormatError, match="only ATen operators"):
        exactcam.load(path)
    path.write_bytes(original)
    edited(path, lambda n, old: old.replace(b'"as_int": 2', b'"as_expr": {"expr_str": "s0"}'))
    with pytest.raises(FileFormatError):
        exactcam.load(path)


def test_damaged_programs(saved):
    _, path = saved
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(20):
        bad = bytearray(content[: rng.integers(len(content))])
        if len(bad) > 100:
            bad[int(rng.integers(len(bad)))] ^= 255
        path.write_bytes(bytes(bad))
        with pytest.raises(FileFormatError) as caught:
            exactcam.load(path)
        assert "\n" not in str(caught.value)
