"""Constant expressions have the values and types that torch and ONNX give them."""

import logging
from contextlib import suppress
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import exactcam
from exactcam.errors import NetworkError, UnsupportedLayerError
from exactcam.loaders.casts import FORMATS

torch = pytest.importorskip("torch")
Call = pytest.importorskip("tools.torch_modules").Call
nn, F = torch.nn, torch.nn.functional


def agree(module, shape):
    """The network, which loads with its check and has the module's values."""
    module = module.eval()
    network = exactcam.from_torch(module, shape)
    rng = np.random.default_rng(0)
    for x in np.abs(rng.standard_normal((4, *shape))).astype(np.float32):
        ours = np.asarray([float(y) for y in network.evaluate(x.ravel().astype(float).tolist())])
        with torch.no_grad():
            theirs = module(torch.from_numpy(x[None])).double().numpy().ravel()
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())
    return network


def value_of(constant):
    """The exact numbers that a constant expression has in the network."""
    network = exactcam.from_torch(Call(lambda x: x.sum() * 0 + constant()).eval(), (1,))
    return list(network.evaluate([0])), network.notes


W = torch.tensor([[1.0001, 2.0003], [-0.3333, 0.1]])
EMBEDDING, LINEAR = nn.Embedding(4, 1), nn.Linear(2, 8)
TRUTHS = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
CASES = {
    "half": (lambda x: F.relu(F.linear(x, W.half().float())), (2,)),
    "bfloat16": (lambda x: F.relu(F.linear(x, W.bfloat16().float())), (2,)),
    "sum of truths": (lambda x: F.relu(x * (TRUTHS[0] + TRUTHS[1])), (4,)),
    "cast to bool": (lambda x: F.relu(x * torch.tensor([0.5, 0, 2.9]).bool()), (3,)),
    "wrap": (lambda x: F.relu(x * (torch.tensor([0, 5], dtype=torch.uint8) - 3)), (2,)),
    "int8 / 127": (lambda x: F.relu(x * (torch.tensor([-128, 5], dtype=torch.int8) / 127)), (2,)),
    "floor": (lambda x: F.pad(x, [x.shape[1] // 2, 0]) * (torch.tensor([7, -7]) // 2).sum(), (2,)),
    "rsqrt": (lambda x: F.relu(x * (W[0] + 1e-5).rsqrt() + 1), (2,)),
    "softplus": (lambda x: F.relu(F.linear(x, F.softplus(W))), (2,)),
    "mask": (lambda x: x * (W > 0).float().sum(1), (2,)),
    "where": (lambda x: x + torch.where(W > 0, W, torch.zeros(())).sum(0), (2,)),
    "masked fill": (lambda x: x @ W.masked_fill(W < 0, -1.0), (2,)),
    "sign": (lambda x: x @ W.sign(), (2,)),
    "embedding": (lambda x: F.relu(x + EMBEDDING(torch.arange(4)).flatten()), (4,)),
    "in place": (lambda x: x + torch.zeros(2).add_(W[0]).mul_(3), (2,)),
    "like the input": (lambda x: x + torch.full_like(x, 0.1) * torch.ones_like(x).exp(), (2,)),
    "filled": (lambda x: x + x.clone().fill_(0.1) * W[1], (2,)),
    "chunk": (lambda x: x + (torch.cat(W.exp().chunk(2)) * 0.1).sum(0), (2,)),
    "attention mask": (
        lambda x: x @ torch.softmax(W.masked_fill(TRUTHS[1][:2], float("-inf")), 1),
        (2,),
    ),
    "dropout of a weight": (lambda x: x @ F.dropout(W, 0.5, training=False), (2,)),
    "normalised": (lambda x: x @ F.normalize(W, dim=1), (2,)),
    "never written": (lambda x: x + torch.empty(2).fill_(3) * x.new_empty(2).copy_(W[0]), (2,)),
    "inverse": (lambda x: x @ torch.linalg.inv(W), (2,)),
    "sizes": (lambda x: x.view(x.shape[0], x.shape[1] * x.shape[2]) * W[0, 0], (2, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_constant_has_the_modules_value(name):
    function, shape = CASES[name]
    agree(Call(function), shape)


PARTS = {
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 8)),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(2, 8)),
    "old weight norm": lambda: nn.utils.weight_norm(nn.Linear(2, 8)),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")
def test_a_norm_is_rounded_once_and_noted(name):
    network = agree(nn.Sequential(PARTS[name](), nn.ReLU(), nn.Linear(8, 1)), (2,))
    assert any("of constants is rounded once, to the nearest float32" in n for n in network.notes)


def test_what_a_type_determines_is_not_noted():
    _, notes = value_of(lambda: (W * 0.1 - W / 3).abs().max() + torch.arange(3).sum() / 4)
    assert not notes


def test_a_norm_is_the_float32_nearest_to_the_true_one():
    row = torch.tensor([0.1, 0.2, -0.7, 1e-3])
    (norm,), _ = value_of(lambda: torch.linalg.vector_norm(row))
    square = sum(Fraction(float(w)) ** 2 for w in row)
    half = Fraction(float(np.spacing(np.float32(float(norm))))) / 2
    exact = Fraction(str(norm))
    assert (exact - half) ** 2 < square < (exact + half) ** 2


NAMES = ("float64", "float32", "float16", "bfloat16")
OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_exact_and_then_rounded_to_its_type(name, operation):
    """Rational operations, checked by exact arithmetic and a rounding of our own."""
    rng = np.random.default_rng(1)
    kind, apply = getattr(torch, name), OPERATIONS[operation]
    a, b = (torch.from_numpy(rng.uniform(0.5, 9, 40)).to(kind) for _ in range(2))
    ours, notes = value_of(lambda: apply(a, b))
    mpq = type(ours[0])
    exact = [apply(mpq(x), mpq(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert ours == list(FORMATS[name].rounded(np.asarray(exact, object), "x"))
    assert not notes


INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


@pytest.mark.parametrize(
    "operation", ["add", "mul", "true_divide", "floor_divide", "remainder", "gt", "maximum"]
)
def test_integers_and_truths_follow_torchs_rules(operation):
    """Every pair of types; what torch itself refuses is left out."""
    numbers = np.random.default_rng(2).integers(1, 127, (2, 5))
    kinds = [getattr(torch, kind) for kind in (*INTEGERS, "bool")]
    pairs = []
    for first, second in product(kinds, kinds):
        pair = torch.tensor(numbers[0]).to(first), torch.tensor(numbers[1]).to(second)
        with suppress(RuntimeError):  # truth values have no remainder
            getattr(torch, operation)(*pair)
            pairs.append(pair)
    expected = torch.cat([getattr(torch, operation)(*pair).double() for pair in pairs])
    ours, notes = value_of(
        lambda: torch.cat([getattr(torch, operation)(*pair).double() for pair in pairs])
    )
    assert ours == [Fraction(x) for x in expected.tolist()]
    assert not notes


# What the output does not need


def test_a_dead_sigmoid_is_not_judged():
    network = exactcam.from_torch(Call(lambda x: (torch.sigmoid(x), F.relu(x))[1]), (2,))
    assert (network.units, network.notes) == (2, ())


def test_a_dead_sigmoid_is_not_the_final_one():
    module = Call(lambda x: (torch.sigmoid(x), F.relu(x))[1])
    assert not exactcam.from_torch(module, (2,), drop_final=True).notes
    for last in (torch.sigmoid, torch.sigmoid_):
        live = Call(lambda x, last=last: last(F.relu(x)))
        notes = exactcam.from_torch(live, (2,), drop_final=True).notes
        assert any("final sigmoid" in note for note in notes)


def test_a_dead_input_of_a_program(tmp_path):
    class Two(nn.Module):
        def forward(self, x, unused):
            return F.relu(x)

    program = torch.export.export(Two(), (torch.zeros(1, 2), torch.zeros(1, 3)), strict=False)
    torch.export.save(program, tmp_path / "m.pt2")
    assert exactcam.load(tmp_path / "m.pt2").inputs == 2


# Sizes, messages


HUGE = {
    "one tensor": lambda x: x + torch.zeros(1 << 20, 1 << 12).sum(),
    "a product": lambda x: x + (torch.ones(1 << 22, 1) @ torch.ones(1, 1 << 22)).sum(),
    "work": lambda x: x + torch.linalg.multi_dot([torch.ones(2048, 2048)] * 200).sum(),
    "an inverse": lambda x: x + torch.linalg.inv(torch.eye(2800)).sum(),
    "copies": lambda x: x + torch.ones(4, 4).repeat(1 << 14, 1 << 14).max(),
    "a range": lambda x: x + torch.arange(1 << 40).sum(),
}


@pytest.mark.parametrize("name", HUGE)
def test_sizes_are_known_before_a_constant_is_computed(name):
    with pytest.raises(NetworkError, match="out of reach"):
        exactcam.from_torch(Call(HUGE[name]).eval(), (2,))


def test_a_constant_of_unknown_kind_is_called_one():
    module = Call(lambda x: x + torch.fft.rfft(W).real.sum())
    with pytest.raises(UnsupportedLayerError, match="constant expression"):
        exactcam.from_torch(module, (2,))


def test_random_constants_are_refused():
    with pytest.raises(UnsupportedLayerError, match="random"):
        exactcam.from_torch(Call(lambda x: x + torch.rand(2)), (2,))
    with pytest.raises(UnsupportedLayerError, match="random in training mode"):
        exactcam.from_torch(Call(lambda x: x + F.dropout(W[0], 0.5, training=True)), (2,))


def test_numbers_that_were_never_written_are_no_constants():
    with pytest.raises(exactcam.ExactcamError, match="empty that nothing sets"):
        exactcam.from_torch(Call(lambda x: x + torch.empty(2)), (2,))


def written(write, made=torch.zeros):
    """Values that are no floats of float32, written into a tensor of float32."""

    return lambda x: F.relu(write(made(1, 4), x * 0.3) - 0.1)


def sliced(y, v):
    y[:, :2] = v[:, :2]
    return y


def one_by_one(y, v):
    for k in range(4):
        y[:, k] = v[:, k] * (k + 1)
    return y


PAIR = torch.tensor([1, 3])
MASK = torch.tensor([True, False, True, False])
WRITES = {
    "slice": sliced,
    "one by one": one_by_one,
    "copy": lambda y, v: y.copy_(v),
    "row": lambda y, v: torch.stack([y[0].add_(v[0])]),
    "in place": lambda y, v: y.add_(v),
    "out": lambda y, v: torch.add(v, 0.1, out=y),
    "index_put": lambda y, v: y.index_put((torch.tensor([0]), PAIR), v[0, :2]),
    "index_add": lambda y, v: y.index_add_(1, PAIR, v[:, :2]),
    "index_copy": lambda y, v: y.index_copy(1, PAIR, v[:, :2]),
    "scatter": lambda y, v: y.scatter(1, PAIR[None], v[:, :2]),
    "masked_fill": lambda y, v: y.masked_fill(MASK, v[0, 1]),
    "masked_scatter": lambda y, v: y.masked_scatter(MASK[None], v),
    "select_scatter": lambda y, v: torch.select_scatter(y, v[:, 0], 1, 2),
    "slice_scatter": lambda y, v: torch.slice_scatter(y, v[:, :2], 1, 1, 3),
    "fill": lambda y, v: y.fill_(v.sum()),
    "where": lambda y, v: torch.where(MASK, v, y),
    "diagonal": lambda y, v: y.view(2, 2).diagonal().copy_(v[0, :2]).sum() + y,
}


@pytest.mark.parametrize("name", WRITES)
def test_values_are_written_into_a_constant_of_a_narrower_type(name):
    agree(Call(written(WRITES[name])), (4,))


def test_what_is_written_everywhere_may_be_unset_before():
    agree(Call(written(one_by_one, torch.empty)), (4,))
    with pytest.raises(exactcam.ExactcamError, match="empty that nothing sets"):
        exactcam.from_torch(Call(written(sliced, torch.empty)), (4,))


def test_a_constant_that_is_not_finite_is_named():
    with pytest.raises(
        exactcam.ExactcamError, match=r"layer .*is inf: every number must be finite"
    ):
        exactcam.from_torch(Call(lambda x: x + W[0] / 0), (2,))


# Operators that torch decomposes


DECOMPOSED = {
    "hstack": lambda x: F.relu(torch.hstack([x, -x]).swapaxes(0, 1).ravel()),
    "addcmul": lambda x: torch.addcmul(x, W[0], W[1], value=2).relu(),
    "diff": lambda x: x.diff(dim=1).relu(),
    "atleast": lambda x: torch.atleast_3d(x).relu(),
}


@pytest.mark.parametrize("name", DECOMPOSED)
def test_unknown_operators_are_decomposed(name):
    agree(Call(DECOMPOSED[name]), (2,))


# Modules in wrappers


def plain():
    return nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)).eval()


def inside(wrap):
    module = plain()
    module[0] = wrap(module[0])
    return module


class Attached(nn.Module):
    """As a LightningModule: a property that raises, and no copies."""

    def __init__(self):
        super().__init__()
        self.inner = plain()

    @property
    def trainer(self):
        raise RuntimeError("not attached to a trainer")

    def __deepcopy__(self, memo):
        raise RuntimeError("no copy")

    def forward(self, x):
        return self.inner(x)


class CompiledForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = plain()

    @torch.compile
    def forward(self, x):
        return self.inner(x)


def compiled_in_place():
    module = plain()
    module.compile()
    return module


WRAPPED = {
    "compiled": lambda: torch.compile(plain()),
    "a compiled part": lambda: inside(torch.compile),
    "compiled in place": compiled_in_place,
    "a compiled method": CompiledForward,
    "parallel": lambda: nn.DataParallel(plain()),
    "a parallel part": lambda: inside(nn.DataParallel),
    "compiled and parallel": lambda: torch.compile(nn.DataParallel(plain())),
    "attached": Attached,
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrapped_modules_are_read_and_never_compiled(name, monkeypatch):
    def compiled(*given, **named):
        raise AssertionError("torch compiles")

    inductor = pytest.importorskip("torch._inductor.compile_fx")
    monkeypatch.setattr(inductor, "compile_fx", compiled)
    assert exactcam.from_torch(WRAPPED[name]().eval(), (2,)).units == 4


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("whole", [True, False])
def test_scripted_modules_are_told_what_to_do(whole):
    module = torch.jit.script(plain()) if whole else inside(torch.jit.script)
    with pytest.raises(NetworkError, match=r"scripted.*give the module it was made from"):
        exactcam.from_torch(module, (2,))


def test_torch_says_nothing_beside_the_error(capfd):
    torch._logging.set_logs(all=logging.WARNING)
    module = Call(lambda x: x if x.sum() > 0 else -x)
    with pytest.raises(NetworkError, match="depends on the data"):
        exactcam.from_torch(module, (2,))
    assert capfd.readouterr() == ("", "")
