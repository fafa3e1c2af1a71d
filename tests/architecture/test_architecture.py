"""The house rules that a reader cannot be asked to check: what imports what, sizes, words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import exactcam

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "exactcam"
SOURCES = sorted(p for p in PACKAGE.rglob("*.py"))

# Imports point one way: a room may import only rooms above it in this list (and itself).
# A room is a module or folder of the package; the package's __init__ stands at the end.
ORDER = [
    "errors",
    "runtime",
    "files",
    "arithmetic",
    "engine/kernels",
    "model",
    "loaders",
    "exact",
    "complex",
    "engine",
    "reduction",
    "analysis",
    "compute",
    "grading",
    "testing",
    "benchmark",
    "conformance",
    "render",
    "windows",
    "commands",
    "cli",
    "__main__",
]

# These import nothing of the package: others must be able to run them alone.
ALONE = ("errors", "checker")

# Optional packages and the rooms that may import them, inside functions or behind a guard.
OPTIONAL = {
    "torch": {"loaders", "benchmark", "reduction", "windows", "verify"},
    "onnx": {"loaders"},
    "onnxruntime": {"loaders", "verify"},
    "matplotlib": {"render"},
    "hypothesis": {"testing"},
}

# Sizes, and what may exceed them.
LINES = 60  # of a function without its docstring; more with a comment "# Long because ..." above it or at its start
ARGUMENTS = 8  # of a function, self and cls apart
TOP_FILES = 8  # .py files directly in the package
FORMAT_SKIPS = 20  # "fmt: skip" in the whole tree
# What must not be loaded before it is needed: by `import exactcam`, and to compute a partition.
NEVER_FIRST = [
    "torch",
    "onnx",
    "onnxruntime",
    "matplotlib",
    "hypothesis",
    "sympy",
    "numba",
    "threadpoolctl",
    "exactcam.loaders",
    "exactcam.render",
    "exactcam.grading",
    "exactcam.analysis",
]
NOT_ON_IMPORT = [*NEVER_FIRST, "numpy", "gmpy2", "multiprocessing", "concurrent.futures", "json"]


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
    assert not circles


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_optional_packages_stay_in_their_rooms(path: Path) -> None:
    for name in imports(path):
        assert room(path) in OPTIONAL.get(name[0], {room(path)}), f"{path} imports {name[0]}"


def unguarded(path: Path) -> set[str]:
    """The top-level packages that importing a file imports, whether they are installed or not."""
    found = set()

    class Visitor(ast.NodeVisitor):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            pass

        def visit_If(self, node: ast.If) -> None:
            if ast.unparse(node.test) != "TYPE_CHECKING":
                self.generic_visit(node)

        def visit_Try(self, node: ast.Try) -> None:
            if not any(h.type and "ImportError" in ast.unparse(h.type) for h in node.handlers):
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.update(alias.name.split(".")[0] for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            found.add("" if node.level else str(node.module).split(".")[0])

    Visitor().visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_optional_package_is_needed_to_import_a_file(path: Path) -> None:
    assert not unguarded(path) & set(OPTIONAL)


def functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def docstring_lines(node: ast.FunctionDef) -> int:
    first = node.body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return 1 + (first.end_lineno or 0) - first.lineno if is_text else 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_open_with_their_reason_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
    for node in functions(path):
        name = f"{path.relative_to(PACKAGE)}:{node.name}"
        top = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        opening = text.split("\n")[max(0, top - 4) : node.body[:2][-1].lineno]
        if not any("# Long because" in line for line in opening):
            lines = 1 + (node.end_lineno or 0) - node.lineno - docstring_lines(node)
            assert lines <= LINES, f"{name} has {lines} lines: split it"
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        given += [x for x in (node.args.vararg, node.args.kwarg) if x is not None]
        number = sum(x.arg not in ("self", "cls") for x in given)
        assert number <= ARGUMENTS, f"{name} takes {number} arguments"


def test_every_folder_says_what_it_is_for() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= TOP_FILES
    for folder in {path.parent for path in SOURCES}:
        source = folder / "__init__.py"
        assert source.exists(), f"{folder} has no __init__.py"
        summary = (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").split("\n")[0]
        assert summary.endswith("."), f"{source}: say in one line what the folder is for"


def test_no_public_name_is_also_a_submodule() -> None:
    inside = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in SOURCES}
    assert not inside & set(exactcam.__all__)


def test_every_public_name_can_be_imported() -> None:
    assert set(exactcam.__all__) <= set(dir(exactcam))
    for name in exactcam.__all__:
        assert getattr(exactcam, name).__name__ == name
    assert not hasattr(exactcam, "no_such_name")


def test_formatting_is_seldom_switched_off() -> None:
    files = [
        p
        for folder in ("exactcam", "tests", "examples", "proofs")
        for p in (ROOT / folder).rglob("*.py")
    ]
    marks = sum(p.read_text(encoding="utf-8").count("# fmt:" + " skip") for p in files)
    assert marks <= FORMAT_SKIPS


@pytest.mark.parametrize(
    ("program", "late"),
    [("import exactcam", NOT_ON_IMPORT), ("import exactcam; exactcam.partition", NEVER_FIRST)],
)
def test_importing_is_light(program: str, late: list[str]) -> None:
    program += f"; import sys; print(*[m for m in {late!r} if m in sys.modules])"
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
                assert caught not in ("", "BaseException"), f"{path}:{node.lineno}"
                # Libraries that parse a file raise anything: one context manager answers them.
                assert caught != "Exception" or path == PACKAGE / "files" / "reading.py"
            if isinstance(node, ast.Name):
                assert node.id != "NotImplementedError", f"{path}:{node.lineno}"


def test_no_tolerance_in_the_exact_core() -> None:
    """Floats appear in the core only where they are results, never in a comparison."""
    core = """
        model/geometry arithmetic/matrix model/nodes model/network model/slice exact/reference
        complex/boundary
    """
    for name in core.split():
        text = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        assert not re.search(r"isclose|allclose|epsilon|\beps\b|\d+e-\d+|tol\b", text), name
