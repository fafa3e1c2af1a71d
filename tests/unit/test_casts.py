"""Casts round constants as the model does; those of computed values are refused by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import exactcam
from exactcam.arithmetic.rational import mpq, objects
from exactcam.errors import UnsupportedLayerError
from exactcam.loaders.casts import FORMATS
from tools.torch_modules import Call

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
NARROW = [name for name in FORMATS if name not in ("float64", "float32")]


@pytest.mark.parametrize("name", NARROW)
@given(numbers=st.lists(st.floats(-240, 240, width=32), min_size=1))
def test_rounding_is_that_of_torch(name, numbers):
    x = np.asarray(numbers, np.float32)
    theirs = torch.from_numpy(x).to(getattr(torch, name)).double().numpy()
    ours = FORMATS[name].rounded(x, "x")
    np.testing.assert_array_equal(ours, theirs)
    exact = FORMATS[name].rounded(objects(mpq(float(v)) for v in x), "x")
    assert [float(v) for v in exact] == list(ours)


@pytest.mark.parametrize("name", NARROW)
def test_ties_go_to_even(name):
    kind = getattr(torch, name)
    bits = torch.int16 if FORMATS[name].largest > 60000 and "float8" not in name else torch.uint8
    every = torch.arange(0, 120, dtype=bits).view(kind).double().numpy()
    between = ((every[1:] + every[:-1]) / 2)[1:]
    theirs = torch.from_numpy(between).float().to(kind).double().numpy()
    np.testing.assert_array_equal(FORMATS[name].rounded(between, "x"), theirs)


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("folded", [False, True])
def test_a_cast_of_a_weight_rounds_it(name, folded):
    """The second row is the first after the cast: one line, not two."""
    weight = torch.tensor([[1.0, 0], [1 + 2**-12, 0]])
    kind = getattr(torch, name)

    def forward(x):
        held = (weight * 2 if folded else weight).to(kind).float()
        return torch.relu(x @ held.T - 0.5).sum(1, keepdim=True)

    network = exactcam.from_torch(Call(forward).eval(), (2,))
    assert exactcam.partition(network).counts.activation_regions == 2
    assert not network.notes


@pytest.mark.parametrize("name", NARROW)
def test_a_cast_of_a_computed_value_is_refused(name):
    kind = getattr(torch, name)
    with pytest.raises(UnsupportedLayerError, match=rf"layer .*cast.*rounded to {name}"):
        exactcam.from_torch(Call(lambda x: torch.relu(x).to(kind).float()).eval(), (2,))


def test_autocast_is_refused():
    class Auto(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 3)

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.inner(x).float()

    with pytest.raises(UnsupportedLayerError, match="bfloat16"):
        exactcam.from_torch(Auto().eval(), (2,))


def test_a_constant_beyond_the_type_is_refused():
    with pytest.raises(UnsupportedLayerError, match="beyond the largest number of float16"):
        exactcam.from_torch(Call(lambda x: x * torch.tensor(1e6).half().float()).eval(), (2,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_cast_to_the_declared_type_changes_nothing(dtype):
    module = (
        nn.Sequential(nn.Linear(2, 3), Call(lambda x: torch.relu(x.to(dtype)))).to(dtype).eval()
    )
    assert not exactcam.from_torch(module).notes


def test_a_cast_in_onnx_rounds_the_weight(tmp_path):
    onnx = pytest.importorskip("onnx")
    make, arrays = onnx.helper, onnx.numpy_helper
    weight = np.asarray([[1, 1 + 2**-12], [0, 0]], np.float32)
    nodes = [
        make.make_node("Cast", ["W"], ["narrow"], to=10),
        make.make_node("Cast", ["narrow"], ["wide"], to=1),
        make.make_node("MatMul", ["x", "wide"], ["p"]),
        make.make_node("Add", ["p", "b"], ["q"]),
        make.make_node("Relu", ["q"], ["y"]),
    ]
    ends = [make.make_tensor_value_info(n, 1, [1, 2]) for n in "xy"]
    stored = [arrays.from_array(weight, "W"), arrays.from_array(np.float32([-0.5, -0.5]), "b")]
    graph = make.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "m.onnx")
    network = exactcam.load(tmp_path / "m.onnx")
    assert exactcam.partition(network).counts.activation_regions == 2
    assert not network.notes
