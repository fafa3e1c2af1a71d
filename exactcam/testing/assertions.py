"""An assertion for other projects' tests: an engine's partition is the exact one.

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

    Parameters
    ----------
    polygons : EngineOutput or sequence of ndarray (vertices, 2)
        What the engine returned.
    model : Network, str or Path
        The network, or a model file that `exactcam.load` reads.
    window, slice
        As in `exactcam.partition`.
    tolerance : number
        The largest Hausdorff distance that passes.
    report : str or Path, optional
        Where to write a page with pictures of what is wrong.
    **more
        `patterns`, `affine` and `boundary` are graded too (see `exactcam.compare`).

    Returns
    -------
    Comparison
        The comparison, which passed.

    Raises
    ------
    AssertionError
        Where it did not; the text names what is wrong.
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
