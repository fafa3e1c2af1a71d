"""Run files: stream a very large partition to disk, and resume an interrupted run.

A result file (`partition_file`) holds every exact vertex; a run file holds what
determines them - patterns and labels - with the certified float corners, so it is
written at the engine's speed, and in memory are only a job's lines. It is strict
JSON lines: a header (format "exactcam-run", version 3, `network_sha256`, the slice
document, the number of `jobs`), lines for each finished job in order, and an end line with
the totals. A job has a line for some thousand of its regions at a time (`job`, `left`: how
many lines of it follow, `cells`, and the arrays of a `Batch` as base64 of zlib-compressed
little-endian bytes with their CRC-32; each pattern but a line's first as what differs from
the one before, exclusive or, which is almost nothing). A file without an end line is partial: the
next run with the same network, slice and window takes its finished jobs as done.
"""

from __future__ import annotations

import base64
import binascii
import errno
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ..arithmetic.constants import TINY
from ..arithmetic.rational import Real, mpq, nearest, shortened
from ..complex.partition import Partition, proving
from ..complex.patterns import following
from ..errors import ExactcamError, FileFormatError
from ..files.reading import allowance, open_file, reading
from ..files.strict_json import count, dump, fields, parse
from ..files.writing import locked, naming
from ..model.slice_file import slice_document
from ..runtime.float_mode import quiet
from .assemble import glue
from .division import divide
from .executor_jobs import solved
from .kernels.constants import DELTA, A, B, C, E, F, U, V
from .lazy_cells import ExactCells
from .packed_patterns import PackedPatterns
from .refine import Batch, Engine, gathered
from .region_store import Regions
from .vertex_clusters import pieces

__all__ = ["REPLAYED", "RunTotals", "read_run", "write_run"]

_VERSION = 3
_CELLS = 4096  # a line has at least so many regions, save a job's last,
_CODES = 1 << 25  # or so many codes of units
_LARGEST = 1 << 30  # bytes of one array: refuses a file made to fill the memory
_LONGEST = 1 << 28  # bytes of a line
_VALUES = 1 << 22  # JSON values in a line: only the header's slice has more than a few
_VAGUE = 2.0**-24  # corners less certain than this are replayed before areas are believed
REPLAYED = 64  # regions of a file whose corners are replayed exactly when it is read
_SYNC = 1.0  # seconds between syncs of the file to disk
_ARRAYS = {"start": "<i8", "corners": "<f8", "labels": "<i8", "codes": None}


@dataclass
class RunTotals:
    """Counts and area of a run, added up batch by batch.

    Edges and vertices follow from the corners by edge-to-edge fit and Euler's formula;
    the exact sum of all areas lies within `area_error` of `area`. Both are floats, or beyond the
    range of floats rationals; they are added up in units of the local square, `unit`.
    """

    activation_regions: int = 0
    corners: int = 0
    outer_edges: int = 0
    local_area: float = 0.0
    local_error: float = 0.0
    unit: mpq = field(default_factory=mpq)

    @property
    def area(self) -> Real:
        """The sum of the areas, rounded."""
        return nearest(mpq(self.local_area) * self.unit)

    @property
    def area_error(self) -> Real:
        """How far the exact sum may be from `area`."""
        return nearest(mpq(self.local_error * (1.0 + 2.0**-50)) * self.unit)

    @property
    def edges(self) -> int:
        """The number of edges: inner ones start at two corners, outer ones at one."""
        return (self.corners + self.outer_edges) // 2

    @property
    def vertices(self) -> int:
        """The number of vertices, by Euler's formula."""
        return 1 + self.edges - self.activation_regions

    def add(self, other: RunTotals) -> None:
        """Add the totals of another part of the run, with the rounding of the sum."""
        self.activation_regions += other.activation_regions
        self.corners += other.corners
        self.outer_edges += other.outer_edges
        self.local_area += other.local_area
        self.local_error += other.local_error
        self.local_error += 2.0**-50 * abs(self.local_area)
        self.unit = other.unit

    @classmethod
    def of(cls, engine: Engine, batch: Batch) -> RunTotals:
        """The totals of one batch, its area from float corners with a proven error."""
        u, v, d = batch.corners[:, :3].T
        after = following(batch.start)
        x, y = u * v[after], v * u[after]
        # Exact corners lie in |u|, |v| <= 1, so none is further off than its own size plus one;
        # moving both ends by d and d' changes a term by less than 2 (d + d') (1 + d + d'). Each
        # product is rounded, and their differences and sums, some (number of terms) times.
        d = np.minimum(d, 1.0 + np.maximum(np.abs(u), np.abs(v)))
        moved = 2.0 * (d + d[after]) * (1.0 + d + d[after])
        sizes = float((np.abs(x) + np.abs(y)).sum())
        rounding = 2.0**-52 * (float(np.abs(x - y).sum()) * (len(u) + 8.0) + sizes) + TINY
        area = float((x - y).sum()) / 2.0
        error = (float(moved.sum()) + rounding) * (1.0 + 2.0**-20) + 2.0**-50 * abs(area)
        outer = int((batch.labels < 0).sum())
        return cls(len(batch), len(batch.labels), outer, area, error, engine.frame.scale**2)


