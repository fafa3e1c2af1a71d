"""Result files: a partition as text that loses nothing and can be written as it is found.

A result file is strict JSON lines (see `exactcam.files.strict_json`), compressed if its name
ends in `.gz`. Numbers are hexadecimal text (see `exactcam.arithmetic.rational`).

- The first line is the header: `format` "exactcam-partition", `version` 1, `engine`,
  `network` (the whole network file) and `slice` (the whole slice file, window and all).
- Then come batches, each complete in itself: `vertices`, the reduced homogeneous
  points x, y, w of its cells one after another in one flat array; and one entry per
  cell in `corners` (positions in `vertices`, counter-clockwise), in `patterns` (the
  bytes of the codes, in the network's smallest big-endian type, as hexadecimal
  digits) and in `forms` (a, b, c of every output, flat: the output is
  (a u + b v + c) / `scale`). `scale` is the same in every batch.
- The last line is `{"end": true, "cells": n, "vertices": n}` with the numbers of
  cells and of different vertices. A file without it was cut off and is refused as
  partial.

A cell may be in any batch and a vertex in several, so engines can write what they
find, when they find it. Reading checks that the file is of this form; that the
cells are the partition of the network is what `Partition.check_invariants` checks.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import gmpy2
import numpy as np

from ..arithmetic.rational import from_hex, mpz, objects, to_hex
from ..errors import ExactcamError, FileFormatError
from ..exact.reference import RawCell
from ..files.strict_json import count, counts, dump, fields, items, parse
from ..model.geometry import Point
from ..model.network import Network
from ..model.network_file import network_document, network_from_document
from ..model.nodes import Block
from ..model.slice import Slice, Window
from ..model.slice_file import slice_document, slice_from_document
from .cell_data import CellData

__all__ = ["PartitionReader", "PartitionWriter", "write_partition"]

_BATCH = 1024  # cells a line
_LONGEST = 1 << 28  # characters a line: refuses a file made to fill the memory
_DIGITS = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)


class PartitionWriter:
    """Writes a result file batch by batch, in a `with` statement.

    The end line, without which a file is refused as partial, is written only if nothing was
    raised. Raises OSError where the file cannot be written.
    """

    def __init__(
        self, path: str | Path, network: Network, slice: Slice, window: Window, engine: str
    ) -> None:
        self._stream = _open(Path(path), "w")
        self._cells, self._vertices = 0, set[Point]()
        self._line(
            {
                "format": "exactcam-partition",
                "version": 1,
                "engine": engine,
                "network": network_document(network),
                "slice": slice_document(slice, window),
            }
        )

    def _line(self, value: Any) -> None:
        """Write one JSON value as a line."""
        self._stream.write(dump(value) + "\n")

    def batch(
        self,
        vertices: Sequence[Point],
        corners: Iterable[Iterable[int]],
        patterns: np.ndarray,
        forms: np.ndarray,
        scale: mpz,
    ) -> None:
        """Write some cells.

        Parameters
        ----------
        vertices : sequence of Point
            The reduced vertices of these cells.
        corners : iterable of iterable of int
            For each cell the positions of its corners in `vertices`.
        patterns : ndarray, (cells, units)
            Codes in the network's pattern type.
        forms : ndarray of object, (cells, outputs, 3)
            Output maps in integers over `scale`.
        scale : mpz
        """
        self._cells += len(patterns)
        self._vertices.update(vertices)
        self._line(
            {
                "vertices": [to_hex(x) for point in vertices for x in point],
                "corners": [[int(k) for k in cell] for cell in corners],
                "patterns": [pattern.tobytes().hex() for pattern in patterns],
                "forms": [[to_hex(x) for x in form.ravel()] for form in forms],
                "scale": to_hex(scale),
            }
        )

    def __enter__(self) -> PartitionWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        with self._stream:
            if kind is None:
                self._line({"end": True, "cells": self._cells, "vertices": len(self._vertices)})


def write_partition(data: CellData, path: str | Path) -> None:
    """Write a whole partition; `exactcam.load_partition` gives an equal one back."""
    patterns, forms, scale = data.patterns, data.forms, data.form_scale
    with PartitionWriter(path, data.network, data.slice, data.window, data.engine) as writer:
        for start in range(0, len(data), _BATCH):
            end = min(len(data), start + _BATCH)
            offsets = data.offsets[start : end + 1]
            used, local = np.unique(data.corners[offsets[0] : offsets[-1]], return_inverse=True)
            data.vertices.prefetch(used.tolist())
            points = [data.vertices[v] for v in used.tolist()]
            corners = np.split(local, offsets[1:-1] - offsets[0])
            writer.batch(points, corners, patterns[start:end], forms[start:end], scale)


class PartitionReader:
    """Reads a result file: the header at once, the cells as they are asked for.

    Raises FileFormatError naming the file and line for anything but a complete,
    well-formed file. Memory is that of one batch and of the set of vertices.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lines = _lines(self._path)
        kind, version, self.engine, network, plane = fields(
            next(self._lines, (0, {}))[1],
            ("format", "version", "engine", "network", "slice"),
            f"{path}: line 1",
        )
        if kind != "exactcam-partition" or version != 1 or not isinstance(self.engine, str):
            raise FileFormatError(f"{path}: is no exactcam-partition file of version 1")
        self.network = network_from_document(network, f"{path}: network")
        self.slice, self.window = slice_from_document(plane, f"{path}: slice")
        if self.slice.size != self.network.inputs:
            raise FileFormatError(f"{path}: the slice does not fit the network")

    def cells(self) -> Iterator[RawCell]:
        """Every cell of the file. FileFormatError at the end if the file is partial."""
        found, seen, scale = 0, set[Point](), None
        for number, line in self._lines:
            where = f"{self._path}: line {number}"
            if isinstance(line, dict) and "end" in line:
                end, cells, vertices = fields(line, ("end", "cells", "vertices"), where)
                if end is not True or next(self._lines, None) is not None:
                    raise FileFormatError(f"{where}: must be the last line, with end true")
                if (count(cells, where), count(vertices, where)) != (found, len(seen)) or not found:
                    raise FileFormatError(
                        f"{where}: promises {cells} cells on {vertices} vertices, "
                        f"the file holds {found} on {len(seen)}"
                    )
                return
            try:
                points, batch = self._batch(line)
            except ExactcamError as error:
                raise FileFormatError(f"{where}: {error}") from None
            if scale not in (None, batch[0].output.denominator):
                raise FileFormatError(f"{where}: scale differs from the batch before")
            scale = batch[0].output.denominator
            seen.update(points)
            found += len(batch)
            yield from batch
        raise FileFormatError(
            f"{self._path}: is partial: it ends after {found} cells without an end line"
        )

    def _batch(self, line: Any) -> tuple[list[Point], list[RawCell]]:
        """The vertices and the cells of one line."""
        names = ("vertices", "corners", "patterns", "forms", "scale")
        flat, corners, patterns, forms, scale = fields(line, names, "batch")
        points = _points(flat)
        below = from_hex(scale, "scale")
        outlines = [
            counts(cell, f"corners[{k}]") for k, cell in enumerate(items(corners, "corners"))
        ]
        if below < 1 or not outlines:
            raise FileFormatError("a batch needs a positive scale and at least one cell")
        if {v for cell in outlines for v in cell} != set(range(len(points))):
            raise FileFormatError("corners and vertices do not match")
        digits = items(patterns, "patterns", len(outlines))
        columns = items(forms, "forms", len(outlines))
        cells = []
        for k, cell in enumerate(outlines):
            if len(cell) < 3 or len(set(cell)) != len(cell):
                raise FileFormatError(f"cell {k} needs at least 3 different corners")
            output = Block(self._form(columns[k], f"forms[{k}]"), _CONSTANT, below)
            codes = self._codes(digits[k], f"patterns[{k}]")
            cells.append(RawCell(tuple(points[v] for v in cell), codes, output))
        return points, cells

    def _form(self, entries: Any, where: str) -> np.ndarray:
        """The output maps of one cell, (outputs, 3)."""
        shape = (self.network.outputs, 3)
        numbers = items(entries, where, 3 * self.network.outputs)
        return objects((from_hex(x, where) for x in numbers), shape)

    def _codes(self, digits: Any, where: str) -> np.ndarray:
        """The pattern of one cell, (units,)."""
        dtype = self.network.pattern_dtype
        if (
            not isinstance(digits, str)
            or _DIGITS.fullmatch(digits) is None
            or len(digits) != 2 * dtype.itemsize * self.network.units
        ):
            raise FileFormatError(f"{where} are not the digits of {self.network.units} codes")
        codes = np.frombuffer(bytes.fromhex(digits), dtype=dtype).astype(np.int64)
        wrong = codes > self.network.code_limits
        if wrong.any():
            raise FileFormatError(f"{where}: unit {int(wrong.argmax())} has no such piece")
        return codes


