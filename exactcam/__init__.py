"""exactcam: the exact geometry of piecewise-linear networks.

Public names are imported when they are first used, so that `import exactcam` costs
milliseconds and loading a torch module does not import what draws pictures.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .errors import ExactcamError

if TYPE_CHECKING:
    from . import testing as testing
    from .analysis import tables as tables
    from .analysis.boundary_points import nearest_boundary_point, sample_boundary
    from .analysis.line_slice import line_slice
    from .analysis.symbolic import piecewise, region_expression
    from .complex.cell_data import Cell, Edges
    from .complex.counts import Counts
    from .complex.partition import Partition, load_partition
    from .complex.verification import Verification, check
    from .compute import partition
    from .grading import Comparison, EngineOutput, compare
    from .loaders import load
    from .loaders.from_arrays import from_arrays
    from .loaders.from_torch import from_torch
    from .model.network import Network
    from .model.network_file import read_network, write_network
    from .model.slice import Slice, Window
    from .render import draw
    from .testing import oracle as sampling  # noqa: F401 (an attribute, not in __all__)
    from .windows.complexity import local_complexity
    from .windows.partitions import Partitions, partitions
    from .windows.watch import Watch

__version__ = "0.2.0"

__all__ = [
    "Cell",
    "Comparison",
    "Counts",
    "Edges",
    "EngineOutput",
    "ExactcamError",
    "Network",
    "Partition",
    "Partitions",
    "Slice",
    "Verification",
    "Watch",
    "Window",
    "check",
    "compare",
    "draw",
    "from_arrays",
    "from_torch",
    "line_slice",
    "load",
    "load_partition",
    "local_complexity",
    "nearest_boundary_point",
    "partition",
    "partitions",
    "piecewise",
    "read_network",
    "region_expression",
    "sample_boundary",
    "write_network",
]

# Where the public names are defined, as the imports above say it to type checkers.
_NAMES = {
    "analysis.boundary_points": "nearest_boundary_point sample_boundary",
    "analysis.line_slice": "line_slice",
    "analysis.symbolic": "piecewise region_expression",
    "complex.cell_data": "Cell Edges",
    "complex.counts": "Counts",
    "complex.partition": "Partition load_partition",
    "complex.verification": "Verification check",
    "compute": "partition",
    "grading": "Comparison EngineOutput compare",
    "loaders": "load",
    "loaders.from_arrays": "from_arrays",
    "loaders.from_torch": "from_torch",
    "model.network": "Network",
    "model.network_file": "read_network write_network",
    "model.slice": "Slice Window",
    "render": "draw",
    "windows.complexity": "local_complexity",
    "windows.partitions": "Partitions partitions",
    "windows.watch": "Watch",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}

# Modules that are attributes of the package without an import of their own.
_ROOMS = """
    analysis arithmetic complex compute exact files grading loaders model render runtime testing windows
"""
_MODULES = {"sampling": "testing.oracle", "tables": "analysis.tables"}
_MODULES |= {room: room for room in _ROOMS.split()}

if not TYPE_CHECKING:

    def __getattr__(name):
        """Import a public name, or a module that is documented as an attribute, on first use."""
        if name in _MODULE_OF:
            value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
        elif name in _MODULES:
            value = import_module(f".{_MODULES[name]}", __name__)
        else:
            raise AttributeError(f"module 'exactcam' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
