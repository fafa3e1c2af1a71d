"""Changes valid files where it may hurt: sizes, names, kinds, types, modes, order, bytes."""

from __future__ import annotations

import base64
import copy
import gzip
import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from tools.audit import TOKEN

CODE = f"__import__('builtins').__dict__.__setitem__('{TOKEN}', 1) or 1"
TREE = json.dumps(
    [
        1,
        {
            "type": "builtins.dict",
            "context": json.dumps([{"__enum__": True, "fqn": "this:c", "name": "x"}]),
            "children_spec": [],
        },
    ]
)
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


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Each container inside a JSON value, itself included, with each of its keys."""
    out = []
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
        out.append((value, key))
        if isinstance(entry, (dict, list)):
            out += spots(entry)
    return out


def spot(document: Any, rng: random.Random) -> tuple[Any, Any] | None:
    """A container somewhere inside a JSON value, and a key of it; None where there is none."""
    inside, found = document, None
    while isinstance(inside, (dict, list)) and inside:
        key = rng.choice(list(inside)) if isinstance(inside, dict) else rng.randrange(len(inside))
        found = inside, key
        if rng.random() < 0.15:
            break
        inside = inside[key]
    return found


def changed_json(text: bytes, rng: random.Random) -> bytes:
    """A JSON document with values replaced, removed, repeated or taken from elsewhere in it."""
    document = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        if (found := spot(document, rng)) is None:
            break
        inside, key = found
        kind = rng.randrange(5)
        if kind == 0:
            del inside[key]
        elif kind == 1 and isinstance(inside, list):
            inside[key:key] = [inside[key]] * rng.choice([1, 2, 100])
        elif kind == 2:
            other, name = spot(document, rng) or (inside, key)
            inside[key] = copy.deepcopy(other[name])
        else:
            inside[key] = copy.deepcopy(rng.choice(JUNK))
    out = json.dumps(document).encode()
    return flipped(out, rng) if rng.random() < 0.1 else out


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
    return zipped(entries, rng)


def zipped(entries: list[tuple[str, bytes]], rng: random.Random) -> bytes:
    """A zip archive, packed in some way and sometimes damaged."""
    stream = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    (method,) = rng.choices(methods, (40, 57, 2, 1))
    with (
        warnings.catch_warnings(action="ignore"),  # of names that are there twice
        zipfile.ZipFile(stream, "w") as archive,
    ):
        for name, content in entries:  # without the time of day
            archive.writestr(zipfile.ZipInfo(name), content, method)
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
    copied = copy.deepcopy(model)
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
            other = copy.deepcopy(rng.choice(same))
            getattr(message, field.name).CopyFrom(other)
        return
    held = getattr(message, field.name)
    kind = rng.randrange(4)
    if kind == 0 and len(held):
        del held[rng.randrange(len(held))]
    elif field.message_type is not None:
        if same:
            held.append(copy.deepcopy(rng.choice(same)))
    elif kind == 1 or not len(held):
        held.append(_scalar(field, rng, words))
    else:
        held[rng.randrange(len(held))] = _scalar(field, rng, words)


PROGRAM: list[Any] = [
    {"as_expr": {"expr_str": CODE, "hint": {"as_int": 1}}},
    {"as_expr": {"expr_str": CODE, "hint": None}},
    {"as_name": CODE},
    {"as_custom_obj": {"name": TOKEN, "class_fqn": f"os.{TOKEN}"}},
    {"as_operator": "torch.ops.higher_order.cond"},
    {"as_graph": {"name": TOKEN, "graph": {}}},
    {"as_string": f"'); {CODE}; ('"},
    {"as_int": 10**30},
    {"as_ints": [10**12, 10**12]},
    {"as_float": "NaN"},
    {"as_sym_int": {"as_int": 3}},
    CODE,
    TREE,
    f"x = {CODE}",
    "torch.ops.aten.__class__.mro",
    "torch.os.system",
    "math.prod",
    "#inspect:" + TOKEN,
    "torch.ops.aten.from_file.default",
    "torch.ops.aten.relu_.default",
    "torch.ops.aten.expand.default",
    "torch.ops.aten.zeros.default",
    "lambda",
    "../../etc/passwd",
    "a\nb",
    "\ud800",
    -1,
    7,
    10**9,
    10**18,
    1e308,
    None,
    True,
    [],
    {},
    [[[[[]]]]],
]


def changed_program(files: dict[str, bytes], rng: random.Random) -> bytes:
    """An archive of `torch.export.save` of which a document is changed, or a member."""
    tables = [name for name in files if name.endswith(".json")]
    name = rng.choice(tables + [tables[-1]] * 3)
    document = json.loads(files[name])
    for _ in range(rng.randint(1, 2)):
        if (found := spot(document, rng)) is None:
            break
        inside, key = found
        if rng.random() < 0.1:
            del inside[key]
        else:
            inside[key] = copy.deepcopy(rng.choice(PROGRAM))
    text = json.dumps(document)
    if rng.random() < 0.3:  # the same document, spelt in another way
        text = text.replace('"expr_str"', '"expr\\u005fstr"').replace("__", "\\u005f_")
    entries = list({**files, name: text.encode()}.items())
    if rng.random() < 0.2:
        k = rng.randrange(len(entries))
        other = rng.choice(["x", "../x", "a\nb", entries[0][0], f"m/data/weights/{TOKEN}"])
        entries[k] = rng.choice(
            [(other, entries[k][1]), (entries[k][0], flipped(entries[k][1], rng))]
        )
    return zipped(entries, rng)


def changed_lines(lines: list[bytes], rng: random.Random) -> bytes:
    """Lines of JSON of which some are changed, repeated, exchanged, moved or left out."""
    out = list(lines)
    for _ in range(rng.randint(1, 2)):
        if not out:
            break
        k = rng.randrange(len(out))
        kind = rng.randrange(8)
        if kind == 0:
            del out[k]
        elif kind == 1:
            out.insert(rng.randrange(len(out)), out[k])
        elif kind == 2:
            out[k], out[k - 1] = out[k - 1], out[k]
        else:
            try:
                out[k] = changed_json(out[k], rng)
            except ValueError:  # changed before
                out[k] = flipped(out[k], rng)
    text = b"".join(line + b"\n" for line in out)
    return flipped(text, rng) if rng.random() < 0.1 else text


def changed_packing(text: bytes, rng: random.Random) -> bytes:
    """A text packed by gzip, cut, damaged, packed twice, in parts or with much behind it."""
    kind = rng.randrange(8)
    if kind == 0:
        return flipped(gzip.compress(text, 1, mtime=0), rng)
    if kind == 1:
        half = rng.randrange(len(text) + 1)
        return gzip.compress(text[:half], 1, mtime=0) + gzip.compress(text[half:], 1, mtime=0)
    if kind == 2:
        return gzip.compress(gzip.compress(text, 1, mtime=0), 1, mtime=0)
    if kind == 3:
        packed = gzip.compress(text, 1, mtime=0)
        return packed[: rng.randrange(len(packed))]
    if kind == 4 and rng.random() < 0.02:
        return gzip.compress(text + rng.choice([b"\n", b"[", b"0", b"\0"]) * (1 << 24), 1, mtime=0)
    return gzip.compress(text, 1, mtime=0)


HEX = ["", "0", "-0", "1", "-1", "00", "+1", "1_0", "0x1", "g", "/", "1/0", "1/2", "f" * 300]
HEX += ["\u0661", "\x00", "9" * 70000, "-", "a b", "v", "c", "p", "t", "=", "end", "[]", '["a"]']


def changed_words(text: bytes, rng: random.Random) -> bytes:
    """Lines of words of which some are changed, repeated, exchanged or left out."""
    lines = [line.split(b" ") for line in text.split(b"\n")]
    for _ in range(rng.randint(1, 3)):
        k = rng.randrange(len(lines))
        words = lines[k]
        at, kind = rng.randrange(len(words)), rng.randrange(8)
        if kind == 0:
            del words[at]
            words or words.append(b"")
        elif kind == 1:
            words[at:at] = [words[at]] * rng.choice([1, 1, 1000])
        elif kind == 2:
            words[at], words[at - 1] = words[at - 1], words[at]
        elif kind == 3:
            lines.insert(k, list(rng.choice(lines)))
        elif kind == 4 and len(lines) > 1:
            del lines[k]
        elif kind == 5:
            words[at] = rng.choice(rng.choice(lines))
        else:
            words[at] = rng.choice(HEX).encode()
    out = b"\n".join(b" ".join(words) for words in lines)
    return flipped(out, rng) if rng.random() < 0.1 else out


def changed_numbers(array: np.ndarray, rng: random.Random) -> np.ndarray:
    """An array of numbers, flat, with some replaced, moved, left out or repeated."""
    out = array.ravel().copy()
    for _ in range(rng.randint(1, 3)):
        kind = rng.randrange(6)
        if not len(out):
            break
        at, other = rng.randrange(len(out)), rng.randrange(len(out))
        if kind == 0:
            out[at] = out[other]
        elif kind == 1:
            out[[at, other]] = out[[other, at]]
        elif kind == 2:
            out = np.delete(out, at)
        elif kind == 3:
            out = np.insert(out, at, out[other])
        elif out.dtype.kind == "f":
            floats = [np.nan, np.inf, -np.inf, 5e-324, 1e308, -1e308, 0.0, 1.0, 1e-9, -1.0]
            out[at] = rng.choice([*floats, float(out[at]) + 2.0**-40, -float(out[at])])
        else:
            limits = np.iinfo(out.dtype)
            number = rng.choice([*NUMBERS, int(out[at]) + 1, int(out[at]) - 1])
            out[at] = min(max(number, int(limits.min)), int(limits.max))
    return out


@cache
def bomb(size: int) -> list[Any]:
    """An array of a run file that unpacks to so many zeros."""
    raw = bytes(size)
    return [base64.b64encode(zlib.compress(raw)).decode("ascii"), zlib.crc32(raw)]


def canonical(text: bytes) -> bytes:
    """A JSON text as its one canonical text; the same where it is none."""
    try:
        value = json.loads(text)
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    except ValueError:
        return text
