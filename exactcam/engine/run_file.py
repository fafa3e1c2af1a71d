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
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..arithmetic.constants import TINY
from ..arithmetic.rational import to_float
from ..complex.partition import Partition
from ..complex.patterns import following
from ..errors import FileFormatError
from ..files.strict_json import count, dump, fields, parse
from ..model.slice_file import slice_document
from .assemble import glue
from .division import divide
from .executor_jobs import solved
from .refine import Batch, Engine, gathered
from .vertex_clusters import pieces

__all__ = ["RunTotals", "read_run", "write_run"]

_VERSION = 3
_CELLS = 4096  # a line has at least so many regions, save a job's last,
_CODES = 1 << 25  # or so many codes of units
_LEAST = 2.0**-1022  # covers an area too small for a float, and its unit
_LARGEST = 1 << 30  # bytes of one array: refuses a file made to fill the memory
_ARRAYS = {"start": "<i8", "corners": "<f8", "labels": "<i8", "codes": None}


@dataclass
class RunTotals:
    """Counts and area of a run, added up batch by batch.

    Edges and vertices follow from the corners by edge-to-edge fit and Euler's formula;
    the exact sum of all areas lies within `area_error` of `area`.
    """

    activation_regions: int = 0
    corners: int = 0
    outer_edges: int = 0
    area: float = 0.0
    area_error: float = 0.0

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
        self.area += other.area
        self.area_error += other.area_error
        self.area_error += 2.0**-50 * abs(self.area)

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
        unit = to_float(engine.frame.scale**2)  # the area of the local unit square
        area = unit * float((x - y).sum()) / 2.0
        error = unit * (float(moved.sum()) + rounding) * (1.0 + 2.0**-20) + _LEAST
        outer = int((batch.labels < 0).sum())
        return cls(len(batch), len(batch.labels), outer, area, error + 2.0**-50 * abs(area))


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
        The file is of another run, or damaged before its last line.
    """
    path, jobs = Path(path), divide(engine)
    totals, own, done, kept, ended = RunTotals(), RunTotals(), 0, 0, False
    if path.exists():
        for end, job, left, batch in _parts(path, engine, len(jobs)):
            if batch is not None:
                own.add(RunTotals.of(engine, batch))
            if batch is not None and left == 0:
                totals.add(own)
                own, done = RunTotals(), job + 1
            if left == 0:
                kept, ended = end, batch is None and job >= 0
        if ended:
            return totals
        with path.open("r+b") as stream:  # drop a job that was cut off
            stream.truncate(kept)
    with path.open("ab") as stream:
        if kept == 0:
            _write(stream, _text(_header(engine, len(jobs))))
        for text, own in solved(engine, jobs[done:], executor, _packed):
            _write(stream, text)
            totals.add(own)
            if progress is not None:
                progress(totals.activation_regions)
        _write(stream, _text({"end": True, "cells": totals.activation_regions}))
    return totals


def read_run(engine: Engine, path: str | Path) -> Partition:
    """The partition of a finished run, which needs memory for all of it.

    Raises FileFormatError where the run is partial, damaged or of another network, slice or
    window.
    """
    return glue(engine, pieces(engine, _finished(Path(path), engine)))


def _finished(path: Path, engine: Engine) -> Iterator[Batch]:
    """The batches of a run file that must be complete."""
    ended = False
    for _, job, _, batch in _parts(path, engine, None):
        ended = batch is None and job >= 0
        if batch is not None:
            yield batch
    if not ended:
        raise FileFormatError(f"{path}: is partial: run it again to go on where it ends")


def _parts(
    path: Path, engine: Engine, jobs: int | None
) -> Iterator[tuple[int, int, int, Batch | None]]:
    """(offset of its end, job, how many lines of that follow, batch) of every line, the job
    being -1 for the header and the number of jobs for the end line, which have no batch."""
    job, left, cells, ended = -1, 0, 0, False
    for end, line in _lines(path):
        if job < 0:
            if line.get("format") == "exactcam-run" and line.get("version") != _VERSION:
                raise FileFormatError(
                    f"{path}: is a run file of version {line.get('version')}, this exactcam "
                    f"writes version {_VERSION}: delete it to begin anew"
                )
            if line != _header(engine, line.get("jobs") if jobs is None else jobs):
                raise FileFormatError(f"{path}: is the run of another network, slice or window")
            yield end, job, 0, None
            jobs, job = line["jobs"], 0
            continue
        if ended or ("end" in line and (job != jobs or line != {"end": True, "cells": cells})):
            raise FileFormatError(f"{path}: its end line is wrong or not the last")
        ended = "end" in line
        if ended:
            yield end, job, 0, None
            continue
        before, where = left, f"{path}: job {job}"
        left, batch = _batch(line, job, engine, where)
        if before and left != before - 1:
            raise FileFormatError(f"{where}: a line is missing")
        cells += len(batch)
        yield end, job, left, batch
        job += left == 0


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


def _write(stream: IO[bytes], text: bytes) -> None:
    """Write and flush, so that an interrupted run loses one job at most."""
    stream.write(text)
    stream.flush()


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(offset of its end, line) of every complete line."""
    end = 0
    with path.open("rb") as stream:
        for raw in stream:
            end += len(raw)
            if not raw.endswith(b"\n"):
                return
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
        for (text, checksum), kind in zip(pairs, _ARRAYS.values(), strict=True):
            dtype = np.dtype(kind or engine.network.pattern_dtype.newbyteorder("<"))
            inflater = zlib.decompressobj()
            raw = inflater.decompress(base64.b64decode(text, validate=True), _LARGEST)
            if not inflater.eof or zlib.crc32(raw) != checksum:
                raise FileFormatError(f"{where}: its bytes do not match their checksum")
            arrays.append(np.frombuffer(raw, dtype=dtype).astype(dtype.newbyteorder("=")))
        start, corners, labels, codes = arrays
        codes = np.bitwise_xor.accumulate(codes.reshape(cells, units), axis=0)
        batch = Batch(start, corners.reshape(-1, 8), labels, codes)
    except (ValueError, TypeError, zlib.error, binascii.Error) as error:
        raise FileFormatError(f"{where}: damaged ({error})") from None
    if len(start) != cells + 1 or start[0] or not len(labels) == len(batch.corners) == start[-1]:
        raise FileFormatError(f"{where}: its arrays do not fit together")
    sides, knots = len(engine.window.sides), int(engine.trace.labels.starts[-1])
    if (np.diff(start) < 3).any() or (labels < -sides).any() or (labels >= knots).any():
        raise FileFormatError(f"{where}: a region has under three corners or an unknown label")
    if (codes > engine.network.code_limits).any():
        raise FileFormatError(f"{where}: a code exceeds what its unit has")
    return count(left, where), batch
