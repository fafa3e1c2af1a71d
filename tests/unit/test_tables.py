"""Tables, the stats command and the figures: against closed forms and slow definitions."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import mpmath
import numpy as np
import pytest

from exactcam import Network, Partition, from_arrays, line_slice, partition, sample_boundary
from exactcam.analysis.measures import eccentricities
from exactcam.analysis.tables import as_floats, comparison, csv_text, region_table
from exactcam.arithmetic.rational import mpq, to_float
from exactcam.cli import main
from exactcam.model.network_file import write_network


@pytest.fixture
def part(random_network: Callable[..., Network]) -> Partition:
    return partition(random_network([2, 12, 8, 1], seed=5), window=(-2, -2, 2, 2))


def strip(width: mpq, height: mpq) -> Partition:
    """One region: a rectangle."""
    return partition(from_arrays([([[1, 1]], [9])]), window=(0, 0, width, height))


def test_eccentricity_of_rectangles() -> None:
    assert eccentricities(strip(mpq(3), mpq(3))).tolist() == [0.0]
    # Moments grow with the square of the sides: sqrt(1 - (h/w)^2).
    assert eccentricities(strip(mpq(5), mpq(3))).tolist() == [0.8]
    assert eccentricities(strip(mpq(2), mpq(1))).tolist() == [math.sqrt(0.75)]
    assert eccentricities(strip(mpq(1, 10**30), mpq(1))).tolist() == [1.0]


def test_eccentricity_is_correctly_rounded(part: Partition) -> None:
    """Against 60 digits, from moments by triangles rather than by edges."""
    with mpmath.workdps(60):
        for cell, value in list(zip(part.cells, eccentricities(part), strict=True))[:40]:
            points = [
                [mpmath.mpf(int(c.numerator)) / int(c.denominator) for c in p]
                for p in cell.vertices
            ]
            area, mean, second = mpmath.mpf(0), mpmath.zeros(2, 1), mpmath.zeros(2, 2)
            for k in range(1, len(points) - 1):
                corners = [mpmath.matrix(p) for p in (points[0], points[k], points[k + 1])]
                a, b, c = corners
                size = ((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]) / 2
                centre = (a + b + c) / 3
                area += size
                mean += size * centre
                second += size / 12 * (sum((p * p.T for p in corners), 9 * centre * centre.T))
            second = second / area - (mean / area) * (mean / area).T
            low, high = sorted(mpmath.eigsy(second, eigvals_only=True))
            assert value == float(mpmath.sqrt(1 - low / high))


def test_region_table_and_csv(part: Partition) -> None:
    table = region_table(part)
    assert sum(table["area"]) == 16
    assert {len(column) for column in table.values()} == {len(part)}
    for cell, bound, vertices in zip(
        part.cells, table["inradius_bound"], table["vertices"], strict=True
    ):
        assert vertices == len(cell.corners)
        points = np.asarray([[to_float(c) for c in p] for p in cell.vertices])
        sides = np.roll(points, -1, axis=0) - points
        to_centre = points.mean(axis=0) - points
        distance = (sides[:, 0] * to_centre[:, 1] - sides[:, 1] * to_centre[:, 0]) / np.hypot(
            *sides.T
        )
        assert distance.min() <= bound * (1 + 1e-9), "a circle around the centre is larger"
    rows = list(csv.DictReader(csv_text(table).splitlines()))
    assert [mpq(row["area"]) for row in rows] == table["area"]
    assert [float(row["slope"]) for row in rows] == table["slope"]


def test_comparison(part: Partition, random_network: Callable[..., Network]) -> None:
    small = partition(random_network([2, 4, 1], seed=1))
    table = comparison({"small": small, "large": part})
    assert table["network"] == ["small", "large"]
    assert table["activation_regions"] == [len(small), len(part)]
    assert table["density"] == [mpq(len(small), 4), mpq(len(part), 16)]
    assert table["layer_2_edges"][0] is None
    inner = (part.edge_units >= 0).sum()
    assert table["layer_1_edges"][1] + table["layer_2_edges"][1] == inner
    on_knots = table["layer_1_length"][1] + table["layer_2_length"][1]
    outline = sum(region_table(part)["perimeter"])
    assert on_knots == pytest.approx((outline - 16) / 2, rel=1e-12)
    assert table["area_mean"][1] == mpq(16, len(part))
    assert isinstance(as_floats(table)["area_mean"][1], float)


def test_a_table_is_a_data_frame(part: Partition) -> None:
    pandas = pytest.importorskip("pandas", reason="data frames need pandas")
    frame = pandas.DataFrame(as_floats(region_table(part)))
    assert frame["area"].sum() == pytest.approx(16)


def test_stats_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], part: Partition) -> None:
    write_network(part.network, tmp_path / "net.json")
    part.save(tmp_path / "res.jsonl")
    words = ["stats", str(tmp_path / "net.json"), "--window", "-2", "-2", "2", "2"]
    assert main([*words, "--and", str(tmp_path / "res.jsonl"), "-o", str(tmp_path / "c.csv")]) == 0
    assert "activation_regions" in capsys.readouterr().out
    first, second = csv.DictReader((tmp_path / "c.csv").read_text().splitlines())
    assert (first.pop("network"), second.pop("network")) == ("net", "res")
    assert first == second
    assert main([*words, "--csv", "--regions", str(tmp_path / "r.csv")]) == 0
    assert len((tmp_path / "r.csv").read_text().splitlines()) == len(part) + 1
    assert main([*words, "--and", "x.json", "--regions", "r.csv"]) == 2


def test_figures_compose(part: Partition, tmp_path: Path) -> None:
    figure_module = pytest.importorskip("matplotlib.figure", reason="figures need the extra plot")
    from exactcam.render import plots

    figure = figure_module.Figure()
    left, right, below = figure.subplots(1, 3)
    assert plots.plot_partition(part, left, "slope") is left
    plots.plot_samples(sample_boundary(part, 5), left)
    assert len(left.collections[0].get_paths()) == len(part)
    # Regions sit where the data is: the fills, moved by their transform, fill the window.
    boxes = left.collections[0].get_datalim(left.transData)
    assert np.allclose(boxes.bounds, (-2, -2, 4, 4))
    plots.plot_knot_lines(part, right)
    plots.plot_boundary(part, right, linewidths=3)
    drawn = sum(len(c.get_segments()) for c in right.collections[:2])
    assert drawn == (part.edge_units >= 0).sum()
    line = line_slice(part.network, [-2, -1], [2, 1])
    plots.plot_line_slice(line, below)
    assert np.allclose(below.lines[0].get_xdata(), [float(t) for t in line.breakpoints])
    for suffix in ("png", "pdf", "svg"):
        plots.save(figure, tmp_path / f"a.{suffix}")
    plots.save(plots.plot_distribution({"net": part}, "eccentricity"), tmp_path / "d.png")
    plots.save(plots.statistics_figure({"a": part, "b": part}), tmp_path / "s.svg")
    again = (tmp_path / "s.svg").stat().st_size
    assert again > 10_000
