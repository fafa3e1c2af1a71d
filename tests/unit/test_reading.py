"""Files of strangers: arrays and archives as numpy and zipfile write them, and damaged ones."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from exactcam.errors import FileFormatError
from exactcam.files.archive import open_archive
from exactcam.files.arrays import read_npy, read_npz_arrays
from exactcam.files.reading import allowance, read_bytes, read_text, reading

KINDS = st.sampled_from(["?", "i1", "<i4", ">i8", "u2", "<f2", "<f4", ">f4", "f8", "<U3", "S2"])
ARRAYS = KINDS.flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


def npz(path: Path, **held: np.ndarray) -> Path:
    with path.open("wb") as stream:
        np.savez(stream, **held)
    return path


@given(ARRAYS, st.booleans())
def test_arrays_are_what_numpy_wrote(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, fortran: bool
) -> None:
    path = tmp_path_factory.mktemp("a") / "a.npy"
    np.save(path, np.asfortranarray(array) if fortran and array.ndim else array)
    found = read_npy(path)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()
    packed = path.with_suffix(".npz")
    np.savez_compressed(packed, a=array, b=array)
    assert read_npz_arrays(packed, lambda name: name == "b")["b"].tobytes() == array.tobytes()


def refusal(path: Path) -> str | None:
    """The error that reading all arrays of a file raises."""
    try:
        read_npz_arrays(path, lambda name: True)
    except FileFormatError as error:
        return str(error)
    return None


@given(st.data())
def test_a_damaged_file_is_refused_by_name_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = npz(tmp_path_factory.mktemp("a") / "a.npz", weight0=np.eye(3), bias0=np.zeros(3))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    said = refusal(path)
    assert said is None or (said.startswith(str(path)) and "\n" not in said)


def header(text: str, content: bytes = b"") -> bytes:
    raw = text.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no array of numpy's format"),
        (b"PK\x03\x04", "no array of numpy's format"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"), "does not fit"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9999999999999999), }"), "shape"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"8" * 8), "objects"),
        (header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (), }"), "header"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (True,), }", b"8" * 8), "header"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1 1,), }", b"8" * 8), "shape"),
        (header("((" * 2000 + "))" * 2000), "header is too long"),
    ],
)  # fmt: skip
def test_headers_are_plain_and_fit_their_bytes(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_npy(path)


def test_small_archives_do_not_become_large(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.zeros(10**7))
    assert allowance(path.stat().st_size) < 8 * 10**7
    with pytest.raises(FileFormatError, match="unpacks to far more"):
        read_npz_arrays(path, lambda name: True)
    # What is asked for in several pieces counts together.
    np.savez_compressed(path, **{f"a{k}": np.zeros(10**6) for k in range(12)})
    with pytest.raises(FileFormatError, match="unpacks to far more"):
        read_npz_arrays(path, lambda name: True)
    assert len(read_npz_arrays(path, lambda name: name == "a3")["a3"]) == 10**6


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_stored_and_deflated_members_are_read(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        archive.writestr("a.npy", b"x")
    with pytest.raises(FileFormatError, match="neither stored nor deflated"):
        read_npz_arrays(tmp_path / "a.npz", lambda name: True)


def test_names_are_there_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", b"y")
    with pytest.raises(FileFormatError, match=r"holds 'a.npy' twice"):
        read_npz_arrays(tmp_path / "a.npz", lambda name: True)
    plain = io.BytesIO()
    np.save(plain, np.zeros(1))
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("a.npy", plain.getvalue())
        archive.writestr("a", plain.getvalue())
    with pytest.raises(FileFormatError, match="holds the array a twice"):
        read_npz_arrays(tmp_path / "b.npz", lambda name: True)


def test_a_directory_cannot_be_larger_than_the_file(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", a=np.zeros(1))
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x05\x06")
    content[at + 12 : at + 16] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="its directory says"), open_archive(path):
        pass


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_bytes(tmp_path / "missing")
    with pytest.raises(FileFormatError, match=r"cannot be read|not a regular file"):
        read_bytes(tmp_path)
    (tmp_path / "large").write_bytes(b"x" * 11)
    assert read_bytes(tmp_path / "large", 11) == b"x" * 11
    with pytest.raises(FileFormatError, match="more than 10 bytes"):
        read_bytes(tmp_path / "large", 10)
    (tmp_path / "text").write_bytes(b"\xff")
    with pytest.raises(FileFormatError, match="no ASCII text"):
        read_text(tmp_path / "text")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FileFormatError, match="not a regular file"):
            read_bytes(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (KeyError("no\nsuch key"), "m: is damaged"),
        (MemoryError(), "m: needs more memory"),
        (RecursionError("deep"), r"m: is damaged \(deep\)"),
        (OSError(5, "I/O error"), r"m: cannot be read \(I/O error\)"),
        (FileFormatError("m: line 3"), "m: line 3"),
        (FileFormatError("layer 1"), "m: layer 1"),
    ],
)
def test_whatever_is_raised_is_one_line(raised: Exception, message: str) -> None:
    with pytest.raises(FileFormatError, match=f"^{message}") as caught, reading("m"):
        raise raised
    assert "\n" not in str(caught.value)


def test_an_interrupt_is_no_damage() -> None:
    with pytest.raises(KeyboardInterrupt), reading("m"):
        raise KeyboardInterrupt
    with pytest.raises(SystemError), reading("m"):
        raise SystemError from KeyboardInterrupt()
