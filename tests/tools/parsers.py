"""Every reader of files, with small valid files and a way to change these where it may hurt."""

from __future__ import annotations

import contextlib
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import exactcam
from exactcam import checker
from exactcam.commands.options import vector
from exactcam.complex.partition import Partition, load_partition
from exactcam.engine.batch import Batch
from exactcam.engine.refine import Engine
from exactcam.engine.run_file import _arrays, _batch, read_run, write_run
from exactcam.files.strict_json import dump
from exactcam.files.torch_archive import safe_archive
from exactcam.grading import compare
from exactcam.grading.adapters import edges, polygons, regioncam, relucent, splinecam, syrenn
from exactcam.grading.adapters.arrays import context
from exactcam.grading.adapters.dense import dense_layers
from exactcam.grading.adapters.exact import from_partition
from exactcam.model.network import Network
from exactcam.model.network_file import network_document, write_network
from exactcam.model.slice_file import read_slice, write_slice
from tools import mutate

Files = dict[str, bytes]  # by name; the first is the one to read


class Parser(NamedTuple):
    """A reader: how it reads a path, how its changed files are made, and how often it is asked:
    so many of all files together are its."""

    read: Callable[[Path], Any]
    change: Callable[[random.Random], Files]
    share: int = 100
    refusals: tuple[type[Exception], ...] = ()


def parsers(folder: Path) -> dict[str, Parser]:
    """The readers by name, as far as their packages are installed; seeds are made in `folder`."""
    network, part = _network(), exactcam.partition(_network())
    out: dict[str, Parser] = {}
    for make in (_documents, _arrays_of_numbers, _engines, _results, _runs, _certificates):
        out |= dict(make(folder, network, part))
    for extra in (_onnx, _pt2):
        try:
            out |= dict(extra(folder))
        except ImportError:
            continue
    return out


def _network() -> Network:
    hidden = np.float64([[1, 2], [-0.5, 1]])
    return exactcam.from_arrays([(hidden, [0.25, -0.5]), ([[1, -1], [0.5, 0.25]], [0, 0])], 0.125)


def _networks() -> list[Network]:
    """Networks of all kinds of nodes and matrices."""
    try:
        from tools import seeds_onnx
    except ImportError:
        return [_network()]
    return [_network(), *seeds_onnx.networks()]


Made = Iterator[tuple[str, Parser]]


def _documents(folder: Path, network: Network, part: Partition) -> Made:
    documents = [json.dumps(network_document(each)).encode() for each in _networks()]
    weights = [1 / len(document) for document in documents]  # more often small ones

    def changed(rng: random.Random) -> Files:
        (document,) = rng.choices(documents, weights)
        return {"n.json": mutate.changed_json(document, rng)}

    yield "network", Parser(exactcam.load, changed, 220)
    write_slice(part.slice, part.window, folder / "s.json")
    plane = json.loads((folder / "s.json").read_bytes())
    plane["window"][0][0] = "-1/3"
    text = json.dumps(plane).encode()
    yield "slice", Parser(read_slice, lambda r: {"s.json": mutate.changed_json(text, r)}, 180)


def _members(**arrays: Any) -> Files:
    out = {}
    for name, array in arrays.items():
        stream = io.BytesIO()
        np.save(stream, np.asarray(array))
        out[f"{name}.npy"] = stream.getvalue()
    return out


def _arrays_of_numbers(folder: Path, network: Network, part: Partition) -> Made:
    layers = _members(weight0=np.eye(2), bias0=np.zeros(2), weight1=np.ones((1, 2)), bias1=[0.5])
    layers |= _members(negative_slope=np.float64(0.5))
    yield "npz", Parser(exactcam.load, lambda r: {"a.npz": mutate.changed_archive(layers, r)}, 110)
    (array,) = _members(a=np.arange(2.0)).values()

    def at(path: Path) -> Any:
        return vector(f"@{path}", "--at", 2)

    def numbers(rng: random.Random) -> Files:
        return {"a.txt": mutate.changed_words(b"0.5, 1/3", rng)}

    yield "npy", Parser(at, lambda rng: {"a.npy": mutate.changed_array(array, rng)}, 130)
    yield "at", Parser(at, numbers, 60)