def write_run(
    engine: Engine,
    path: str | Path,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
) -> RunTotals:
    """Run the engine into a file, resuming where a partial one ends.

    Parameters
    ----------
    engine : Engine
        The run; its network, slice, window and schedule must be those of a partial file.
    path : str or Path
        The run file, created or continued.
    executor : Executor, optional
        Solves the jobs; None solves them in this process.
    progress : callable, optional
        Called with the number of regions after each job.

    Returns
    -------
    RunTotals
        Of the whole run. Memory is that of some thousand regions and of the lines of the
        jobs in flight.

    Raises
    ------
    FileFormatError
        The file is of another run, damaged before its last line, or no partition; what it
        holds stays.
    ExactcamError
        Another process writes the file, or it was deleted meanwhile.
    OSError
        The file cannot be written; names it.
    """
    path, jobs = Path(path), divide(engine)
    with _opened(path) as stream, locked(path, stream):
        found = _Resumed()
        parts = _parts(stream, path, engine, len(jobs))
        with reading(path):
            found.take(engine, parts)
        totals = found.totals
        if not found.ended:
            file = _RunFile(path, stream)
            file.begin(found.kept, _text(_header(engine, len(jobs))))
            for text, own in solved(engine, jobs[found.done :], executor, _packed):
                file.write(text)
                totals.add(own)
                found.proof.add(own)
                if progress is not None:
                    progress(totals.activation_regions)
            file.write(_text({"end": True, "cells": totals.activation_regions}))
            file.sync()
        _prove_area(path, engine, found.proof)
    return totals


def read_run(engine: Engine, path: str | Path) -> Partition:
    """The partition of a finished run, which needs memory for all of it.

    Its cells are proved to be convex, to have different patterns and to tile the window.

    Raises FileFormatError where the run is partial, damaged, no partition, or of another
    network, slice or window.
    """
    path = Path(path)
    with open_file(path) as stream, reading(path), proving(path):
        part = glue(engine, pieces(engine, _finished(stream, path, engine)))
        if part.area_sum != engine.window.area:
            raise FileFormatError(f"{path}: is no partition: its areas do not sum to the window's")
    return part


@dataclass
class _Resumed:
    """What a file holds of a run: totals of the finished jobs, where they end, their proof."""

    totals: RunTotals = field(default_factory=RunTotals)
    proof: RunTotals = field(default_factory=RunTotals)
    done: int = 0
    kept: int = 0
    ended: bool = False

    def take(self, engine: Engine, parts: Iterable[_Part]) -> None:
        """Add up the parts of a file, as far as whole jobs go."""
        own, proof = RunTotals(), RunTotals()
        for part in parts:
            if part.batch is not None:
                own.add(RunTotals.of(engine, part.batch))
                proof.add(RunTotals.of(engine, part.proved))
            if part.batch is not None and part.left == 0:
                self.totals.add(own)
                self.proof.add(proof)
                own, proof, self.done = RunTotals(), RunTotals(), part.job + 1
            if part.left == 0:
                self.kept, self.ended = part.end, part.batch is None and part.job >= 0


