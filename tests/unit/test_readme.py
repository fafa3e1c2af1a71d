"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from exactcam.cli import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)


def test_there_is_an_example() -> None:
    assert EXAMPLES


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_python_examples_print_what_is_shown(code: str, printed: str) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    assert out.getvalue() == printed


def test_files_and_commands_it_names_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for path in re.findall(r"`?((?:examples|tests|proofs)/[\w./-]+)`?", README):
        assert (ROOT / path).exists(), path
    for command in re.findall(r"^exactcam (\w+)", README, re.MULTILINE):
        assert command in COMMANDS


def test_every_module_is_on_the_map() -> None:
    mapped = set(re.findall(r"`(\w+)/?`", README.partition("## The map")[2]))
    hidden = {"__init__", "__main__", "__pycache__", "data"}
    modules = {path.stem for path in (ROOT / "exactcam").iterdir()}
    assert modules - hidden <= mapped
