"""The house rules that a reader cannot be asked to check: what imports what, sizes, words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "exactcam"
SOURCES = sorted(p for p in PACKAGE.rglob("*.py"))

# Imports point one way: a room may import only rooms above it in this list (and itself).
# A room is a module or folder of the package; the package's __init__ stands at the end.
ORDER = (
    "errors", "runtime", "files", "arithmetic", "engine/kernels", "model", "loaders", "exact", "complex", "engine",
    "analysis", "compute", "grading", "testing", "benchmark", "conformance", "render",
    "commands", "cli", "__main__",
)  # fmt: skip

# These import nothing of the package: others must be able to run them alone.
ALONE = ("errors", "checker")

# Optional packages and the one room each that may import it.
OPTIONAL = {
    "torch": {"loaders"},
    "onnx": {"loaders"},
    "onnxruntime": {"loaders"},
    "matplotlib": {"render"},
    "hypothesis": {"testing"},
}


def room_of(parts: tuple[str, ...]) -> str:
    """The room of a dotted name below the package: its first part, engine/kernels apart."""
    return "/".join(parts[:2]) if parts[:2] == ("engine", "kernels") else parts[0]


def room(path: Path) -> str:
    return room_of(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path: Path, typing: bool = False) -> set[tuple[str, ...]]:
    """Absolute dotted names of everything a file imports, of type-checking imports if `typing`."""
    package = ("exactcam", *path.relative_to(PACKAGE).parts[:-1])
    found = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if typing or ast.unparse(node.test) != "TYPE_CHECKING":
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.update(tuple(alias.name.split(".")) for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            found.update((*module, alias.name) for alias in node.names)

    Visitor().visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    inside = {room_of(name[1:]) for name in imports(path) if name[0] == "exactcam"} - {here}
    inside.discard("__version__")
    if here in ALONE:
        assert inside == set()
        return
    assert here in ORDER, f"{here}: give it a place in ORDER"
    backwards = {name for name in inside - set(ALONE) if ORDER.index(name) > ORDER.index(here)}
    assert not backwards, f"{path} imports {backwards}, which come after {here}"


# Circles that are known and on their way out.
KNOWN_CIRCLES = [{"exactcam.loaders.onnx_ops", "exactcam.loaders.onnx_views"}]


def module_graph() -> dict[str, set[str]]:
    """Which modules each module names in imports, those inside functions and for type checking
    included. The package's own __init__, where all come together, is left out."""
    names = {
        ".".join(("exactcam", *path.relative_to(PACKAGE).with_suffix("").parts)): path
        for path in SOURCES
    }
    modules = {name.removesuffix(".__init__"): path for name, path in names.items()}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        imported = {".".join(name) for name in imports(path, typing=True)}
        # `from a import b` names the module a.b, or else something in the module a.
        named = {n if n in modules else n.rpartition(".")[0] for n in imported}
        graph[module] = (named & set(modules)) - {"exactcam"}
    return graph


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """The modules that a module imports, directly or not."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        waiting += (new := graph[waiting.pop()] - found)
        found |= new
    return found


def test_no_import_circles() -> None:
    graph = module_graph()
    below = {module: reached(graph, module) for module in graph}
    circles = {
        frozenset(m for m in below[module] if module in below[m])
        for module in graph
        if module in below[module]
    }
    assert [set(circle) for circle in circles if circle not in KNOWN_CIRCLES] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_optional_packages_stay_in_their_room(path: Path) -> None:
    for name in imports(path):
        assert room(path) in OPTIONAL.get(name[0], {room(path)}), f"{path} imports {name[0]}"


def test_only_one_file_imports_torch_and_only_one_onnx() -> None:
    for package in ("torch", "onnx", "matplotlib", "hypothesis"):
        users = [p.name for p in SOURCES if any(name[0] == package for name in imports(p))]
        assert len(users) <= 1, f"{package} is imported by {users}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_open_with_their_reason_and_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
    if path.name == "checker.py":  # one file on purpose: whoever checks reads it in one piece
        return
    assert text.count("\n") <= 420, f"{path} has {text.count(chr(10))} lines: split it"


def test_importing_the_package_is_light() -> None:
    heavy = ("torch", "onnx", "onnxruntime", "sympy", "matplotlib", "numba", "hypothesis")
    program = f"import sys, exactcam; print(*[m for m in {heavy!r} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert loaded == []


def test_the_command_line_starts_light() -> None:
    program = (
        "import sys; from exactcam.cli import main\n"
        "try: main(['partition', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'onnx', 'sympy', 'matplotlib', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True)


def test_top_level_entries() -> None:
    allowed = {"pyproject.toml", "exactcam", "tests", "proofs", "examples", "README.md", "LICENSE"}
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=False, cwd=ROOT
    ).stdout.split("\n")
    entries = {name.split("/")[0] for name in listed if name and not name.startswith(".")}
    assert entries <= allowed


def test_no_stubs_and_no_catch_all() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for stub in ("TODO", "FIXME", "XXX"):
            assert stub not in text, f"{path} has a {stub}"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ExceptHandler):
                caught = "" if node.type is None else ast.unparse(node.type)
                assert caught not in ("", "Exception", "BaseException"), f"{path}:{node.lineno}"
            if isinstance(node, ast.Name):
                assert node.id != "NotImplementedError", f"{path}:{node.lineno}"


def test_no_tolerance_in_the_exact_core() -> None:
    """Floats appear in the core only where they are results, never in a comparison."""
    core = (
        "model/geometry", "arithmetic/matrix", "model/nodes", "model/network", "model/slice",
        "exact/reference", "complex/boundary",
    )  # fmt: skip
    for name in core:
        text = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        assert not re.search(r"isclose|allclose|epsilon|\beps\b|\d+e-\d+|tol\b", text), name
