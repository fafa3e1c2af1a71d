"""No `.pt2` file makes the process run, import or open anything: torch sees a rebuilt document.

`test_hostile_files.py` changes valid programs where torch evaluates or imports what it finds, and
anywhere else, while an audit hook watches.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import exactcam
from exactcam.files import torch_document
from tools.audit import said_of
from tools.mutate import PROGRAM, TREE

torch = pytest.importorskip("torch")


def exported(folder: Path) -> Path:
    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    model = torch.nn.Sequential(body, torch.nn.Flatten(), torch.nn.Linear(8, 3)).eval()
    path = folder / "m.pt2"
    torch.export.save(torch.export.export(model, (torch.zeros(1, 1, 6, 6),)), path)
    return path


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with zipfile.ZipFile(exported(tmp_path_factory.mktemp("seed"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def harmless(path: Path) -> bool:
    """Whether a file loads; fails if loading it does anything else than load or refuse."""
    return not said_of(exactcam.load, path)


def test_a_right_file_loads(seed: dict[str, bytes], tmp_path: Path) -> None:
    assert harmless(write(tmp_path / "m.pt2", seed))


def test_a_size_that_is_code_is_refused(seed: dict[str, bytes], tmp_path: Path) -> None:
    (name,) = (name for name in seed if "/models/" in name)
    document = json.loads(seed[name])
    document["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][0] = PROGRAM[0]
    text = json.dumps(document).replace('"expr_str"', '"expr\\u005fstr"')
    assert not harmless(write(tmp_path / "m.pt2", {**seed, name: text.encode()}))


def test_a_tree_specification_is_not_read(seed: dict[str, bytes], tmp_path: Path) -> None:
    (name,) = (name for name in seed if "/models/" in name)
    document = json.loads(seed[name])
    document["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = TREE
    assert harmless(write(tmp_path / "m.pt2", {**seed, name: json.dumps(document).encode()}))


def test_the_list_of_what_is_read() -> None:
    """Whoever adds a kind of value has to say here that torch evaluates nothing of it."""
    source = Path(torch_document.__file__).read_text(encoding="utf-8")
    kinds = {word for word in source.replace("(", " ").split() if word.startswith("as_")}
    assert {kind.partition("=")[0] for kind in kinds if "=" in kind} == {
        "as_none", "as_tensor", "as_tensors", "as_optional_tensor", "as_optional_tensors",
        "as_int", "as_ints", "as_int_lists", "as_float", "as_floats", "as_bool", "as_bools",
        "as_string", "as_scalar_type", "as_memory_format", "as_layout", "as_device",
        "as_sym_int", "as_sym_ints", "as_sym_float", "as_sym_bool",
    }  # fmt: skip


class Repeats(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat(1, 1_000_000).relu().sum().reshape(1, 1)


def test_a_graph_far_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(Repeats().eval(), (torch.zeros(1, 8),)), path)
    assert "far larger than" in said_of(exactcam.load, path)


def test_brackets_without_end_are_not_given_to_torch() -> None:
    assert torch_document._splits("L__self___0,0,torch.nn.modules.linear.Linear;a,[b,c](d,e),f")
    for stack in ("(" * 9998 + ",,", "a(,,", "a,b),c", "(" * 9000 + ")" * 900 + ",,"):
        assert not torch_document._splits(stack)
