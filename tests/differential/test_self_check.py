"""The self-check refuses wrong translations: one mutant at a time, at any depth, in any layer.

Each random model is translated and run once; what is mutated is the network that was read.
"""

import random
from collections import deque
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

import exactcam
from exactcam.arithmetic.matrix import Convolution, Sparse
from exactcam.arithmetic.rational import mpq
from exactcam.errors import NetworkError
from exactcam.loaders import check, from_onnx, from_torch, onnx_views, torch_views
from exactcam.loaders.check import Forward, Traced
from exactcam.loaders.float_network import FloatNetwork
from exactcam.model.network import Network
from exactcam.model.nodes import Affine, Cpwl, Pointwise

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
        weight = self.layer.weight.to(self.dtype).to(self.layer.weight.dtype)
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
    kind = rng.choice(["mlp", "residual", "conv", "pooled", "mlp", "conv"])
    wide = rng.random() < 0.2
    depth = min(depth, 3) if wide else depth
    parts: list[nn.Module] = []
    if kind in ("mlp", "residual"):
        width = rng.randint(200, 500) if wide else rng.randint(2, 24)
        shape = (rng.randint(1, 800 if wide else 5),)
        last = shape[0]
        for k in range(depth):
            layer: nn.Module = nn.Linear(last, width)
            layer = Quantised(layer, rng.choice(CASTS)) if rng.random() < 0.3 else layer
            block = nn.Sequential(layer, rng.choice(ACTIVATIONS)())
            parts.append(Residual(block) if kind == "residual" and k else block)
            last = width
        return nn.Sequential(*parts, nn.Linear(last, 2)).eval(), shape
    channels, side = rng.randint(24, 48) if wide else rng.randint(2, 6), rng.choice([5, 6, 8])
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


class Read(NamedTuple):
    """What a loader hands to the self-check."""

    network: Network
    masses: list[np.ndarray]
    traced: Traced
    output: str
    forward: Forward

    def checked(self, other=None):
        """Check this network, or another one in its place.

        Gives the notes, and by node the units that were seen on one side of a breakpoint only:
        all of them, of which a note names twenty.
        """
        network, masses, traced, output, _ = other or self
        made = []

        def keep(*given):
            made.append(FloatNetwork(*given))
            return made[0]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(check, "FloatNetwork", keep)
            notes = check.compare(network, masses, traced, output, self.forward)
        one_sided = {k: units for k, units in made[0].one_sided().items() if len(units)}
        assert notes_of(network, one_sided) == [n for n in notes if "seen on one side" in n]
        return notes, one_sided


def notes_of(network, one_sided):
    """What notes say of units that are seen on one side only."""
    out = []
    for k, units in one_sided.items():
        named = ", ".join(map(str, units[:20]))
        more = f" and {len(units) - 20} more" if len(units) > 20 else ""
        out.append(
            f"layer {network.names[k]}: self-check: seen on one side of a breakpoint only, "
            f"{len(units)} of {network.nodes[k].size} units: {named}{more}"
        )
    return out


def read(load, module, shape, monkeypatch):
    """A module as a loader reads it, before the self-check."""
    found = []

    def keep(*given):
        found.append(Read(*given))
        return []

    with monkeypatch.context() as patch:
        for loader in (from_torch, from_onnx):
            patch.setattr(loader, "compare", keep)
        load(module, shape)
    return found[0]


def off(rng, x, one):
    """`x` times 4096, off by 2^-12 of itself or more; `one` is the number 1 of its scale."""
    by = rng.choice([-1, 1]) * rng.choice([1, 1, 3, 64, 4096])
    return x * 4096 + (x * by if x else one * by)


