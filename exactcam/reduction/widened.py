"""The partition of a network from that of its reduced one.

Regions, vertices and output maps are the same; only patterns, and the integer under the output
maps, are those of the whole network (Theorem 31 of proofs/reduction.md).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import gmpy2
import numpy as np

from ..arithmetic.rational import mpq, mpz
from ..complex.cell_data import Outlines
from ..complex.output_maps import OutputMaps, frozen
from ..complex.partition import Partition
from ..complex.patterns import Patterns
from ..model.network import Network
from ..model.nodes import Affine, Pointwise
from ..model.slice import Slice
from ..runtime.cached import cached_property
from .unstable import Reduced

__all__ = ["WidenedMaps", "WidenedPatterns", "widened"]


@dataclass(frozen=True)
class WidenedPatterns:
    """Patterns of the reduced network as patterns of the whole one."""

    inner: Patterns
    reduced: Reduced

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, cell: int) -> np.ndarray:
        return self._widened(self.inner[cell])

    def whole(self) -> np.ndarray:
        return self._widened(self.inner.whole())

    def _widened(self, codes: np.ndarray) -> np.ndarray:
        """Patterns (..., units) in the codes of the whole network."""
        whole = self.reduced
        out = np.empty((*codes.shape[:-1], len(whole.pattern)), dtype=whole.pattern.dtype)
        out[...] = whole.pattern
        out[..., whole.units] = whole.codes[whole.starts + codes.astype(np.int64)]
        return out


class WidenedMaps(OutputMaps):
    """Output maps of the reduced network over the scale of the whole one."""

    def __init__(self, inner: OutputMaps, network: Network, plane: Slice) -> None:
        self._inner, self._network, self._plane = inner, network, plane

    @cached_property
    def scale(self) -> mpz:
        denominators = {0: self._plane.block.denominator}
        for k, node in enumerate(self._network.nodes):
            inputs = [denominators[v] for v in node.inputs]
            own = node.scale if isinstance(node, Affine | Pointwise) else 1
            denominators[k + 1] = gmpy2.lcm(mpz(1), *inputs) * own
        return denominators[self._network.output]

    @property
    def _ratio(self) -> mpq:
        """By what integers of the reduced network are multiplied."""
        return mpq(self.scale, self._inner.scale)

    def form(self, cell: int) -> np.ndarray:
        return self._over(self._inner.form(cell))

    def whole(self) -> np.ndarray:
        return frozen(self._over(self._inner.whole()))

    def _over(self, forms: np.ndarray) -> np.ndarray:
        """Integers over the reduced network's scale as integers over the whole one's."""
        return forms * self._ratio.numerator // self._ratio.denominator

    def keys(self) -> list[Hashable]:
        return self._inner.keys()

    def may_tie(self, level: mpq) -> np.ndarray:
        return self._inner.may_tie(level)

    def prefetch(self, jobs: int = 1, exact: bool = True) -> None:
        self._inner.prefetch(jobs, exact)


def widened(part: Partition, reduced: Reduced, network: Network, plane: Slice) -> Partition:
    """The whole network's partition, from that of the reduced one on the same window."""
    return Partition(
        network,
        plane,
        part.window,
        part.engine,
        WidenedPatterns(part._patterns, reduced),
        Outlines(part.offsets, part.corners),
        part.vertices,
        WidenedMaps(part.output_maps, network, plane),
    )
