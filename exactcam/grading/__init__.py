"""Grading of float engines: compares their polygons with the exact partition (see `compare`)."""

from .comparison import compare
from .output import EngineOutput
from .result import Comparison, Finding

__all__ = ["Comparison", "EngineOutput", "Finding", "compare"]
