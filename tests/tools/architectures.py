"""Small networks of the families that people use, and their files as each exporter writes them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

MODES = ["module", "pt2", "torchscript13", "torchscript17", "dynamo"]


def exported(module: Any, shape: tuple[int, ...], mode: str, folder: Path) -> Path:
    """A file of the module as an exporter writes it; the mode "dynamo" is today's default."""
    example = torch.zeros(1, *shape)
    path = folder / ("m.pt2" if mode == "pt2" else "m.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if mode == "pt2":
            torch.export.save(torch.export.export(module, (example,)), path)
        elif mode == "dynamo":
            torch.onnx.export(module, (example,), path, verbose=False)
        else:
            opset = int(mode.removeprefix("torchscript"))
            torch.onnx.export(module, (example,), path, dynamo=False, opset_version=opset)
    return path


def randomised(module: Any) -> Any:
    """The module in evaluation mode, its norms with statistics that they may have after training."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return module.eval()


def unet(width: int = 16) -> Any:
    """A U-Net of two levels for images of one channel."""

    def twice(a: int, b: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1),
            nn.BatchNorm2d(b),
            nn.ReLU(),
            nn.Conv2d(b, b, 3, padding=1),
            nn.BatchNorm2d(b),
            nn.ReLU(),
        )

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down0, self.down1 = twice(1, width), twice(width, 2 * width)
            self.bottom = twice(2 * width, 4 * width)
            self.up1 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
            self.up0 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
            self.right1, self.right0 = twice(4 * width, 2 * width), twice(2 * width, width)
            self.last, self.pool = nn.Conv2d(width, 1, 1), nn.MaxPool2d(2)

        def forward(self, x: Any) -> Any:
            a = self.down0(x)
            b = self.down1(self.pool(a))
            c = self.up1(self.bottom(self.pool(b)))
            c = self.right1(torch.cat([b, joined(b, c)], 1))
            return self.last(self.right0(torch.cat([a, joined(a, self.up0(c))], 1)))

    def joined(a: Any, b: Any) -> Any:
        """b, padded to the size of a as the usual code does it."""
        high, wide = a.size(2) - b.size(2), a.size(3) - b.size(3)
        sides = [wide // 2, wide - wide // 2, high // 2, high - high // 2]
        return nn.functional.pad(b, sides)

    return UNet()


def signed_distance(width: int = 512, layers: int = 8) -> Any:
    """A network for signed distances, whose middle layer reads the input again."""

    class Distance(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.skip = layers // 2
            sizes = [3] + [width] * (layers - 1) + [1]
            self.layers = nn.ModuleList(
                nn.Linear(a, b - 3 if k + 1 == self.skip else b)
                for k, (a, b) in enumerate(pairwise(sizes))
            )

        def forward(self, x: Any) -> Any:
            out = x
            for k, layer in enumerate(self.layers):
                if k == self.skip:
                    out = torch.cat([out, x], -1)
                out = layer(out)
                if k + 1 < len(self.layers):
                    out = torch.relu(out)
            return out

    return Distance()


class Residual(nn.Module):
    """The input, projected where it must be, plus what the parts make of it."""

    def __init__(self, inner: Any, skip: Any = None, last: Any = None) -> None:
        super().__init__()
        self.inner, self.skip, self.last = inner, skip or nn.Identity(), last or nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.last(self.inner(x) + self.skip(x))


class Joined(nn.Module):
    """The channels of several parts side by side."""

    def __init__(self, *parts: Any) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Any) -> Any:
        return torch.cat([part(x) for part in self.parts], 1)


class Shuffled(nn.Module):
    """A ShuffleNet unit: half of the channels pass, and all are interleaved."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            conv(half, half, 1), conv(half, half, 3, groups=half, last=False)
        )

    def forward(self, x: Any) -> Any:
        kept, changed = x.chunk(2, dim=1)
        out = torch.cat((kept, self.branch(changed)), dim=1)
        b, c, h, w = out.size()
        return out.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, c, h, w)


