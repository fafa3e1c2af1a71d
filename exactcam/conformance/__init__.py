"""A conformance suite for engines outside exactcam: corpus, runner, scorecard.

`corpus` lists the shipped networks, `runner` runs an engine over them in a process of its
own, `engines` shows how an engine is written. `exactcam conformance ENGINE` on the
command line; `run(ENGINE)` from Python.
"""

from .corpus import GROUPS, VERSION, cases
from .runner import Result, Scorecard, run

__all__ = ["GROUPS", "VERSION", "Result", "Scorecard", "cases", "run"]
