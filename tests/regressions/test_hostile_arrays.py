"""Files of arrays that strangers wrote: small ones that unpack to much, damaged ones, lying ones."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam.cli import main
from exactcam.errors import FileFormatError
from exactcam.grading.adapters import edges, polygons, syrenn
from exactcam.grading.adapters.arrays import context, read_arrays
from tools.audit import said_of, within_a_gigabyte

HEADER = "{'descr': %s, 'fortran_order': False, 'shape': %s, }"


def npy(shape: str, descr: str = "'<f8'", content: bytes = b"") -> bytes:
    text = (HEADER % (descr, shape)).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def stored(array: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array))
    return stream.getvalue()


def archive(
    path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in members:
            out.writestr(name, content)
    return path


GOOD = [("weight0.npy", stored(np.eye(2))), ("bias0.npy", stored(np.zeros(2)))]
ODD = {
    "declares a terabyte": npy("(1000000000000,)"),
    "declares a negative size": npy("(-1, 2)"),
    "sizes whose product wraps": npy("(4294967296, 4294967296)"),
    "nothing times very much": npy("(0, 1000000000000)", content=b"\0"),
    "an open bracket": npy("(2, (2"),
    "a truth value as a size": npy("(True, 2)", content=b"\0" * 16),
    "code as a size": npy("(__import__('this'), 2)"),
    "a Python object": npy("(2, 2)", "'|O'", b"\0" * 32),
    "a record": npy("(2,)", "[('a', '<f8')]", b"\0" * 16),
    "complex numbers": npy("(1, 1)", "'<c16'", b"\0" * 16),
    "too few bytes": npy("(2, 2)", content=b"\0" * 31),
    "too many bytes": npy("(2, 2)", content=b"\0" * 33),
    "text that is no text": npy("(2, 2)", "'<U1'", b"\xff" * 16),
    "text of a gigabyte": npy("(0,)", "'<U999999999'"),
    "a long header": npy("(2, 2)" + " " * 5000, content=b"\0" * 32),
    "no array": b"PK\x03\x04" * 9,
    "empty": b"",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_arrays_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", [("weight0.npy", ODD[name]), GOOD[1]])
    assert said_of(exactcam.load, path).startswith(str(path))
    (tmp_path / "a.npy").write_bytes(ODD[name])
    archive(tmp_path / "good.npz", GOOD)
    status = main(["sample", f"{tmp_path}/good.npz", "--at", f"@{tmp_path}/a.npy"])
    assert status == 2


@pytest.mark.parametrize("name", ODD)
def test_engines_files_are_read_the_same_way(name: str, tmp_path: Path) -> None:
    members = [("vertices.npy", ODD[name]), ("offsets.npy", stored([0, 1]))]
    path = archive(tmp_path / "a.npz", members)
    assert said_of(read_arrays, path, ("vertices", "offsets")).startswith(str(path))
    assert said_of(polygons.read, path)
    for field in ("network", "slice", "window", "error"):
        archive(path, [(f"{field}.npy", ODD[name])])
        assert said_of(context, path).startswith(str(path))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packing_is_refused_before_it_is_unpacked(method: int, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", [("weight0.npy", bytes(10**6))], method)
    assert "neither stored nor deflated" in said_of(exactcam.load, path)


@pytest.mark.parametrize(("kind", "millions"), [("f8", 60), ("i1", 30)])
def test_few_bytes_do_not_become_a_gigabyte(kind: str, millions: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    many = np.zeros((1, millions * 10**6), kind)
    np.savez_compressed(path, weight0=many, bias0=np.zeros(1))
    status, said = within_a_gigabyte("info", path)
    assert (status, said.count("\n")) == (2, 1), said
    assert "more than" in said


LYING = {
    "a name twice": [*GOOD, GOOD[0]],
    "a name twice, spelt differently": [*GOOD, ("weight0", GOOD[0][1])],
    "a bias of no layer": [*GOOD, ("bias1.npy", GOOD[1][1])],
    "a weight behind a gap": [*GOOD, ("weight2.npy", GOOD[0][1]), ("bias2.npy", GOOD[1][1])],
    "a weight with another spelling": [*GOOD, ("weight01.npy", GOOD[0][1])],
    "no bias": GOOD[:1],
    "no weight": GOOD[1:],
    "two slopes": [*GOOD, ("negative_slope.npy", stored([0.1, 0.2]))],
    "text as weights": [("weight0.npy", stored([["a", "b"]])), ("bias0.npy", stored([0.0]))],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", LYING)
def test_arrays_that_are_not_read_as_they_look(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", LYING[name])
    assert said_of(exactcam.load, path).startswith(str(path))


def test_other_names_are_ignored_and_not_even_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", [*GOOD, ("weights.npy", b"junk"), ("note.txt", b"junk")])
    assert exactcam.load(path).inputs == 2


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_damaged_archives_are_damaged(place: int, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", GOOD)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 0x55
    path.write_bytes(bytes(content))
    said_of(exactcam.load, path)


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    for name in (".", "missing.npz", "missing.onnx", "missing.pt2", "missing"):
        with pytest.raises(FileFormatError, match=r"cannot be read|not a regular"):
            exactcam.load(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
@pytest.mark.parametrize("suffix", ["npz", "onnx", "pt2", "json"])
def test_a_pipe_is_not_waited_for(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    os.mkfifo(path)
    assert "not a regular file" in said_of(exactcam.load, path)


LONG = {"digits that end as no number": "9" * 1_000_000 + "x", "many powers": "1e9999," * (1 << 23)}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_text_of_numbers_is_refused_soon(text: str, tmp_path: Path) -> None:
    archive(tmp_path / "m.npz", GOOD)
    (tmp_path / "a.txt").write_text(text)
    status, said = within_a_gigabyte(
        "partition", tmp_path / "m.npz", "--at", f"@{tmp_path / 'a.txt'}"
    )
    assert (status, said.count("\n")) == (2, 1), said
    assert f"{tmp_path / 'a.txt'}" in said


WRONG = {
    "offsets": {"offsets": [0, 2]},
    "vertices": {"vertices": np.zeros(2)},
    "patterns": {"patterns": np.zeros(3)},
    "skeleton": {"vs": np.zeros((1, 2)), "edges": [[0, 5]], "v_sv": [[0] * 5], "units": 1},
    "combinations": {
        "combinations": np.ones((3, 9)),
        "window": np.float64([[0, 0], [1, 0], [0, 1]]),
    },
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_arrays_that_do_not_fit_name_the_file(wrong: dict[str, object], tmp_path: Path) -> None:
    right = {"vertices": np.float64([[0, 0], [1, 0], [0, 1]]), "offsets": [0, 3]}
    path = tmp_path / "found.npz"
    np.savez(path, **{**right, **wrong})  # type: ignore[arg-type]
    read = {"skeleton": edges.read, "combinations": syrenn.read}
    (name,) = (name for name in WRONG if WRONG[name] is wrong)
    assert said_of(read.get(name, polygons.read), path).startswith(f"{path}: ")


def test_combinations_of_no_number_raise_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "found.npz"
    corners = np.float64([[0, 0], [1, 0], [0, 1]])
    for number in (np.inf, np.nan, 1e308):
        np.savez(path, combinations=np.full((3, 3), number), offsets=[0, 3], window=10 * corners)
        assert not said_of(syrenn.read, path)


CORNERS = np.float64([[0, 0], [1, 0], [0, 1]])
MANY: dict[str, tuple[str, dict[str, object]]] = {
    "edges": ("edges", {"vs": CORNERS, "edges": np.zeros((1 << 24, 2), np.int8), "units": 1}),
    "polygons": ("polygons", {"vertices": CORNERS[:0], "offsets": np.zeros(1 << 24, np.int8)}),
    "corners": ("splinecam", {"window": np.zeros((1 << 19, 2), np.float32), "offsets": [0]}),
    "halfspaces": (
        "relucent",
        {"halfspaces": np.zeros((2, 1 << 18, 3), "<f2"), "ss": np.zeros((2, 1 << 18), np.int8)},
    ),
}


@pytest.mark.parametrize(("engine", "arrays"), MANY.values(), ids=MANY)
def test_zeros_that_pack_to_nothing_are_not_looked_at_one_by_one(
    engine: str, arrays: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "found.npz"
    members = {"v_sv": np.zeros((3, 5), np.int8), "window": CORNERS, "vertices": CORNERS} | arrays
    archive(path, [(f"{name}.npy", stored(array)) for name, array in members.items()])
    status, said = within_a_gigabyte("compare", engine, path)
    assert status == 2
    assert said.count("\n") == 1
    assert "far too many for the file's size" in said


def test_floats_of_very_different_size_do_not_become_a_gigabyte(tmp_path: Path) -> None:
    wide = np.tile([1e308, 5e-324], 1 << 20)[None]
    path = archive(
        tmp_path / "m.npz", [("weight0.npy", stored(wide)), ("bias0.npy", stored([0.0]))]
    )
    status, said = within_a_gigabyte("info", path)
    assert (status, said.count("\n")) == (2, 1), said
    assert "far more than its size allows" in said
    few = archive(path, [("weight0.npy", stored(wide[:, :200])), ("bias0.npy", stored([0.0]))])
    assert not said_of(exactcam.load, few)
