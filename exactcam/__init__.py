"""exactcam: the exact geometry of piecewise-linear networks."""

from .compute import partition
from .errors import ExactcamError
from .loaders import load
from .loaders.from_arrays import from_arrays
from .loaders.from_file import read_network, write_network
from .network import Network
from .partition import Cell, Counts, Edges, Partition, load_partition
from .slice import Slice, Window

__version__ = "0.1.0"

__all__ = [
    "Cell",
    "Counts",
    "Edges",
    "ExactcamError",
    "Network",
    "Partition",
    "Slice",
    "Window",
    "from_arrays",
    "load",
    "load_partition",
    "partition",
    "read_network",
    "write_network",
]
