"""The self-check refuses wrong translations: one mutant at a time, at any depth, in any layer."""

import copy
import random

import numpy as np
import pytest

import exactcam
from exactcam.arithmetic.rational import mpq
from exactcam.errors import NetworkError
from exactcam.loaders import layers, onnx_views, torch_views
from exactcam.loaders.graph import Graph
from exactcam.model.nodes import Cpwl

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

CASTS = (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)


def onnx_bytes(module, shape):
    """A module of this file as an ONNX model."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, stored = [], []
    kinds = {torch.float16: 10, torch.bfloat16: 16, torch.float8_e4m3fn: 17, torch.float8_e5m2: 19}

    def constant(tensor):
        stored.append(numpy_helper.from_array(tensor.detach().numpy(), f"c{len(stored)}"))
        return stored[-1].name

    def node(kind, *inputs, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [f"v{len(nodes)}"], **attributes))
        return f"v{len(nodes) - 1}"

    def layer(x, part, weight):
        if isinstance(part, nn.Linear):
            return node("Gemm", x, weight, constant(part.bias), transB=1)
        return node("Conv", x, weight, constant(part.bias), pads=[1, 1, 1, 1])

    def write(x, part):
        if isinstance(part, nn.Sequential):
            for inner in part:
                x = write(x, inner)
            return x
        if isinstance(part, Residual):
            return node("Add", x, write(x, part.part))
        if isinstance(part, Quantised):
            narrow = node("Cast", constant(part.layer.weight), to=kinds[part.dtype])
            return layer(x, part.layer, node("Cast", narrow, to=1))
        if isinstance(part, (nn.Linear, nn.Conv2d)):
            return layer(x, part, constant(part.weight))
        if isinstance(part, (nn.ReLU6, nn.Hardtanh)):
            low, high = (constant(torch.tensor(float(t))) for t in (part.min_val, part.max_val))
            return node("Clip", x, low, high)
        if isinstance(part, nn.LeakyReLU):
            return node("LeakyRelu", x, alpha=part.negative_slope)
        if isinstance(part, (nn.MaxPool2d, nn.AvgPool2d)):
            kind = "MaxPool" if isinstance(part, nn.MaxPool2d) else "AveragePool"
            return node(kind, x, kernel_shape=[2, 2], strides=[2, 2])
        return node({nn.ReLU: "Relu", nn.Flatten: "Flatten"}[type(part)], x)

    last = write("x", module)
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape]),
        helper.make_empty_tensor_value_info(last),
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    return model.SerializeToString()


class Quantised(nn.Module):
    """A layer whose weight is cast to a narrow type and back."""

    def __init__(self, layer, dtype):
        super().__init__()
        self.layer, self.dtype = layer, dtype

    def forward(self, x):
        weight = self.layer.weight.to(self.dtype).to(torch.float32)
        if isinstance(self.layer, nn.Linear):
            return F.linear(x, weight, self.layer.bias)
        return F.conv2d(x, weight, self.layer.bias, padding=self.layer.padding)


class Residual(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return x + self.part(x)


ACTIVATIONS = [nn.ReLU, lambda: nn.LeakyReLU(0.01), nn.ReLU6, lambda: nn.Hardtanh(-1, 2)]


def network(rng: random.Random) -> tuple[nn.Module, tuple[int, ...]]:
    """A random network of up to 50 layers, and its input's shape."""
    torch.manual_seed(rng.randrange(1 << 30))
    depth = rng.choice([1, 2, 3, 5, 8, 12, 20, 35, 50])
    kind = rng.choice(["mlp", "residual", "conv", "pooled"])
    parts: list[nn.Module] = []
    if kind in ("mlp", "residual"):
        width, shape = rng.randint(2, 24), (rng.randint(1, 5),)
        last = shape[0]
        for k in range(depth):
            layer: nn.Module = nn.Linear(last, width)
            layer = Quantised(layer, rng.choice(CASTS)) if rng.random() < 0.3 else layer
            block = nn.Sequential(layer, rng.choice(ACTIVATIONS)())
            parts.append(Residual(block) if kind == "residual" and k else block)
            last = width
        return nn.Sequential(*parts, nn.Linear(last, 2)).eval(), shape
    channels, side = rng.randint(2, 6), rng.choice([5, 6, 8])
    last, shape = 1, (1, side, side)
    for k in range(depth):
        layer = nn.Conv2d(last, channels, 3, padding=1)
        layer = Quantised(layer, rng.choice(CASTS)) if rng.random() < 0.3 else layer
        parts += [layer, rng.choice(ACTIVATIONS)()]
        if kind == "pooled" and side > 3 and k % 4 == 0:
            parts.append(rng.choice([nn.MaxPool2d(2), nn.AvgPool2d(2)]))
            side //= 2
        last = channels
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(last * side * side, 3)).eval(), shape


