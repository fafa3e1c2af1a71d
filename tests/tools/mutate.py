"""Changes valid files where it may hurt: sizes, names, kinds, types, modes, order, bytes."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from tools.audit import TOKEN

CODE = f"__import__('builtins').__dict__.__setitem__('{TOKEN}', 1) or 1"
NUMBERS = [0, 1, -1, 2, 3, 7, 64, 255, 1 << 15, 1 << 22, 1 << 31, (1 << 31) - 1, 1 << 40]
NUMBERS += [-(1 << 31), 10**12, (1 << 63) - 1, -(1 << 63)]
TEXTS = [
    "",
    "a\nb",
    "\x1b[2J",
    "\ud800",
    "x" * 5000,
    CODE,
    "../../etc/passwd",
    "1/0",
    "f" * 300,
    "-0",
]
JUNK: list[Any] = [*NUMBERS, *TEXTS, None, True, False, 1.5, [], {}, [[]], [[[[[[[[]]]]]]]]]


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, cut or repeated."""
    out = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if not out:
            break
        at = rng.randrange(len(out))
        kind = rng.randrange(4)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.choice(b"\x00\xff\x7f\x80(){}[]'\"0:9,")
        elif kind == 2:
            del out[at : at + rng.randint(1, 40)]
        else:
            out[at:at] = out[at : at + rng.randint(1, 40)]
    return bytes(out)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, content in items:
        yield (*path, key)
        if isinstance(content, (dict, list)):
            yield from places(content, (*path, key))


def changed_json(document: Any, rng: random.Random) -> bytes:
    """A JSON document with values replaced, removed, repeated or taken from elsewhere in it."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        spots = list(places(document))
        if not spots:
            break
        *way, key = rng.choice(spots)
        inside = document
        for step in way:
            inside = inside[step]
        kind = rng.randrange(5)
        if kind == 0:
            del inside[key]
        elif kind == 1 and isinstance(inside, list):
            inside[key:key] = [inside[key]] * rng.choice([1, 2, 100])
        elif kind == 2:
            other: Any = document
            for step in rng.choice(spots):
                try:
                    other = other[step]
                except (LookupError, TypeError):
                    break
            inside[key] = copy.deepcopy(other)
        else:
            inside[key] = copy.deepcopy(rng.choice(JUNK))
    text = json.dumps(document).encode()
    return flipped(text, rng) if rng.random() < 0.1 else text


SHAPES = [
    "()",
    "(0,)",
    "(2,)",
    "(2, 2)",
    "(1000000000000,)",
    "(4294967296, 4294967296)",
    "(True, 2)",
]
SHAPES += [
    "(-1, 2)",
    "(2, (2",
    "(0, 99999999999)",
    f"({CODE}, 2)",
    "(1,)" * 40,
    "(" + "1, " * 40 + ")",
]
KINDS = [
    "<f8",
    ">f8",
    "<f4",
    "<f2",
    "<i8",
    "|b1",
    "|O",
    "<c16",
    "<U3",
    "<U0",
    "|S3",
    "<M8[s]",
    "|V8",
]
KINDS += ["<f16", "<U999999999"]


def changed_array(content: bytes, rng: random.Random) -> bytes:
    """An array with another shape, type, order, content or damaged header."""
    size = int.from_bytes(content[8:10], "little")
    header, rest = content[10 : 10 + size].decode("latin-1"), content[10 + size :]
    kind = rng.randrange(6)
    if kind == 0 or "descr': '" not in header or "(" not in header or ")" not in header:
        return flipped(content, rng)
    if kind == 1:
        header = header.replace(
            header[header.index("(") : header.index(")") + 1], rng.choice(SHAPES)
        )
    elif kind == 2:
        start = header.index("descr': '") + 9
        header = header[:start] + rng.choice(KINDS) + header[header.index("'", start) :]
    elif kind == 3:
        header = header.replace("False", rng.choice(["True", "None", "0", CODE]))
    elif kind == 4:
        rest = rest[: rng.randrange(len(rest) + 1)] + bytes(rng.choice([0, 0, 8, 100]))
    elif len(rest) >= 8:
        at = 8 * rng.randrange(len(rest) // 8)
        number = rng.choice([np.nan, np.inf, -np.inf, 5e-324, 1e308, -1e-308, 0.1])
        rest = rest[:at] + struct.pack("<d", number) + rest[at + 8 :]
    text = header.encode("latin-1", "replace")
    version, width = rng.choice([(1, 2), (1, 2), (2, 4), (3, 4), (9, 2)])
    said = len(text) if rng.random() < 0.9 else rng.choice([0, 1, 65535])
    return content[:6] + bytes((version, 0)) + said.to_bytes(width, "little") + text + rest


def changed_archive(members: dict[str, bytes], rng: random.Random) -> bytes:
    """A zip archive of arrays of which some are changed, renamed, repeated or packed otherwise."""
    entries = list(members.items())
    for _ in range(rng.randint(1, 2)):
        k = rng.randrange(len(entries))
        name, content = entries[k]
        kind = rng.randrange(6)
        if kind == 0:
            entries.append((rng.choice(entries)[0], content))
        elif kind == 1:
            entries[k] = (
                rng.choice(["weight9.npy", "bias0", "../x", "a\nb", "x" * 999]),
                content,
            )
        elif kind == 2 and len(entries) > 1:
            del entries[k]
        else:
            entries[k] = (name, changed_array(content, rng))
    stream = io.BytesIO()
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]
    with (
        warnings.catch_warnings(action="ignore"),  # of names that are there twice
        zipfile.ZipFile(stream, "w", rng.choice(methods)) as archive,
    ):
        for name, content in entries:
            archive.writestr(name, content)
    out = stream.getvalue()
    return flipped(out, rng) if rng.random() < 0.3 else out


WORDS = ["", "constant", "edge", "empty", "mean", "nearest", "linear", "SAME_UPPER", "VALID", "CRD"]
WORDS += ["half_pixel", "floor", "ai.onnx.ml", "a\nb", "x" * 3000, "\x1b[2J", "x", "y"]


def _messages(message: Any, depth: int = 0) -> Iterator[Any]:
    """A protobuf message and those inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None and depth < 12:
            for inner in [value] if not _repeated(field) else value:
                yield from _messages(inner, depth + 1)


