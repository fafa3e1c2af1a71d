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
cells are the partition of the network is what `Partition.check_invariants` checks
(`load_partition` checks what needs no network).
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import gmpy2
import numpy as np

from ..arithmetic.rational import all_from_hex, from_hex, mpz, objects, to_hex
from ..errors import FileFormatError, NumberError
from ..exact.reference import RawCell
from ..files.reading import open_file, reading
from ..files.strict_json import count, counts, dump, fields, items, parse
from ..files.writing import writing
from ..model.geometry import Point
from ..model.network import Network
from ..model.network_file import network_document, network_from_document
from ..model.nodes import Block
from ..model.slice import Slice, Window
from ..model.slice_file import slice_document, slice_from_document
from .cell_data import CellData

__all__ = ["PartitionReader", "PartitionWriter", "is_result", "write_partition"]

_BATCH = 1024  # cells a line
_LONGEST = 1 << 28  # characters a line: refuses a file made to fill the memory
# A line has at most so many JSON values, and so many for each byte of the file: packed, some
# hundred kilobytes of brackets would become gigabytes of lists.
_VALUES, _VALUES_A_BYTE = 1 << 22, 16
_OF_CELLS = 1 << 19  # and all lines of cells together so many, and as many for each byte
_PACKED = b"\x1f\x8b"
_HEAD = 200  # bytes in which a result file says what it is
_DIGITS = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)


class PartitionWriter:
    """Writes a result file batch by batch, in a `with` statement.

    The file gets its name when the statement ends; if anything is raised in it, what the file
    held before stays. Raises OSError where the file cannot be written.
    """

    def __init__(
        self, path: str | Path, network: Network, slice: Slice, window: Window, engine: str
    ) -> None:
        self._path, self._open = path, ExitStack()
        self._cells, self._vertices = 0, set[Point]()
        self._header = {
            "format": "exactcam-partition",
            "version": 1,
            "engine": engine,
            "network": network_document(network),
            "slice": slice_document(slice, window),
        }

    def _line(self, value: Any) -> None:
        """Write one JSON value as a line."""
        self._stream.write(dump(value).encode("ascii") + b"\n")

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
        with ExitStack() as stack:
            self._stream: Any = stack.enter_context(writing(self._path))
            if str(self._path).endswith(".gz"):
                packed = gzip.GzipFile("", "wb", 9, self._stream, mtime=0)
                self._stream = stack.enter_context(packed)
            self._line(self._header)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._open.__exit__(kind, error, trace)
            return
        with self._open:
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
        with reading(path):
            self.network = network_from_document(network, f"{path}: network")
            self.slice, self.window = slice_from_document(plane, f"{path}: slice")
        if self.slice.size != self.network.inputs:
            raise FileFormatError(f"{path}: the slice does not fit the network")

    def cells(self) -> Iterator[RawCell]:
        """Every cell of the file. FileFormatError at the end if the file is partial."""
        found, seen, scale, patterns = 0, set[Point](), None, set[bytes]()
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
                with reading(where):
                    points, batch = self._batch(line)
            except NumberError as error:
                raise FileFormatError(str(error)) from None
            if scale not in (None, batch[0].output.denominator):
                raise FileFormatError(f"{where}: scale differs from the batch before")
            scale = batch[0].output.denominator
            seen.update(points)
            found += len(batch)
            for cell in batch:
                if (pattern := cell.codes.tobytes()) in patterns:
                    raise FileFormatError(f"{where}: two regions have the same pattern")
                patterns.add(pattern)
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
        columns = self._forms(items(forms, "forms", len(outlines)))
        cells = []
        for k, cell in enumerate(outlines):
            if len(cell) < 3 or len(set(cell)) != len(cell):
                raise FileFormatError(f"cell {k} needs at least 3 different corners")
            output = Block(columns[k], _CONSTANT, below)
            codes = self._codes(digits[k], f"patterns[{k}]")
            cells.append(RawCell(tuple(points[v] for v in cell), codes, output))
        return points, cells

    def _forms(self, cells: list[Any]) -> np.ndarray:
        """The output maps of some cells, (cells, outputs, 3)."""
        size = 3 * self.network.outputs
        numbers = [items(entries, f"forms[{k}]", size) for k, entries in enumerate(cells)]
        try:
            flat = all_from_hex(list(chain.from_iterable(numbers)), "forms")
        except NumberError:  # once more, for the message
            flat = objects(from_hex(x, f"forms[{k}]") for k, n in enumerate(numbers) for x in n)
        return flat.reshape(len(cells), self.network.outputs, 3)

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
    numbers = all_from_hex(items(flat, "vertices"), "vertices").tolist()
    points = list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=False))
    if len(numbers) % 3 or len(set(points)) != len(points):
        raise FileFormatError("vertices are no different points x, y, w")
    for k, (x, y, w) in enumerate(points):
        if w < 1 or gmpy2.gcd(gmpy2.gcd(x, y), w) != 1:
            raise FileFormatError(f"vertex {k} is not a reduced point")
    return points


def is_result(path: str | Path) -> bool:
    """Whether a file begins, packed or not, as result files do; False where it cannot be read."""
    try:
        with open_file(path) as raw:
            begin = raw.read(2)
            raw.seek(0)
            stream: Any = gzip.GzipFile(fileobj=raw) if begin == _PACKED else raw
            head = stream.read(_HEAD)
    except (FileFormatError, OSError, EOFError, zlib.error):
        return False
    return b'"exactcam-partition"' in head


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    """(number, value) of every line; whether the file is packed is told from its first bytes."""
    number = 0
    with open_file(path) as raw:
        packed_values = _VALUES_A_BYTE * raw.seek(0, 2)
        values, left = _VALUES + packed_values, _OF_CELLS + packed_values
        raw.seek(0)
        packed = raw.read(2) == _PACKED
        raw.seek(0)
        stream: Any = gzip.GzipFile(fileobj=raw) if packed else raw
        while True:
            number += 1
            try:
                line = stream.readline(_LONGEST)
                many = sum(map(line.count, (b",", b"[", b"{")))
                text = line.decode("ascii")
                del line
            except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
                raise FileFormatError(f"{path}: line {number} cannot be read ({error})") from None
            if not text:
                return
            left -= many if number > 1 else 0
            if many > values or left < 0:
                raise FileFormatError(
                    f"{path}: line {number} holds {many:,} values, far too many for the file's size"
                )
            if not text.endswith("\n"):
                raise FileFormatError(f"{path}: is partial: line {number} is cut off or too long")
            with reading(f"{path}: line {number}"):
                value = parse(text, f"{path}: line {number}")
            yield number, value