class Mutation:
    """Mutates one translation: the call number `at` of those that `kind` can change."""

    def __init__(self, kind: str, at: int, rng: random.Random) -> None:
        self.kind, self.at, self.rng, self.calls, self.done = kind, at, rng, 0, False

    def due(self) -> bool:
        self.calls += 1
        self.done = self.done or self.calls - 1 == self.at
        return self.calls - 1 == self.at

    def off(self, x: object) -> mpq:
        by = mpq(1) + mpq(self.rng.choice([-1, 1]) * self.rng.choice([1, 3, 64, 4096]), 4096)
        value = mpq(float(x)) if not isinstance(x, mpq) else x
        return value * by if value and by else value + mpq(self.rng.choice([1, 16, 512]), 4096)

    def changed(self, weight: np.ndarray, bias: np.ndarray | None) -> tuple:
        """The weight and bias of a layer, one of them mutated."""
        exact = np.vectorize(lambda x: mpq(float(x)), otypes=[object])
        weight = exact(weight)
        bias = None if bias is None else exact(bias)
        rng = self.rng
        if self.kind == "bias" and bias is not None:
            unit = rng.randrange(len(bias))
            bias[unit] = self.off(bias[unit])
        elif self.kind == "weight":
            place = tuple(rng.randrange(n) for n in weight.shape)
            weight[place] = self.off(weight[place])
        elif self.kind == "channel":
            row = rng.randrange(len(weight))
            weight[row] = weight[row] * (1 + mpq(rng.choice([1, -1, 64]), 4096))
        elif len(weight) > 1:  # two channels swapped
            i, j = rng.sample(range(len(weight)), 2)
            weight[[i, j]] = weight[[j, i]]
        return weight, bias


LAYERS = ("bias", "weight", "channel", "swap")
KINDS = (*LAYERS, "slope", "identity", "cast")


def mutate(monkeypatch, mutation: Mutation) -> None:
    """Patch the loaders so that one call of them goes wrong."""
    pointwise, cast = Graph.pointwise, torch_views.cast

    def wrong_pointwise(self, a, functions, which=0):
        if mutation.kind == "identity" and mutation.due():
            return a
        if mutation.kind == "slope" and mutation.due():
            f = functions[0]
            slopes = [s for s, _ in f.pieces]
            piece = mutation.rng.randrange(len(slopes))
            slopes[piece] = mutation.off(slopes[piece])
            first = f.pieces[0][0] * f.breakpoints[0] + f.pieces[0][1]
            functions = [Cpwl.through(f.breakpoints, slopes, first), *functions[1:]]
        return pointwise(self, a, functions, which)

    def wrong_cast(graph, source, old, new, saturate=False):
        if mutation.kind == "cast" and new != "float32" and mutation.due():
            return source
        return cast(graph, source, old, new, saturate)

    monkeypatch.setattr(Graph, "pointwise", wrong_pointwise)
    monkeypatch.setattr(torch_views, "cast", wrong_cast)
    monkeypatch.setattr(onnx_views, "cast", wrong_cast)
    for name in ("linear", "convolution"):
        original = getattr(layers, name)

        def wrong(graph, a, weight, bias=None, *rest, _original=original, **more):
            # The average of a pool is a convolution without parameters of its own.
            if mutation.kind in LAYERS and weight.dtype != object and mutation.due():
                weight, bias = mutation.changed(weight, bias)
            return _original(graph, a, weight, bias, *rest, **more)

        monkeypatch.setattr(layers, name, wrong)


def survivors(seeds, load, monkeypatch):
    """The mutants that load, of one mutation for each seed, and how many were tried."""
    found, tried = [], 0
    for seed in seeds:
        rng = random.Random(seed)
        module, shape = network(rng)
        kind = rng.choice(KINDS)
        with monkeypatch.context() as patch:
            counter = Mutation(kind, -1, rng)
            mutate(patch, counter)
            right = load(copy.deepcopy(module), shape)
        assert not [note for note in right.notes if "self-check" in note], seed
        if not counter.calls:
            continue
        with monkeypatch.context() as patch:
            mutation = Mutation(kind, rng.randrange(counter.calls), rng)
            mutate(patch, mutation)
            try:
                wrong = load(module, shape)
            except NetworkError:
                tried += 1
                continue
        if wrong.sha256 != right.sha256:  # else the mutant changes nothing
            found.append((seed, kind, wrong.notes))
            tried += 1
    return found, tried


def load_torch(module, shape):
    return exactcam.from_torch(module, shape)


def through_onnx(folder):
    pytest.importorskip("onnx")

    def load(module, shape):
        (folder / "m.onnx").write_bytes(onnx_bytes(module, shape))
        return exactcam.load(folder / "m.onnx")

    return load


@pytest.mark.parametrize("part", range(6))
def test_mutants_of_the_translation_of_torch_are_refused(part, monkeypatch):
    found, tried = survivors(range(part * 6, part * 6 + 6), load_torch, monkeypatch)
    assert tried
    assert not found


@pytest.mark.parametrize("part", range(4))
def test_mutants_of_the_translation_of_onnx_are_refused(part, monkeypatch, tmp_path):
    seeds = range(100 + part * 6, 106 + part * 6)
    found, tried = survivors(seeds, through_onnx(tmp_path), monkeypatch)
    assert tried
    assert not found


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_a_thousand_mutants_are_refused(part, monkeypatch, tmp_path):
    seeds = range(1000 + part * 50, 1050 + part * 50)
    for load, half in ((load_torch, seeds[:25]), (through_onnx(tmp_path), seeds[25:])):
        found, tried = survivors(half, load, monkeypatch)
        # Only one weight of many may hide behind the rounding of a sum in float32.
        assert len(found) <= 0.02 * tried, found