class _Part(NamedTuple):
    """A line of a run file: where it ends, its job, how many lines of that follow, its batch, and
    the same with exact corners for vague ones.

    The job is -1 for the header and the number of jobs for the end line, which have no batch.
    """

    end: int
    job: int
    left: int
    batch: Batch | None = None
    proved: Any = None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, made where there is none, to be read and written; a finished one may be
    read-only. Nothing is changed."""
    flags = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    mode = "r+b"
    with naming(path):
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not path.exists():
                raise
            handle, mode = os.open(path, os.O_RDONLY | flags), "rb"
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileFormatError(f"{path}: is not a regular file")
    with open(handle, mode) as stream:
        yield stream


class _RunFile:
    """A run file as it grows: what is written is checked to be where its name says."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        # Not the stream's own buffer: what a full disk refuses would be tried again at its end.
        self._path, self._handle, self._synced = path, stream.fileno(), time.monotonic()

    def begin(self, kept: int, header: bytes) -> None:
        """Drop a job that was cut off, and write the header of a new file."""
        with naming(self._path):
            os.ftruncate(self._handle, kept)
            os.lseek(self._handle, kept, os.SEEK_SET)
        if kept == 0:
            self.write(header)

    def write(self, text: bytes) -> None:
        """Write the lines of a job, so that an interrupted run loses one job at most, and one
        whose machine fails some seconds."""
        with naming(self._path):
            left = memoryview(text)
            while left:
                left = left[os.write(self._handle, left) :]
        if time.monotonic() > self._synced + _SYNC:
            self.sync()

    def sync(self) -> None:
        """Have everything on disk. Raises ExactcamError where the name leads elsewhere now."""
        with naming(self._path):
            os.fsync(self._handle)
        self._synced = time.monotonic()
        try:
            there = os.path.samestat(os.stat(self._path), os.fstat(self._handle))
        except FileNotFoundError:
            there = False
        if not there:
            raise ExactcamError(
                f"{self._path}: was deleted or replaced while the run was written to it, so "
                "what was found is lost: run it again"
            )


def _finished(stream: IO[bytes], path: Path, engine: Engine) -> Iterator[Batch]:
    """The batches of a run file that must be complete."""
    ended = False
    for part in _parts(stream, path, engine, None):
        ended = part.batch is None and part.job >= 0
        if part.batch is not None:
            yield part.batch
    if not ended:
        raise FileFormatError(f"{path}: is partial: run it again to go on where it ends")


def _parts(stream: IO[bytes], path: Path, engine: Engine, jobs: int | None) -> Iterator[_Part]:
    """Every line, checked and proved as far as it goes alone."""
    job, left, cells, ended, prover = -1, 0, 0, False, _Prover(engine)
    for end, line in _lines(stream, path, _text(_header(engine, jobs))):
        if job < 0:
            if line.get("format") == "exactcam-run" and line.get("version") != _VERSION:
                raise FileFormatError(
                    f"{path}: is a run file of version {str(line.get('version'))[:20]}, this "
                    f"exactcam writes version {_VERSION}: delete it to begin anew"
                )
            if line != _header(engine, line.get("jobs") if jobs is None else jobs):
                raise FileFormatError(f"{path}: is the run of another network, slice or window")
            yield _Part(end, job, 0)
            jobs, job = count(line["jobs"], f"{path}: jobs"), 0
            continue
        if ended or ("end" in line and (job != jobs or line != {"end": True, "cells": cells})):
            raise FileFormatError(f"{path}: its end line is wrong or not the last")
        ended = "end" in line
        if ended:
            yield _Part(end, job, 0)
            continue
        before, where = left, f"{path}: job {job}"
        if job >= (jobs or 0):
            raise FileFormatError(f"{where}: there are {jobs} jobs only")
        left, batch = _batch(line, job, engine, where)
        if before and left != before - 1:
            raise FileFormatError(f"{where}: a line is missing")
        with reading(where):
            proved = prover.proved(batch)
        cells += len(batch)
        yield _Part(end, job, left, batch, proved)
        job += left == 0


