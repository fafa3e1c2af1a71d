"""Shared fixtures: small networks made from fixed random numbers, without torch."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from exactcam import Network, from_arrays
from tools.kernels import compile_kernels

# No test judges by the clock: neither do hypothesis' deadline and its check for slow strategies.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the kernels once, before workers start: else each would compile all of them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell that began us with `&`
        signal.signal(signal.SIGINT, signal.default_int_handler)  # tests send Ctrl-C to commands
    here = not hasattr(config, "workerinput") and not config.option.collectonly
    if here and getattr(config.option, "numprocesses", None):
        compile_kernels()


@pytest.fixture(scope="session")
def random_network() -> Callable[..., Network]:
    """A function (widths, seed) -> network with uniform float32 weights, as torch would draw."""

    def make(widths: Sequence[int], seed: int = 0, negative_slope: float = 0.0) -> Network:
        rng = np.random.default_rng(seed)
        layers = []
        for fan_in, width in pairwise(widths):
            bound = fan_in**-0.5
            layers.append(
                (
                    rng.uniform(-bound, bound, (width, fan_in)).astype(np.float32),
                    rng.uniform(-bound, bound, width).astype(np.float32),
                )
            )
        return from_arrays(layers, negative_slope)

    return make
