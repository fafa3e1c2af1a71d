"""Exact integer matrices with one interface: dense, sparse and convolutional.

A convolution on 3x32x32 is a dense matrix of some ten million entries and a
kernel of some hundreds, so the network keeps the structure it was given, and
nothing large expands it. All three kinds answer the same questions: `shape`,
`apply` (times a block of columns), `apply_columns` (only some inputs are
non-zero, the rank-one updates of the reference engine), `reads` and `arranged`
(each as a convolution, for compiled loops) and `csr` (for small ones). Entries
are mpz in numpy object arrays: numpy does the loops, gmpy2 the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, TypeVar, cast

import numpy as np

from ..errors import NetworkError
from ..runtime.cached import WithoutCaches, cached_property
from .kept_floats import Floats
from .rational import mpz, objects

__all__ = ["Convolution", "Dense", "Held", "Matrix", "Sparse", "Stencil"]

_CHUNK = 1 << 18  # products held at once by a sparse product: bounds memory, not a decision
_SMALL = 1 << 15  # entries of a convolution up to which its columns, expanded, are read faster
_GATHER = 1 << 24  # places of a convolution times taps of its kernel: a table of them is built


class Stencil(NamedTuple):
    """Which places of one channel are connected with which of another, by which tap of a kernel:
    number i with places[k] by taps[k], starts[i] <= k < starts[i + 1]. It is the same for all
    channels.

    Any matrix is a convolution, so that loops need one form only: a dense one has channels of one
    place each, a sparse one single channels and a tap for every entry.
    """

    starts: np.ndarray
    places: np.ndarray
    taps: np.ndarray

    def transposed(self, places: int) -> Stencil:
        """The same connections by place; there are `places` of them."""
        order = np.argsort(self.places, kind="stable")
        numbers = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        starts = _starts(np.bincount(self.places, minlength=places))
        return Stencil(starts, numbers[order], self.taps[order])


Held = np.ndarray | Floats  # the entries of a matrix as they are kept
Kind = TypeVar("Kind")


class _Integers:
    """A field that may be kept as `Floats`, and is an object array of mpz to whoever reads it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __set__(self, instance: object, value: Held) -> None:
        vars(instance)[self.name] = value

    def __get__(self, instance: object, owner: type | None = None) -> np.ndarray | _Integers:
        if instance is None:
            return self
        held: Held = vars(instance)[self.name]
        return held.integers if isinstance(held, Floats) else held


def _keeps(name: str) -> Callable[[type[Kind]], type[Kind]]:
    """A decorator of dataclasses one field of which may be kept as `Floats`."""

    def decorate(kind: type[Kind]) -> type[Kind]:
        setattr(kind, name, _Integers(name))
        return kind

    return decorate


