"""Exact linear maps: dense, sparse and convolutional, behind one face.

A convolution on 3x32x32 is a dense matrix of some ten million entries and a
kernel of some hundreds, so the network keeps the structure it was given. All
three kinds answer the same questions: `shape`, `apply` (times a block of
columns), `apply_columns` (only some inputs are non-zero, the rank-one updates of
the reference engine) and `csr` (what the float kernels read). Entries are mpz in
numpy object arrays: numpy does the loops, gmpy2 the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import NetworkError
from .rational import mpz, objects

__all__ = ["Convolution", "Dense", "Matrix", "Sparse"]

_CHUNK = 1 << 18  # products held at once by a sparse product: bounds memory, not a decision


@dataclass(frozen=True, eq=False)
class Dense:
    """A matrix with every entry stored: `entries`, object array (rows, cols) of mpz."""

    entries: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.entries.shape[0], self.entries.shape[1]

    @property
    def numbers(self) -> np.ndarray:
        """The stored entries as a flat array, in file order."""
        return self.entries.ravel()

    def with_numbers(self, numbers: np.ndarray) -> Dense:
        return Dense(numbers.reshape(self.entries.shape))

    def apply(self, columns: np.ndarray) -> np.ndarray:
        """This matrix times `columns`, object array (cols, k). O(rows cols k)."""
        return self.entries.dot(columns)

    def apply_columns(self, which: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Times a block whose rows outside `which` are zero; `columns` is (len(which), k)."""
        return self.entries[:, which].dot(columns)

    def csr(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(indptr, indices, data) of the non-zero entries, row by row."""
        mask = self.entries != 0
        indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        return indptr, np.nonzero(mask)[1], self.entries[mask]


@dataclass(frozen=True, eq=False)
class Sparse:
    """A matrix in compressed rows: row r holds data[k] at column indices[k],
    indptr[r] <= k < indptr[r+1], columns strictly increasing within a row."""

    shape: tuple[int, int]
    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray

    @property
    def numbers(self) -> np.ndarray:
        return self.data

    def with_numbers(self, numbers: np.ndarray) -> Sparse:
        return Sparse(self.shape, self.indptr, self.indices, numbers)

    @staticmethod
    def selection(cols: int, picks: Iterable[int], one: int = 1) -> Sparse:
        """Row r picks input `picks[r]` times `one`; -1 gives a zero row (padding)."""
        chosen = np.asarray(list(picks), dtype=np.int64)
        kept = chosen >= 0
        indptr = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        data = objects([mpz(one)] * int(kept.sum()))
        return Sparse((len(chosen), cols), indptr, chosen[kept], data)

    def apply(self, columns: np.ndarray) -> np.ndarray:
        rows, width = self.shape[0], columns.shape[1]
        out = objects([mpz(0)] * (rows * width), (rows, width))
        step = max(1, _CHUNK // max(1, width))
        start = 0
        while start < rows:
            limit = int(np.searchsorted(self.indptr, self.indptr[start] + step, side="right")) - 1
            end = min(rows, max(start + 1, limit))
            low, high = int(self.indptr[start]), int(self.indptr[end])
            if high > low:
                products = self.data[low:high, None] * columns[self.indices[low:high]]
                filled = start + np.nonzero(np.diff(self.indptr[start : end + 1]))[0]
                out[filled] = np.add.reduceat(products, self.indptr[filled] - low, axis=0)
            start = end
        return out

    def apply_columns(self, which: np.ndarray, columns: np.ndarray) -> np.ndarray:
        width = columns.shape[1]
        out = objects([mpz(0)] * (self.shape[0] * width), (self.shape[0], width))
        indptr, rows, data = self._by_column
        for k, j in enumerate(which):
            low, high = indptr[j], indptr[j + 1]
            out[rows[low:high]] += data[low:high, None] * columns[k]
        return out

    @cached_property
    def _by_column(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        order = np.argsort(self.indices, kind="stable")
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))[order]
        counts = np.bincount(self.indices, minlength=self.shape[1])
        return np.concatenate([[0], np.cumsum(counts)]), rows, self.data[order]

    def transposed(self) -> Sparse:
        indptr, rows, data = self._by_column
        return Sparse((self.shape[1], self.shape[0]), indptr, rows, data)

    def csr(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.indptr, self.indices, self.data


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution (correlation, as in every deep-learning library) of any dimension.

    `source` and `target` are (channels, *space), `kernel` an object array
    (target channels, source channels / groups, *taps). Output position p at tap t
    reads input position p * stride + t * dilation - padding; positions outside
    the input read zero. With `transpose` it is the transpose of the convolution
    from `target` to `source` with the same numbers: a transposed convolution,
    whose kernel is (source channels, target channels / groups, *taps).
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    kernel: np.ndarray
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    transpose: bool = False

    def __post_init__(self) -> None:
        taps = self.kernel.shape[2:]
        wide, narrow = (self.target, self.source) if self.transpose else (self.source, self.target)
        space = len(self.source) - 1
        sizes = {len(v) for v in (taps, self.stride, self.padding, self.dilation)}
        if sizes != {space} or len(self.target) - 1 != space or space < 1:
            raise NetworkError("convolution: kernel, stride, padding, dilation and shapes disagree")
        if (
            self.groups < 1
            or wide[0] % self.groups
            or narrow[0] % self.groups
            or self.kernel.shape[:2] != (narrow[0], wide[0] // self.groups)
            or min(self.source + self.target + self.stride + self.dilation) < 1
        ):
            raise NetworkError("convolution: channels, groups and kernel do not fit together")

    @property
    def shape(self) -> tuple[int, int]:
        return math.prod(self.target), math.prod(self.source)

    @property
    def numbers(self) -> np.ndarray:
        return self.kernel.ravel()

    def with_numbers(self, numbers: np.ndarray) -> Convolution:
        return Convolution(
            self.source, self.target, numbers.reshape(self.kernel.shape),
            self.stride, self.padding, self.dilation, self.groups, self.transpose,
        )  # fmt: skip

    def apply(self, columns: np.ndarray) -> np.ndarray:
        return self._sparse.apply(columns)

    def apply_columns(self, which: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return self._sparse.apply_columns(which, columns)

    def csr(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._sparse.csr()

    @cached_property
    def _sparse(self) -> Sparse:
        source, target = (
            (self.target, self.source) if self.transpose else (self.source, self.target)
        )
        taps, space_in, space_out = self.kernel.shape[2:], source[1:], target[1:]
        flat = np.zeros((1, 1), dtype=np.int64)  # (output positions, taps), built axis by axis
        valid = np.ones((1, 1), dtype=bool)
        for axis in range(len(taps)):
            at = (
                np.arange(space_out[axis])[:, None] * self.stride[axis]
                + np.arange(taps[axis])[None, :] * self.dilation[axis]
                - self.padding[axis]
            )
            inside = (at >= 0) & (at < space_in[axis])
            shape = (flat.shape[0] * at.shape[0], flat.shape[1] * at.shape[1])
            flat = (flat[:, None, :, None] * space_in[axis] + at[None, :, None, :]).reshape(shape)
            valid = (valid[:, None, :, None] & inside[None, :, None, :]).reshape(shape)
        channels, plane = self.kernel.shape[1], math.prod(space_in)
        columns = np.arange(channels)[None, :, None] * plane + flat[:, None, :]
        inside = np.broadcast_to(valid[:, None, :], columns.shape)
        counts, indices, data = [], [], []
        per_group = target[0] // self.groups
        for row in range(target[0]):
            kernel = self.kernel[row].reshape(channels, -1)
            kept = inside & (kernel != 0)[None]
            counts.append(kept.sum(axis=(1, 2)))
            indices.append(columns[kept] + (row // per_group) * channels * plane)
            data.append(np.broadcast_to(kernel[None], kept.shape)[kept])
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
        matrix = Sparse(
            (math.prod(target), math.prod(source)),
            indptr, np.concatenate(indices), np.concatenate(data),
        )  # fmt: skip
        return matrix.transposed() if self.transpose else matrix


Matrix = Dense | Sparse | Convolution
