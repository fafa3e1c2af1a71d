"""Which values of the network do not vary with v on a cell, because all that they add is zero.

In an image many pixels are the same along one direction of a slice, so that whole knot lines
of a convolution are upright. Their float coefficient of v is then zero, but with an error bound
that it shares with that of u, which proves nothing; what is multiplied by zero does (Lemma 27
of proofs/filter.md).
"""

from __future__ import annotations

import numpy as np

from ..model.network import Network
from ..model.slice import Slice
from .float_activation import FloatPointwise, in_floats

__all__ = ["Uprights"]


class Uprights:
    """Finds, on cells given by their codes, the values whose coefficient of v is exactly zero."""

    def __init__(self, network: Network, plane: Slice) -> None:
        self.network, self._float = network, in_floats(network)
        varies = np.asarray([x != 0 for x in plane.e2], dtype=np.float64)
        self._root = self._affine(0, {0: varies[None, None]})

    def values(self, codes: np.ndarray, number: int) -> np.ndarray:
        """Which entries of the input of layer `number` are proven not to vary with v.

        Parameters
        ----------
        codes : np.ndarray (cells, units)
            The cells' patterns, of which only the codes of earlier layers are read.
        number : int
            The number of the layer.

        Returns
        -------
        np.ndarray, bool (cells, size)
        """
        # Cells with equal codes so far share all; in canonical order these follow each other.
        before = codes[:, : self.network.unit_offsets[number]]
        new = np.ones(len(codes), dtype=np.bool_)
        new[1:] = (before[1:] != before[:-1]).any(axis=1)
        prefix, which = before[new], np.cumsum(new) - 1
        # 1 where a value may vary, else 0: (cells, 1, size), as of forms with one coefficient.
        values = {v: np.repeat(x, len(prefix), axis=0) for v, x in self._root.items()}
        layers = zip(self.network.layers[:number], self._float.layers, strict=False)
        for layer, ready in layers:
            own, x = layer.codes(prefix), values[layer.source]
            if isinstance(ready, FloatPointwise):
                values[layer.value] = x * ready.steep[ready.which, own // 2][:, None]
            else:
                values[layer.value] = np.take_along_axis(x, ready.taken(own)[:, None], axis=2)
            values = self._affine(layer.number + 1, values)
        found: np.ndarray = values[self.network.layers[number].source][which, 0] == 0.0
        return found

    def _affine(self, number: int, values: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """`Network.through_affine` of what may vary."""
        affine = self._float.affine
        return self.network.through_affine(number, values, lambda k, x: affine[k].reached(x))
