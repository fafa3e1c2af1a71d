"""Statistics, grades and pictures at any scale: scaled copies scale exactly, nothing is nan."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exactcam
from exactcam import Partition, tables
from exactcam.analysis.measures import perimeters, slopes
from exactcam.arithmetic.rational import digits, json_number, mpq, nearest, nearest_sum, root_sum
from exactcam.cli import main
from exactcam.model.network_file import write_network
from exactcam.render.scene import scene

# How each measure changes where the plane is scaled by s: by s to this power.
REGION = {"area": 2, "perimeter": 1, "inradius_bound": 1, "eccentricity": 0, "slope": -1}
SUMMARY = {"window_area": 2, "density": -2, "boundary_length": 1, "slope_mean_by_area": -1}
for kind in ("least", "median", "mean", "greatest"):
    SUMMARY |= {f"{name}_{kind}": power for name, power in REGION.items() if name[0] != "i"}
SUMMARY |= {"layer_1_length": 1, "layer_2_length": 1}

W1 = [[1, -2], [3, 1], [0, 2], [-1, 1]]
B1 = ["1/2", -1, 0, "1/3"]
W2 = [[1, 0, -2, 1], [2, 1, 1, -1], [-1, 1, 2, 0]]
B2 = ["-1/2", "1/4", "1/8"]


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """A warning of numpy is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def scaled(scale: Fraction, centre: int = 0) -> Partition:
    """One partition, its plane scaled and moved."""
    first = [[Fraction(x) / scale for x in row] for row in W1]
    bias = [Fraction(b) - sum(row) * centre for b, row in zip(B1, first, strict=True)]
    layers = [(first, bias), (W2, B2), ([[1, -2, 1]], [-1])]
    window = (centre - scale, centre - scale, centre + scale, centre + scale)
    return exactcam.partition(exactcam.from_arrays(layers), window=window, engine="reference")


BASE = scaled(Fraction(1))
POWERS = (-3000, -1100, -664, -537, -519, 512, 664, 1022, 1100, 3000)


def assert_scaled(part: Partition, power: int) -> None:
    factor = mpq(2) ** power
    table, base = tables.region_table(part), tables.region_table(BASE)
    for name, degree in REGION.items():
        expected = [mpq(x) * factor**degree for x in base[name]]
        assert [mpq(x) for x in table[name]] == expected, name
    row, base = (tables.comparison({"n": p}) for p in (part, BASE))
    for name, degree in SUMMARY.items():
        assert mpq(row[name][0]) == mpq(base[name][0]) * factor**degree, name


@pytest.mark.parametrize("power", POWERS)
def test_statistics_of_a_scaled_copy_are_the_statistics_scaled(power: int) -> None:
    part = scaled(Fraction(2) ** power)
    assert part.counts == BASE.counts
    assert_scaled(part, power)
    near, base = (
        exactcam.nearest_boundary_point(p, size / 3, -size / 5)
        for p, size in ((part, Fraction(2) ** power), (BASE, Fraction(1)))
    )
    assert near.squared_margin == base.squared_margin * mpq(4) ** power
    assert mpq(near.margin) == mpq(base.margin) * mpq(2) ** power
    assert len(exactcam.sample_boundary(part, 5)) == 5


@given(st.integers(-4000, 4000), st.sampled_from([0, 2**60, 10**15 + 1]))
@settings(max_examples=12, deadline=None)
def test_statistics_scale_anywhere(power: int, centre: int) -> None:
    assert_scaled(scaled(Fraction(2) ** power, centre), power)


@pytest.mark.parametrize("power", [-3000, -1100, 1100, 3000])
def test_results_far_outside_floats_are_shown_as_text(power: int) -> None:
    part = scaled(Fraction(2) ** power)
    boundary = part.decision_boundary()
    near = exactcam.nearest_boundary_point(part, 0, 0)
    result = exactcam.compare(part, [])
    texts = [repr(x) for x in (part, part.window, boundary, boundary.segments[0], near)]
    texts += [repr(result), repr(result.areas), result.summary(), json.dumps(result.to_json())]
    texts += [repr(exactcam.line_slice(part.network, part.window.corners[0], [0, 0]))]
    texts += [tables.csv_text(tables.as_floats(tables.comparison({"n": part})))]
    for text in texts:
        assert not re.search(r"\b(nan|inf|NaN|Infinity)\b", text), text


def test_a_sliver_has_the_inradius_it_has() -> None:
    layers = [([[1, 0], [0, 1], [1, 1]], [0, 0, -1e-170]), ([[1, 1, 1]], [0])]
    part = exactcam.partition(exactcam.from_arrays(layers), engine="reference")
    table = tables.region_table(part)
    bounds = dict(zip(table["area"], table["inradius_bound"], strict=True))
    assert bounds[min(bounds)] == pytest.approx(1e-170 / (2 + 2**0.5), rel=1e-15)