def wrong_affine(rng, kind, node):
    """The node with one number wrong, one channel scaled or two exchanged, and the rows changed."""
    bias, matrices = node.bias * 4096, [m.with_numbers(m.numbers * 4096) for m in node.matrices]
    which = rng.randrange(len(matrices))
    matrix, numbers = node.matrices[which], matrices[which].numbers
    conv = isinstance(matrix, Convolution)
    if kind == "bias":
        rows = [rng.randrange(node.size)]
        bias[rows[0]] = off(rng, node.bias[rows[0]], node.scale)
    else:
        # The rows of the stored numbers, each a channel of the result: (channels, the rest).
        if isinstance(matrix, Sparse):
            spans = [range(*ends) for ends in zip(matrix.indptr, matrix.indptr[1:], strict=False)]
        else:
            channels = matrix.kernel.shape[0] if conv else matrix.shape[0]
            spans = np.split(np.arange(len(numbers)), channels)
        chosen = [c for c, span in enumerate(spans) if len(span)]
        first = rng.choice(chosen)
        others = [c for c in chosen if len(spans[c]) == len(spans[first])]
        second = rng.choice(
            [c for c in others if (numbers[spans[c]] != numbers[spans[first]]).any()] or [first]
        )
        if kind == "weight":
            place = rng.choice(list(spans[first]))
            numbers[place] = off(rng, matrix.numbers[place], node.scale)
        elif kind == "channel" or first == second:
            numbers[spans[first]] += matrix.numbers[spans[first]] * rng.choice([1, -1, 64])
        else:
            both = [*spans[first], *spans[second]]
            numbers[both] = numbers[[*spans[second], *spans[first]]]
        taken = {first, second} if kind == "swap" else {first}
        each = node.size // len(spans)
        rows = [c * each + k for c in taken for k in range(each)]
    matrices[which] = matrix.with_numbers(numbers)
    return Affine(node.inputs, tuple(matrices), bias, node.scale * 4096), rows


def wrong_pointwise(rng, kind, node):
    """The node with one slope of one unit wrong, or one unit the identity; and that unit."""
    unit = rng.randrange(node.size)
    f = node.functions[node.which[unit]]
    slopes = [s for s, _ in f.pieces]
    piece = rng.randrange(len(slopes))
    slopes[piece] = off(rng, slopes[piece], 1) / mpq(4096)
    first = f.pieces[0][0] * f.breakpoints[0] + f.pieces[0][1]
    wrong = Cpwl.through(f.breakpoints, slopes, first) if kind == "slope" else Cpwl([], [(1, 0)])
    which = node.which.copy()
    which[unit] = len(node.functions)
    return Pointwise(node.source, (*node.functions, wrong), which), [unit]


AFFINE, POINTWISE = ("bias", "weight", "channel", "swap"), ("slope", "identity")
KINDS = (*AFFINE, *POINTWISE, "cast")


def mutant(rng, kind, right, reread):
    """A wrong translation, the number of its wrong node and the rows that are wrong; or None."""
    if kind == "cast":
        return without_a_cast(rng, right, reread)
    network, matching = right.network, Affine if kind in AFFINE else Pointwise
    places = [k for k, node in enumerate(network.nodes) if isinstance(node, matching)]
    k = rng.choice(places)
    node, rows = (wrong_affine if kind in AFFINE else wrong_pointwise)(rng, kind, network.nodes[k])
    nodes = (*network.nodes[:k], node, *network.nodes[k + 1 :])
    return right._replace(network=replace(network, nodes=nodes)), k, rows


def without_a_cast(rng, right, reread):
    """The translation without one of the casts that change a weight by 2^-12 of itself or more."""
    calls = []
    cast = torch_views.cast

    def wrong(graph, source, old, new, saturate=False):
        rounded = cast(graph, source, old, new, saturate)
        if new != "float32":
            change = np.abs(np.asarray(source, float) - np.asarray(rounded, float))
            calls.append(bool((change * 4096 >= np.abs(np.asarray(source, float))).any()))
        return source if len(calls) - 1 == chosen and new != "float32" else rounded

    patches = [(torch_views, "cast", wrong), (onnx_views, "cast", wrong)]
    chosen = None
    reread(patches)
    counted, calls = calls, []
    if not any(counted):
        return None
    chosen = rng.choice([n for n, seen in enumerate(counted) if seen])
    found = reread(patches)
    nodes = enumerate(zip(found.network.nodes, right.network.nodes, strict=True))
    for k, (ours, theirs) in nodes:
        if isinstance(ours, Affine) and any(
            len(a.numbers) and (a.numbers * theirs.scale != b.numbers * ours.scale).any()
            for a, b in zip(ours.matrices, theirs.matrices, strict=True)
        ):
            return found, k, list(range(ours.size))
    return None


def named(network, one_sided, k, rows):
    """Whether one of the rows of node k, or a unit that reads it, is noted as seen on one side."""
    readers = {k} | {n for n, node in enumerate(network.nodes) if k + 1 in node.inputs}
    return any(n in readers and set(units) & set(rows) for n, units in one_sided.items())


