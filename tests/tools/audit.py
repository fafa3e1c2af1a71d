"""Watches what a reader does besides reading: imports, runs, opens to write; and how much it takes.

One audit hook for the whole process, since Python cannot remove one.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import exactcam
from exactcam.errors import ExactcamError
from exactcam.runtime.arena import trim
from exactcam.runtime.float_mode import quiet

TOKEN = "exactcam_payload"
EVENTS: list[str] = []
WATCHING = [False]
READ: set[str] = set()  # the files that may be read and written while watched
_STARTS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.fork")
_STARTS += ("os.startfile", "ctypes.dlopen", "os.remove", "os.rename", "os.mkdir", "shutil.rmtree")
# What libraries import when they first need it.
_LIBRARIES = sys.stdlib_module_names - {"this", "antigravity"}
_LIBRARIES |= {"exactcam", "numpy", "gmpy2", "onnx", "onnxruntime", "google", "ml_dtypes"}
_LIBRARIES |= {"torch", "sympy", "mpmath", "functorch", "torchgen", "optree", "networkx", "numba"}
_PLACES = tuple({sys.prefix, sys.base_prefix, str(Path(exactcam.__file__).parent), "/proc", "/sys"})
_PLACES += (str(Path(__file__).parents[1]),)  # sources that a traceback quotes


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not WATCHING[0]:
        return
    if event == "import" and arguments[0] not in sys.modules:
        if str(arguments[0]).partition(".")[0] not in _LIBRARIES:
            EVENTS.append(f"import {arguments[0]}")
    elif event in _STARTS or event.startswith("socket.") or event == "pickle.find_class":
        EVENTS.append(event)
    elif event in ("compile", "exec") and TOKEN in str(arguments[0]):
        EVENTS.append(f"{event} {str(arguments[0])[:200]}")
    elif event == "open" and str(arguments[0]) not in READ and not isinstance(arguments[0], int):
        writes = isinstance(arguments[2], int) and arguments[2] & 0o1103
        if writes or not str(arguments[0]).startswith(_PLACES):
            EVENTS.append(f"open {arguments[0]!r}{' to write' if writes else ''}")


with quiet():  # these open libraries, once a process
    trim()
sys.addaudithook(_watch)


@contextmanager
def watching(*files: str | Path) -> Iterator[None]:
    """Fail if what is inside imports, runs, or opens anything but `files` and its libraries."""
    EVENTS.clear()
    READ.clear()
    READ.update(map(str, files))
    WATCHING[0] = True
    try:
        yield
    finally:
        WATCHING[0] = False
    assert not EVENTS, EVENTS
    assert TOKEN not in vars(sys.modules["builtins"])


def said_of(
    read: Any,
    *arguments: Any,
    beside: Sequence[Path] = (),
    refusals: tuple[type[Exception], ...] = (),
    **options: Any,
) -> str:
    """The one line that a reader refuses with, empty where it reads; fails for anything else.

    Paths among the arguments and `beside` may be opened; `refusals` are exceptions besides those
    of exactcam.
    """
    said = ""
    with watching(*(a for a in arguments if isinstance(a, (str, Path))), *beside):
        try:
            read(*arguments, **options)
        except (ExactcamError, *refusals) as error:
            said = str(error) or "an error without a message\n"
    assert said.isprintable(), said
    return said


def peak() -> int:
    """The most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


_LIMITED = """
import resource, sys
import exactcam, exactcam.loaders.from_onnx, exactcam.cli
try:
    import onnx, onnx.checker, onnxruntime
except ImportError:
    pass
room = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (room + (1 << 30),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
sys.exit(exactcam.cli.main(sys.argv[1:]))
"""


def within_a_gigabyte(*arguments: str | Path) -> tuple[int, str]:
    """Run the command line with a gigabyte more than its libraries take: (exit status, stderr)."""
    command = [sys.executable, "-c", _LIMITED, *map(str, arguments)]
    environment = {"PYTHONPATH": str(Path(exactcam.__file__).parents[1])}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    return done.returncode, done.stderr