@given(st.integers(1, 10**40), st.integers(1, 10**40), st.integers(-5000, 5000))
def test_rounding_to_53_bits_does_not_depend_on_the_size(
    numerator: int, denominator: int, power: int
) -> None:
    value, factor = mpq(numerator, denominator), mpq(2) ** power
    assert mpq(nearest(value * factor)) == mpq(float(Fraction(numerator, denominator))) * factor
    assert mpq(nearest(-value * factor)) == -mpq(nearest(value * factor))
    assert mpq(root_sum([value * factor**2])) == mpq(root_sum([value])) * factor
    terms = [value, -value / 3, value / 7]
    assert mpq(nearest_sum([t * factor for t in terms])) == mpq(nearest_sum(terms)) * factor
    assert isinstance(nearest(value), float)


@pytest.mark.parametrize("value", [0.0, 1.0, 2.0**-1022, 1.7976931348623157e308, 2.0**-1074])
def test_floats_stay_what_they_are(value: float) -> None:
    assert mpq(nearest(mpq(value))) == mpq(value)
    assert isinstance(nearest(mpq(value)), float) == (value == 0 or value >= 2.0**-1022)


@given(st.floats(min_value=1e-300, max_value=1e300), st.integers(1, 17))
def test_digits_are_those_of_python(value: float, count: int) -> None:
    assert digits(value, count) == f"{value:.{count}g}"
    assert digits(-mpq(value), count) == f"{-value:.{count}g}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (mpq(10) ** 400, "1e+400"),
        (mpq(10) ** 400 * mpq(9999996, 10**7), "1e+400"),
        (-(mpq(10) ** -400) * mpq(5, 4), "-1.25e-400"),
        (mpq(2) ** -1074, "4.94066e-324"),
        (mpq(10) ** -9999, "1e-9999"),
        (mpq(10) ** 400 - 1, "1e+400"),
    ],
)
def test_digits_beyond_the_range_of_floats(value: Any, text: str) -> None:
    assert digits(value) == text


def test_json_numbers_are_json() -> None:
    assert [json_number(x) for x in (None, 0.5, nearest(mpq(2) ** 1100))] == [
        None,
        0.5,
        str(2**1100),
    ]


def test_arrays_of_measures_are_floats_where_they_fit() -> None:
    assert perimeters(BASE).dtype == slopes(BASE).dtype == np.float64
    huge = scaled(Fraction(2) ** 1100)
    assert perimeters(huge).dtype == slopes(huge).dtype == object


def polygons(part: Partition, share: Fraction) -> list[np.ndarray]:
    """The regions in floats, shrunk towards their centres."""
    out = []
    for cell in part.cells:
        centre = cell.interior_point
        out.append(
            np.asarray(
                [
                    [float(m + (x - m) * mpq(share)) for x, m in zip(p, centre, strict=True)]
                    for p in cell.vertices
                ]
            )
        )
    return out


@pytest.mark.parametrize("power", [-800, -30, -14, 0, 14, 800])
def test_the_pass_mark_is_relative_to_the_window(power: int) -> None:
    part = scaled(Fraction(2) ** power)
    assert exactcam.compare(part, polygons(part, Fraction(1))).passed
    shrunk = exactcam.compare(part, polygons(part, Fraction(1, 2)))
    assert shrunk.verdict == "differs"
    assert shrunk.mark == mpq(1, 10**5) * mpq(2) ** power
    assert mpq(shrunk.areas.gap) > part.window.area / 2
    # Off by 2^-20 of a region: within the pass mark at every scale.
    assert exactcam.compare(part, polygons(part, 1 - Fraction(1, 2**20))).passed


def test_uncovered_area_fails_by_itself() -> None:
    """Every region is thinner than the pass mark, so that none can be displaced."""
    rows = [[1, 0]] * 7
    network = exactcam.from_arrays(
        [(rows, [Fraction(k, 8) for k in range(-3, 4)]), ([[1] * 7], [0])]
    )
    part = exactcam.partition(network, window=(-0.5, -0.5, 0.5, 0.5), engine="reference")
    tolerance = Fraction(3, 5)
    result = exactcam.compare(part, polygons(part, Fraction(1, 2)), tolerance)
    assert result.counts == {"uncovered": 1}
    assert result.verdict == "differs"
    assert "75" in result.summary()
    assert exactcam.compare(part, polygons(part, Fraction(1)), tolerance).passed


@pytest.mark.parametrize("scale", ["1e-330", "1e-200", "1e-9", "1", "1e9", "1e200", "1e320"])
def test_pictures_have_axes_in_window_coordinates(scale: str, tmp_path: Path) -> None:
    part = scaled(Fraction(scale))
    picture, same = scene(part, "slope"), scene(BASE, "slope")
    assert [c for _, c in picture.fills] == [c for _, c in same.fills]
    for axis in picture.axes:
        unit = re.search(r" / 1e(-?\d+)$", axis.label)
        size = Fraction(10) ** (int(unit[1]) if unit else 0)
        values = [Fraction(label) * size for _, label in axis.ticks]
        places = [place for place, _ in axis.ticks]
        width = Fraction(scale)
        assert places == [float((x + width) / (2 * width)) for x in values]
        assert len(set(values)) == len(values) > 2
    exactcam.draw(part, tmp_path / "out.svg")
    assert not re.search(r"\b(nan|inf|NaN)\b", (tmp_path / "out.svg").read_text())


