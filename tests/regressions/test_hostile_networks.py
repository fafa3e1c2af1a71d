"""Network and slice files that strangers wrote: sizes, depth, forged names, near-integers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import exactcam
from exactcam.errors import FileFormatError, NetworkError, NumberError
from exactcam.files import strict_json
from exactcam.model.network import Network
from exactcam.model.network_file import network_document
from exactcam.model.slice_file import read_slice, write_slice
from tools.audit import said_of, within_a_gigabyte
from tools.mutate import spots

CONVOLUTION: dict[str, Any] = {
    "kind": "convolution",
    "source": [1, 4],
    "target": [1, 2],
    "kernel": [1, 1, 3],
    "stride": [1],
    "padding": [0],
    "dilation": [1],
    "groups": 1,
    "transpose": False,
    "entries": ["1", "2", "3"],
}


def document(matrix: dict[str, Any] | None = None, inputs: int = 2) -> dict[str, Any]:
    network = exactcam.from_arrays([([[1, 2], [3, 4]], [0, 1]), ([[1, -1]], [0])])
    out = network_document(network)
    if matrix is not None:
        affine = {
            "op": "affine",
            "inputs": [0],
            "matrices": [matrix],
            "bias": ["0"] * 2,
            "scale": "1",
        }
        out = {**out, "inputs": inputs, "output": 1, "nodes": [affine], "names": ["a"]}
    return out


def read(value: Any, folder: Path) -> str:
    path = folder / "m.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    said = said_of(exactcam.load, path)
    assert not said or said.startswith(str(path))
    return said


def test_right_files_load(tmp_path: Path) -> None:
    assert not read(document(), tmp_path)
    assert not read(document(CONVOLUTION, 4), tmp_path)


@pytest.mark.parametrize("size", [1 << 23, 1 << 31, 1 << 40, 10**15 - 1, 0])
def test_numbers_of_inputs(size: int, tmp_path: Path) -> None:
    row = {"kind": "sparse", "shape": [2, size], "indptr": [0, 0, 0], "indices": [], "entries": []}
    assert "inputs" in read(document(row, size), tmp_path) or not size
    big = {**CONVOLUTION, "source": [1, size], "stride": [max(1, size // 2)], "kernel": [1, 1, 1]}
    assert read(document({**big, "entries": ["1"]}, size), tmp_path)
    with pytest.raises(NetworkError, match="input"):
        Network(size, (), 0)


HUGE = [0, -1, 1 << 30, 10**14, True, "1", None, 1.5, [1]]


@pytest.mark.parametrize("name", sorted(set(CONVOLUTION) - {"kind", "entries"}))
@pytest.mark.parametrize("number", HUGE, ids=str)
def test_sizes_of_convolutions(name: str, number: Any, tmp_path: Path) -> None:
    inside = CONVOLUTION[name]
    values = [number] if not isinstance(inside, list) else []
    for k in range(len(inside) if isinstance(inside, list) else 0):
        values.append([*inside[:k], number, *inside[k + 1 :]])
    for value in [*values, [], [1] * 40]:
        said = read(document({**CONVOLUTION, name: value}, 4), tmp_path)
        assert said or value == inside or (name == "transpose" and value is True), value


def test_tables_of_a_convolution_are_not_made_when_they_are_huge(tmp_path: Path) -> None:
    places, taps = 5000, 4000
    wide = {
        **CONVOLUTION,
        "source": [1, places + taps - 1],
        "target": [1, places],
        "kernel": [1, 1, taps],
    }
    affine = document({**wide, "entries": ["1"] * taps}, places + taps - 1)
    affine["nodes"][0]["bias"] = ["0"] * places
    assert "out of reach" in read(affine, tmp_path)


def test_tables_of_breakpoints_are_not_made_when_they_are_huge(tmp_path: Path) -> None:
    few = {"breakpoints": ["0"], "pieces": [["0", "0"], ["1", "0"]]}
    knots = [f"{k:x}" for k in range(1, 4000)]
    slopes = [["0", "0"]]
    for k in range(1, 4000):  # slopes 0 1 0 1 ..., continuous
        slope, shift = (int(x, 16) for x in slopes[-1])
        value = slope * k + shift
        new = 1 - slope
        rest = value - new * k
        slopes.append([f"{new:x}", f"{rest:x}" if rest >= 0 else f"-{-rest:x}"])
    many = {"breakpoints": knots, "pieces": slopes}
    for functions, which in (([many] + [few] * 6000, [0, 1]), ([many], [0] * 20000)):
        value = document()
        value["nodes"][1].update(functions=functions, which=which)
        if len(which) > 2:
            row = {"kind": "sparse", "shape": [20000, 2], "indptr": [0] * 20001}
            value["nodes"][0].update(
                bias=["0"] * 20000, matrices=[{**row, "indices": [], "entries": []}]
            )
        assert "out of reach" in read(value, tmp_path)


FORGED = ["x\nsha256 00", "x\rnote", "\x1b[2J", "\ud800", "\u2028", "\u202e", "a\0b", "n" * 5000]


@pytest.mark.parametrize("text", FORGED, ids=ascii)
@pytest.mark.parametrize("field", ["names", "notes"])
def test_names_and_notes_are_one_printable_line(field: str, text: str, tmp_path: Path) -> None:
    value = document()
    value[field] = [text, *value[field][1:]]
    assert "printable" in read(value, tmp_path)
    network = exactcam.from_arrays([([[1, 2]], [0])])
    names = (text,) if field == "names" else ("0",)
    notes = (text,) if field == "notes" else ()
    with pytest.raises(NetworkError, match="printable"):
        Network(2, network.nodes, 1, names, notes)
    assert strict_json.printable(text).isprintable()
    assert len(strict_json.printable(text)) <= 4096


@pytest.mark.parametrize("number", [True, False, 1.0, "1", None, 10**20, -1])
def test_an_integer_is_an_integer(number: Any, tmp_path: Path) -> None:
    for place in ("version", "inputs", "output"):
        assert read({**document(), place: number}, tmp_path)
    path = tmp_path / "s.json"
    window = exactcam.Window([(0, 0), (1, 0), (0, 1)])
    write_slice(exactcam.Slice.plane(2), window, path)
    assert not said_of(read_slice, path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": number}))
    assert said_of(read_slice, path).startswith(str(path))


def test_depth_and_number_are_limited_before_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json.json, "loads", lambda *a, **k: pytest.fail("parsed"))
    for text in ("[" * 65 + "]" * 65, '{"a":' * 65, "[" * 10**6, "[[" * 40 + '"]]"' * 40):
        with pytest.raises(FileFormatError, match="deep"):
            strict_json.parse(text, "x")
    with pytest.raises(FileFormatError, match="more than"):
        strict_json.parse("[" + "[]," * (1 << 22) + "[]]", "x")


def test_brackets_in_text_are_no_depth() -> None:
    value = {"notes": ["[{(" * 100, '"[\\"[' * 50, "}" * 70], "x": [[1]] * 70}
    assert strict_json.parse(json.dumps(value), "x") == value


def test_fractions_without_a_small_common_denominator(tmp_path: Path) -> None:
    knots = [f"1/{(1 << 4000) + 2 * k + 1:x}" for k in range(2000, 0, -1)]
    value = document()
    functions = [{"breakpoints": ["0"], "pieces": [["0", "0"], [slope, "0"]]} for slope in knots]
    value["nodes"][1].update(functions=functions)
    said = read(value, tmp_path)
    if not said:  # few enough to hold; using it must then stay within bounds
        status, _ = within_a_gigabyte("info", tmp_path / "m.json")
        assert status in (0, 2)
    with pytest.raises(NumberError, match="common denominator"):
        exactcam.from_arrays([([[f"1/{(1 << 4000) + 2 * k + 1}" for k in range(2500)]], [0])])


def test_entries_replaced_anywhere_are_refused_or_read(tmp_path: Path) -> None:
    for base in (document(), document(CONVOLUTION, 4)):
        for inside, key in spots(base):
            kept = inside[key]
            for number in (10**14, -1, 0, True, None, [], {}, "\ud800", "f" * 99):
                inside[key] = number
                read(base, tmp_path)
            inside[key] = kept
