"""Tools for tests of exactcam and of other engines.

`assert_partition_matches` for an engine's output; `exactcam.testing.strategies` for
hypothesis strategies of networks, slices and windows (needs hypothesis).
"""

from .assertions import assert_partition_matches

__all__ = ["assert_partition_matches"]