def _engines(folder: Path, network: Network, part: Partition) -> Made:
    facts = {
        "window": np.float64([[-1, -1], [1, -1], [1, 1], [-1, 1]]),
        "slice": np.float64([[0, 0], [1, 0], [0, 1]]),
        "network": json.dumps(network_document(network)),
    }
    output = from_partition(part)
    cells = {"vertices": output.vertices, "offsets": output.offsets}
    triangle = {"vertices": np.float64([[0, 0], [1, 0], [0, 1]]), "offsets": [0, 3]}
    neutral = _members(
        **facts,
        **cells,
        patterns=output.patterns,
        affine=output.affine,
        boundary=output.boundary,
        boundary_unclear=False,
    )
    layers = _members(weight0=np.eye(2), bias0=np.zeros(2))
    spline = _members(**triangle, region_affine=np.zeros((1, 2, 3)), boundary=np.zeros((1, 2, 2)))
    spline |= _members(boundary_is_none=False, domain=facts["window"]) | layers
    corners = np.eye(4)
    edge = _members(vs=triangle["vertices"], edges=[[0, 1], [1, 2], [2, 0]], units=1)
    edge |= _members(v_sv=[[0, 0, 1, 1, 1], [0, 1, 1, 1, 0], [1, 0, 1, 1, 1]], error="said")
    half = _members(halfspaces=np.float64([[[1, 0, 0], [0, 1, 0]]]), ss=[[1, -1]], **facts)
    syren = _members(combinations=corners, offsets=[0, 4], window=facts["window"])
    plain = _members(preimages=triangle["vertices"], offsets=[0, 3])

    def archive(*seeds: Files) -> Callable[[random.Random], Files]:
        return lambda rng: {"a.npz": mutate.changed_archive(rng.choice(seeds), rng)}

    def graded(path: Path) -> Any:
        compare(part, polygons.read(path)).summary()

    def dense(path: Path) -> Any:
        dense_layers(polygons.read(path).network or network)

    yield "polygons", Parser(polygons.read, archive(neutral), 20)
    yield "regioncam", Parser(regioncam.read, archive(neutral, _members(**triangle)), 20)
    yield "splinecam", Parser(splinecam.read, archive(spline), 20)
    yield "syrenn", Parser(syrenn.read, archive(syren, plain), 30)
    yield "edges", Parser(edges.read, archive(edge), 30)
    yield "relucent", Parser(relucent.read, archive(half), 20)
    yield "arrays", Parser(context, archive(_members(**facts), spline), 20)
    yield "dense", Parser(dense, archive(_members(**triangle) | layers), 20)
    yield "compare", Parser(graded, archive(neutral), 4)


def _lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def _results(folder: Path, network: Network, part: Partition) -> Made:
    half = exactcam.partition(network, window=(-1, -1, "1/3", 1))
    files = []
    for k, each in enumerate((part, half)):
        each.save(folder / f"r{k}.jsonl")
        files.append(_lines_of(folder / f"r{k}.jsonl"))

    def changed(rng: random.Random) -> bytes:
        lines = list(rng.choice(files))
        if rng.random() < 0.3:
            return mutate.changed_lines(lines, rng)
        try:  # the body only, its counts as they then are
            batch = json.loads(mutate.changed_json(lines[1], rng))
            cells, points = len(batch["corners"]), len(batch["vertices"]) // 3
        except (ValueError, LookupError, TypeError):
            return mutate.changed_lines(lines, rng)
        lines[1:] = [json.dumps(x).encode() for x in (batch, {**END, "cells": cells})]
        return b"\n".join(lines).replace(b'"vertices": 0}', b'"vertices": %d}' % points) + b"\n"

    def rounded(path: Path) -> Any:
        from_partition(load_partition(path))

    def packed(rng: random.Random) -> Files:
        return {"r.jsonl.gz": mutate.changed_packing(changed(rng), rng)}

    yield "result", Parser(load_partition, lambda rng: {"r.jsonl": changed(rng)}, 60)
    yield "result.gz", Parser(load_partition, packed, 30)
    yield "exact", Parser(rounded, lambda rng: {"r.jsonl": changed(rng)}, 10)


END = {"end": True, "cells": 0, "vertices": 0}


