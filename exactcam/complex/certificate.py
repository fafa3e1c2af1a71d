"""Write certificates: results that anyone can check without trusting exactcam.

The format, the claim and what each line is for are specified in
proofs/certificate.md; `exactcam.checker`, which shares no code with the rest,
checks it (Theorem 19 of proofs/checking.md: it accepts what is written here).
Lines are written as they are made, so the file is never in memory; it gets its name when the
last is written.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from .. import checker
from ..arithmetic.matrix import Convolution
from ..arithmetic.rational import to_hex
from ..errors import NetworkError
from ..files.strict_json import dump
from ..files.writing import writing
from ..model.geometry import Point
from ..model.network import Network
from ..model.node_document import node_text
from ..model.nodes import Affine
from ..model.slice_file import slice_sha256
from .boundary import Boundary, cut_cells
from .cell_data import CellData
from .counts import Counts

__all__ = ["certificate_lines", "check_limits", "write_certificate"]


def check_limits(network: Network) -> None:
    """Raise NetworkError for a network that the checker refuses for its size.

    It writes every term of a convolution out, and reads files up to a limit (section 6 of
    proofs/certificate.md).
    """
    size = 0
    for k, node in enumerate(network.nodes):
        where = f"layer {network.names[k]}"
        for matrix in node.matrices if isinstance(node, Affine) else ():
            if isinstance(matrix, Convolution):
                terms = matrix.shape[matrix.transpose] * math.prod(matrix.held.shape[1:])
                if terms > checker.MAX_TERMS:
                    raise NetworkError(
                        f"{where}: a convolution of {terms:,} terms; certificates can be checked "
                        f"up to {checker.MAX_TERMS:,}"
                    )
        for text in node_text(node):
            size += len(text)
            if size > checker.MAX_FILE:
                raise NetworkError(
                    f"{where}: the network up to here is a file of more than "
                    f"{checker.MAX_FILE:,} bytes; certificates can be checked up to that"
                )


def write_certificate(data: CellData, counts: Counts, boundary: Boundary, path: str | Path) -> None:
    """Write the certificate of a partition and of its decision boundary.

    Equal partitions give equal bytes. Beside the partition and its exact vertices, takes
    eight bytes a vertex and what the cells that the decision boundary meets take.

    Parameters
    ----------
    data : CellData
        The partition.
    counts : Counts
        Its counts, which are claimed too.
    boundary : Boundary
        Its decision boundary at level 0.
    path : path
        Where to write; packed if the name ends in ``.gz``.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    with ExitStack() as stack:
        stream: Any = stack.enter_context(writing(path))
        if str(path).endswith(".gz"):
            stream = stack.enter_context(gzip.GzipFile("", "wb", 6, stream, mtime=0))
        for line in certificate_lines(data, counts, boundary):
            stream.write(line.encode("ascii") + b"\n")


def certificate_lines(data: CellData, counts: Counts, boundary: Boundary) -> Iterator[str]:
    """The lines of the certificate, without their newlines."""
    regions = counts.activation_regions, counts.linear_regions, counts.affine_pieces
    ties = len(boundary.segments), len(boundary.plateaus), len(boundary.points)
    yield "exactcam-certificate 2"
    yield f"network {data.network.sha256}"
    yield f"slice {slice_sha256(data.slice, data.window)}"
    yield f"notes {dump(list(data.network.notes))}"
    yield _line("counts", *regions, *ties)
    number: dict[Point, int] = {}
    yield from _cells(data, number)
    for face, classes in _ties(data, boundary):
        numbers = [number[p] for p in face]
        ordered = numbers if len(numbers) > 2 else sorted(numbers)
        # For one output a tie is one with the constant zero, which counts as output 1.
        yield f"{_line('t', *ordered)} = {_line(*(classes or (0, 1)))}"
    yield "end"


def _cells(data: CellData, number: dict[Point, int]) -> Iterator[str]:
    """Vertices where they are first used, and cells; `number` gets vertices of the boundary.

    Vertices of the partition have their numbers in an array; of points, only those of cells
    that the boundary meets, which may be new ones: most of a large partition is never looked up.
    """
    known = np.full(data.vertex_count, -1, dtype=np.int64)
    written = 0
    for cell, parts in enumerate(cut_cells(data)):
        own = data.corners[data.offsets[cell] : data.offsets[cell + 1]].tolist()
        if parts is None:
            for vertex in own:
                if known[vertex] < 0:
                    known[vertex] = written
                    written += 1
                    yield _vertex(data.vertices[vertex])
            yield _line("c", *known[own].tolist())
            continue
        vertices = {data.vertices[vertex]: vertex for vertex in own}
        for k, points in enumerate(parts):
            for point in points:
                vertex = vertices.get(point, -1)
                if vertex >= 0 and known[vertex] >= 0:
                    number[point] = int(known[vertex])
                elif point not in number:
                    number[point] = written
                    written += 1
                    yield _vertex(point)
                    if vertex >= 0:
                        known[vertex] = number[point]
            yield _line("c" if k == 0 else "p", *(number[p] for p in points))


def _ties(data: CellData, boundary: Boundary) -> Iterator[tuple[Sequence[Point], Sequence[int]]]:
    """Every part of the boundary, as its corners, with the outputs that tie there."""
    for segment in boundary.segments:
        yield (segment.start, segment.end), segment.classes
    for plateau in boundary.plateaus:
        yield plateau.corners, plateau.classes
    for point in boundary.points:
        column = data.network.forward(data.slice.points([point]))[0].columns[:, 0]
        largest = column.max()
        tied = [k for k, value in enumerate(column) if value == largest]
        yield (point,), tied if len(column) > 1 else ()


def _vertex(point: Point) -> str:
    """The line of a vertex."""
    return "v " + " ".join(map(to_hex, point))


def _line(*words: str | int) -> str:
    """Words and hexadecimal numbers with spaces between them."""
    return " ".join(word if isinstance(word, str) else f"{word:x}" for word in words)
