"""No file of arrays, network, slice or ONNX model does anything but load or be refused in one line.

Valid files are changed where it may hurt (`tools.mutate`), and read in this process while an
audit hook watches for imports, code, processes and files opened to write.
"""

from __future__ import annotations

import gc
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam.commands.options import vector
from exactcam.errors import FileFormatError
from exactcam.grading.adapters import polygons
from exactcam.loaders.npz import read_npz
from exactcam.model.network import Network
from exactcam.model.network_file import network_document
from exactcam.model.slice_file import read_slice, slice_document
from tools.audit import peak, said_of
from tools.mutate import changed_archive, changed_array, changed_json, changed_message

GIGABYTE = 1 << 30


def members(**arrays: Any) -> dict[str, bytes]:
    out = {}
    for name, array in arrays.items():
        stream = io.BytesIO()
        np.save(stream, np.asarray(array))
        out[f"{name}.npy"] = stream.getvalue()
    return out


def networks() -> list[Network]:
    rng = np.random.default_rng(0)
    dense = [(rng.standard_normal((3, 2)), rng.standard_normal(3)), (np.ones((2, 3)), np.zeros(2))]
    out = [exactcam.from_arrays(dense, 0.125)]
    try:
        from tools import seeds_onnx
    except ImportError:
        return out
    return [*out, *seeds_onnx.networks()]


def fuzz(
    change: Callable[[random.Random], bytes], read: Callable[[Path], Any], path: Path, rounds: int
) -> int:
    """How many of so many changed files load; fails where one does anything else."""
    rng, before, loaded = random.Random(rounds), peak(), 0
    for _ in range(rounds):
        content = change(rng)
        path.write_bytes(content)
        try:
            loaded += not said_of(read, path)
        except BaseException:
            path.with_name(f"kept-{path.name}").write_bytes(content)
            raise
    gc.collect()
    assert peak() - before < GIGABYTE
    print(f"\n{path.name}: {rounds:,} files, {loaded:,} loaded, {peak() - before >> 20} MB more")
    return loaded


def fuzz_arrays(folder: Path, rounds: int) -> None:
    layers = members(weight0=np.eye(2), bias0=np.zeros(2), weight1=np.ones((1, 2)), bias1=[0.5])
    layers |= members(negative_slope=np.float64(0.5))
    assert fuzz(lambda rng: changed_archive(layers, rng), read_npz, folder / "a.npz", rounds)
    found = members(
        vertices=np.float64([[0, 0], [1, 0], [0, 1]]),
        offsets=[0, 3],
        patterns=[[0]],
        window=np.float64([[0, 0], [1, 0], [0, 1]]),
        slice=np.float64([[0, 0], [1, 0], [0, 1]]),
        affine_value=1,
        affine=np.zeros((1, 1, 3)),
        boundary=np.zeros((1, 2, 2)),
        network=json.dumps(network_document(networks()[0])),
    )
    fuzz(lambda rng: changed_archive(found, rng), polygons.read, folder / "found.npz", rounds)
    (array,) = members(a=np.arange(2.0)).values()

    def at(path: Path) -> Any:
        return vector(f"@{path}", "--at", 2)

    assert fuzz(lambda rng: changed_array(array, rng), at, folder / "a.npy", rounds)


def fuzz_documents(folder: Path, rounds: int) -> None:
    for network in networks():
        document = network_document(network)
        share = rounds // len(networks())
        fuzz(lambda rng, d=document: changed_json(d, rng), exactcam.load, folder / "n.json", share)  # type: ignore[misc]
    window = exactcam.Window([(0, 0), (1, 0), (0, "1/3")])
    plane = slice_document(exactcam.Slice([0, 1, 0], [1, 0, 0], [0, 0, "1/2"]), window)
    fuzz(lambda rng: changed_json(plane, rng), read_slice, folder / "s.json", rounds)


def fuzz_onnx(folder: Path, rounds: int) -> None:
    pytest.importorskip("onnx")
    from exactcam.loaders.onnx_ops import OPERATORS, REFUSED
    from tools.seeds_onnx import models

    kinds = [*OPERATORS, *list(REFUSED)[::5], "", "Nothing", "a\nb"]
    for name, model in models().items():
        path = folder / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        assert not said_of(exactcam.load, path)
        share, turn = rounds // len(models()), [0]

        def read(path: Path, turn: list[int] = turn) -> Network:
            turn[0] += 1
            return exactcam.load(path, check=turn[0] % 4 == 0)

        fuzz(lambda rng, m=model: changed_message(m, rng, kinds), read, path, share)  # type: ignore[misc]


PARSERS = {"arrays": fuzz_arrays, "documents": fuzz_documents, "onnx": fuzz_onnx}


@pytest.mark.parametrize("kind", PARSERS)
def test_changed_files_load_or_are_refused(kind: str, tmp_path: Path) -> None:
    PARSERS[kind](tmp_path, 300)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PARSERS)
def test_many_changed_files_load_or_are_refused(kind: str, tmp_path: Path) -> None:
    PARSERS[kind](tmp_path, 100_000)


def test_a_file_that_is_read_is_left_open_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK")
    for _ in range(2000):  # more than a process may have open
        with pytest.raises(FileFormatError):
            read_npz(path)
