"""exactcam: the exact geometry of piecewise-linear networks."""

from importlib import import_module
from typing import TYPE_CHECKING

from .analysis.boundary_points import nearest_boundary_point, sample_boundary
from .analysis.line_slice import line_slice
from .analysis.symbolic import piecewise, region_expression
from .complex.partition import Cell, Counts, Edges, Partition, load_partition
from .compute import partition
from .errors import ExactcamError
from .grading import Comparison, EngineOutput, compare
from .loaders import load
from .loaders.from_arrays import from_arrays
from .loaders.from_torch import from_torch
from .model.network import Network
from .model.network_file import read_network, write_network
from .model.slice import Slice, Window
from .render import draw

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


# Modules that are documented as attributes of the package, and where they are.
_ATTRIBUTES = {"sampling": "testing.oracle", "tables": "analysis.tables", "testing": "testing"}


def __getattr__(name: str) -> "ModuleType":
    """`exactcam.tables`, `.testing` and `.sampling` work without an import of their own."""
    if name not in _ATTRIBUTES:
        raise AttributeError(f"module 'exactcam' has no attribute {name!r}")
    return import_module(f".{_ATTRIBUTES[name]}", __name__)
