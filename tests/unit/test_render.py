"""Pictures: every region is on the paper, slivers and tiny windows included."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam import Network, Partition, draw, from_arrays
from exactcam.cli import main
from exactcam.errors import ExactcamError, MissingExtraError
from exactcam.render import COLOURS, scene

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def moons() -> Partition:
    path = Path(exactcam.__file__).parent / "data" / "two_moons.json"
    return exactcam.partition(exactcam.load(path), window=("-1.75", "-1.25", "2.75", "1.75"))


def shoelace(points: np.ndarray) -> float:
    x, y = points.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@pytest.mark.parametrize("colour", [None, *COLOURS])
def test_fills_cover_the_paper(moons: Partition, colour: str | None) -> None:
    picture = scene(moons, colour)
    assert (picture.width, picture.height) == (1, 2 / 3)
    assert sum(shoelace(points) for points, _ in picture.fills) == pytest.approx(2 / 3)
    assert len(picture.edges) == len(moons.edges)
    for points in [*(p for p, _ in picture.fills), *picture.edges, *picture.boundary]:
        assert (points >= 0).all()
        assert (points <= [1, 2 / 3]).all()


def test_classes_are_cut_along_the_boundary(moons: Partition) -> None:
    crossed = {s.cell for s in moons.decision_boundary().segments}
    assert len(scene(moons).fills) == len(moons) + len(crossed)
    assert len(scene(moons, "region").fills) == len(moons)


def test_the_svg_is_well_formed_and_says_what_it_shows(moons: Partition, tmp_path: Path) -> None:
    draw(moons, tmp_path / "moons.svg", title="a < b & c")
    root = ET.parse(tmp_path / "moons.svg").getroot()
    words = [t.text for t in root.iter(f"{SVG}text")]
    assert {"a < b & c", "input 0", "input 1", "output < 0", "decision boundary"} <= set(words)
    shapes = [p for p in root.iter(f"{SVG}path") if p.get("fill") not in (None, "none")]
    assert len(shapes) == len(scene(moons).fills)


def test_a_sliver_is_drawn_as_a_stroke() -> None:
    network = from_arrays([([[1.0, 0], [1, 0]], [0.0, 1e-9]), ([[1, 1]], [0])])
    picture = scene(exactcam.partition(network))
    assert len(picture.slivers) == 1
    assert picture.SLIVER in picture.legend
    assert picture.SLIVER not in scene(exactcam.partition(from_arrays([([[1, 1]], [0])]))).legend


def test_a_window_far_below_float_spacing() -> None:
    network = from_arrays([([[1, 1]], ["-2/3"]), ([[1]], [-1])])
    window = [("1/3", "1/3"), (f"0.{'3' * 40}4", "1/3"), ("1/3", f"0.{'3' * 40}4")]
    picture = scene(exactcam.partition(network, window=window))
    assert (picture.width, picture.height) == (1, 1)
    assert len({tuple(p) for points, _ in picture.fills for p in points}) == 3
    assert picture.axes[0].label.startswith("input 0 - 0.3333")
    assert all(len(label) <= 8 for _, label in picture.axes[0].ticks)


def test_axis_ticks_are_round_and_exactly_placed() -> None:
    part = exactcam.partition(from_arrays([([[1, 1]], [0])]), window=("-0.1", 0, "0.3", "0.1"))
    horizontal, vertical = scene(part).axes
    assert [label for _, label in horizontal.ticks] == ["-0.1", "0", "0.1", "0.2", "0.3"]
    assert [place for place, _ in horizontal.ticks] == [0, 0.25, 0.5, 0.75, 1]
    assert [label for _, label in vertical.ticks] == ["0", "0.1"]


def test_plateaus_and_isolated_points_are_drawn() -> None:
    flat = exactcam.partition(from_arrays([([[1, 0]], [0]), ([[1]], [0])]))
    picture = scene(flat)
    assert "output = 0" in [key.label for key in picture.legend]
    touching = from_arrays([([[1, 0], [-1, 0], [0, 1], [0, -1]], [0] * 4), ([[1] * 4], [0])])
    assert [tuple(p) for p in scene(exactcam.partition(touching)).dots] == [(0.5, 0.5)]


def test_many_classes(random_network: Callable[..., Network]) -> None:
    part = exactcam.partition(random_network([2, 16, 14]), window=(-9, -9, 9, 9))
    labels = [key.label for key in scene(part).legend]
    assert any(label.startswith("output") for label in labels)
    with pytest.raises(ExactcamError, match="level 1 needs a network of one output"):
        scene(part, level=1)


@pytest.mark.parametrize(("name", "magic"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")])
def test_matplotlib_files(moons: Partition, tmp_path: Path, name: str, magic: bytes) -> None:
    pytest.importorskip("matplotlib", reason="PNG and PDF need the extra plot")
    draw(moons, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_missing_matplotlib_names_the_extra(
    moons: Partition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"exactcam\[plot\]"):
        draw(moons, tmp_path / "a.png")


def test_what_cannot_be_drawn(moons: Partition, tmp_path: Path) -> None:
    with pytest.raises(ExactcamError, match=r"must end in \.svg"):
        draw(moons, tmp_path / "a.jpeg")
    with pytest.raises(ExactcamError, match="is not one of class"):
        draw(moons, tmp_path / "a.svg", colour="red")


def test_render_command_reads_models_and_results(
    moons: Partition, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exactcam.write_network(moons.network, tmp_path / "net.json")
    moons.save(tmp_path / "part.jsonl")
    window = ["--window", "-1.75", "-1.25", "2.75", "1.75"]
    assert main(["render", str(tmp_path / "net.json"), *window, "-o", str(tmp_path / "1.svg")]) == 0
    assert main(["render", str(tmp_path / "part.jsonl"), "-o", str(tmp_path / "2.svg")]) == 0
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / f"{k}.svg") for k in (1, 2)]
    assert main(["render", str(tmp_path / "part.jsonl"), "-o", str(tmp_path / "x.gif")]) == 2


def test_demo_writes_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "-o", str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    assert "activation regions  335" in out
    assert "area sum            27/2 exactly, the window's" in out
    part = exactcam.load_partition(tmp_path / "new" / "exactcam-demo.jsonl")
    assert str(tmp_path / "new" / "exactcam-demo.svg") in out
    part.check_invariants()


def test_info_describes_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(exactcam.__file__).parent / "data" / "two_moons.json"
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "inputs 2, outputs 1, units 32" in out
    assert exactcam.load(path).sha256 in out
