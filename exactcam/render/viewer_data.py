"""Packs a partition into the compressed data block of the interactive page.

Positions are the hard part. A browser draws with 24-bit floats and computes with
53 bits, while a sliver can be 1e-20 wide. So every coordinate is stored as a
fixed-point integer, the exact rational rounded once, with at least 128 binary
places and at least 64 more than the thinnest region needs; the page subtracts the
camera's position as integers and only then goes to floats. What is drawn, picked
and measured is therefore right wherever a region is. Exact rationals for reading
come along as hexadecimal text while their total stays within `_EXACT_LIMIT`; beyond
it the page shows the fixed-point digits and says so.

The block is a 4-byte header length, a JSON header, and arrays, zlib-compressed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arithmetic.rational import digits, mpq, mpz, rational, root_sum, to_float, to_hex
from ..complex.boundary import Boundary, cut_by_class
from ..complex.partition import Partition
from ..errors import ExactcamError
from ..model.geometry import Point, squared_distance
from ..model.network import Network
from ..model.nodes import MaxGroups

__all__ = ["pack"]

_EXACT_LIMIT = 24_000_000  # characters of hexadecimal text before compression
_PATTERN_LIMIT = 100_000_000  # codes
_MAP_LIMIT = 3_000_000  # numbers
_MAX_BITS = 960  # 2^-960 and its inverse are still ordinary float64 numbers


def pack(partition: Partition, title: str, colour: str = "slope", level: Any = 0) -> bytes:
    """The compressed data block of the interactive page for a partition and its boundary.

    Parameters
    ----------
    partition : Partition
        What the page shows.
    title : str
        The page's title.
    colour : str
        What the page shows first, one of `exactcam.render.COLOURS`.
    level : exact number
        The level of the boundary of a network of one output.

    Returns
    -------
    bytes
        O(regions x (units + corners)).

    Raises
    ------
    ExactcamError
        Where a region is thinner than 2^-890, or the window reaches beyond 2^960: the page
        could not show it.
    """
    reach = max(abs(x) for corner in partition.window.corners for x in corner)
    if reach > mpz(1) << _MAX_BITS:
        raise ExactcamError(
            f"the window reaches beyond 2^{_MAX_BITS}, which a page cannot show: draw an .svg"
        )
    if partition.window.extent * (mpz(1) << _MAX_BITS) < 1:
        raise _too_thin()
    boundary = partition.decision_boundary(level)
    numbers = _Numbers(partition.vertices)
    drawn = _boundary(partition, boundary, level, numbers)
    bits = _fraction_bits(partition)
    limbs, positions = _positions(numbers, bits)
    maps = partition.forms.size <= _MAP_LIMIT
    arrays = {
        **positions,
        "offsets": partition.offsets.astype(np.uint32),
        "corners": partition.corners.astype(np.uint32),
        "edge_vertices": partition.edges.vertices.astype(np.uint32).ravel(),
        "edge_cells": partition.edges.cells.astype(np.int32).ravel(),
        "edge_units": partition.edge_units.astype(np.int32),
        **drawn,
        "areas": np.asarray([to_float(cell.area) for cell in partition.cells], np.float64),
        **_outputs(partition, maps, rational(level)),
        **_patterns(partition),
        **_exact(partition, numbers),
    }
    header = {
        **_facts(partition),
        "title": title,
        "colour": colour,
        "level": str(level),
        "bits": bits,
        "limbs": limbs,
        "maps": maps,
        "boundary_length": boundary.length
        if isinstance(boundary.length, float)
        else digits(boundary.length),
    }
    return _container(header, arrays)


def _facts(partition: Partition) -> dict[str, Any]:
    """What the header says about the partition and its network."""
    network, counts = partition.network, partition.counts
    return {
        "cells": len(partition),
        "vertices": partition.vertex_count,
        "layers": _layers(network),
        "units": network.units,
        "outputs": network.outputs,
        "form_scale": to_hex(partition.form_scale),
        "counts": [counts.activation_regions, counts.linear_regions, counts.affine_pieces],
        "window": [[str(u), str(v)] for u, v in partition.window.corners],
        "engine": partition.engine,
        "sha256": network.sha256,
        "notes": list(network.notes),
    }


class _Numbers(dict[Point, int]):
    """Point -> its number: the vertices of the partition first, then others as they are met."""

    def __init__(self, points: Iterable[Point]) -> None:
        super().__init__({point: k for k, point in enumerate(points)})

    def __missing__(self, point: Point) -> int:
        self[point] = len(self)
        return self[point]


def _boundary(
    partition: Partition, boundary: Boundary, level: Any, numbers: _Numbers
) -> dict[str, np.ndarray]:
    """The boundary's segments and isolated points, and the parts of cells of one class each."""
    segments = [(numbers[s.start], numbers[s.end]) for s in boundary.segments]
    # Only cells with a segment inside can hold two classes; the others keep their outline.
    cut = sorted({s.cell for s in boundary.segments} | {f.cell for f in boundary.plateaus})
    parts = cut_by_class(partition, level, cut)
    corners = [[numbers[p] for p in points] for _, points, _ in parts]
    return {
        "boundary": np.asarray(segments, np.uint32).ravel(),
        "part_cells": np.asarray([cell for cell, _, _ in parts], np.int32),
        "part_offsets": np.cumsum([0, *map(len, corners)]).astype(np.uint32),
        "part_corners": np.asarray([v for part in corners for v in part], np.uint32),
        "part_classes": np.asarray([-1 if c is None else c for _, _, c in parts], np.int32),
        "isolated": np.asarray([numbers[p] for p in boundary.points], np.uint32),
    }


