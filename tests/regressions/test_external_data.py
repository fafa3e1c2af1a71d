"""ONNX weights in a file beside the model: read from there, and from nowhere else."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam.errors import FileFormatError
from exactcam.files.beside import Beside
from tools.audit import said_of

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

WEIGHT = np.float32([[1.5, -2], [0.25, 3]])
NUMBERS = WEIGHT.tobytes()
EXTERNAL = TensorProto.EXTERNAL


def model_of(*tensors: Any, kind: int = 1) -> Any:
    """A model that adds every tensor to its input, (1, 2, 2)."""
    names = ["x", *(t.name for t in tensors)]
    nodes = [
        helper.make_node("Add", [f"s{k}" if k else "x", name], [f"s{k + 1}"])
        for k, name in enumerate(names[1:])
    ]
    nodes.append(helper.make_node("Relu", [f"s{len(tensors)}"], ["y"]))
    value = helper.make_tensor_value_info("x", kind, (1, 2, 2))
    graph = helper.make_graph(
        nodes, "test", [value], [helper.make_empty_tensor_value_info("y")], list(tensors)
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    return model


def outside(name: str = "w", **places: Any) -> Any:
    """A tensor like WEIGHT that is kept in the place that the keywords say, "w.data" at first."""
    tensor = TensorProto(name=name, data_type=1, dims=[2, 2], data_location=EXTERNAL)
    for key, value in ({"location": "w.data"} | places).items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def saved(folder: Path, model: Any, data: bytes | None = NUMBERS) -> Path:
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    if data is not None:
        (folder / "w.data").write_bytes(data)
    return folder / "m.onnx"


def value(path: Path, **options: Any) -> Any:
    return np.asarray(exactcam.load(path, **options).evaluate([0.0] * 4), float).reshape(2, 2)


def answer(path: Path, name: str = "w.data", **options: Any) -> str:
    """What the loader refuses with; it may look into the folder and open a file there."""
    return said_of(exactcam.load, path, beside=(path.parent, Path(Path(name).name)), **options)


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    np.testing.assert_array_equal(
        value(saved(tmp_path, model_of(outside()))), np.maximum(WEIGHT, 0)
    )


@pytest.mark.parametrize(
    ("places", "data"),
    [
        ({"offset": 16, "length": 16}, b"\1" * 16 + NUMBERS),
        ({"offset": 3}, b"abc" + NUMBERS + b"more"),
        ({"length": 16, "checksum": "of no meaning"}, NUMBERS),
        ({"offset": 0}, NUMBERS),
    ],
)
def test_places_inside_the_file(places: dict[str, Any], data: bytes, tmp_path: Path) -> None:
    path = saved(tmp_path, model_of(outside(**places)), data)
    np.testing.assert_array_equal(value(path), np.maximum(WEIGHT, 0))


def test_several_tensors_share_a_file(tmp_path: Path) -> None:
    tensors = [outside("a"), outside("b", offset=0), outside("c", offset=16)]
    path = saved(tmp_path, model_of(*tensors), NUMBERS * 2)
    np.testing.assert_array_equal(value(path), np.maximum(3 * WEIGHT, 0))


def test_the_working_folder_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, model_of(outside()))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "w.data").write_bytes(b"\0" * 16)  # for a runtime that looks here
    np.testing.assert_array_equal(value(path), np.maximum(WEIGHT, 0))
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(value(Path("m.onnx")), np.maximum(WEIGHT, 0))


@pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16", "DOUBLE"])
def test_other_types_of_numbers(kind: str, tmp_path: Path) -> None:
    number = getattr(TensorProto, kind)
    tensor = helper.make_tensor("w", number, [2, 2], WEIGHT.ravel())
    if not tensor.raw_data:
        tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), "w")
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = EXTERNAL
    tensor.external_data.add(key="location", value="w.data")
    path = saved(tmp_path, model_of(tensor, kind=number), data)
    np.testing.assert_array_equal(value(path, check=False), np.maximum(WEIGHT, 0))
    (tmp_path / "w.data").write_bytes(data[:-1])
    assert "bytes" in answer(path)


def test_what_onnx_itself_writes(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal((1, 2, 2)).astype(np.float32)
    model = model_of(numpy_helper.from_array(weight, "w"))
    onnx.save(
        model, tmp_path / "m.onnx", save_as_external_data=True, location="w.data", size_threshold=0
    )
    assert "w.data" in os.listdir(tmp_path)
    np.testing.assert_array_equal(value(tmp_path / "m.onnx"), np.maximum(weight[0], 0))


def test_constants_of_nodes_and_of_graphs_inside(tmp_path: Path) -> None:
    model = model_of(outside())
    constant = helper.make_node("Constant", [], ["w"], value=outside(""))
    del model.graph.initializer[:]
    nodes = [constant, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    np.testing.assert_array_equal(value(saved(tmp_path, model)), np.maximum(WEIGHT, 0))


def test_what_is_not_needed_is_not_opened(tmp_path: Path) -> None:
    model = model_of(numpy_helper.from_array(WEIGHT, "w"))
    model.graph.initializer.append(outside("unused", location="../secret"))
    np.testing.assert_array_equal(value(saved(tmp_path, model, None)), np.maximum(WEIGHT, 0))


REFUSED = {
    "a folder above": ({"location": "../w.data"}, "no plain name"),
    "a folder below": ({"location": "inner/w.data"}, "no plain name"),
    "this folder": ({"location": "./w.data"}, "no plain name"),
    "an absolute path": ({"location": "/etc/passwd"}, "no plain name"),
    "a Windows path": ({"location": "..\\w.data"}, "no plain name"),
    "no name": ({"location": ""}, "no plain name"),
    "the folder itself": ({"location": "."}, "no plain name"),
    "the folder above itself": ({"location": ".."}, "no plain name"),
    "an end of text": ({"location": "w.data\0"}, "no plain name"),
    "a missing file": ({"location": "v.data"}, r"'v.data', which is missing"),
    "a forged message": ({"location": "v\nexactcam: all is well"}, "missing"),
    "a long name": ({"location": "v" * 5000}, "cannot be read"),
    "a link": ({"location": "link.data"}, "is a link"),
    "a link inside the folder": ({"location": "inside.data"}, "is a link"),
    "a folder": ({"location": "inner"}, "not a regular file"),
    "a pipe": ({"location": "pipe"}, "not a regular file"),
    "an offset behind the end": ({"offset": 17}, "from 17 to 33, but that has 16 bytes"),
    "a large offset": ({"offset": 10**14}, "but that has 16 bytes"),
    "an endless offset": ({"offset": "9" * 5000}, "instead of a number"),
    "a negative offset": ({"offset": -1}, "instead of a number"),
    "an offset that is no number": ({"offset": "0x10"}, "instead of a number"),
    "other digits": ({"offset": "²"}, "instead of a number"),
    "another length": ({"length": 8}, "needs 16 bytes, but 8"),
    "no length": ({"length": 0}, "needs 16 bytes, but 0"),
    "an unknown key": ({"basepath": "/"}, "not in the way"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_places_are_refused(name: str, tmp_path: Path) -> None:
    places, message = REFUSED[name]
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "w.data").write_bytes(NUMBERS)
    (folder / "inner" / "w.data").write_bytes(NUMBERS)
    (folder / "link.data").symlink_to(tmp_path / "w.data")
    (folder / "inside.data").symlink_to(folder / "w.data")
    os.mkfifo(folder / "pipe")
    path = saved(folder, model_of(outside(**places)))
    for check in (True, False):
        said = answer(path, str(places.get("location", "w.data")), check=check)
        assert said.startswith(f"{path}: initializer w ")
        assert re.search(message, said), said


def test_the_same_key_twice(tmp_path: Path) -> None:
    tensor = outside()
    tensor.external_data.add(key="location", value="w.data")
    assert "not in the way" in answer(saved(tmp_path, model_of(tensor)))


@pytest.mark.parametrize("change", ["no place", "inside too", "text", "shape", "type"])
def test_tensors_that_contradict_themselves(change: str, tmp_path: Path) -> None:
    tensor = outside()
    if change == "no place":
        del tensor.external_data[:]
    elif change == "inside too":
        tensor.float_data.extend([1, 2, 3, 4])
    elif change == "text":
        tensor.data_type = TensorProto.STRING
    elif change == "shape":
        tensor.dims[:] = [1 << 62, 1 << 62]
    else:
        tensor.data_type = 99
    assert answer(saved(tmp_path, model_of(tensor)))


def test_a_short_file_does_not_become_large(tmp_path: Path) -> None:
    """A thousand tensors that are all the same megabyte."""
    tensors = []
    for k in range(1000):
        tensor = outside(f"w{k}")
        tensor.dims[:] = [1 << 9, 1 << 9]
        tensors.append(tensor)
    said = answer(saved(tmp_path, model_of(*tensors), b"\0" * (1 << 20)))
    assert "together" in said


def test_a_link_is_not_followed_whenever_it_is_put_there(tmp_path: Path) -> None:
    """The file is replaced by a link after the folder was opened."""
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "folder").mkdir()
    place = tmp_path / "folder" / "w.data"
    place.write_bytes(b"public")
    with Beside(tmp_path / "folder" / "m.onnx", 0) as folder:
        assert folder.read("w.data", 0, 6, "w") == b"public"
        place.unlink()
        place.symlink_to(tmp_path / "secret")
        with pytest.raises(FileFormatError, match="link"):
            folder.read("w.data", 0, 6, "w")
        (tmp_path / "folder").rename(tmp_path / "moved")
        (tmp_path / "folder").symlink_to(tmp_path)
        (tmp_path / "w.data").write_bytes(b"secret")
        with pytest.raises(FileFormatError, match="link"):
            folder.read("w.data", 0, 6, "w")