def conv(a: int, b: int, size: Any = 3, last: bool = True, **options: Any) -> Any:
    """A convolution that keeps the size, a norm and a ReLU unless `last` is false."""
    size = (size, size) if isinstance(size, int) else size
    padding = tuple(n // 2 for n in size)
    parts = [nn.Conv2d(a, b, size, padding=padding, bias=False, **options), nn.BatchNorm2d(b)]
    return nn.Sequential(*parts, *([nn.ReLU(inplace=True)] if last else []))


def classifier(*parts: Any, channels: int) -> Any:
    """Averages of all channels and a linear layer at the end."""
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


def inverted(channels: int, factor: int = 2) -> Any:
    """A MobileNet block: wider, by channels, narrow again."""
    wide = channels * factor
    first = nn.Sequential(conv(channels, wide, 1, last=False), nn.ReLU6(inplace=True))
    middle = nn.Sequential(conv(wide, wide, 3, last=False, groups=wide), nn.ReLU6(inplace=True))
    return Residual(
        nn.Sequential(first, middle, conv(wide, channels, 1, last=False)), last=nn.Identity()
    )


def dense(channels: int, growth: int) -> Any:
    """A layer of a DenseNet: it adds channels."""
    inner = nn.Conv2d(channels, growth, 3, padding=1, bias=False)
    return Joined(nn.Identity(), nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), inner))


def fire(a: int, squeezed: int, b: int) -> Any:
    """A module of a SqueezeNet."""
    small = nn.Sequential(nn.Conv2d(squeezed, b, 1), nn.ReLU(inplace=True))
    large = nn.Sequential(nn.Conv2d(squeezed, b, 3, padding=1), nn.ReLU(inplace=True))
    return nn.Sequential(nn.Conv2d(a, squeezed, 1), nn.ReLU(inplace=True), Joined(small, large))


def inception(a: int) -> Any:
    """Branches of all kinds, a factorised one and one of averages among them; 6 channels."""
    return Joined(
        conv(a, 2, 1),
        nn.Sequential(conv(a, 2, 1), conv(2, 2, (1, 3)), conv(2, 2, (3, 1))),
        nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), conv(a, 1, 1)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(a, 1, 1)),
    )


def resnet() -> Any:
    narrow = Residual(nn.Sequential(conv(2, 2), conv(2, 2, last=False)))
    wider = Residual(
        nn.Sequential(conv(2, 4, stride=2), conv(4, 4, last=False)),
        conv(2, 4, 1, last=False, stride=2),
    )
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    return classifier(conv(2, 2), pool, narrow, wider, channels=4)


def vgg() -> Any:
    first = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2))
    second = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    features = nn.Sequential(first, second, nn.MaxPool2d(2, 2), nn.AdaptiveAvgPool2d((2, 1)))
    last = nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(8, 3))
    return nn.Sequential(features, nn.Flatten(), last)


def densenet() -> Any:
    between = nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 3, 1), nn.AvgPool2d(2, 2))
    return classifier(dense(2, 2), dense(4, 2), between, dense(3, 2), nn.ReLU(), channels=5)


def squeezenet() -> Any:
    first = nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2, stride=1, ceil_mode=True)
    )
    last = nn.Sequential(nn.Dropout(), nn.Conv2d(4, 3, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(first, fire(3, 2, 2), last, nn.Flatten())


def regnet() -> Any:
    grouped = conv(4, 4, stride=2, groups=2)
    block = Residual(
        nn.Sequential(conv(2, 4, 1), grouped, conv(4, 4, 1, last=False)),
        conv(2, 4, 1, last=False, stride=2),
    )
    return classifier(block, channels=4)


IMAGE = (2, 8, 8)
FAMILIES: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "unet": (lambda: unet(2), (1, 10, 8)),
    "signed distance": (lambda: signed_distance(64), (3,)),
    "resnet": (resnet, IMAGE),
    "vgg": (vgg, IMAGE),
    "mobilenet": (lambda: classifier(conv(2, 4, stride=2), inverted(4), channels=4), IMAGE),
    "densenet": (densenet, IMAGE),
    "shufflenet": (
        lambda: classifier(conv(2, 4, stride=2), Shuffled(4), Shuffled(4), channels=4),
        IMAGE,
    ),
    "squeezenet": (squeezenet, IMAGE),
    "inception": (lambda: classifier(inception(2), inception(6), channels=6), IMAGE),
    "regnet": (regnet, IMAGE),
}