def _positions(points: Iterable[Point], bits: int) -> tuple[int, dict[str, np.ndarray]]:
    """(64-bit limbs of a coordinate, coordinates in fixed point and as floats)."""
    fixed = [_round(x, w, bits) for px, py, w in points for x in (px, py)]
    limbs = max(abs(x).bit_length() for x in fixed) // 64 + 1
    return limbs, {
        "fixed": np.frombuffer(b"".join(_bytes(x, 8 * limbs) for x in fixed), np.uint8),
        "floats": np.asarray([to_float(mpq(x, mpz(1) << bits)) for x in fixed], np.float64),
    }


def _patterns(partition: Partition) -> dict[str, np.ndarray]:
    """The patterns, each as the XOR with the one before it, as far as they fit."""
    if len(partition) * partition.network.units > _PATTERN_LIMIT:
        return {}
    steps = partition.patterns.astype(np.uint32)
    steps[1:] ^= partition.patterns[:-1]  # neighbours in the order differ little
    return {"patterns": _smallest(steps).ravel()}


def _fraction_bits(partition: Partition) -> int:
    """The binary places of a coordinate: at least 128, and 64 more than the thinnest region needs."""
    points = partition.float_vertices
    low = np.minimum.reduceat(points[partition.corners], partition.offsets[:-1])
    high = np.maximum.reduceat(points[partition.corners], partition.offsets[:-1])
    # An upper bound of each diameter, rounding included; area / diameter is a width.
    size = np.abs(np.stack([low, high])).max(axis=(0, 2))
    diameters = np.hypot(*(high - low).T) + size * 2.0**-50
    need = max(
        int(np.ceil(np.log2(diameter))) - _log2(cell.area)
        for cell, diameter in zip(partition.cells, diameters, strict=True)
    )
    starts, ends = partition.edges.vertices.T
    lengths = np.hypot(*(points[starts] - points[ends]).T)
    unclear = np.abs(points[starts]).max(axis=1) * 2.0**-40
    for k in np.nonzero(lengths <= unclear)[0]:
        squared = squared_distance(partition.vertices[starts[k]], partition.vertices[ends[k]])
        need = max(need, -_log2(squared) // 2 + 1)
    need = max(need, -int(np.floor(np.log2(lengths[lengths > unclear].min(initial=1.0)))))
    if need + 64 > _MAX_BITS:
        raise _too_thin()
    return max(128, need + 64)


def _too_thin() -> ExactcamError:
    """What is said of a region that the page could not show."""
    return ExactcamError(
        f"a region is thinner than 2^-{_MAX_BITS - 70}, which a page cannot show: draw an .svg, or "
        "choose a smaller window around it"
    )


def _log2(value: mpq) -> int:
    """A lower bound of log2, at most 2 below it."""
    return value.numerator.bit_length() - value.denominator.bit_length() - 1


def _round(x: mpz, w: mpz, bits: int) -> mpz:
    """The integer nearest to x / w * 2^bits."""
    return ((x << bits + 1) + w) // (2 * w)


def _bytes(value: mpz, length: int) -> bytes:
    """The integer in two's complement, little-endian."""
    return int(value).to_bytes(length, "little", signed=True)


def _smallest(values: np.ndarray) -> np.ndarray:
    """The codes as bytes if they all fit, else as 32-bit integers."""
    return values.astype(np.uint8 if values.max(initial=0) < 256 else np.uint32)


def _outputs(partition: Partition, with_maps: bool, level: mpq) -> dict[str, np.ndarray]:
    """Class at the centre of each region, norm of its slope, and the maps to read."""
    scale = partition.form_scale
    floats = np.asarray([to_float(mpq(x, scale)) for x in partition.forms.ravel()], np.float64)
    forms = floats.reshape(partition.forms.shape)
    centres = [cell.interior_point for cell in partition.cells]
    classes = np.zeros(len(partition), np.int32)
    for k, (u, v) in enumerate(centres):
        values = partition.forms[k].dot(np.asarray([u, v, 1], dtype=object))
        classes[k] = int(values[0] > level * scale) if len(values) == 1 else int(values.argmax())
    out = {"classes": classes, "norms": _norms(partition, forms)}
    if with_maps:
        out["maps"] = forms.ravel()
    return out


def _norms(partition: Partition, forms: np.ndarray) -> np.ndarray:
    """The norms of the slopes from the maps in floats; exactly where their squares are no floats."""
    with np.errstate(all="ignore"):
        norms = np.sqrt((forms[:, :, :2] ** 2).sum(axis=(1, 2)))
    for k in np.nonzero(~(norms > 1e-140) | ~(norms < 1e150))[0]:
        square = mpq((partition.forms[k, :, :2] ** 2).sum(), partition.form_scale**2)
        norms[k] = to_float(mpq(root_sum([square])))
    return norms


def _exact(partition: Partition, points: Iterable[Point]) -> dict[str, np.ndarray]:
    """The exact numbers as text, one vertex or region a line, as far as they fit."""
    out = {}
    for name, rows in (
        ("exact_vertices", points),
        ("exact_maps", (form.ravel() for form in partition.forms)),
    ):
        lines, total = [], 0
        for row in rows:
            lines.append(" ".join(to_hex(x) for x in row))
            total += len(lines[-1]) + 1
            if total > _EXACT_LIMIT:
                break
        else:
            out[name] = np.frombuffer("\n".join(lines).encode("ascii"), np.uint8)
    return out


def _layers(network: Network) -> list[dict[str, Any]]:
    """Name, first unit, number of units and kind of every layer of the pattern."""
    return [
        {
            "name": network.names[layer.index],
            "start": layer.units.start,
            "size": layer.node.size,
            "kind": "max" if isinstance(layer.node, MaxGroups) else "pointwise",
        }
        for layer in network.layers
    ]


def _container(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Header and arrays as one block, each array on a multiple of 8 bytes, little-endian."""
    places: dict[str, list[Any]] = {}
    parts, at = [], 0
    for name, array in arrays.items():
        kind = array.dtype.newbyteorder("<")
        data = array.astype(kind).tobytes()
        places[name] = [kind.str[1:], at, len(array)]
        padding = -len(data) % 8
        parts += [data, bytes(padding)]
        at += len(data) + padding
    text = json.dumps({**header, "arrays": places}).encode("ascii")
    text += b" " * (-(len(text) + 4) % 8)
    return zlib.compress(len(text).to_bytes(4, "little") + text + b"".join(parts), 6)
