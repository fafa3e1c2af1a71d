"""What the README shows is what happens; what the pages beside it name exists."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest

import exactcam
from exactcam.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "exactcam"
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSIDE = (PACKAGE / "README.md").read_text(encoding="utf-8")
RULES = ROOT / "tests/architecture/test_architecture.py"
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
    for path in re.findall(r"`?((?:examples|tests|proofs|exactcam|\.github)/[\w./-]+)`?", README):
        assert (ROOT / path).exists(), path
    for command in re.findall(r"^exactcam (\w+)", README, re.MULTILINE):
        assert command in COMMANDS


def test_the_map_leads_to_the_page_for_engineers_and_is_short() -> None:
    section = README.partition("## The map\n")[2].partition("\n## ")[0].strip()
    assert section.startswith("[exactcam/README.md](exactcam/README.md)")
    assert section.count("\n") < 10


def test_every_room_is_in_the_table_in_the_order_of_imports() -> None:
    table = INSIDE.partition("## The rooms")[2].partition("\n## ")[0]
    rooms = [name.rstrip("/") for name in re.findall(r"^\| `([\w/]+)` \|", table, re.MULTILINE)]
    code = (
        path
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    )
    assert {path.stem for path in code} - {"__init__", "__main__"} <= set(rooms)
    for node in ast.parse(RULES.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER":
            order = [name for name in ast.literal_eval(node.value) if name != "__main__"]
    assert [name for name in rooms if name != "checker"] == order


@pytest.mark.parametrize("page", ["README.md", "CHANGES.md"])
def test_files_that_the_pages_for_engineers_name_exist(page: str) -> None:
    text = (PACKAGE / page).read_text(encoding="utf-8")
    if page == "CHANGES.md":  # files of 0.1.0 are gone
        text = "\n".join(re.sub(r"^\| `[\w./]+` \|", "|", row) for row in text.splitlines())
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (PACKAGE / target).exists(), target
    known = {path.name for folder in (PACKAGE, ROOT / "tests") for path in folder.rglob("*.*")}
    for path in re.findall(r"`([a-z][\w/.-]*(?:/|\.py|\.md))`", text):
        if "/" in path and "NAME" not in path:
            assert (ROOT / path).exists() or (PACKAGE / path).exists(), path
        elif "NAME" not in path:
            assert path in known, path


def test_every_page_says_this_version() -> None:
    changes = (PACKAGE / "CHANGES.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+) ", changes, re.MULTILINE)[0] == exactcam.__version__
    citation = (ROOT / ".github" / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {exactcam.__version__}\n" in citation
