"""What the self-check sees at any depth, and what it says of what it cannot see."""

from fractions import Fraction

import pytest

import exactcam
from exactcam.errors import NetworkError
from exactcam.loaders import torch_ops
from exactcam.model.nodes import Cpwl

torch = pytest.importorskip("torch")
nn = torch.nn


def tower(depth, width):
    torch.manual_seed(depth)
    parts = [nn.Linear(2, width), nn.ReLU()]
    for _ in range(depth - 1):
        parts += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(width, 2)).eval()


def convolutions(depth):
    torch.manual_seed(depth)
    parts = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()]
    for _ in range(depth - 1):
        parts += [nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(200, 3)).eval()


def at_call(number, wrong, right):
    """An operator that goes wrong at one of its calls."""
    calls = iter(range(1000))
    return lambda graph, a: (wrong if next(calls) == number else right)(graph, a)


def slope(value):
    return lambda graph, a: graph.pointwise(a.self, [Cpwl.relu(Fraction(value))])


def swapped(name):
    original = torch_ops.OPERATORS[name]

    def wrong(graph, a):
        a.weight = a.weight.copy()
        a.weight[[0, 1]] = a.weight[[1, 0]]
        return original(graph, a)

    return wrong


DEEP = [(tower(16, 64), (2,), "linear", 8), (convolutions(14), (1, 5, 5), "conv2d", 7)]


@pytest.mark.parametrize(("module", "shape", "linear", "middle"), DEEP)
def test_a_wrong_layer_in_the_middle_is_seen_at_any_depth(
    module, shape, linear, middle, monkeypatch
):
    right = dict(torch_ops.OPERATORS)
    mutants = [("relu", slope(1)), ("relu", slope("1/4096")), (linear, swapped(linear))]
    assert not exactcam.from_torch(module, shape).notes
    for name, wrong in mutants:
        monkeypatch.setitem(torch_ops.OPERATORS, name, at_call(middle, wrong, right[name]))
        with pytest.raises(NetworkError, match="differs"):
            exactcam.from_torch(module, shape)
        monkeypatch.setitem(torch_ops.OPERATORS, name, right[name])


def test_a_bias_of_a_unit_that_no_input_reaches_is_seen(monkeypatch):
    module = tower(3, 12)
    with torch.no_grad():
        module[2].bias[5] = -100.0
    original = torch_ops.OPERATORS["linear"]

    def wrong(graph, a):
        a.bias = a.bias.copy()
        a.bias[5] += 0.05
        return original(graph, a)

    monkeypatch.setitem(torch_ops.OPERATORS, "linear", at_call(1, wrong, original))
    with pytest.raises(NetworkError, match=r"layer 2: .* differs"):
        exactcam.from_torch(module, (2,))


@pytest.mark.parametrize("bias", [-1e20, -1e300])
def test_a_slope_beside_a_unit_of_huge_bias_is_seen(bias, monkeypatch):
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)).double().eval()
    with torch.no_grad():
        module[0].bias[3] = bias
    monkeypatch.setitem(torch_ops.OPERATORS, "relu", slope("1/4"))
    with pytest.raises(NetworkError, match=r"layer 1: .* differs"):
        exactcam.from_torch(module, (2,))


def test_a_slope_before_a_saturated_end_is_seen(monkeypatch):
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1), nn.Hardtanh()).eval()
    with torch.no_grad():
        module[2].weight *= 1000
        module[2].bias.fill_(1e6)
    monkeypatch.setitem(torch_ops.OPERATORS, "relu", slope("1/1024"))
    with pytest.raises(NetworkError, match=r"layer 1: .* differs"):
        exactcam.from_torch(module, (2,))


def test_values_beyond_the_floats_are_noted():
    module = nn.Sequential(nn.Linear(640, 2), nn.ReLU()).double().eval()
    with torch.no_grad():
        module[0].weight.fill_(1.7e308)
    network = exactcam.from_torch(module, (640,))
    assert any("2 of 2 entries are not compared" in note for note in network.notes)


def test_a_breakpoint_that_no_probe_crosses_is_noted():
    module = nn.Sequential(nn.Linear(2, 2), nn.Hardtanh(-1.0, 1e300)).double().eval()
    notes = exactcam.from_torch(module, (2,)).notes
    assert any("one side of a breakpoint only, 2 of 2 units: 0, 1" in note for note in notes)
