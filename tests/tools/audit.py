"""Watches what a reader does besides reading: imports, runs, opens to write; and how much it takes.

One audit hook for the whole process, since Python cannot remove one.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import exactcam
from exactcam.errors import ExactcamError

TOKEN = "exactcam_payload"
EVENTS: list[str] = []
WATCHING = [False]
_STARTS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.fork")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not WATCHING[0]:
        return
    if event == "import" and arguments[0] not in sys.modules and str(arguments[0]) == "this":
        EVENTS.append(f"import {arguments[0]}")
    elif event in _STARTS or event.startswith("socket.") or event == "pickle.find_class":
        EVENTS.append(event)
    elif event in ("compile", "exec") and TOKEN in str(arguments[0]):
        EVENTS.append(f"{event} {str(arguments[0])[:200]}")
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & 0o1103:
        EVENTS.append(f"open {arguments[0]!r} to write")


sys.addaudithook(_watch)


@contextmanager
def watching() -> Iterator[None]:
    """Fail if what is inside imports, runs, or opens anything to write."""
    EVENTS.clear()
    WATCHING[0] = True
    try:
        yield
    finally:
        WATCHING[0] = False
    assert not EVENTS, EVENTS
    assert TOKEN not in vars(sys.modules["builtins"])


def said_of(read: Any, *arguments: Any, **options: Any) -> str:
    """The one line that a reader refuses with, empty where it reads; fails for anything else."""
    said = ""
    with watching():
        try:
            read(*arguments, **options)
        except ExactcamError as error:
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
