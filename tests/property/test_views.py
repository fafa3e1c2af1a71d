"""What looks at a partition - straight lines, samples, tables, the page - on degenerate networks."""

from __future__ import annotations

import json
import zlib
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

import exactcam
from exactcam import ExactcamError, Network, Slice, Window
from exactcam.analysis.tables import csv_text, region_table
from exactcam.arithmetic.rational import mpq, mpz
from exactcam.render.viewer_data import pack
from exactcam.testing.strategies import cases, networks

Case = tuple[Network, Slice, Window]
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
_points = st.tuples(*[st.integers(-8, 8).map(lambda k: mpq(k, 4))] * 2)


@SETTINGS
@given(network=networks(), start=_points, end=_points)
def test_a_line_slice_is_the_network_piece_by_piece(
    network: Network, start: tuple[mpq, mpq], end: tuple[mpq, mpq]
) -> None:
    assume(start != end)
    line = exactcam.line_slice(network, start, end)
    ends = list(pairwise(line.breakpoints))
    assert all(low < high for low, high in ends)
    middles = [line.at((low + high) / 2) for low, high in ends]
    thirds = [line.at((low + 2 * high) / 3) for low, high in ends]
    assert (network.patterns(middles) == line.patterns).all()
    assert (network.patterns(thirds) == line.patterns).all()
    values = network.evaluate_many([line.at(t) for t in line.breakpoints])
    assert values == [line.outputs(t) for t in line.breakpoints]
    assert all((a != b).any() for a, b in pairwise(line.patterns)), "a piece that is not maximal"
    for crossing in line.crossings():
        at = line.outputs((crossing.start + crossing.end) / 2)
        assert all(at[k] == max(at) for k in crossing.classes) if crossing.classes else at == (0,)


@settings(SETTINGS, max_examples=25)
@given(case=cases(), start=_points, end=_points)
def test_a_straight_line_in_the_plane_crosses_the_boundary_where_the_plane_says(
    case: Case, start: tuple[mpq, mpq], end: tuple[mpq, mpq]
) -> None:
    """Every crossing of the line is a point that the 2-D boundary is nearest to: distance zero."""
    network, plane, window = case
    assume(start != end)
    part = exactcam.partition(network, plane, window)
    line = exactcam.line_slice(network, plane.at(*start), plane.at(*end))
    for crossing in line.crossings()[:6]:
        t = (crossing.start + crossing.end) / 2
        u, v = (a + t * (b - a) for a, b in zip(start, end, strict=True))
        if part.locate(u, v):
            assert exactcam.nearest_boundary_point(part, u, v).squared_margin == 0


@SETTINGS
@given(case=cases())
def test_samples_are_on_the_boundary(case: Case) -> None:
    part = exactcam.partition(*case)
    assume(part.decision_boundary().segments)
    for row in exactcam.sample_boundary(part, 5).inputs:  # certified while made, and again here
        values = sorted(part.network.evaluate(row))
        assert values[-1] == (values[-2] if len(values) > 1 else 0)


@SETTINGS
@given(case=cases())
def test_tables_add_up(case: Case) -> None:
    part = exactcam.partition(*case)
    table = region_table(part)
    assert sum(table["area"]) == part.window.area
    assert all(0 <= e <= 1 for e in table["eccentricity"])
    assert len(csv_text(table).splitlines()) == len(part) + 1


@SETTINGS
@given(case=cases())
def test_the_page_holds_the_partition(case: Case) -> None:
    """Positions rounded once; parts of a region cut by the boundary cover its area."""
    part = exactcam.partition(*case)
    try:
        data = zlib.decompress(pack(part, "case"))
    except ExactcamError as refusal:  # cases may have numbers at the end of the range of floats
        if "thinner than 2^-890" not in str(refusal):
            raise
        reject()
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    arrays = {
        name: np.frombuffer(data, kind, count, 4 + length + at)
        for name, (kind, at, count) in header["arrays"].items()
    }
    raw, size, one = arrays["fixed"].tobytes(), 8 * header["limbs"], mpz(1) << header["bits"]
    fixed = [
        mpz(int.from_bytes(raw[k : k + size], "little", signed=True))
        for k in range(0, len(raw), size)
    ]
    for k, (x, y, w) in enumerate(part.vertices):
        assert abs(mpq(fixed[2 * k], one) - mpq(x, w)) <= mpq(1, 2 * one)
        assert abs(mpq(fixed[2 * k + 1], one) - mpq(y, w)) <= mpq(1, 2 * one)
    patterns = arrays["patterns"].reshape(len(part), -1)
    if patterns.size:
        assert (np.bitwise_xor.accumulate(patterns, axis=0) == part.patterns).all()

    def area(corners: np.ndarray) -> mpq:
        points = [(mpq(fixed[2 * v], one), mpq(fixed[2 * v + 1], one)) for v in corners]
        closed = [*points, points[0]]
        return sum((a * d - c * b for (a, b), (c, d) in pairwise(closed)), mpq(0)) / 2

    parts: dict[int, mpq] = {}
    for k, cell in enumerate(arrays["part_cells"].tolist()):
        low, high = arrays["part_offsets"][k : k + 2]
        parts[cell] = parts.get(cell, mpq(0)) + area(arrays["part_corners"][low:high])
    for cell, total in parts.items():
        assert abs(total - part.cells[cell].area) < mpq(1, 1 << 100)
