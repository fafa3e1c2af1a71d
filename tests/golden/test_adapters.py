"""What float engines really returned, graded: SplineCam's recorded runs, regioncam live."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam.arithmetic.rational import mpq
from exactcam.cli import main
from exactcam.errors import FileFormatError, NetworkError
from exactcam.grading import EngineOutput, compare
from exactcam.grading.adapters import edges, polygons, relucent, splinecam, syrenn
from exactcam.model.slice import Window

RUNS = Path(__file__).resolve().parents[2] / "../shared/engine_outputs/splinecam"
recorded = pytest.mark.skipif(
    not RUNS.is_dir(), reason="SplineCam's recorded runs (../shared/engine_outputs) are not here"
)


def graded(name: str, tolerance: str = "1e-5") -> exactcam.Comparison:
    output = splinecam.read(RUNS / f"{name}.npz")
    return compare(exactcam.partition(output.network, None, output.window), output, tolerance)


@recorded
def test_splinecam_generic_passes_at_1e_5_and_not_at_1e_9() -> None:
    result = graded("generic_32x3_seed0")
    assert result.passed
    assert (len(result.truth), len(result.matched)) == (1180, 1180)
    assert 4.9e-6 < result.worst_distance < 5e-6
    assert 1e-8 < result.map_error < 1e-7  # float32
    strict = graded("generic_32x3_seed0", "1e-9")
    assert set(strict.counts) == {"displaced", "wrong map", "boundary wrong"}


@recorded
def test_splinecam_near_degenerate_has_the_count_and_the_area_and_is_wrong() -> None:
    result = graded("near_degenerate_1e-10_seed5")
    assert len(result.output) == len(result.truth)
    assert float(result.areas.total) == pytest.approx(4, abs=1e-14)
    assert result.counts == {"missing": 1, "split": 1}
    ((gone,),) = [f.cells for f in result.of_kind("missing")]
    assert result.truth.cells[gone].area < 1e-18
    (split,) = result.of_kind("split")
    # The region polygon 40 pretends to be lies across one knot line from the one it is in.
    assert set(split.polygons) == {40, 41}
    patterns = result.truth.patterns
    assert (patterns[gone] != patterns[split.cells[0]]).sum() == 1


@recorded
def test_splinecam_duplicate_units() -> None:
    right = graded("duplicate_unit_16x2_seed0")
    assert (right.counts, right.verdict) == ({}, "cannot tell")  # boundary: none or failed
    wrong = graded("duplicate_unit_16x2_seed1")
    assert wrong.counts == {"missing": 2, "phantom": 7}
    gone = [wrong.truth.cells[f.cells[0]].area for f in wrong.of_kind("missing")]
    assert wrong.areas.gap == pytest.approx(float(sum(gone)), rel=1e-9)


@recorded
def test_splinecam_concurrent_lines_and_zero_biases() -> None:
    concurrent = graded("concurrent3_origin")
    assert [f.polygons for f in concurrent.of_kind("phantom")] == [(4,)]
    assert concurrent.counts == {"phantom": 1, "boundary extra": 5}
    assert graded("zero_bias_16x2_seed0").verdict == "engine raised"


@recorded
@pytest.mark.parametrize(
    ("name", "tolerance", "code"),
    [
        ("generic_32x3_seed0", "1e-5", 0),
        ("generic_32x3_seed0", "1e-9", 1),
        ("duplicate_unit_16x2_seed1", "1e-5", 1),
        ("near_degenerate_1e-10_seed5", "1e-5", 1),
        ("zero_bias_16x2_seed0", "1e-5", 1),
    ],
)
def test_the_command_on_recorded_runs(
    name: str, tolerance: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, facts = tmp_path / "out.html", tmp_path / "out.json"
    words = ["compare", "splinecam", str(RUNS / f"{name}.npz"), "--tolerance", tolerance]
    assert main([*words, "--report", str(page)]) == code
    assert main([*words, "--report", str(facts)]) == code
    verdict = json.loads(facts.read_text())["verdict"]
    assert f"verdict             {verdict}" in capsys.readouterr().out
    text = page.read_text()
    assert verdict in text
    assert "http" not in text  # self-contained
    assert "NaN" not in text
    assert "nan " not in text


def float32_network(seed: int = 0, widths: tuple[int, ...] = (2, 12, 12, 3)) -> exactcam.Network:
    rng = np.random.default_rng(seed)
    return exactcam.from_arrays(
        [
            (rng.normal(size=(b, a)).astype(np.float32), rng.normal(size=b).astype(np.float32))
            for a, b in pairwise(widths)
        ]
    )


def test_regioncam_live() -> None:
    pytest.importorskip("regioncam", reason="regioncam is not installed")
    from exactcam.grading.adapters import regioncam

    network = float32_network()
    truth = exactcam.partition(network)
    output = regioncam.run(network, truth.window)
    result = compare(truth, output, "1e-4")
    assert result.passed, result.summary()
    assert output.affine is not None
    assert output.boundary is not None
    assert not compare(truth, output, "1e-9").passed  # it computes in float32
    with pytest.raises(NetworkError, match="no float32"):
        regioncam.run(exactcam.from_arrays([([[0.1, 1]], [0])]), truth.window)
    with pytest.raises(NetworkError, match="squares about the origin"):
        regioncam.run(network, Window.rectangle(0, 0, 1, 1))


def cells(truth: exactcam.Partition) -> list[np.ndarray]:
    xy = truth.float_vertices[truth.corners]
    return [xy[a:b] for a, b in zip(truth.offsets, truth.offsets[1:], strict=False)]


def test_neutral_files_keep_everything(tmp_path: Path) -> None:
    network = float32_network(1)
    truth = exactcam.partition(network)
    maps = np.asarray([[[float(x) for x in row] for row in cell.affine] for cell in truth.cells])
    arrays = cells(truth)
    output = EngineOutput(
        np.concatenate(arrays),
        truth.offsets,
        truth.patterns // 2,
        maps,
        boundary=np.zeros((0, 2, 2)),
        network=network,
        slice=truth.slice,
        window=truth.window,
    )
    polygons.write(output, tmp_path / "run.npz")
    again = polygons.read(tmp_path / "run.npz")
    for name in ("vertices", "offsets", "patterns", "affine", "boundary"):
        assert np.array_equal(getattr(output, name), getattr(again, name)), name
    assert again.network.sha256 == network.sha256
    assert (again.slice, again.window) == (truth.slice, truth.window)
    assert (
        main(["compare", "polygons", str(tmp_path / "run.npz")]) == 1
    )  # the boundary is not empty
    polygons.write(EngineOutput(np.zeros((0, 2)), np.zeros(1, int), error="no"), tmp_path / "e.npz")
    assert polygons.read(tmp_path / "e.npz").error == "no"


def test_the_command_checks_that_truth_and_output_are_about_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, other = float32_network(2), float32_network(3)
    truth = exactcam.partition(network)
    arrays = cells(truth)
    bare = EngineOutput(np.concatenate(arrays), truth.offsets)
    polygons.write(bare, tmp_path / "bare.npz")
    exactcam.write_network(network, tmp_path / "net.json")
    exactcam.write_network(other, tmp_path / "other.json")
    truth.save(tmp_path / "truth.jsonl")
    words = ["compare", "polygons", str(tmp_path / "bare.npz")]
    assert main(words) == 2
    assert "--model" in capsys.readouterr().err
    assert main([*words, "--model", str(tmp_path / "net.json")]) == 0
    assert main([*words, "--truth", str(tmp_path / "truth.jsonl")]) == 0
    assert main([*words, "--model", str(tmp_path / "other.json")]) == 1
    both = ["--truth", str(tmp_path / "truth.jsonl"), "--model", str(tmp_path / "other.json")]
    assert main([*words, *both]) == 2
    assert "is not the network" in capsys.readouterr().err
    assert main([*words, "--report", "out.txt", "--model", str(tmp_path / "net.json")]) == 2
    assert main(["compare", "polygons", str(tmp_path / "net.json")]) == 2


def test_syrenn(tmp_path: Path) -> None:
    truth = exactcam.partition(float32_network(4), window=(-1, -2, 3, 2))
    corners = np.asarray([[float(u), float(v)] for u, v in truth.window.corners])
    arrays = cells(truth)
    # Convex combinations of the corners: bilinear weights in the rectangle.
    low, high = corners.min(axis=0), corners.max(axis=0)
    pieces = []
    for cell in arrays:
        s, t = ((cell - low) / (high - low)).T
        pieces.append(np.stack([(1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t], axis=1))
    assert compare(truth, syrenn.from_pieces([(p, None) for p in pieces], truth.window)).passed
    assert compare(truth, syrenn.from_pieces(arrays)).passed
    np.savez(
        tmp_path / "s.npz",
        combinations=np.concatenate(pieces),
        offsets=truth.offsets,
        window=corners,
    )
    assert compare(truth, syrenn.read(tmp_path / "s.npz")).passed
    np.savez(tmp_path / "t.npz", offsets=truth.offsets)
    with pytest.raises(FileFormatError, match="preimages, or combinations"):
        syrenn.read(tmp_path / "t.npz")


def test_edges(tmp_path: Path) -> None:
    """The skeleton relu_edge_subdivision would return, made from the exact partition."""
    network = float32_network(5, (2, 6, 5, 1))
    truth = exactcam.partition(network)
    signs = np.zeros((truth.vertex_count, 4 + network.units + 1), dtype=np.int8)
    xy = truth.float_vertices
    # As there: bits and their complements, 0 on a side, 1 inside - here for all vertices.
    signs[:, :4] = np.stack([xy[:, 0] > -1, xy[:, 1] > -1, xy[:, 0] < 1, xy[:, 1] < 1], axis=1)
    exact = [truth.slice.at(mpq(x, w), mpq(y, w)) for x, y, w in truth.vertices]
    codes = network.patterns(exact)
    signs[:, 4:-1] = codes.astype(np.int8) - 1
    signs[:, -1] = 1
    output = edges.from_skeleton(xy, truth.edges.vertices, signs, network.units)
    result = compare(truth, output, 1e-14)
    assert result.passed, result.summary()
    np.savez(tmp_path / "e.npz", vs=xy, edges=truth.edges.vertices, v_sv=signs, units=network.units)
    assert len(edges.read(tmp_path / "e.npz")) == len(truth)
    with pytest.raises(FileFormatError, match="do not fit together"):
        edges.from_skeleton(xy, truth.edges.vertices, signs[:, :5], network.units)


def test_relucent(tmp_path: Path) -> None:
    """Half-spaces as relucent holds them: h x + c <= 0, from the float pre-activations."""
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(7, 2)), rng.normal(size=7) / 2
    truth = exactcam.partition(exactcam.from_arrays([(weight, bias), (np.ones((1, 7)), [0])]))
    signs = truth.patterns.astype(np.int64) - 1
    rows = np.concatenate([weight, bias[:, None]], axis=1)
    halfspaces = -signs[:, :, None] * rows[None]
    corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]]
    np.savez(tmp_path / "r.npz", halfspaces=halfspaces, ss=signs, window=corners)
    assert compare(truth, relucent.read(tmp_path / "r.npz"), 1e-15).passed

    class Polyhedron:
        def __init__(self, k: int) -> None:
            self.halfspaces, self.ss = halfspaces[k], signs[k : k + 1]

    live = relucent.from_polyhedra([Polyhedron(k) for k in range(len(truth))], truth.window)
    assert compare(truth, live, 1e-15).passed
    np.savez(tmp_path / "w.npz", halfspaces=halfspaces, ss=signs)
    with pytest.raises(FileFormatError, match="needs window"):
        relucent.read(tmp_path / "w.npz")


FIELDS: dict[str, dict[str, np.ndarray]] = {
    "polygons": {
        "vertices": np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]),
        "offsets": np.array([0, 4]),
        "patterns": np.ones((1, 1), dtype=int),
        "affine": np.ones((1, 1, 3)),
        "affine_value": np.array(2),
        "boundary": np.zeros((1, 2, 2)),
    },
    "syrenn": {"combinations": np.eye(4), "offsets": np.array([0, 4])},
    "edges": {
        "vs": np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]),
        "edges": np.array([[0, 1], [1, 2], [2, 3], [3, 0]]),
        "v_sv": np.ones((4, 5), dtype=np.int8),
        "units": np.array(1),
    },
    "relucent": {"halfspaces": np.ones((1, 1, 3)), "ss": np.ones((1, 1), dtype=int)},
    "splinecam": {
        "vertices": np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]),
        "offsets": np.array([0, 4]),
        "region_affine": np.ones((1, 1, 3)),
        "boundary": np.zeros((0, 2, 2)),
        "boundary_is_none": np.array(False),
    },
}
ABOUT = {
    "weight0": np.array([[1.0, 2]]),
    "bias0": np.array([5.0]),
    "weight1": np.array([[1.0]]),
    "bias1": np.array([1.0]),
    "negative_slope": np.array(0.0),
    "error": np.array(""),
    "window": np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]),
}
DAMAGES = {
    "gone": lambda a: None,
    "text": lambda a: np.array("hello"),
    "complex": lambda a: a.astype(complex) if a.dtype.kind in "if" else a,
    "shorter": lambda a: a[:-1] if a.ndim else np.array([]),
    "flat": lambda a: a.reshape(-1),
    "empty": lambda a: np.zeros((0, *a.shape[1:]), a.dtype),
    "halves": lambda a: a + 0.5 if a.dtype.kind in "if" else a,
    "negative": lambda a: -a if a.dtype.kind in "if" else a,
    "nan": lambda a: np.full(a.shape, np.nan),
    "large": lambda a: np.full(a.shape, 1e308),
}


@pytest.mark.parametrize("name", FIELDS)
def test_damaged_files_are_graded_or_refused_in_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = FIELDS[name] | ABOUT
    for key, value in whole.items():
        for damage in DAMAGES.values():
            damaged = {**whole, key: damage(value)}
            path = tmp_path / "damaged.npz"
            np.savez(path, **{k: v for k, v in damaged.items() if v is not None})
            code = main(["compare", name, str(path), "--report", str(tmp_path / "page.html")])
            assert code in (0, 1, 2)
            assert (code == 2) == (len(capsys.readouterr().err.splitlines()) == 1), key