class _Prover:
    """Proves batches of a file one after the other, by their floats.

    What is proved: finite corners inside the window, edges with labels of sides on these, no
    corner that turns right, patterns in canonical order and so distinct. Floats leave open
    signs within their errors; where those are large, exact corners take their place. What is
    left open hides no area but that of the errors, which the area's own error covers: where all
    areas sum to the window's within it, no larger region is missing, doubled, overlapping or
    wound twice. That labels and patterns are the network's is not proved, which would take as
    long as the run: the corners of the first `REPLAYED` regions are replayed exactly.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._last: np.ndarray | None = None
        self._left = REPLAYED
        self._sides = engine.frame.lines(engine.window.sides)

    @quiet()
    def proved(self, batch: Batch) -> Batch:
        """The batch with exact corners for vague ones. Raises FileFormatError."""
        self._check_order(batch)
        numbers = batch.corners
        finite = np.isfinite(numbers[:, [U, V, A, B, C]]).all(axis=1)
        _refuse(batch, ~(finite & (numbers[:, [DELTA, E, F]] >= 0.0).all(axis=1)), "is not finite")
        replayed = numbers[:, DELTA] > _VAGUE
        replayed[: batch.start[min(self._left, len(batch))]] = True
        self._left -= min(self._left, len(batch))
        if replayed.any():
            points, own = numbers[:, :3].copy(), np.arange(len(numbers))
            packed = PackedPatterns.of(batch.codes)
            cells = Regions(batch.start, own, batch.labels, points, packed)
            ExactCells(self._engine, cells).place(points, np.nonzero(replayed)[0])
            apart = np.abs(points[:, :2] - numbers[:, :2]).max(axis=1)
            error = (points[:, DELTA] + numbers[:, DELTA]) * (1.0 + 2.0**-20) + TINY
            _refuse(batch, apart > error, "has a corner that is not where its edges meet")
            batch = replace(batch, corners=np.column_stack([points, numbers[:, 3:]]))
        self._check_places(batch)
        return batch

    def _check_order(self, batch: Batch) -> None:
        """Patterns ascend, from batch to batch too."""
        codes = batch.codes if self._last is None else np.vstack([self._last, batch.codes])
        self._last = batch.codes[-1:]
        above, below = codes[1:], codes[:-1]
        first = (above != below).argmax(axis=1) if codes.shape[1] else np.zeros(len(above), int)
        rows = np.arange(len(above))
        wrong = (above[rows, first] <= below[rows, first]) if codes.shape[1] else rows >= 0
        if wrong.any():
            cell = int(wrong.argmax()) + len(batch) - len(above)
            raise FileFormatError(
                f"region {cell}: its pattern does not follow that of the region before"
            )

    def _check_places(self, batch: Batch) -> None:
        """Corners are inside the window, on the sides that labels name, and turn left."""
        u, v, d = batch.corners[:, :3].T
        size = np.maximum(np.abs(u), np.abs(v))
        for k, (a, b, c, e, f) in enumerate(self._sides):
            value = a * u + b * v + c
            bound = 2.0**-50 * (np.abs(a * u) + np.abs(b * v) + abs(c)) + e * size + f
            bound = (bound + (abs(a) + abs(b) + e) * d) * (1.0 + 2.0**-20) + TINY
            _refuse(batch, value < -bound, "is outside the window")
            off = (value > bound) & (batch.labels == -1 - k)
            _refuse(batch, off, "has an edge that is not on the side of the window it names")
        after = following(batch.start)
        x, y, near = u[after] - u, v[after] - v, d[after] + d
        p, q, far = x[after], y[after], near[after]
        turn = x * q - y * p
        slack = far * (np.abs(x) + np.abs(y)) + near * (np.abs(p) + np.abs(q)) + 2.0 * near * far
        slack += 2.0**-48 * (np.abs(x * q) + np.abs(y * p))
        slack = slack * (1.0 + 2.0**-20) + TINY
        _refuse(batch, turn < -slack, "is not convex and counter-clockwise")


def _refuse(batch: Batch, wrong: np.ndarray, why: str) -> None:
    """Raise FileFormatError, naming the region, where a corner is `wrong`."""
    if wrong.any():
        cell = int(np.searchsorted(batch.start, int(wrong.argmax()), side="right")) - 1
        raise FileFormatError(f"region {cell} {why}")


def _prove_area(path: Path, engine: Engine, totals: RunTotals) -> None:
    """Raise FileFormatError where the areas of a finished run do not sum to the window's."""
    apart = abs(mpq(totals.local_area) * totals.unit - engine.window.area)
    if apart > mpq(totals.local_error) * totals.unit:
        raise FileFormatError(
            f"{path}: is no partition: its areas sum to {shortened(mpq(totals.area))}, the "
            f"window's is {shortened(engine.window.area)}; delete it to begin anew"
        )


def _header(engine: Engine, jobs: Any) -> dict[str, Any]:
    """The first line of the file of a run of so many jobs."""
    return {
        "format": "exactcam-run",
        "version": _VERSION,
        "network_sha256": engine.network.sha256,
        "slice": slice_document(engine.plane, engine.window),
        "jobs": jobs,
    }


def _text(line: dict[str, Any]) -> bytes:
    """A line as the bytes of the file."""
    return dump(line).encode("ascii") + b"\n"


