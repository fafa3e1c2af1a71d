"""Torch modules that several test files load."""

from torch import nn


class Call(nn.Module):
    """Any function of one tensor."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)
