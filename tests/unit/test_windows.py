"""Many windows, local complexity and the watch: what they promise, and every refusal."""

from __future__ import annotations

import copy
import doctest
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam import Network, Slice, Window
from exactcam.cli import main
from exactcam.errors import ExactcamError, MissingCellError, NetworkError, SliceError
from exactcam.windows import complexity, joint, partitions
from exactcam.windows.complexity import random_planes
from exactcam.windows.joint import JointEngine
from exactcam.windows.partitions import exact_measures
from exactcam.windows.questions import Questions

BUMP = exactcam.from_arrays([([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [0])])
BOXES = [(-1, -1, 1, 1), (1, 2, 3, 4), (0, 0, 1, 2)]


def planes(count: int, inputs: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, inputs)), rng.normal(size=(count, 2, inputs))


@pytest.fixture
def net(random_network: Callable[..., Network]) -> Network:
    return random_network([5, 12, 8, 3], seed=1)


def test_it_is_a_sequence_of_partitions() -> None:
    many = exactcam.partitions(BUMP, None, BOXES)
    assert many.activation_regions.tolist() == [4, 2, 2]
    assert many.linear_regions.tolist() == [4, 2, 2]
    assert many.affine_pieces.tolist() == [4, 2, 2]
    assert [len(part) for part in many] == [4, 2, 2]
    assert len(many[-1]) == 2
    assert [len(part) for part in many[:2]] == [4, 2]
    assert many.window(1) == Window.rectangle(1, 2, 3, 4)
    assert many.slice(1) == Slice.plane(2)
    assert many.areas.tolist() == [4, 4, 2]
    assert repr(many) == "<Partitions: 3 windows, 8 activation regions>"
    with pytest.raises(MissingCellError, match="there is no window 3: there are 3"):
        many[3]


