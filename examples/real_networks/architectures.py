"""The architectures of the real-networks example, as their papers define them, in plain torch.

VGG (Simonyan and Zisserman 2014) with a linear head, with maximum or average pools; residual
networks (He et al. 2015), ResNet-18 and the small ones for 32 x 32 pictures; MobileNetV2 (Sandler et
al. 2018).
"""

from __future__ import annotations

import torch
from torch import nn

PLANS = {
    11: (64, "P", 128, "P", 256, 256, "P", 512, 512, "P", 512, 512, "P"),
    16: (64, 64, "P", 128, 128, "P", 256, 256, 256, "P", 512, 512, 512, "P", 512, 512, 512, "P"),
}


def convolution(
    inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution without bias and its batch normalisation."""
    own = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return [own, nn.BatchNorm2d(outputs)]


def vgg(depth: int, pool: type[nn.Module] = nn.MaxPool2d, classes: int = 10) -> nn.Sequential:
    """VGG with batch normalisation, for pictures of 32 x 32."""
    layers: list[nn.Module] = []
    channels = 3
    for width in PLANS[depth]:
        if width == "P":
            layers.append(pool(2))
            continue
        layers += [*convolution(channels, width, 3), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, classes))


class Residual(nn.Module):
    """Two convolutions and a shortcut, added."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        own = [*convolution(inputs, outputs, 3, stride), nn.ReLU()]
        self.own = nn.Sequential(*own, *convolution(outputs, outputs, 3))
        short = convolution(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else []
        self.short, self.after = nn.Sequential(*short), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.own(x) + self.short(x))


def resnet(
    blocks: int, widths: tuple[int, ...] = (16, 32, 64), inputs: int = 3, classes: int = 10
) -> nn.Sequential:
    """A residual network: 3 blocks a stage of three make ResNet-20, 2 of four ResNet-18's body."""
    layers: list[nn.Module] = [*convolution(inputs, widths[0], 3), nn.ReLU()]
    channels = widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            layers.append(Residual(channels, width, 2 if stage and not block else 1))
            channels = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
    return nn.Sequential(*layers, *head)


class Inverted(nn.Module):
    """Widen, filter each channel, narrow; added to the input where sizes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, factor: int) -> None:
        super().__init__()
        wide = inputs * factor
        layers = [*convolution(inputs, wide, 1), nn.ReLU6()] if factor > 1 else []
        layers += [*convolution(wide, wide, 3, stride, wide), nn.ReLU6()]
        self.own = nn.Sequential(*layers, *convolution(wide, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.own(x) if self.adds else self.own(x)


def mobilenet_v2(classes: int = 10) -> nn.Sequential:
    """MobileNetV2, its first stride left out as usual for pictures of 32 x 32."""
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))
    layers, channels = [*convolution(3, 32, 3), nn.ReLU6()], 32
    for factor, width, repeats, stride in (*stages, (6, 160, 3, 2), (6, 320, 1, 1)):
        for k in range(repeats):
            layers.append(Inverted(channels, width, 1 if k else stride, factor))
            channels = width
    layers += [*convolution(channels, 1280, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(1280, classes))


def initialised(model: nn.Module, pictures: torch.Tensor) -> nn.Module:
    """He's random weights, and the statistics of batch normalisation of some pictures."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0.0, 0.2)
            layer.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(pictures)
    return model.eval()
