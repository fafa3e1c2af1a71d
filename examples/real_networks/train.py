"""Train the residual networks of this example, with and without augmentation.

Both are of 8 layers and see the 8 x 8 digits that ship with scikit-learn, enlarged to 16 x 16;
augmentation moves and turns every picture a little. Weights are rounded to float16 and written beside
this file; the accuracies printed are those after rounding. Needs the extras `examples` and `torch`;
about three minutes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from architectures import resnet
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

HERE = Path(__file__).parent
WIDTHS = (8, 16, 32)


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """All digits, (n, 1, 16, 16) with values in [0, 1], and their classes."""
    digits = load_digits()
    small = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    large = nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
    return large, torch.tensor(digits.target)


def augmented(images: torch.Tensor) -> torch.Tensor:
    """Each picture turned by up to 15 degrees, moved by up to two places and scaled a little."""
    n = len(images)
    angle, size = (torch.rand(n) - 0.5) * np.pi / 6, 1 + 0.2 * (torch.rand(n) - 0.5)
    cos, sin, moved = angle.cos() * size, angle.sin() * size, (torch.rand(n, 2) - 0.5) / 2
    rows = [torch.stack([cos, -sin, moved[:, 0]], 1), torch.stack([sin, cos, moved[:, 1]], 1)]
    places = nn.functional.affine_grid(torch.stack(rows, 1), list(images.shape), False)
    return nn.functional.grid_sample(images, places, align_corners=False)


def trained(augment: bool) -> nn.Module:
    """A network trained on three quarters of the digits."""
    torch.manual_seed(0)
    images, classes = pictures()
    seen, unseen = train_test_split(np.arange(len(classes)), test_size=0.25, random_state=0)
    model, rounds = resnet(1, WIDTHS, inputs=1), 60 if augment else 30
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, rounds)
    for _ in range(rounds):
        model.train()
        for batch in torch.randperm(len(seen)).split(64):
            own = seen[batch]
            x = augmented(images[own]) if augment else images[own]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), classes[own]).backward()
            optimizer.step()
        schedule.step()
    model.eval().half().float()
    with torch.no_grad():
        right = (model(images[unseen]).argmax(1) == classes[unseen]).double().mean()
    print(f"{'augmented' if augment else 'plain'}: accuracy {right:.4f} on unseen digits")
    return model


def main() -> None:
    for augment in (False, True):
        weights = {
            name: value.half().numpy() if value.is_floating_point() else value.numpy()
            for name, value in trained(augment).state_dict().items()
        }
        np.savez_compressed(HERE / f"{'augmented' if augment else 'plain'}.npz", **weights)


if __name__ == "__main__":
    main()
