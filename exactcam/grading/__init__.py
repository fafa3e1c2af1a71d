"""Grading: an engine's polygons against the exact partition (see `compare`)."""

from .comparison import compare
from .output import EngineOutput
from .result import Comparison, Finding

__all__ = ["Comparison", "EngineOutput", "Finding", "compare"]