_CONSTANT = objects([mpz(0), mpz(0), mpz(1)])


def _points(flat: Any) -> list[Point]:
    """Different reduced points from the flat list of their coordinates."""
    numbers = [from_hex(x, f"vertices[{k}]") for k, x in enumerate(items(flat, "vertices"))]
    points = list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=False))
    if len(numbers) % 3 or len(set(points)) != len(points):
        raise FileFormatError("vertices are no different points x, y, w")
    for k, (x, y, w) in enumerate(points):
        if w < 1 or gmpy2.gcd(gmpy2.gcd(x, y), w) != 1:
            raise FileFormatError(f"vertex {k} is not a reduced point")
    return points


def _open(path: Path, mode: str) -> IO[str]:
    """A text file, compressed where its name ends in `.gz`."""
    opener: Any = gzip.open if path.suffix == ".gz" else open
    return opener(path, mode + "t", encoding="ascii")


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    """(number, value) of every line."""
    number = 0
    try:
        with _open(path, "r") as stream:
            while line := stream.readline(_LONGEST):
                number += 1
                if not line.endswith("\n"):
                    raise FileFormatError(
                        f"{path}: is partial: line {number} is cut off or too long"
                    )
                yield number, parse(line, f"{path}: line {number}")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise FileFormatError(f"{path}: line {number + 1} cannot be read ({error})") from None
