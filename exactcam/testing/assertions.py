"""One line for another project's test suite: is my engine right on this network?

Plain functions that raise AssertionError, so they work under pytest, unittest or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..compute import partition
from ..grading import Comparison, EngineOutput, compare
from ..loaders import load
from ..model.network import Network
from ..model.slice import Slice, Window

__all__ = ["assert_partition_matches"]


def assert_partition_matches(
    polygons: EngineOutput | Sequence[Any],
    model: Network | str | Path,
    window: Window | Sequence[Any] = (-1, -1, 1, 1),
    slice: Slice | None = None,
    tolerance: Any = "1e-5",
    report: str | Path | None = None,
    **more: Any,
) -> Comparison:
    """Assert that an engine's polygons are the partition of `model` on `window`.

    `polygons` is what the engine returned: a sequence of float arrays (vertices, 2), or
    an EngineOutput; `patterns`, `affine` and `boundary` may be given by name and are
    then graded too (see `exactcam.compare`). `model` is an exactcam Network or a model
    file. The AssertionError's text names what is wrong; `report` also writes a page
    with pictures of it. Returns the comparison where it passes.
    """
    network = model if isinstance(model, Network) else load(model)
    result = compare(partition(network, slice, window), polygons, tolerance, **more)
    if not result.passed:
        where = ""
        if report is not None:
            from ..grading.pictures import write_html

            write_html(result, report)
            where = f"\nsee {report}"
        raise AssertionError(
            f"the engine's partition is not the exact one\n{result.summary()}{where}"
        )
    return result