@pytest.mark.parametrize("scale", ["1e-330", "1e320"])
def test_a_page_that_cannot_show_a_window_says_so(scale: str, tmp_path: Path) -> None:
    with pytest.raises(exactcam.ExactcamError, match=r"draw an \.svg"):
        exactcam.draw(scaled(Fraction(scale)), tmp_path / "out.html")
    for other in ("1e-200", "1e200"):
        exactcam.draw(scaled(Fraction(other)), tmp_path / f"{other}.html")


@pytest.mark.parametrize("scale", ["1e-330", "1e-200", "1e200", "1e320"])
def test_commands_print_numbers(
    scale: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = tmp_path / "n.json"
    write_network(scaled(Fraction(scale)).network, network)
    window = ["--window", f"-{scale}", f"-{scale}", scale, scale, "--engine", "reference"]
    for words in (["stats"], ["stats", "--csv"], ["partition"], ["partition", "--json"]):
        assert main([words[0], str(network), *words[1:], *window]) == 0
    assert main(["sample", str(network), "--nearest", "0,0", *window]) == 0
    text = capsys.readouterr().out
    assert not re.search(r"\b(nan|inf|NaN|Infinity)\b", text)
    assert "area_mean" in text


def test_extreme_networks_never_warn() -> None:
    """Weights and windows at both ends of the range of floats, through everything that computes."""
    rng = np.random.default_rng(4)
    for weight, size in (
        (1e300, 1),
        (1e-300, 1),
        (1e300, 1e-300),
        (1e-300, 1e300),
        (5e-324, 1e308),
    ):
        first = (rng.normal(size=(3, 2)) * weight, rng.normal(size=3) * min(weight * size, 1e300))
        network = exactcam.from_arrays([first, (rng.normal(size=(2, 3)), [0, 0])])
        for engine in ("reference", "fast"):
            part = exactcam.partition(network, window=(-size, -size, size, size), engine=engine)
            tables.region_table(part)
            tables.comparison({"n": part})
            part.locate(0, 0)
            scene(part)
            result = exactcam.compare(part, [part.float_vertices[c.corners] for c in part.cells])
            result.summary()
            assert math.isfinite(len(part))


@pytest.mark.parametrize("scale", ["1e-330", "1e-200", "1e-12", "1e200", "1e320"])
def test_plots_show_any_scale(scale: str, tmp_path: Path) -> None:
    plots = pytest.importorskip("exactcam.render.plots")
    pytest.importorskip("matplotlib")
    part = scaled(Fraction(scale))
    line = exactcam.line_slice(part.network, part.window.corners[0], part.window.corners[2])
    axes = plots.plot_partition(part)
    plots.plot_samples(exactcam.sample_boundary(part, 5, seed=1), axes)
    shown = axes.collections[-1].get_offsets()
    low, high = axes.get_xlim()
    assert 0 < high - low < math.inf
    assert ((low <= shown) & (shown <= high)).all()
    unit = re.search(r"^u / 1e(-?\d+)$", axes.get_xlabel())
    power = int(unit[1]) if unit else 0
    off = Fraction(float(high)) * Fraction(10) ** power / Fraction(scale) - 1
    assert abs(off) < Fraction(1, 10**12)
    figures = [axes, plots.plot_boundary(part), plots.plot_knot_lines(part)]
    figures += [plots.plot_line_slice(line), plots.statistics_figure({"a": part, "b": BASE})]
    figures += [plots.plot_distribution({"a": part}, m) for m in ("area", "slope", "perimeter")]
    for figure in figures:
        plots.save(figure, tmp_path / "out.png", dpi=40)


def test_slopes_in_a_page_are_right_where_their_squares_are_no_floats(tmp_path: Path) -> None:
    """The page's norms at scales whose squares overflow or underflow."""
    from exactcam.render.viewer_data import _norms

    for power in (-600, 0, 600):
        part = scaled(Fraction(2) ** power)
        forms = np.asarray([float(mpq(x, part.form_scale)) for x in part.forms.ravel()]).reshape(
            part.forms.shape
        )
        assert _norms(part, forms) == pytest.approx([float(s) for s in slopes(part)], rel=1e-12)


@pytest.mark.parametrize("size", ["1e-200", "1", "3e153", "1e200"])
def test_totals_of_a_run_have_areas(
    size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = exactcam.from_arrays([([[1, 2], [-2, 1]], [0, 0]), ([[1, -1]], [0])])
    write_network(network, tmp_path / "n.json")
    window = ["--window", f"-{size}", f"-{size}", size, size]
    command = ["partition", str(tmp_path / "n.json"), *window, "-o", str(tmp_path / "a.run")]
    assert main([*command, "--totals", "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=None)
    area, error = (mpq(found[name]) for name in ("area", "area_error"))
    exact = (2 * mpq(Fraction(size))) ** 2
    assert abs(area - exact) <= error < 100 * exact
    assert main([*command, "--totals"]) == 0
    assert not re.search("nan|inf", capsys.readouterr().out)