def _lines(stream: IO[bytes], path: Path, header: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """(offset of its end, line) of every complete line.

    A file without one is a run's only where it is the beginning of `header`.
    """
    end = 0
    while raw := stream.readline(_LONGEST):
        if not raw.endswith(b"\n"):
            if end == 0 and not header.startswith(raw):
                raise FileFormatError(f"{path}: is no run file; name another, or delete it")
            return
        end += len(raw)
        if sum(map(raw.count, (b",", b"[", b"{"))) > _VALUES:
            raise FileFormatError(f"{path}: byte {end - len(raw)}: far too many values")
        try:
            line = parse(raw.decode("ascii"), f"{path}: byte {end - len(raw)}")
        except UnicodeDecodeError:
            raise FileFormatError(f"{path}: holds bytes that are no text") from None
        if not isinstance(line, dict):
            raise FileFormatError(f"{path}: is no run file")
        yield end, line


def _packed(engine: Engine, number: int, batches: Iterable[Batch]) -> tuple[bytes, RunTotals]:
    """The lines of a finished job and its totals, encoded by the process that solved it."""
    totals, lines = RunTotals(), []
    for batch in gathered(batches, min(_CELLS, _CODES // max(1, engine.network.units))):
        totals.add(RunTotals.of(engine, batch))
        lines.append({"cells": len(batch), **_arrays(batch)})
    return b"".join(
        _text({"job": number, "left": left, **line})
        for left, line in zip(range(len(lines))[::-1], lines, strict=True)
    ), totals


def _arrays(batch: Batch) -> dict[str, list[Any]]:
    """A batch's arrays as JSON values: [base64 of the compressed bytes, CRC-32]."""
    arrays = {}
    for name, kind in _ARRAYS.items():
        array = getattr(batch, name)
        if name == "codes":
            array = np.concatenate([array[:1], array[1:] ^ array[:-1]])
        raw = array.astype(kind or array.dtype.newbyteorder("<")).tobytes()
        packed = zlib.compress(raw, 0 if name == "corners" else 1)  # random digits: only stored
        arrays[name] = [base64.b64encode(packed).decode("ascii"), zlib.crc32(raw)]
    return arrays


def _batch(line: dict[str, Any], number: int, engine: Engine, where: str) -> tuple[int, Batch]:
    """How many lines of its job follow, and the batch of a line."""
    job, left, cells, *pairs = fields(line, ("job", "left", "cells", *_ARRAYS), where)
    units = engine.network.units
    if job != number or not (count(cells, where) and all(isinstance(p, list) for p in pairs)):
        raise FileFormatError(f"{where}: job {job} of {cells} cells is out of place")
    arrays = []
    try:
        entries = cells + 1  # of the next array
        for (text, checksum), kind in zip(pairs, _ARRAYS.values(), strict=True):
            dtype = np.dtype(kind or engine.network.pattern_dtype.newbyteorder("<"))
            packed, size = base64.b64decode(text, validate=True), entries * dtype.itemsize
            # Codes are nearly all zero and may pack further: their size follows from the others.
            most = min(_LARGEST, allowance(len(packed))) if kind else _LARGEST
            inflater = zlib.decompressobj()
            raw = inflater.decompress(packed, min(size, most) + 1)
            if len(raw) != size or not inflater.eof or zlib.crc32(raw) != checksum:
                raise FileFormatError(f"{where}: its bytes do not match their checksum or size")
            arrays.append(np.frombuffer(raw, dtype=dtype).astype(dtype.newbyteorder("=")))
            last = int(arrays[0][-1])
            entries = {1: 8 * last, 2: last, 3: cells * units, 4: 0}[len(arrays)]
            if entries < 0:
                raise FileFormatError(f"{where}: its arrays do not fit together")
        start, corners, labels, codes = arrays
        codes = np.bitwise_xor.accumulate(codes.reshape(cells, units), axis=0)
        batch = Batch(start, corners.reshape(-1, 8), labels, codes)
    except (ValueError, TypeError, OverflowError, zlib.error, binascii.Error) as error:
        raise FileFormatError(f"{where}: damaged ({error})") from None
    if len(start) != cells + 1 or start[0] or not len(labels) == len(batch.corners) == start[-1]:
        raise FileFormatError(f"{where}: its arrays do not fit together")
    sides, knots = len(engine.window.sides), int(engine.labels.starts[-1])
    if (np.diff(start) < 3).any() or (labels < -sides).any() or (labels >= knots).any():
        raise FileFormatError(f"{where}: a region has under three corners or an unknown label")
    if (codes > engine.network.code_limits).any():
        raise FileFormatError(f"{where}: a code exceeds what its unit has")
    return count(left, where), batch
