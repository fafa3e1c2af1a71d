"""exactcam: the exact geometry of piecewise-linear networks."""

from importlib import import_module
from typing import TYPE_CHECKING

from .boundary_points import nearest_boundary_point, sample_boundary
from .compute import partition
from .errors import ExactcamError
from .grading import Comparison, EngineOutput, compare
from .line_slice import line_slice
from .loaders import load
from .loaders.from_arrays import from_arrays
from .loaders.from_file import read_network, write_network
from .loaders.from_torch import from_torch
from .network import Network
from .partition import Cell, Counts, Edges, Partition, load_partition
from .render import draw
from .slice import Slice, Window
from .symbolic import piecewise, region_expression

if TYPE_CHECKING:
    from types import ModuleType

__version__ = "0.1.0"

__all__ = [
    "Cell",
    "Comparison",
    "Counts",
    "Edges",
    "EngineOutput",
    "ExactcamError",
    "Network",
    "Partition",
    "Slice",
    "Window",
    "compare",
    "draw",
    "from_arrays",
    "from_torch",
    "line_slice",
    "load",
    "load_partition",
    "nearest_boundary_point",
    "partition",
    "piecewise",
    "read_network",
    "region_expression",
    "sample_boundary",
    "write_network",
]


def __getattr__(name: str) -> "ModuleType":
    """`exactcam.tables`, `.testing` and `.sampling` work without an import of their own."""
    if name not in ("sampling", "tables", "testing"):
        raise AttributeError(f"module 'exactcam' has no attribute {name!r}")
    return import_module(f".{name}", __name__)