def test_distances_and_lengths_of_the_bump() -> None:
    """The output is zero in the quarter to the left of the origin, positive elsewhere."""
    many = exactcam.partitions(BUMP, None, [(-3, -1, -1, 1), (1, 2, 3, 4), (-1, -1, 3, 1)])
    assert many.knot_distances == pytest.approx([np.inf, 0.5**0.5, 0.5**0.5])
    assert many.boundary_distances == pytest.approx([0.0, np.inf, 1.0])
    assert many.boundary_lengths.tolist() == [0.0, 0.0, 0.0]
    lifted = exactcam.from_arrays([([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [-1])])
    many = exactcam.partitions(lifted, None, [(-1, -1, 1, 1), (-1, -1, 3, 1)])
    assert many.boundary_lengths == pytest.approx([1 + 2**0.5] * 2)
    assert many.boundary_distances == pytest.approx([0.5, 0.5])


def test_a_plateau_within_a_triangle_of_ties_is_no_line() -> None:
    """Two outputs are zero, and largest in a triangle whose sides tie with three others."""
    rows = [[0, 0], [0, 0], [1, 1], [-1, 0], [0, -1]]
    net = exactcam.from_arrays([(rows, [0, 0, -1, 0, 0])])
    many = exactcam.partitions(net, None, [(-2, -2, 2, 2), (0.125, 0.125, 0.25, 0.25)])
    exact = np.asarray([exact_measures(part) for part in many])
    assert len(many[0].decision_boundary().plateaus) == 1
    assert many.measure() == pytest.approx(exact, rel=2.0**-16, abs=0)


@pytest.mark.parametrize(
    "given",
    [
        np.asarray(BOXES),
        np.asarray(BOXES, dtype=np.float32),
        np.asarray(BOXES, dtype=np.int8),
        [tuple(map(Fraction, box)) for box in BOXES],
        [tuple(map(str, box)) for box in BOXES],
        [Window.rectangle(*box) for box in BOXES],
        [Window.rectangle(*BOXES[0]), *BOXES[1:]],
        [[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in BOXES],
    ],
    ids=["ints", "float32", "int8", "fractions", "text", "windows", "mixed", "corners"],
)
def test_windows_come_in_many_forms(given: Any) -> None:
    assert exactcam.partitions(BUMP, None, given).activation_regions.tolist() == [4, 2, 2]
    assert exactcam.partitions(BUMP, Slice.plane(2), given).activation_regions.tolist() == [4, 2, 2]


def test_slices_come_in_many_forms(net: Network) -> None:
    origins, directions = planes(3)
    wanted = exactcam.partitions(net, (origins, directions)).activation_regions
    some = [Slice(o, *d) for o, d in zip(origins, directions, strict=True)]
    exact = [Slice(x.origin, x.e1, x.e2) for x in some]
    for given in (some, exact, [some[0], *exact[1:]], (origins.tolist(), directions.tolist())):
        assert np.array_equal(exactcam.partitions(net, given).activation_regions, wanted)
    for window in (
        (-1, -1, 1, 1),
        Window.rectangle(-1, -1, 1, 1),
        [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    ):
        assert np.array_equal(exactcam.partitions(net, some, window).activation_regions, wanted)
    assert [len(exactcam.partition(net, one)) for one in some] == wanted.tolist()


@pytest.mark.parametrize(
    ("slices", "windows", "message"),
    [
        (None, [(0, 0, 1, 1)], "the network has 5 inputs: give a slice"),
        (Slice.plane(2), [(0, 0, 1, 1)], "slice 0 has 2 inputs, the network 5"),
        (planes(3), [(0, 0, 1, 1)] * 2, "3 slices and 2 windows"),
        (planes(3, 4), (0, 0, 1, 1), r"origins and directions have shapes \(3, 4\)"),
        (
            (planes(2)[0], planes(2)[1][:, ::-1] * 0),
            (0, 0, 1, 1),
            "slice 0: e1 and e2 are linearly",
        ),
        ((planes(2)[0] * np.nan, planes(2)[1]), (0, 0, 1, 1), r"slice 0: origin\[0\]"),
        (planes(2), [(0, 0, 1, 1), (0, 0, 0, 1)], "window 1: the window needs umin < umax"),
        (planes(2), [(0, 0, 1, 1), (0, 0, np.inf, 1)], "window 1: window umax"),
        (planes(2), [(0, 0, 1, 1), (0, 0, 1)], "window 1: a window is"),
        (planes(2), 7, "windows is a int: give one window"),
        (7, (0, 0, 1, 1), "slices is a int: give a list of Slices"),
        ([1, 2, 3], (0, 0, 1, 1), "slices: give a list of Slices"),
    ],
)
def test_wrong_questions_are_one_line(
    net: Network, slices: Any, windows: Any, message: str
) -> None:
    with pytest.raises(ExactcamError, match=message) as raised:
        exactcam.partitions(net, slices, windows)
    assert "\n" not in str(raised.value)


def test_dependent_directions_are_refused_however_close(net: Network) -> None:
    origins, directions = planes(2)
    directions[1, 1] = 3 * directions[1, 0]
    directions[1] = np.round(directions[1] * 8) / 8
    directions[1, 1] = 2 * directions[1, 0]
    with pytest.raises(SliceError, match="slice 1: e1 and e2 are linearly dependent"):
        exactcam.partitions(net, (origins, directions))
    directions[1, 1, 0] = np.nextafter(directions[1, 1, 0], 9)
    many = exactcam.partitions(net, (origins, directions))
    assert many.activation_regions[1] == len(exactcam.partition(net, many.slice(1)))


def test_windows_at_the_ends_of_the_range_of_floats_are_cut_among_others(net: Network) -> None:
    origins, directions = planes(6)
    directions[1] *= 2.0**-400
    origins[4, 2] = 2.0**-1070
    boxes = np.tile([-1.0, -1.0, 1.0, 1.0], (6, 1))
    boxes[2] *= 2.0**-310
    asked = Questions(5, (origins, directions), boxes)
    assert asked.usual.tolist() == [True, False, False, True, False, True]
    many = exactcam.partitions(net, (origins, directions), boxes)
    assert many.activation_regions.tolist() == [len(part) for part in many]
    exact = np.asarray([exact_measures(part) for part in many])
    assert many.measure() == pytest.approx(exact, rel=2.0**-16, abs=0)


def test_wrong_arguments(net: Network) -> None:
    with pytest.raises(NetworkError, match="network is a str"):
        exactcam.partitions("net", None)  # type: ignore[arg-type]
    with pytest.raises(ExactcamError, match="progress is a int"):
        exactcam.partitions(net, planes(1), progress=3)  # type: ignore[arg-type]
    with pytest.raises(ExactcamError, match="jobs"):
        exactcam.partitions(net, planes(1), jobs=0)


def test_no_window_at_all(net: Network) -> None:
    many = exactcam.partitions(net, planes(0))
    assert len(many) == 0
    assert many.measure().shape == (0, 6)
    assert many.knot_distances.shape == many.areas.shape == (0,)


def test_one_joint_run_needs_no_exact_number_where_floats_decide(net: Network) -> None:
    engine = JointEngine(net, Questions(5, planes(20), (-1, -1, 1, 1)), 0, 20)
    found = np.bincount(np.concatenate([batch.places for batch in engine.run()]))
    assert not engine._begun._known
    assert found.tolist() == exactcam.partitions(net, planes(20)).activation_regions.tolist()


def test_a_large_network_that_needs_exact_numbers_is_reduced(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = exactcam.partitions(net, planes(6))
    monkeypatch.setattr(joint, "_MANY", 0)
    monkeypatch.setattr(JointEngine, "_decide", lambda self, cut, cells, numbers, found: numbers)
    alone: list[int] = []

    def partition(*question: Any) -> exactcam.Partition:
        alone.append(1)
        return exactcam.partition(*question)

    monkeypatch.setattr(partitions, "partition", partition)
    blind = exactcam.partitions(net, planes(6))
    assert len(alone) == 6
    assert np.array_equal(blind.activation_regions, wanted.activation_regions)
    assert blind.measure() == pytest.approx(wanted.measure())


def test_progress_counts_windows(net: Network) -> None:
    seen: list[int] = []
    exactcam.partitions(net, planes(20), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 20


@pytest.mark.xdist_group("processes")
def test_processes_give_the_same(net: Network) -> None:
    alone, several = (exactcam.partitions(net, planes(40), jobs=jobs) for jobs in (1, 3))
    assert np.array_equal(alone.activation_regions, several.activation_regions)
    assert np.array_equal(alone.measure(), several.measure(jobs=3))


def test_local_complexity_counts_on_planes_through_the_points(net: Network) -> None:
    points = planes(6)[0]
    found = exactcam.local_complexity(net, points.reshape(6, 1, 5), 0.5, planes=3, seed=2)
    assert found.regions.shape == (6, 3)
    for k, part in enumerate(found.partitions):
        assert len(part) == found.regions[divmod(k, 3)]
        assert part.slice.floats is not None
        origin, e1, e2 = part.slice.floats
        assert np.array_equal(origin, points[k // 3])
        assert np.stack([e1, e2]) @ np.stack([e1, e2]).T == pytest.approx(np.eye(2))
        assert part.window == Window.rectangle(-0.5, -0.5, 0.5, 0.5)
    assert found.mean == found.regions.mean() == found.per_point.mean()
    assert found.standard_error == pytest.approx(found.per_point.std(ddof=1) / 6**0.5)
    one = exactcam.local_complexity(net, points[:1], 0.5, planes=3, seed=2)
    assert one.standard_error == pytest.approx(one.regions.std(ddof=1) / 3**0.5)
    assert np.isnan(exactcam.local_complexity(net, points[:1], 0.5).standard_error)
    assert "on a random plane" in repr(found)
    again = exactcam.local_complexity(net, points, 0.5, planes=3, seed=2)
    assert np.array_equal(found.regions, again.regions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.zeros((2, 4))}, r"points are of shape \(2, 4\)"),
        ({"points": np.full((2, 5), np.nan)}, r"points\[0, 0\] is nan"),
        ({"points": [["a"] * 5]}, "points are of shape"),
        ({"radius": 0}, "radius is 0: give a positive number"),
        ({"radius": np.inf}, "radius is inf"),
        ({"radius": "1"}, "radius is a str"),
        ({"planes": 0}, "planes is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"network": None}, "network is None"),
    ],
)
def test_local_complexity_refuses(net: Network, change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"network": net, "points": np.zeros((2, 5)), "radius": 1.0}
    with pytest.raises(ExactcamError, match=message):
        exactcam.local_complexity(**{**arguments, **change})


def test_random_directions_are_uniform() -> None:
    _, directions = random_planes(3, np.zeros((4000, 3)))
    covariance = np.einsum("kdi,kdj->ij", directions, directions) / (2 * 4000)
    assert covariance == pytest.approx(np.eye(3) / 3, abs=0.02)


def test_the_command_counts_and_writes_every_measure(
    net: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, points, table = (tmp_path / name for name in ("net.json", "points.npy", "out.csv"))
    exactcam.write_network(net, model)
    np.save(points, planes(4)[0].astype(np.float32))
    words = ["complexity", str(model), "--points", str(points), "--radius", "1/2", "--planes", "3"]
    assert main([*words, "-o", str(table)]) == 0
    found = exactcam.local_complexity(net, planes(4)[0].astype(np.float32), 0.5, planes=3)
    said = f"{found.mean:.6g} regions on a random plane, standard error {found.standard_error:.2g}"
    assert capsys.readouterr().out == f"{said} (4 points, planes through each: 3)\n"
    rows = [line.split(",") for line in table.read_text().splitlines()]
    assert rows[0] == ["point", "plane", *found.partitions.MEASURES]
    assert [int(row[2]) for row in rows[1:]] == found.regions.ravel().tolist()
    assert rows[6][:2] == ["1", "2"]
    assert [float(row[7]) for row in rows[1:]] == found.partitions.knot_distances.tolist()


@pytest.mark.parametrize("module", [complexity, partitions])
def test_what_docstrings_show(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def trained(watched: bool, path: Path | None = None) -> tuple[Any, Any]:
    """A module after a few steps of training with dropout, and its watch."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.5)
    model = torch.nn.Sequential(*layers, torch.nn.Linear(8, 3))
    data = torch.randn(40, 6)
    watch = exactcam.Watch(model, data[:5], radius=1.0, every=2, path=path) if watched else None
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(4):
        loss = model(data).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if watch is not None:
            watch.step(loss=loss.item()) if step != 1 else watch.step()
    assert model.training
    return model, watch


def test_the_watch_does_not_touch_the_training(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    alone, _ = trained(False)
    model, watch = trained(True, tmp_path / "watch.csv")
    for name, value in alone.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    assert watch.table["step"] == [0, 2, 4]
    assert watch.table["loss"][:2] == [None, None]
    assert watch.table["loss"][2] > 0
    still = exactcam.from_torch(copy.deepcopy(model).eval(), (6,))
    now = exactcam.local_complexity(still, watch._data, 1.0)
    assert watch.table["regions"][-1] == now.mean
    assert watch.table["standard_error"][-1] == now.standard_error
    lines = (tmp_path / "watch.csv").read_text().split("\n")
    assert lines[0] == "step,regions,standard_error,loss"
    assert lines[3].startswith(f"4,{now.mean!r},{now.standard_error!r},")
    assert repr(watch) == f"<Watch: step 4, {now.mean:.4g} regions on a random plane>"


def test_the_watch_draws_its_curves(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    _, watch = trained(True)
    figure = watch.draw(tmp_path / "curve.png")
    assert [axes.get_ylabel() for axes in figure.axes] == ["regions on a random plane", "loss"]
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_the_watch_refuses(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model, watch = trained(True)
    with pytest.raises(ExactcamError, match="regions is a column of its own"):
        [watch.step(regions=1) for _ in range(2)]
    with pytest.raises(ExactcamError, match="every is 0"):
        exactcam.Watch(model, torch.zeros(2, 6), radius=1.0, every=0)
    with pytest.raises(ExactcamError, match="data is no array of inputs"):
        exactcam.Watch(model, [[0.0] * 6], radius=1.0)
