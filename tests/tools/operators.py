"""Counts which operators of torch and ONNX the loaders translate, for the table in the README of the tests.

`python -m tools.operators`, in `tests`, writes the table anew.
"""

import inspect
import re
from pathlib import Path

import onnx
import torch
from torch.nn import functional

from exactcam.loaders import onnx_ops, torch_ops, unsupported
from exactcam.loaders.torch_constants import CREATED

README = Path(__file__).parents[1] / "README.md"
OPSET = 25
COLUMNS = ("translated", "not piecewise linear", "not supported")
START, END = "<!-- operators: written by tools/operators.py -->\n", "<!-- end of operators -->\n"


def _overloads(name):
    packet = getattr(torch.ops.aten, name, None)
    return [getattr(packet, o) for o in packet.overloads()] if hasattr(packet, "overloads") else []


def torch_operators():
    """ATen's core, and what the functions of torch.nn.functional call or are named after."""
    core = {
        name
        for name in {s.name.removeprefix("aten::") for s in torch._C._jit_get_all_schemas()}
        if any(torch.Tag.core in overload.tags for overload in _overloads(name))
    }
    called = re.findall(
        r"(?:\b(?:torch|_VF|torch\._C\._nn)|\w)\.(\w+)\(", inspect.getsource(functional)
    )
    reached = {
        name.removesuffix("_")
        for name in {*called, *dir(functional)}
        if any(_of_tensors(overload._schema) for overload in _overloads(name))
    }
    return sorted(core | reached - {"", "grad", "values", "tensor"})


def _of_tensors(schema):
    returned = schema.returns and "Tensor" in str(schema.returns[0].type)
    return returned and any("Tensor" in str(a.type) for a in schema.arguments)


def onnx_operators():
    """The operators of ONNX's own domain in the versions up to OPSET, deprecated ones included."""
    schemas = onnx.defs.get_all_schemas_with_history()
    return sorted({s.name for s in schemas if s.domain == "" and s.since_version <= OPSET})


def classified(names, operators, refused, left):
    """The names in each column, and those in none."""
    out = {column: [] for column in (*COLUMNS, "unclassified")}
    for name in names:
        column = (
            COLUMNS[0]
            if name in operators
            else COLUMNS[2]
            if name in left
            else COLUMNS[1]
            if name in refused
            else "unclassified"
        )
        out[column].append(name)
    return out


def tables():
    """What is classified of torch and of ONNX."""
    return {
        "torch": classified(
            torch_operators(),
            torch_ops.OPERATORS.keys() | CREATED,
            torch_ops.REFUSED,
            unsupported.TORCH,
        ),
        f"ONNX to opset {OPSET}": classified(
            onnx_operators(), {*onnx_ops.OPERATORS, "If"}, onnx_ops.REFUSED, unsupported.ONNX
        ),
    }


def text():
    """The part of the README between START and END."""
    lines = [f"| operators of | {' | '.join(COLUMNS)} |", "| --- | --- | --- | --- |"]
    reasons = {}
    for library, columns in tables().items():
        lines.append(f"| {library} | {' | '.join(str(len(columns[c])) for c in COLUMNS)} |")
        why = unsupported.TORCH if library == "torch" else unsupported.ONNX
        for name in columns[COLUMNS[2]]:
            reasons.setdefault(why[name], []).append(f"`{name}`")
    rows = [f"| {', '.join(names)} | {why} |" for why, names in reasons.items()]
    return "\n".join([*lines, "", "| not supported | why |", "| --- | --- |", *rows, ""])


def main():
    before, _, rest = README.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{START}\n{text()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
