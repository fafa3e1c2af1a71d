"""Local complexity: how many regions a network has near points, on random planes through them.

The regions of a ball in hundreds of dimensions cannot be counted; on a plane they can. Here each
point gets planes of random direction, and the regions in a square around it are counted exactly.
The mean is an estimate of one number: the expected count on a random plane. It says nothing of how
many regions the ball of that radius has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic.rational import finite
from ..errors import ExactcamError, NetworkError
from ..model.network import Network
from ..runtime.arguments import arrayed, expect, integer
from .partitions import Partitions, partitions

__all__ = ["LocalComplexity", "local_complexity", "random_planes"]

_POINTS = "an array of points, (n, inputs) or one input each"


@dataclass(frozen=True, repr=False)
class LocalComplexity:
    """Exact region counts on random planes through points.

    Attributes
    ----------
    regions : ndarray of int, (points, planes)
        The number of activation regions in a square of side 2 radius around each point, on each of
        its random planes.
    partitions : Partitions
        The partitions themselves: that of point i and plane j is number i * planes + j.
    radius : float
        Half the side of the squares.
    """

    regions: np.ndarray
    partitions: Partitions
    radius: float

    def __repr__(self) -> str:
        points, planes = self.regions.shape
        return (
            f"<LocalComplexity: {self.mean:.4g} +- {self.standard_error:.2g} regions on a random plane, "
            f"{points:,} points, {planes:,} planes each>"
        )

    @property
    def per_point(self) -> np.ndarray:
        """The mean count of every point over its planes, (points,)."""
        return self.regions.mean(axis=1)

    @property
    def mean(self) -> float:
        """The mean count: an estimate of the expected number of regions on a random plane."""
        return float(self.regions.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of `mean`, the points being a random sample: from the spread of their
        means, or for one point of its planes. NaN for one plane through one point."""
        means = self.per_point if len(self.regions) > 1 else self.regions[0]
        return float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else np.nan


def local_complexity(
    network: Network,
    points: Any,
    radius: float,
    planes: int = 1,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> LocalComplexity:
    """Count the regions near points, on random planes through them.

    Parameters
    ----------
    network : Network
        Any continuous piecewise-linear network of at least two inputs.
    points : array of floats, (n, inputs)
        For example images; each entry of the first axis is one input, flattened.
    radius : float
        Half the side of the squares in which regions are counted, in input space.
    planes : int
        How many random planes through every point. Their directions are orthonormal, up to
        rounding, and uniform.
    seed : int
        Equal seeds give equal planes.
    jobs : int
        How many processes to use, where they can be forked.
    progress : callable, optional
        Called now and then with the number of planes done so far.

    Returns
    -------
    LocalComplexity
        The counts, which are exact, their mean and its standard error.

    Examples
    --------
    >>> import exactcam
    >>> bump = exactcam.from_arrays([([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [0])])
    >>> exactcam.local_complexity(bump, [[0, 0], [3, 1]], radius=0.5, planes=2).regions.tolist()
    [[4, 4], [1, 1]]
    """
    expect(network, Network, "network", "a Network, of exactcam.load or from_torch", NetworkError)
    if isinstance(radius, bool) or not isinstance(radius, (int, float, np.floating, np.integer)):
        raise ExactcamError(f"radius is a {type(radius).__name__}: give a positive number")
    side = float(radius)
    if not 0.0 < side < np.inf:
        raise ExactcamError(f"radius is {radius}: give a positive number")
    origins, directions = random_planes(network.inputs, points, planes, seed)
    found = partitions(network, (origins, directions), (-side, -side, side, side), jobs, progress)
    return LocalComplexity(found.activation_regions.reshape(-1, planes), found, side)


def random_planes(
    inputs: int, points: Any, planes: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Planes of random direction through points, as `partitions` takes them.

    Returns
    -------
    origins, directions : ndarray of float64, (n planes, inputs) and (n planes, 2, inputs)
    """
    planes, seed = integer(planes, "planes", least=1), integer(seed, "seed", least=0)
    array = arrayed(points, "points", _POINTS)
    if array.dtype.kind not in "fiub" or array.ndim < 2 or array[:1].size != inputs or inputs < 2:
        raise ExactcamError(
            f"points are of shape {array.shape} and type {array.dtype}: give an array of numbers, one "
            f"or more rows of the network's {inputs} inputs, at least two"
        )
    origins = array.reshape(-1, inputs).astype(np.float64).repeat(planes, axis=0)
    finite(origins, "points")
    directions = np.random.default_rng(seed).standard_normal((len(origins), 2, inputs))
    first, second = directions[:, 0], directions[:, 1]
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second -= (first * second).sum(axis=1, keepdims=True) * first
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    return origins, directions