def _repeated(field: Any) -> bool:
    return bool(field.is_repeated)


def _scalar(field: Any, rng: random.Random, words: list[str]) -> Any:
    kind = field.cpp_type
    if kind == field.CPPTYPE_ENUM:
        return rng.choice([value.number for value in field.enum_type.values])
    if kind == field.CPPTYPE_INT32:
        return rng.choice([0, 1, 2, 3, 6, 7, 9, 10, 11, 16, 17, 22, -1, (1 << 31) - 1])
    if kind == field.CPPTYPE_INT64:
        return rng.choice(NUMBERS)
    if kind == field.CPPTYPE_UINT64:
        return abs(rng.choice(NUMBERS))
    if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return rng.choice([0.0, -1.0, 0.5, 3e38, float("nan"), float("inf"), 1e-45])
    if field.type == field.TYPE_BYTES:
        return rng.choice([b"", b"\xff\xfe", rng.randbytes(8), rng.choice(words).encode()])
    return rng.choice(words)


def changed_message(model: Any, rng: random.Random, kinds: list[str]) -> bytes:
    """A protobuf model with fields replaced, removed, repeated or taken from another message."""
    copied = type(model)()
    copied.CopyFrom(model)
    for _ in range(rng.randint(1, 3)):
        messages = list(_messages(copied))
        message = rng.choice(messages)
        fields = [field for field, _ in message.ListFields()]
        if not fields or rng.random() < 0.15:
            fields = list(message.DESCRIPTOR.fields)
        field = rng.choice(fields)
        names = [m.name for m in messages if isinstance(getattr(m, "name", None), str)]
        names += [
            n for m in messages if hasattr(m, "output") for n in m.output if isinstance(n, str)
        ]
        words = kinds if field.name == "op_type" else [*WORDS, *names]
        _change(message, field, rng, words, messages)
    content: bytes = copied.SerializeToString()
    if rng.random() < 0.1:
        return flipped(content, rng)
    return content


def _change(
    message: Any, field: Any, rng: random.Random, words: list[str], messages: list[Any]
) -> None:
    same = [m for m in messages if field.message_type and m.DESCRIPTOR is field.message_type]
    if not _repeated(field):
        if rng.random() < 0.15:
            message.ClearField(field.name)
        elif field.message_type is None:
            setattr(message, field.name, _scalar(field, rng, words))
        elif same:
            other = type(same[0])()
            other.CopyFrom(rng.choice(same))
            getattr(message, field.name).CopyFrom(other)
        return
    held = getattr(message, field.name)
    kind = rng.randrange(4)
    if kind == 0 and len(held):
        del held[rng.randrange(len(held))]
    elif field.message_type is not None:
        if same:
            other = type(same[0])()
            other.CopyFrom(rng.choice(same))
            held.add().CopyFrom(other)
    elif kind == 1 or not len(held):
        held.append(_scalar(field, rng, words))
    else:
        held[rng.randrange(len(held))] = _scalar(field, rng, words)