def survivors(seeds, load, monkeypatch, each=1):
    """The mutants that are not refused, with whether a note names the unit; and how many were tried."""
    found, tried = [], 0
    for seed in seeds:
        rng = random.Random(seed)
        module, shape = network(rng)
        far = seed % 4 == 3 and far_bounds(module, rng, load)
        right = read(load, module, shape, monkeypatch)
        assert far or not right.checked()[0], seed
        for n in range(each):
            kind = rng.choice(KINDS)

            def reread(patches, module=module, shape=shape):
                with monkeypatch.context() as patch:
                    for place in patches:
                        patch.setattr(*place)
                    return read(load, module, shape, monkeypatch)

            wrong = mutant(rng, kind, right, reread)
            if wrong is None:
                continue
            tried += 1
            try:
                _, one_sided = right.checked(wrong[0])
            except NetworkError:
                continue
            found.append((seed, n, kind, wrong[1], named(wrong[0].network, one_sided, *wrong[1:])))
    return found, tried


def load_torch(module, shape):
    return exactcam.from_torch(module, shape)


def through_onnx(folder):
    pytest.importorskip("onnx")

    def load(module, shape):
        (folder / "m.onnx").write_bytes(onnx_bytes(module, shape))
        return exactcam.load(folder / "m.onnx")

    return load


LOADERS = [load_torch, through_onnx]


def loader(load, folder):
    return load(folder) if load is through_onnx else load


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("load", LOADERS)
def test_mutants_of_the_translation_are_refused(load, part, monkeypatch, tmp_path):
    seeds = range(100 + part * 4, 102 + part * 4)
    found, tried = survivors(seeds, loader(load, tmp_path), monkeypatch, 3)
    assert tried
    assert not found


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("load", LOADERS)
def test_a_thousand_mutants_are_refused_or_named(load, part, monkeypatch, tmp_path):
    seeds = range(1000 + part * 11, 1011 + part * 11)
    found, tried = survivors(seeds, loader(load, tmp_path), monkeypatch, 6)
    assert tried >= 50
    assert all(named for *_, named in found), found
    assert len(found) <= 0.02 * tried


def far_bounds(module, rng, load):
    """Give one layer a bound that few inputs reach, or none; whether it is such that none does."""
    reach = 1e300 if load is load_torch else float(np.finfo(np.float32).max)
    bounded = [part for part in module.modules() if type(part) is nn.Hardtanh]
    bound = rng.choice([100.0, 1e4, 1e30, reach, reach])
    if bounded:
        rng.choice(bounded).max_val = bound
    return bool(bounded) and bound == reach


def odd(module, rng, load):
    """Give the module units of huge or of no bias, or of no weight, and a far bound.

    Whether a breakpoint is out of reach of every input.
    """
    kinds = (nn.Linear, nn.Conv2d)
    layers = [part for part in module.modules() if isinstance(part, kinds)]
    with torch.no_grad():
        for _ in range(2):
            layer = rng.choice(layers)
            unit, size = rng.randrange(len(layer.bias)), rng.choice([0.0, 100.0, 1e4, -1e4, -6e4])
            layer.bias[unit] = size
            layer.weight[unit] *= rng.choice([0.0, 1.0, 2.0**-40])
    return far_bounds(module, rng, load)


def right_networks(seeds, load, monkeypatch):
    """Check networks that are right; how many have notes: those with a breakpoint out of reach."""
    noted = 0
    for seed in seeds:
        rng = random.Random(seed)
        module, shape = network(rng)
        beyond = seed % 2 == 1 and odd(module, rng, load)
        if load is load_torch:
            dtypes = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
            module = module.to(dtypes[seed // 2 % 4])
        right = read(load, module, shape, monkeypatch)
        notes, one_sided = right.checked()
        assert all("seen on one side" in note for note in notes), (seed, notes)
        assert bool(notes) == beyond, (seed, notes)
        if notes:
            noted += 1
            seen = of_many_points(right.network, right.masses, seed)
            for k, units in one_sided.items():
                assert np.isin(units, seen[k]).all(), (seed, notes)
    return noted


def of_many_points(network, masses, seed):
    """By node, the units of which 10^4 sampled points see one side of a breakpoint only."""
    floats = FloatNetwork(network, masses, np.full(len(network.sizes), 2.0**-53), 1)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        sizes = rng.choice([0.1, 1, 10, 1000], 500)
        deque(floats.run({0: rng.standard_normal((network.inputs, 500)) * sizes}), 0)
    return floats.one_sided()


@pytest.mark.parametrize("load", LOADERS)
def test_right_networks_are_never_refused(load, monkeypatch, tmp_path):
    assert right_networks(range(2010, 2014), loader(load, tmp_path), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("load", LOADERS)
def test_two_hundred_right_networks_are_never_refused(load, part, monkeypatch, tmp_path):
    seeds = range(2000 + part * 10, 2010 + part * 10)
    right_networks(seeds, loader(load, tmp_path), monkeypatch)
