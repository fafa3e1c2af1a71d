"""Weights kept as floats are the integers that they would be otherwise, to the last digit."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactcam.arithmetic.kept_floats import Floats
from exactcam.arithmetic.rational import common_integers, mpq, objects
from exactcam.errors import NumberError
from exactcam.files.strict_json import dump
from exactcam.loaders import graph
from exactcam.loaders.forms import floats
from exactcam.loaders.from_torch import from_torch

torch = pytest.importorskip("torch")
nn = torch.nn

_doubles = st.floats(allow_nan=False, allow_infinity=False, width=64)
_short = st.floats(-4, 4, width=16)
_factors = st.fractions(-8, 8, max_denominator=40) | _short | st.just(0)


@st.composite
def _kept(draw):
    """Numbers as floats by rows, with the same numbers as rationals."""
    rows, length = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    numbers = draw(st.lists(draw(st.sampled_from([_doubles, _short])), min_size=rows * length))
    dtype = draw(st.sampled_from([np.float64, np.float32, np.float16]))
    with np.errstate(over="ignore"):
        values = np.resize(np.asarray(numbers, np.float64), (rows, length)).astype(dtype)
    values[~np.isfinite(values)] = 1
    kept = Floats.of(values, "values")
    exact = objects(map(mpq, values.ravel().tolist()), values.shape)
    for _ in range(draw(st.integers(0, 2))):
        factors = objects(mpq(draw(_factors)) for _ in range(rows))
        kept, exact = kept.times(factors), exact * factors[:, None]
    return kept, exact


@settings(max_examples=200, deadline=None)
@given(_kept(), st.integers(1, 30))
def test_rows_of_floats_are_the_rationals(pair, more):
    kept, exact = pair
    numbers, scale = common_integers(exact.ravel())
    assert kept.denominator == scale
    whole = kept.times(mpq(scale * more))
    assert whole.integers.ravel().tolist() == [n * more for n in numbers]
    assert np.concatenate(list(whole.parts())).tolist() == [n * more for n in numbers]
    assert whole.bits == max(abs(n * more).bit_length() for n in numbers)
    assert "integers" not in vars(kept)  # only the numbers over their scale are integers
    expected = floats(objects(numbers, exact.shape) * more, scale * more)
    assert (floats(whole, scale * more) == expected).all()


def test_what_is_not_finite_is_named():
    with pytest.raises(NumberError, match=r"weight\[1, 2\] is nan"):
        Floats.of(np.asarray([[0.0, 1, 2], [3, 4, np.nan]]), "weight")


def _norm(kind, channels, seed):
    """A normalisation with statistics, one of whose channels is switched off."""
    rng = np.random.default_rng(seed)
    out = kind(channels)
    for name, low, high in (
        ("weight", -1, 2),
        ("bias", -1, 1),
        ("running_mean", -1, 1),
        ("running_var", 0.5, 2),
    ):
        getattr(out, name).data = torch.tensor(
            rng.uniform(low, high, channels), dtype=torch.float32
        )
    out.weight.data[0] = 0
    return out


def _drawn(module, seed, dtype=torch.float32):
    """The module with weights that do not depend on torch's own random numbers."""
    rng = np.random.default_rng(seed)
    for parameter in module.parameters():
        drawn = rng.standard_normal(tuple(parameter.shape))
        parameter.data = torch.tensor(drawn, dtype=dtype)
    return module.to(dtype).eval()


class _Permuted(nn.Module):
    """Channels come last where the fully connected layer reads them."""

    def __init__(self):
        super().__init__()
        self.conv, self.dense = _drawn(nn.Conv2d(2, 3, 2), 1), _drawn(nn.Linear(27, 4), 2)

    def forward(self, x):
        return self.dense(torch.relu(self.conv(x)).permute(0, 2, 3, 1).flatten(1))


class _Scaled(nn.Module):
    """A third of a convolution, scaled once more behind the residual sum."""

    def __init__(self):
        super().__init__()
        self.conv = _drawn(nn.Conv2d(2, 2, 3, padding=1), 3)

    def forward(self, x):
        return torch.relu(self.conv(x) / 3 + x) * 0.1


def _cases():
    yield (
        "norm",
        nn.Sequential(
            _drawn(nn.Conv2d(2, 4, 3, groups=2), 4),
            _norm(nn.BatchNorm2d, 4, 5),
            nn.ReLU(),
            nn.Flatten(),
            _drawn(nn.Linear(16, 3), 6),
            _norm(nn.BatchNorm1d, 3, 7),
        ),
    )
    yield (
        "transposed",
        nn.Sequential(
            _drawn(nn.ConvTranspose2d(2, 4, 3, 2, groups=2), 8), _norm(nn.BatchNorm2d, 4, 9)
        ),
    )
    yield (
        "double",
        _drawn(nn.Sequential(nn.Conv2d(2, 2, 2), nn.ReLU(), nn.Flatten()), 10, torch.float64),
    )
    yield "half", _drawn(nn.Sequential(nn.Flatten(), nn.Linear(32, 3)), 11, torch.float16)
    yield "permuted", _Permuted()
    yield "scaled", _Scaled()


_CASES = dict(_cases())
_HASHES = {
    "norm": "def477c62f3ce8bab27a7feee92a882110af1814ffdb3b35f775541f6b62dce8",
    "transposed": "9f7d719587d3d976bf73410c79788480c8f54e106235a81b9c282fdf7d97191b",
    "double": "341a5eae41b89f9cb7adeef879371472a5a0ab14ea50e5222ad85ec2c2eadf05",
    "half": "9411a1bdfc519b5e41d00fcd5e808b9583ad687815ad3fba889973626bed16c7",
    "permuted": "33d9ba0541e4fbe2099b26027e6ed4c92b40ba629b153f97219a5a241d6def97",
    "scaled": "ca6c2b746bd6e4f05d1051eb25f1bba26f1a64d1b5d9acd9cd8d4ad619d99ec2",
}


@pytest.mark.parametrize("name", _CASES)
def test_networks_are_the_same_to_the_byte(name, monkeypatch):
    module = _CASES[name].eval()
    monkeypatch.setattr(graph, "_MANY", 1 << 40)
    given = from_torch(module, (2, 4, 4), check=name != "half")
    monkeypatch.setattr(graph, "_MANY", 0)
    kept = from_torch(module, (2, 4, 4), check=name != "half")
    matrices = [m for node in kept.affine_nodes.values() for m in node.matrices]
    assert any(isinstance(m.held, Floats) for m in matrices)
    assert kept.notes == given.notes
    assert kept.sha256 == _HASHES[name]
    text = dump(given.document()).encode("ascii")
    assert kept.sha256 == hashlib.sha256(text).hexdigest()
    assert json.dumps(kept.document()) == json.dumps(given.document())


def test_training_on_leaves_the_network_alone(monkeypatch):
    monkeypatch.setattr(graph, "_MANY", 0)
    module = _drawn(nn.Sequential(nn.Flatten(), nn.Linear(32, 3)), 12)
    network = from_torch(module, (2, 4, 4))
    before = module[1].weight.detach().clone()
    with torch.no_grad():
        module[1].weight.mul_(3)
    module[1].weight.data = before
    assert network.sha256 == from_torch(module, (2, 4, 4)).sha256
