"""The process of the command line: `exactcam`, and `python -m exactcam` where that is not found."""

from __future__ import annotations

import os
import sys
import threading
from typing import NoReturn

__all__ = ["program"]


def program() -> NoReturn:
    """Run the command line of this process, and end it."""
    try:
        from .cli import main

        code = main(final=True)
    except KeyboardInterrupt:  # before it is answered
        print("\nexactcam: interrupted", file=sys.stderr)
        sys.exit(130)
    # After a signal Python would wait for a pool's own thread, which may wait for a lost worker.
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    if code > 128 and not all(thread.daemon for thread in others):
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    program()