@_keeps("entries")
@dataclass(frozen=True, eq=False)
class Dense:
    """A matrix with every entry stored: `entries`, object array (rows, cols) of mpz."""

    entries: np.ndarray

    def __repr__(self) -> str:
        return f"<Dense {self.shape[0]} x {self.shape[1]}>"

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.held.shape[0], self.held.shape[1]

    @property
    def held(self) -> Held:
        """The stored entries as they are kept: floats if they came as such."""
        held: Held = vars(self)["entries"]
        return held

    @property
    def numbers(self) -> np.ndarray:
        """The stored entries as a flat array, in file order."""
        return self.entries.ravel()

    def with_numbers(self, numbers: Held) -> Dense:
        """The same structure with other entries, flat in file order."""
        return Dense(cast(np.ndarray, numbers.reshape(*self.shape)))

    def with_rows(self, rows: Sequence[int]) -> Dense:
        """The matrix of some of the rows."""
        return Dense(self.entries[rows])

    @property
    def fan_in(self) -> int:
        """How many products at most an output entry is the sum of."""
        return self.shape[1]

    def apply(self, columns: np.ndarray) -> np.ndarray:
        """This matrix times `columns`, object array (cols, k). O(rows cols k)."""
        if len(self.entries) >= 4 and len(columns) >= 8:
            kept = np.nonzero((columns != 0).any(axis=1))[0]  # half of them behind a ReLU
            if 4 * len(kept) < 3 * len(columns):
                return self.apply_columns(kept, columns[kept])
        return self.entries.dot(columns)

    def apply_columns(self, which: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Times a block whose rows outside `which` are zero; `columns` is (len(which), k)."""
        return self.entries[:, which].dot(columns)

    groups: ClassVar[int] = 1

    @property
    def reads(self) -> Stencil:
        """Which places of a source channel each position of a target channel reads."""
        nothing = np.zeros(1, dtype=np.int64)
        return Stencil(np.arange(2), nothing, nothing)

    def arranged(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers in file order as (target channels, source channels / groups, taps)."""
        return numbers.reshape(*self.shape, 1)

    def csr(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(indptr, indices, data) of the non-zero entries, row by row."""
        mask = self.entries != 0
        indptr = _starts(mask.sum(axis=1))
        return indptr, np.nonzero(mask)[1], self.entries[mask]


@dataclass(frozen=True, eq=False)
class Sparse(WithoutCaches):
    """A matrix in compressed rows: row r holds data[k] at column indices[k],
    indptr[r] <= k < indptr[r+1], columns strictly increasing within a row."""

    shape: tuple[int, int]
    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray

    def __repr__(self) -> str:
        return f"<Sparse {self.shape[0]} x {self.shape[1]}, {len(self.data):,} entries>"

    @property
    def held(self) -> Held:
        """The stored entries as they are kept."""
        return self.data

    @property
    def numbers(self) -> np.ndarray:
        """The stored entries as a flat array, in file order."""
        return self.data

    def with_numbers(self, numbers: Held) -> Sparse:
        """The same structure with other entries, flat in file order."""
        return Sparse(self.shape, self.indptr, self.indices, cast(np.ndarray, numbers))

    @property
    def fan_in(self) -> int:
        """How many products at most an output entry is the sum of."""
        return int(np.diff(self.indptr).max(initial=0))

    @staticmethod
    def selection(cols: int, picks: Iterable[int], one: int = 1) -> Sparse:
        """Row r picks input `picks[r]` times `one`; -1 gives a zero row (padding)."""
        chosen = np.asarray(list(picks), dtype=np.int64)
        kept = chosen >= 0
        indptr = _starts(kept)
        data = objects([mpz(one)] * int(kept.sum()))
        return Sparse((len(chosen), cols), indptr, chosen[kept], data)

    @staticmethod
    def of_entries(
        shape: tuple[int, int], rows: np.ndarray, cols: np.ndarray, numbers: np.ndarray
    ) -> Sparse:
        """From entries in any order; those at one place add up."""
        order = np.lexsort((cols, rows))
        rows, cols, numbers = rows[order], cols[order], numbers[order]
        new = np.ones(len(rows), dtype=bool)
        new[1:] = (np.diff(rows) != 0) | (np.diff(cols) != 0)
        starts = np.nonzero(new)[0]
        data = np.add.reduceat(numbers, starts) if len(starts) else numbers
        counts = np.bincount(rows[starts], minlength=shape[0])
        indptr = _starts(counts)
        return Sparse(shape, indptr, cols[starts].astype(np.int64), data)

    def take_rows(self, picks: np.ndarray) -> Sparse:
        """The matrix whose row r is row picks[r] of this one; -1 gives a zero row."""
        lengths = np.where(picks < 0, 0, np.diff(self.indptr)[picks])
        indptr = _starts(lengths)
        places = np.arange(indptr[-1]) + np.repeat(self.indptr[picks] - indptr[:-1], lengths)
        return Sparse((len(picks), self.shape[1]), indptr, self.indices[places], self.data[places])

    def apply(self, columns: np.ndarray) -> np.ndarray:
        """This matrix times `columns`, object array (columns of the matrix, k)."""
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
        """Times a block whose rows outside `which` are zero; `columns` is (len(which), k)."""
        width = columns.shape[1]
        out = objects([mpz(0)] * (self.shape[0] * width), (self.shape[0], width))
        indptr, rows, data = self._by_column
        for k, j in enumerate(which):
            low, high = indptr[j], indptr[j + 1]
            out[rows[low:high]] += data[low:high, None] * columns[k]
        return out

    @cached_property
    def _by_column(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(indptr, rows, data) of the entries, column by column."""
        starts, rows, order = self.readers
        return starts, rows, self.data[order]

    def transposed(self) -> Sparse:
        """The transpose, sparse too."""
        indptr, rows, data = self._by_column
        return Sparse((self.shape[1], self.shape[0]), indptr, rows, data)

    groups: ClassVar[int] = 1

    @property
    def reads(self) -> Stencil:
        """Which places of a source channel each position of a target channel reads."""
        return Stencil(self.indptr, self.indices, np.arange(len(self.data)))

    @property
    def readers(self) -> Stencil:
        """The transpose of `reads`."""
        return self.reads.transposed(self.shape[1])

    def arranged(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers in file order as (target channels, source channels / groups, taps)."""
        return numbers.reshape(1, 1, -1)

    def csr(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(indptr, indices, data) of the non-zero entries, row by row."""
        return self.indptr, self.indices, self.data


@_keeps("kernel")
@dataclass(frozen=True, eq=False)
class Convolution(WithoutCaches):
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

    def __repr__(self) -> str:
        return (
            f"<Convolution {_by(self.source)} -> {_by(self.target)}, kernel {_by(self.held.shape)}>"
        )

    def __post_init__(self) -> None:
        taps = self.held.shape[2:]
        wide, narrow = (self.target, self.source) if self.transpose else (self.source, self.target)
        space = len(self.source) - 1
        sizes = {len(v) for v in (taps, self.stride, self.padding, self.dilation)}
        if sizes != {space} or len(self.target) - 1 != space or space < 1:
            raise NetworkError("convolution: kernel, stride, padding, dilation and shapes disagree")
        if (
            self.groups < 1
            or wide[0] % self.groups
            or narrow[0] % self.groups
            or self.held.shape[:2] != (narrow[0], wide[0] // self.groups)
            or min(self.source + self.target + self.stride + self.dilation) < 1
        ):
            raise NetworkError("convolution: channels, groups and kernel do not fit together")
        # Positions are 64-bit integers: a product of two of these must not wrap around.
        if max(self.source + self.target + self.stride + self.padding + self.dilation) >= 1 << 30:
            raise NetworkError("convolution: a size, stride, padding or dilation exceeds 2^30")
        positions = math.prod((self.source if self.transpose else self.target)[1:])
        if min(taps) < 1 or positions * math.prod(taps) > _GATHER:
            raise NetworkError(
                f"convolution: {positions:,} places of a kernel {_by(taps)}; that is out of reach"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return math.prod(self.target), math.prod(self.source)

    @property
    def held(self) -> Held:
        """The stored entries as they are kept: floats if they came as such."""
        held: Held = vars(self)["kernel"]
        return held

    @property
    def numbers(self) -> np.ndarray:
        """The stored entries as a flat array, in file order."""
        return self.kernel.ravel()

    def with_numbers(self, numbers: Held) -> Convolution:
        """The same structure with other entries, flat in file order."""
        return replace(self, kernel=cast(np.ndarray, numbers.reshape(*self.held.shape)))

    @property
    def fan_in(self) -> int:
        """How many products at most an output entry is the sum of."""
        channels = self.held.shape[0] if self.transpose else self.held.shape[1] * self.groups
        return channels // self.groups * math.prod(self.held.shape[2:])

    @property
    def small(self) -> bool:
        """Whether the matrix may be expanded for its columns."""
        return len(self.gather) * self.held.size <= _SMALL

    def arranged(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers in file order as (target channels, source channels / groups, taps)."""
        taps = math.prod(self.held.shape[2:])
        kernel: np.ndarray = numbers.reshape(
            self.groups, self.held.shape[0] // self.groups, -1, taps
        )
        if self.transpose:
            kernel = kernel.transpose(0, 2, 1, 3)
        return np.ascontiguousarray(kernel.reshape(self.target[0], -1, taps))

    def apply(self, columns: np.ndarray) -> np.ndarray:
        """Patch by patch, group by group: a few dense products instead of a sparse matrix."""
        width, positions = columns.shape[1], len(self.gather)
        source, target = self.source[0], self.target[0]
        plane = columns.reshape(self.groups, source // self.groups, -1, width)
        # Place -1 of the gather table is the padding.
        plane = np.concatenate([plane, np.zeros_like(plane[:, :, :1])], axis=2)
        kernel = self.arranged(self.kernel).reshape(self.groups, target // self.groups, -1)
        out = np.empty((self.groups, target // self.groups, positions, width), columns.dtype)
        step = max(1, _CHUNK // (kernel.shape[2] * width))
        for group in range(self.groups):
            for start in range(0, positions, step):
                taps = self.gather[start : start + step].T
                patch = plane[group].take(taps, axis=1).reshape(kernel.shape[2], -1)
                block = kernel[group].dot(patch)
                out[group, :, start : start + step] = block.reshape(len(block), -1, width)
        return out.reshape(-1, width)

    @cached_property
    def gather(self) -> np.ndarray:
        """(target positions, taps): which source position is read, -1 for none."""
        flat = np.zeros((1, 1), dtype=np.int64)
        for axis, taps in enumerate(self.held.shape[2:]):
            size, stride = self.source[axis + 1], self.stride[axis]
            place = np.arange(self.target[axis + 1])[:, None]
            tap = np.arange(taps)[None, :] * self.dilation[axis] - self.padding[axis]
            at = (place - tap) if self.transpose else place * stride + tap
            inside = at >= 0
            if self.transpose:
                inside &= at % stride == 0
                at = at // stride
            inside &= at < size
            full = flat[:, None, :, None] * size + at[None, :, None, :]
            kept = (flat[:, None, :, None] >= 0) & inside[None, :, None, :]
            flat = np.where(kept, full, -1).reshape(len(flat) * len(place), -1)
        return flat

    @cached_property
    def reads(self) -> Stencil:
        """Which places of a source channel each position of a target channel reads."""
        positions, taps = np.nonzero(self.gather >= 0)
        places = self.gather[positions, taps]
        order = np.lexsort((places, positions))  # a transposed one reads them in reverse
        counts = np.bincount(positions, minlength=len(self.gather))
        return Stencil(_starts(counts), places[order], taps[order])

    @cached_property
    def readers(self) -> Stencil:
        """The transpose of `reads`."""
        return self.reads.transposed(math.prod(self.source[1:]))

    def apply_columns(self, which: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Times a block whose rows outside `which` are zero; `columns` is (len(which), k)."""
        if self.small:
            return self._sparse.apply_columns(which, columns)
        starts, positions, taps = self.readers
        kernel, width = self.arranged(self.kernel), columns.shape[1]
        share, plane = self.target[0] // self.groups, math.prod(self.source[1:])
        out = objects([mpz(0)] * (self.shape[0] * width), (self.target[0], len(self.gather), width))
        for j, column in zip(which.tolist(), columns, strict=True):
            channel, place = divmod(j, plane)
            group, channel = divmod(channel, kernel.shape[1])
            own = slice(group * share, (group + 1) * share)
            at = slice(starts[place], starts[place + 1])
            out[own, positions[at]] += kernel[own, channel][:, taps[at], None] * column
        return out.reshape(-1, width)

    def csr(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(indptr, indices, data) of the non-zero entries, row by row; only for small matrices."""
        return self._sparse.csr()

    @cached_property
    def _sparse(self) -> Sparse:
        """The convolution as a sparse matrix."""
        starts, places, taps = self.reads
        kernel, target = self.arranged(self.kernel), np.arange(self.target[0])[:, None, None]
        numbers = kernel[:, :, taps]
        channels = target // (len(target) // self.groups) * kernel.shape[1]
        channels = channels + np.arange(kernel.shape[1])[:, None]
        rows = target * len(self.gather) + np.repeat(np.arange(len(self.gather)), np.diff(starts))
        columns = channels * math.prod(self.source[1:]) + places
        rows, kept = np.broadcast_to(rows, numbers.shape), numbers != 0
        return Sparse.of_entries(self.shape, rows[kept], columns[kept], numbers[kept])


def _starts(counts: np.ndarray) -> np.ndarray:
    """Where each of the runs of these lengths begins, and the end of the last."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _by(shape: tuple[int, ...]) -> str:
    """Sizes as text: 3x32x32."""
    return "x".join(map(str, shape))


Matrix = Dense | Sparse | Convolution
