"""Random torch modules: exact outputs, patterns and a partition that all agree."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exactcam

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

SHAPE = (1, 2, 4, 4)


class Apply(nn.Module):
    def __init__(self, function, *parts):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, x):
        return self.function(x, *self.parts)


# Each keeps (1, 2, 4, 4), so that any order of them is a network.
BLOCKS = {
    "relu": lambda: nn.ReLU(),
    "leaky": lambda: nn.LeakyReLU(0.1, inplace=True),
    "prelu": lambda: nn.PReLU(2, init=-0.5),
    "hardtanh": lambda: nn.Hardtanh(-0.5, 0.75),
    "conv": lambda: nn.Conv2d(2, 2, 3, padding=1),
    "grouped": lambda: nn.Conv2d(2, 2, 3, padding=2, dilation=2, groups=2),
    "transposed": lambda: nn.Sequential(
        nn.ConvTranspose2d(2, 2, 2, stride=2), nn.AvgPool2d(3, stride=2, padding=1)
    ),
    "norm": lambda: nn.BatchNorm2d(2),
    "pool": lambda: nn.MaxPool2d(3, stride=1, padding=1),
    "mean": lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
    "residual": lambda: Apply(lambda x, f: x + f(x).relu(), nn.Conv2d(2, 2, 1)),
    "linear": lambda: nn.Linear(4, 4),
    "transpose": lambda: Apply(lambda x: x.transpose(2, 3) * 0.3),
    "roll": lambda: Apply(lambda x: x - x.roll((1, 2), (2, 3))),
    "maximum": lambda: Apply(lambda x: torch.maximum(x, x.flip(1))),
    "minimum": lambda: Apply(lambda x, f: torch.minimum(f(x), x[:, :1]), nn.Conv2d(2, 2, 1)),
    "upsample": lambda: nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2)),
    "halves": lambda: Apply(lambda x: torch.cat(x.chunk(2, 3)[::-1], 3).abs()),
    "channel mean": lambda: Apply(lambda x: x - x.mean((2, 3), keepdim=True)),
    "pad and cut": lambda: Apply(lambda x: F.pad(x, (1, 1, 1, 1), value=0.5)[..., 1:5, 2:]),
}


def build(names, seed):
    torch.manual_seed(seed)
    module = nn.Sequential(*(BLOCKS[name]() for name in names), nn.Flatten(), nn.Linear(32, 3))
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.25, 4)
    return module.eval()


blocks = st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=6)


@settings(max_examples=20, deadline=None)
@given(blocks, st.integers(0, 1 << 20))
def test_exact_output_is_the_float64_forward_pass(names, seed):
    module = build(names, seed)
    network = exactcam.from_torch(module, SHAPE[1:])  # its own check passes too
    double = copy.deepcopy(module).double()
    x = torch.from_numpy(3 * np.random.default_rng(seed).standard_normal(SHAPE))
    with torch.no_grad():
        theirs = double(x.clone()).numpy().ravel()
    ours = np.asarray([float(y) for y in network.evaluate(list(x.numpy().ravel()))])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * (1 + np.abs(theirs).max()))


@settings(max_examples=6, deadline=None)
@given(blocks.filter(lambda names: len(names) < 4), st.integers(0, 1 << 20))
def test_partition_of_a_slice_is_a_partition(names, seed):
    network = exactcam.from_torch(build(names, seed), SHAPE[1:], check=False)
    rng = np.random.default_rng(seed)
    plane = exactcam.Slice.through(*rng.standard_normal((3, 32)).astype(np.float32))
    exactcam.partition(network, plane, (0, 0, "1/16", "1/16")).check_invariants()
