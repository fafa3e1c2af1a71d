"""Train the classifiers of the digits example: MLP and CNN, with and without augmentation.

All four see the 8 x 8 digits that ship with scikit-learn, pixel values in [0, 1];
augmentation moves every picture by up to one pixel and adds noise. Weights are
rounded to multiples of 2^-12 - the accuracies printed are those after rounding - and
written as exact network files beside this one. Needs the extras `examples` and
`torch`; about a minute.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import exactcam

HERE = Path(__file__).parent


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
    )


def cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def augmented(pictures: torch.Tensor) -> torch.Tensor:
    padded = nn.functional.pad(pictures, (1, 1, 1, 1))
    down, across = np.random.randint(0, 3, (2, len(pictures)))
    moved = [p[:, i : i + 8, j : j + 8] for p, i, j in zip(padded, down, across, strict=True)]
    return torch.stack(moved) + 0.05 * torch.randn_like(pictures)


def train(
    model: nn.Sequential, augment: bool, pictures: torch.Tensor, labels: torch.Tensor
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
    for _ in range(150):
        for batch in torch.randperm(len(pictures)).split(64):
            shown = augmented(pictures[batch]) if augment else pictures[batch]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(shown), labels[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_((parameter.double() * 4096).round() / 4096)


if __name__ == "__main__":
    torch.set_num_threads(1)
    digits = load_digits()
    pictures = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]
    labels = torch.tensor(digits.target)
    seen, unseen = train_test_split(np.arange(len(labels)), test_size=0.25, random_state=0)
    for name, make in (("mlp", mlp), ("cnn", cnn)):
        for augment in (False, True):
            torch.manual_seed(0)
            np.random.seed(0)
            model = make()
            train(model, augment, pictures[seen], labels[seen])
            model.eval()
            right = (model(pictures[unseen]).argmax(dim=1) == labels[unseen]).float().mean()
            title = f"{name}{'-augmented' if augment else ''}"
            exactcam.write_network(exactcam.from_torch(model, (1, 8, 8)), HERE / f"{title}.json")
            print(f"{title}: {right.item():.1%} of the unseen digits right")
