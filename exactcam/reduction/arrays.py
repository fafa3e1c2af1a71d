"""What exact columns ask of arrays of floats, by numpy here or by torch on another device.

Sums of digits are exact in any order (Lemma 29 of proofs/reduction.md), so it does not matter who adds
them up, and results are equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from ..engine.float_products import FloatProduct
from ..engine.kernels import digits as kernels
from ..errors import ExactcamError, MissingExtraError

__all__ = ["HOST", "Arrays", "Host", "Torch", "arrays_on"]

Product = Callable[[Any, Any], None]  # out += W x, of rows (cells, columns, entries)


class Host:
    """Arrays of numpy, loops compiled by numba, products by BLAS."""

    def put(self, array: np.ndarray) -> Any:
        """An array of numpy on this device."""
        return array

    def get(self, array: Any) -> np.ndarray:
        """An array of this device as one of numpy."""
        return np.asarray(array)

    def zeros(self, *shape: int) -> Any:
        """Zeros of float64."""
        return np.zeros(shape)

    def joined(self, planes: Sequence[Any]) -> Any:
        """Arrays one after another along the first axis."""
        return np.concatenate(planes)

    def taken(self, array: Any, which: np.ndarray) -> Any:
        """Some entries of the last axis."""
        return np.ascontiguousarray(array[..., which])

    def carry(self, planes: Any, base: float) -> Any:
        """Balance digits (planes, columns, entries) in place; what the last plane carries over."""
        above = np.empty(planes.shape[1:])
        kernels.carry(planes.reshape(len(planes), -1), above.reshape(-1), base)
        return above

    def times(self, planes: Any, factors: Any, base: float) -> Any:
        """Digits (planes, columns, entries) times those of integers, (factors, entries)."""
        out = np.empty((len(planes) + len(factors), *planes.shape[1:]))
        kernels.times(planes, np.ascontiguousarray(factors), out, base)
        return out

    def product(self, matrix: Matrix, product: FloatProduct) -> Product:
        """The product with a matrix that is rounded to `product`."""
        return lambda x, out: product(np.ascontiguousarray(x), out, True)


HOST = Host()
Arrays = Host


class Torch(Host):
    """Arrays of torch on one of its devices, in float64."""

    def __init__(self, device: str) -> None:
        try:
            import torch
        except ImportError:
            raise MissingExtraError(
                f"device {device!r} needs torch: pip install 'exactcam[torch]'"
            ) from None
        try:
            self.device = torch.device(device)
            torch.zeros(1, dtype=torch.float64, device=self.device)
        except (RuntimeError, AssertionError, TypeError) as error:
            reason = str(error).partition("\n")[0]
            raise ExactcamError(f"device {device!r} cannot be used: {reason}") from None
        self.torch = torch

    def put(self, array: np.ndarray) -> Any:
        return self.torch.from_numpy(np.array(array, order="C")).to(self.device)

    def get(self, array: Any) -> np.ndarray:
        found: np.ndarray = array.cpu().numpy()
        return found

    def zeros(self, *shape: int) -> Any:
        return self.torch.zeros(shape, dtype=self.torch.float64, device=self.device)

    def joined(self, planes: Sequence[Any]) -> Any:
        return self.torch.cat(list(planes))

    def taken(self, array: Any, which: np.ndarray) -> Any:
        return array.index_select(array.ndim - 1, self.put(which))

    def carry(self, planes: Any, base: float) -> Any:
        above = self.zeros(*planes.shape[1:])
        for here in planes:
            here += above
            above = self.torch.round(here * (1.0 / base))
            here.sub_(above * base)
        return above

    def times(self, planes: Any, factors: Any, base: float) -> Any:
        out = self.zeros(len(planes) + len(factors), *planes.shape[1:])
        for place, factor in enumerate(factors):
            out[place : place + len(planes)].addcmul_(planes, factor)
        self.carry(out, base)
        return out

    def product(self, matrix: Matrix, product: FloatProduct) -> Product:
        if isinstance(matrix, Convolution):
            return _TorchConvolution(self, matrix, product)
        if isinstance(matrix, Dense):
            dense = self.put(product.numbers)
        else:
            dense = self._sparse(matrix, product.numbers)

        def add(x: Any, out: Any) -> None:
            rows = x.reshape(-1, x.shape[-1])
            found = rows @ dense if isinstance(matrix, Dense) else (dense @ rows.T).T
            out += found.reshape(out.shape)

        return add

    def _sparse(self, matrix: Sparse, numbers: np.ndarray) -> Any:
        """A sparse matrix of torch."""
        indptr, indices, data = (self.put(x) for x in (matrix.indptr, matrix.indices, numbers))
        return self.torch.sparse_csr_tensor(indptr, indices, data, matrix.shape)


class _TorchConvolution:
    """A convolution of torch arrays: patches, some at a time, times the kernel."""

    def __init__(self, on: Torch, matrix: Convolution, product: FloatProduct) -> None:
        groups, (rows, channels, taps) = matrix.groups, product.numbers.shape
        self._kernel = on.put(product.numbers).reshape(groups, rows // groups, channels * taps)
        self._source = matrix.source[0]
        self._gather = on.put(matrix.gather.T.ravel())
        self._on, self._taps = on, taps

    def __call__(self, x: Any, out: Any) -> None:
        groups, rows, _ = self._kernel.shape
        cells = x.reshape(-1, self._source, x.shape[-1] // self._source)
        target = out.view(len(cells), groups * rows, -1)
        some = max(1, _PATCHES // (len(self._gather) * self._source))
        for k in range(0, len(cells), some):
            plane = cells[k : k + some]
            # The last place is the padding, which -1 reads.
            plane = self._on.torch.nn.functional.pad(plane, (0, 1))
            patches = plane[:, :, self._gather]
            patches = patches.reshape(len(plane), groups, -1, target.shape[2])
            found = self._kernel @ patches
            target[k : k + some] += found.reshape(len(plane), -1, target.shape[2])


_PATCHES = 1 << 28  # numbers in the patches that are multiplied at once: 2 GB of the device


def arrays_on(device: str | None) -> Arrays:
    """numpy's arrays, or torch's on a device by torch's name of it ("cuda", "cuda:1", "cpu")."""
    return HOST if device is None else Torch(device)
