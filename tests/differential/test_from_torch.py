"""torch modules against their own float64 forward pass, the loader's own check switched off."""

import copy

import numpy as np
import pytest

import exactcam

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


class Call(nn.Module):
    """A module from a function of the input, with parts it may use."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def call(function, **parts):
    return lambda: Call(function, **parts)


def agree(module, shape, points=6, **options):
    """The exact network of `module` is its float64 forward pass, up to rounding."""
    network = exactcam.from_torch(module, shape, check=False, **options)
    double = copy.deepcopy(module).double()
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((points, *shape)) * np.linspace(0.1, 8, points).reshape(
        -1, *(1 for _ in shape)
    )
    exact = network.evaluate_many([list(x.ravel()) for x in inputs])
    for x, ours in zip(inputs, exact, strict=True):
        with torch.no_grad():
            theirs = double(torch.from_numpy(x[None].copy())).numpy().ravel()
        ours = np.asarray([float(y) for y in ours])
        assert ours.shape == theirs.shape
        scale = 1 + np.abs(theirs).max()
        np.testing.assert_allclose(ours / scale, theirs / scale, rtol=0, atol=1e-12)
    # The check must pass too, or no user could load the module.
    exactcam.from_torch(module, shape, **options)
    return network


SMOOTH_FREE = {
    "relu": nn.ReLU(),
    "relu inplace": nn.ReLU(inplace=True),
    "leaky": nn.LeakyReLU(0.01),
    "prelu": nn.PReLU(4, init=0.3),
    "relu6": nn.ReLU6(),
    "hardtanh": nn.Hardtanh(-0.5, 2),
    "hardsigmoid": nn.Hardsigmoid(),
    "softshrink": nn.Softshrink(0.3),
    "threshold": nn.Threshold(0.25, 0.25),
    "rrelu": nn.RReLU(),
    "abs": Call(lambda m, x: x.abs()),
    "clamp": Call(lambda m, x: x.clamp(-1, 0.5)),
    "clamp min": Call(lambda m, x: torch.clamp(x, min=0.1)),
    "maximum constant": Call(lambda m, x: torch.maximum(x, torch.tensor([0.0, 0.1, -1, 2]))),
    "minimum": Call(lambda m, x: torch.minimum(x, x.flip(-1))),
    "maximum": Call(lambda m, x: torch.maximum(x, 2 * x - 1)),
    "amax": Call(lambda m, x: x.amax(-1, keepdim=True)),
    "max dim": Call(lambda m, x: x.max(-1).values),
    "min all": Call(lambda m, x: x.min().reshape(1, 1)),
    "maxout": Call(lambda m, x: x.view(-1, 2, 2).amax(-1)),
    "triangle wave": Call(lambda m, x: ((x.abs() - 1).abs() - 1).abs()),
}


@pytest.mark.parametrize("name", SMOOTH_FREE)
def test_activation(name):
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(3, 4), SMOOTH_FREE[name], nn.LazyLinear(2)).eval()
    module(torch.zeros(1, 3))
    agree(module, (3,))


CONVOLUTIONS = {
    "plain": nn.Conv2d(2, 4, 3),
    "stride, padding, dilation": nn.Conv2d(2, 4, 3, stride=2, padding=2, dilation=2),
    "same": nn.Conv2d(2, 3, 4, padding="same"),
    "reflect": nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
    "circular": nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
    "grouped": nn.Conv2d(2, 6, 3, groups=2),
    "depthwise": nn.Conv2d(2, 2, 3, groups=2, bias=False),
    "transposed": nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1),
    "transposed grouped": nn.ConvTranspose2d(2, 4, 3, groups=2, dilation=2),
    "max pool": nn.MaxPool2d(3, stride=2, padding=1),
    "max pool dilated": nn.MaxPool2d(2, stride=1, dilation=2),
    "max pool ceil": nn.MaxPool2d(2, stride=3, ceil_mode=True),
    "avg pool": nn.AvgPool2d(3),
    "avg pool padded": nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    "avg pool ceil": nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True),
    "avg pool divisor": nn.AvgPool2d(2, divisor_override=3),
    "adaptive avg": nn.AdaptiveAvgPool2d((4, 3)),
    "adaptive avg even": nn.AdaptiveAvgPool2d(2),
    "adaptive max": nn.AdaptiveMaxPool2d((2, 5)),
    "batch norm": nn.BatchNorm2d(2),
    "batch norm plain": nn.BatchNorm2d(2, affine=False),
    "nearest": nn.Upsample(scale_factor=2),
    "nearest size": nn.Upsample(size=(9, 5)),
    "nearest exact": nn.Upsample(scale_factor=1.5, mode="nearest-exact"),
    "pixel shuffle": nn.Sequential(nn.Conv2d(2, 8, 1), nn.PixelShuffle(2)),
    "pixel unshuffle": nn.PixelUnshuffle(2),
    "channel shuffle": nn.ChannelShuffle(2),
    "zero pad": nn.ZeroPad2d((1, 2, 0, -1)),
    "constant pad": nn.ConstantPad2d(1, 0.5),
    "replicate": nn.ReplicationPad2d((2, 1, 1, 0)),
    "dropout": nn.Dropout2d(0.5),
    "prelu": nn.PReLU(2),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_layer_on_images(name):
    torch.manual_seed(2)
    part = CONVOLUTIONS[name]
    for statistics in (m for m in part.modules() if isinstance(m, nn.BatchNorm2d)):
        statistics.running_mean.normal_()
        statistics.running_var.uniform_(0.5, 2)
    agree(
        nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), part, nn.ReLU(), nn.Flatten()).eval(),
        (2, 6, 6),
    )


EXPRESSIONS = {
    "residual": call(lambda m, x: x + m.f(x), f=nn.Sequential(nn.Linear(4, 4), nn.ReLU())),
    "fan out": call(
        lambda m, x: (lambda y: F.relu(y) + 2 * y - y.flip(-1))(m.f(x)), f=nn.Linear(4, 3)
    ),
    "scalars": call(lambda m, x: (0.1 * F.relu(x) - 3) / 7 + 1 - x),
    "concat": call(lambda m, x: torch.cat([F.relu(x), -x, torch.ones(1, 2), x[:, 1:3]], 1)),
    "chunk": call(lambda m, x: (lambda a, b: torch.maximum(a, b))(*x.chunk(2, 1))),
    "view then in place": call(lambda m, x: m.alias(x), f=nn.Linear(4, 4)),
    "input in place": call(lambda m, x: F.leaky_relu_(x, 0.1) - 1),
    "functional in place": call(lambda m, x: F.relu(m.f(x), inplace=True), f=nn.Linear(4, 4)),
    "slice assignment": call(lambda m, x: m.assign(x), f=nn.Linear(4, 4)),
    "matmul left": call(lambda m, x: torch.arange(12.0).view(3, 4).to(x.dtype) @ F.relu(x)[0]),
    "batched linear": call(lambda m, x: m.f(x.view(1, 2, 2)).relu().flatten(1), f=nn.Linear(2, 3)),
    "mean, sum": call(lambda m, x: x.relu().mean(1) + x.view(2, 2).sum(0)),
    "no_grad": call(lambda m, x: m.quiet(x), f=nn.Linear(4, 2)),
    "index": call(lambda m, x: x[:, torch.tensor([3, 0, 0])].relu() * torch.tensor([1.0, -2, 3])),
    "stack, permute, roll": call(
        lambda m, x: torch.stack([x, x.relu()], 1).permute(0, 2, 1).roll(1, 1).flatten()
    ),
    "group of equals": call(lambda m, x: x.expand(3, 4).amax(0)),
    "conv batch": call(lambda m, x: m.f(x.view(2, 1, 2)).relu(), f=nn.Conv1d(1, 2, 2)),
}


def _alias(self, x):
    y = self.f(x)
    y.view(-1).relu_()
    return y


def _assign(self, x):
    y = self.f(x).clone()
    y[:, 0] = 0
    y[:, 2:] += x[:, :2]
    return y.relu()


def _quiet(self, x):
    with torch.no_grad():
        return self.f(x).relu()


Call.alias, Call.assign, Call.quiet = _alias, _assign, _quiet


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expression(name):
    torch.manual_seed(3)
    agree(EXPRESSIONS[name]().eval(), (4,))
