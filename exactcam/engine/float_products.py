"""Products of rounded matrices with the forms of many cells: the inner loops of `FloatAffine`.

A dense matrix goes through BLAS and a sparse one by compressed rows. A convolution is never
expanded: its patches are gathered, some at a time, and multiplied by the kernel, so that it takes
the memory of its kernel, not that of the matrix. All compute sums of the same products, with zeros
added at most: the bounds of Lemma 21 hold for any order of summation, and a zero term rounds
nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ..arithmetic.constants import UNIT
from ..arithmetic.matrix import Convolution, Dense, Matrix, Sparse
from ..runtime.arena import empty, taken
from ..runtime.cached import cached_property
from .kernels.arrays import Weights
from .kernels.forms import gather_patches, sparse_product

__all__ = ["FloatProduct", "float_product"]

_PATCH = 1 << 18  # numbers in the patches that are multiplied at once: 2 MB, a core's cache
_COLUMNS = 384  # columns at least, lest a large kernel be read for a few at a time

_NO_INTS, _NO_FLOATS = np.zeros(0, dtype=np.int64), np.zeros(0)
_NOTHING = Weights(
    np.zeros((0, 0)), _NO_INTS, _NO_INTS, _NO_FLOATS, _NO_INTS, np.zeros((0, 0, 0)), 0
)


class FloatProduct(ABC):
    """One correctly rounded matrix.

    Attributes
    ----------
    numbers : float64
        The stored entries, in the order in which they are multiplied.
    dense : float64 (columns, rows)
        The transposed matrix; of size 0 where it is not dense.
    terms : int
        The most entries of a row that are not zero.
    sums, largest : float64 (rows,)
        Upper bounds of each row's sum of moduli, and of its largest modulus.
    """

    dense = _NOTHING.dense

    def __init__(
        self, numbers: np.ndarray, terms: int, sums: np.ndarray, largest: np.ndarray
    ) -> None:
        self.numbers, self.terms, self.largest = numbers, terms, largest
        self.sums = sums * (1.0 + 2.0 * (terms + 2) * UNIT)

    def __call__(
        self, x: np.ndarray, out: np.ndarray, add: bool, kept: np.ndarray | None = None
    ) -> None:
        """out = W x or out += W x, each of the rows of x (cells, rows, columns); a dense W
        may be given the `kept` columns alone, if the others are zero."""
        self._times(self.numbers, _by_rows(x), _by_rows(out), add)

    def moduli(self, x: np.ndarray, out: np.ndarray, add: bool) -> None:
        """out = |W| x or out += |W| x, as in `__call__`."""
        self._times(self._moduli, _by_rows(x), _by_rows(out), add)

    @cached_property
    def _moduli(self) -> np.ndarray:
        return np.abs(self.numbers)

    @property
    @abstractmethod
    def weights(self) -> Weights:
        """The matrix by columns, for `add_differences`."""

    @abstractmethod
    def _times(self, numbers: np.ndarray, x: np.ndarray, out: np.ndarray, add: bool) -> None:
        """out = x W^T or out += x W^T, where W has these `numbers`: its own or their moduli; x (n,
        columns) and out (n, rows)."""


def float_product(matrix: Matrix, numbers: np.ndarray) -> FloatProduct:
    """A matrix whose numbers, in file order, have been rounded to `numbers`."""
    if isinstance(matrix, Dense):
        return _DenseProduct(numbers.reshape(matrix.shape))
    if isinstance(matrix, Sparse):
        return _SparseProduct(matrix, numbers)
    return _ConvolutionProduct(matrix, numbers)


def _columns(matrix: Sparse) -> Weights:
    """The columns of a sparse matrix of floats."""
    starts, rows, order = matrix.readers
    return _NOTHING._replace(starts=starts, rows=rows, data=matrix.data[order])


def _by_rows(x: np.ndarray) -> np.ndarray:
    """An array (cells, rows, n) as (cells * rows, n)."""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


class _DenseProduct(FloatProduct):
    def __init__(self, weights: np.ndarray) -> None:
        sizes, self.dense = np.abs(weights), np.ascontiguousarray(weights.T)
        largest = sizes.max(axis=1, initial=0.0)
        super().__init__(self.dense, weights.shape[1], sizes.sum(axis=1), largest)

    @cached_property
    def weights(self) -> Weights:
        return _NOTHING._replace(dense=self.dense)

    def __call__(
        self, x: np.ndarray, out: np.ndarray, add: bool, kept: np.ndarray | None = None
    ) -> None:
        if kept is None:
            super().__call__(x, out, add)
        else:
            some = self.dense if len(kept) == len(self.dense) else taken(self.dense, kept)
            _multiply(some, _by_rows(x), _by_rows(out), add)

    def _times(self, numbers: np.ndarray, x: np.ndarray, out: np.ndarray, add: bool) -> None:
        # The cells of a batch are neighbours: half the inputs may be zero in all of them.
        kept = np.nonzero(x.any(axis=0))[0]
        if 4 * len(kept) < 3 * len(numbers):
            x, numbers = taken(x, kept, 1), taken(numbers, kept)
        _multiply(numbers, x, out, add)


def _multiply(dense: np.ndarray, x: np.ndarray, out: np.ndarray, add: bool) -> None:
    """out = x dense, or out += x dense."""
    if add:
        out += x @ dense
    else:
        np.matmul(x, dense, out=out)


class _SparseProduct(FloatProduct):
    def __init__(self, matrix: Sparse, numbers: np.ndarray) -> None:
        lengths, sizes = np.diff(matrix.indptr), np.abs(numbers)
        rows = np.repeat(np.arange(matrix.shape[0]), lengths)
        largest = np.zeros(matrix.shape[0])
        np.maximum.at(largest, rows, sizes)
        sums = np.bincount(rows, sizes, matrix.shape[0])
        super().__init__(numbers, matrix.fan_in, sums, largest)
        self._matrix = matrix

    @cached_property
    def weights(self) -> Weights:
        return _columns(self._matrix.with_numbers(self.numbers))

    def _times(self, numbers: np.ndarray, x: np.ndarray, out: np.ndarray, add: bool) -> None:
        sparse_product(self._matrix.indptr, self._matrix.indices, numbers, x, out, add)


class _ConvolutionProduct(FloatProduct):
    def __init__(self, matrix: Convolution, numbers: np.ndarray) -> None:
        self._matrix, self._in_file_order = matrix, numbers
        kernel = matrix.arranged(numbers)
        inside = (matrix.gather.T >= 0).astype(np.float64)  # (taps, positions)
        sizes = np.abs(kernel)
        terms = np.count_nonzero(kernel, axis=1) @ inside
        largest = np.repeat(sizes.max(axis=(1, 2)), inside.shape[1])
        super().__init__(kernel, int(terms.max()), (sizes.sum(axis=1) @ inside).ravel(), largest)

    @cached_property
    def weights(self) -> Weights:
        if self._matrix.small:
            rounded = self._matrix.with_numbers(self._in_file_order)
            return _columns(Sparse(self._matrix.shape, *rounded.csr()))
        starts, positions, taps = self._matrix.readers
        _, share, size = self.numbers.shape
        parts = self.numbers.reshape(self._matrix.groups, -1, share, size).swapaxes(1, 2)
        kernel = np.ascontiguousarray(parts).reshape(self._matrix.source[0], -1, size)
        return _NOTHING._replace(
            starts=starts, rows=positions, taps=taps, kernel=kernel, share=share
        )

    @cached_property
    def _gather(self) -> np.ndarray:
        return np.ascontiguousarray(self._matrix.gather.T)

    def _times(self, numbers: np.ndarray, x: np.ndarray, out: np.ndarray, add: bool) -> None:
        groups, (rows, channels, taps) = self._matrix.groups, numbers.shape
        planes = x.reshape(len(x), groups * channels, -1)
        target = out.reshape(len(out), rows, -1)
        kernel = numbers.reshape(groups, rows // groups, channels * taps)
        at_once = max(_COLUMNS, _PATCH // (groups * channels * taps))
        some = max(1, at_once // target.shape[2])
        for k in range(0, len(x), some):
            for p in range(0, target.shape[2], at_once):
                place = target[k : k + some, :, p : p + at_once]
                patches = empty((groups * channels, taps, len(place), place.shape[2]))
                gather_patches(planes[k : k + some], self._gather, p, patches)
                block = kernel @ patches.reshape(groups, channels * taps, -1)
                block = block.reshape(rows, len(place), -1).swapaxes(0, 1)
                if add:
                    place += block
                else:
                    place[...] = block
