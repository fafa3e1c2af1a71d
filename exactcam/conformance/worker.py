"""The process an engine runs in: `python -m exactcam.conformance.worker package.module:function`.

Reads lines of two paths, IN and OUT, calls the engine on the network and window in
IN and writes its polygons to OUT (neutral files, `exactcam.grading.adapters.polygons`), and
answers each with one line: `done`, `unsupported`, or `raised` and what. Whatever the
engine itself prints goes to stderr, so it cannot be taken for an answer.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import TracebackType

from ..errors import UnsupportedLayerError
from ..grading.adapters import polygons
from ..grading.adapters.arrays import context
from ..grading.output import engine_output


def main(name: str) -> int:
    """Serve cases until stdin ends or the engine raises: the next case gets a new process."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def raised(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        print(f"raised {kind.__name__}: {_line(error)}", file=answers, flush=True)

    module, _, function = name.partition(":")
    engine = getattr(importlib.import_module(module), function)
    print("ready", file=answers, flush=True)
    sys.excepthook = raised
    for line in sys.stdin:
        source, target = line.rstrip("\n").split("\t")
        facts = context(source)
        try:
            polygons.write(engine_output(engine(facts["network"], facts["window"])), target)
            answer = "done"
        except UnsupportedLayerError as error:
            answer = f"unsupported {_line(error)}"
        print(answer, file=answers, flush=True)
    return 0


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    sys.exit(main(sys.argv[1]))