def _runs(folder: Path, network: Network, part: Partition) -> Made:
    engine = Engine(network, part.slice, part.window)
    write_run(engine, folder / "a.run")
    lines = _lines_of(folder / "a.run")

    def changed(rng: random.Random) -> Files:
        if rng.random() < 0.4:
            return {"a.run": mutate.changed_lines(lines, rng)}
        out = [json.loads(line) for line in lines]
        batch = _batch(out[1], 0, engine, "")[1]
        arrays = {name: getattr(batch, name) for name in ("start", "corners", "labels", "codes")}
        name = rng.choice(list(arrays))
        if rng.random() < 0.3:  # another order, or a region more or less
            take = mutate.changed_numbers(np.arange(len(batch)), rng) % len(batch)
            arrays = {name: getattr(batch.take(take), name) for name in arrays}
        else:
            arrays[name] = mutate.changed_numbers(arrays[name], rng)
        cells = max(0, len(arrays["start"]) - 1)
        codes = arrays["codes"].ravel()[: len(arrays["codes"].ravel()) // 2 * 2].reshape(-1, 2)
        packed = _arrays(Batch(*(arrays[n] for n in ("start", "corners", "labels")), codes))
        out[1] = {**out[1], **packed, "cells": cells}
        if rng.random() < 0.05:
            out[1][name] = mutate.bomb(rng.choice([1 << 16, 1 << 24]))
        out[-1]["cells"] = cells
        return {"a.run": "".join(dump(line) + "\n" for line in out).encode()}

    yield "run", Parser(lambda path: read_run(engine, path), changed, 40)
    yield "resumed run", Parser(lambda path: write_run(engine, path), changed, 30)


def _certificates(folder: Path, network: Network, part: Partition) -> Made:
    write_network(network, folder / "n.json")
    write_slice(part.slice, part.window, folder / "s.json")
    part.certify(folder / "c.txt")
    held = {name: (folder / name).read_bytes() for name in ("c.txt", "n.json", "s.json")}

    def changed(rng: random.Random) -> Files:
        out = dict(held)
        name = rng.choice(["c.txt", "c.txt", "n.json", "s.json"])
        if name == "c.txt":
            out[name] = mutate.changed_words(out[name], rng)
            if rng.random() < 0.2:
                out[name] = mutate.changed_packing(out[name], rng)
        else:
            out[name] = mutate.changed_json(out[name], rng) + b"\n"
            if rng.random() < 0.5:  # canonical, as the checker demands
                out[name] = mutate.canonical(out[name])
        return out

    def verify(path: Path) -> Any:
        return checker.verify(
            *(str(path.with_name(name)) for name in ("n.json", "s.json", "c.txt"))
        )

    refusals = (checker.Rejected, checker.Malformed)
    yield "certificate", Parser(verify, changed, 120, refusals)


def _onnx(folder: Path) -> Made:
    with contextlib.suppress(ImportError):
        import onnxruntime  # noqa: F401 (imported before anything is watched)
    from exactcam.loaders.onnx_ops import OPERATORS, REFUSED
    from tools.seeds_onnx import models

    kinds = [*OPERATORS, *list(REFUSED)[::5], "", "Nothing", "a\nb"]
    seeds = list(models().values())

    def changed(rng: random.Random) -> Files:
        return {"m.onnx": mutate.changed_message(rng.choice(seeds), rng, kinds)}

    def unchecked(path: Path) -> Any:
        return exactcam.load(path, check=False)

    yield "onnx", Parser(unchecked, changed, 100)
    yield "checked onnx", Parser(exactcam.load, changed, 6)


def _pt2(folder: Path) -> Made:
    import torch

    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 2), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    image = torch.nn.Sequential(body, torch.nn.Flatten(), torch.nn.Linear(1, 2)).eval()
    flat = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2)).eval()
    seeds = []
    for model, shape in ((image, (1, 1, 3, 3)), (flat, (1, 2))):
        torch.export.save(torch.export.export(model, (torch.zeros(shape),)), folder / "m.pt2")
        with zipfile.ZipFile(folder / "m.pt2") as archive:
            seeds.append({name: archive.read(name) for name in archive.namelist()})

    def changed(rng: random.Random) -> Files:
        return {"m.pt2": mutate.changed_program(rng.choice(seeds), rng)}

    def unchecked(path: Path) -> Any:
        return exactcam.load(path, check=False)

    yield "pt2 archive", Parser(safe_archive, changed, 80)
    yield "pt2", Parser(unchecked, changed, 20)
    yield "checked pt2", Parser(exactcam.load, changed, 1)
