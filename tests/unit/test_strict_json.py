"""Strict JSON: what the standard parser lets pass and a file that stands for a proof may not."""

from __future__ import annotations

import pytest

from exactcam.errors import FileFormatError
from exactcam.files.strict_json import count, counts, dump, fields, items, parse


def test_what_is_written_is_read() -> None:
    value = {"b": [1, -2, "ff/3"], "a": {"x": True, "y": []}}
    assert parse(dump(value), "f") == value
    assert dump(value) == '{"a":{"x":true,"y":[]},"b":[1,-2,"ff/3"]}'


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "Infinity", "-Infinity", "1.0", "1e3", "0.1", "{", "[1,]", "{'a':1}", "01", "+1"),
        *('{"a":1,"a":1}', '{"b":{"a":1,"a":2}}', "1 2", "", "\u0663"),
        *("1" * 16, "-" + "9" * 16, "[" * 100_000),
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(FileFormatError, match=r"^some\.file: ") as error:
        parse(text, "some.file")
    assert "\n" not in str(error.value)


def test_shapes_of_values() -> None:
    assert fields({"a": 1, "b": 2}, ("b", "a"), "f") == [2, 1]
    for value in ({"a": 1}, {"a": 1, "b": 2, "c": 3}, [], None):
        with pytest.raises(FileFormatError, match="exactly a, b"):
            fields(value, ("a", "b"), "f")
    assert items([1, 2], "f", 2) == [1, 2]
    for value in ("12", (1, 2), [1], None):
        with pytest.raises(FileFormatError, match="array of 2"):
            items(value, "f", 2)
    assert counts([0, 7], "f") == [0, 7]
    for value in (-1, True, 1.0, "1", None):
        with pytest.raises(FileFormatError, match="non-negative integer"):
            count(value, "f")
