"""Tables of measures: a row per region of a partition, or a row per network to compare.

A table is a dict of columns of equal length, so `pandas.DataFrame(table)` is a data
frame and `write_csv` a file, and neither is needed for the other. Exact columns
hold rationals; `as_floats` rounds them where a figure or a data frame wants floats.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..arithmetic.rational import Real, decimal_text, mpq, nearest, nearest_sum, root_sum, to_float
from ..complex.partition import Partition
from ..errors import ExactcamError
from ..files.writing import write_text
from ..model.geometry import squared_distance
from ..runtime.arguments import expect, file_name, listed
from .measures import areas, eccentricities, outlines, perimeters, slopes

__all__ = [
    "Table",
    "as_floats",
    "comparison",
    "csv_text",
    "edges_of_layers",
    "region_table",
    "write_csv",
]

Table = dict[str, list[Any]]


def region_table(partition: Partition) -> Table:
    """Measures of every activation region, one row each, in canonical order.

    Parameters
    ----------
    partition : Partition
        The partition.

    Returns
    -------
    dict of columns
        `area` is exact; `perimeter`, `slope`, `eccentricity` and `inradius_bound` are correctly
        rounded: floats, or beyond the range of floats rationals of 53 significant bits.
        `inradius_bound` is 2 area / perimeter: the largest circle inside has a radius of at
        most that and at least half of it.
        `linear_region` and `affine_piece` number what the region belongs to. O(corners).
    """
    expect(partition, Partition, "partition", "a Partition")
    measured = outlines(partition)
    return {
        "region": list(range(len(partition))),
        "area": [outline.area for outline in measured],
        "perimeter": [outline.perimeter for outline in measured],
        "vertices": np.diff(partition.offsets).tolist(),
        "eccentricity": eccentricities(partition).tolist(),
        "inradius_bound": [outline.inradius_bound for outline in measured],
        "slope": slopes(partition).tolist(),
        "linear_region": partition.linear_region_numbers.tolist(),
        "affine_piece": partition.map_numbers.tolist(),
    }


def comparison(partitions: Mapping[str, Partition], level: Any = 0) -> Table:
    """Counts and measures of several partitions to compare, one row each.

    Parameters
    ----------
    partitions : mapping
        Name -> partition.
    level : exact number
        The level of the boundary of a network of one output.

    Returns
    -------
    dict of columns
        Exact: counts, `window_area`, `density` (regions per unit area), `area_*` and
        `vertices_mean`. Correctly rounded: lengths, and the least, median and greatest
        eccentricity and slope (a median of two is their rounded mean); means of rounded
        numbers, weighted by exact areas in `slope_mean_by_area`, are rounded once more.
        Rounded numbers are floats, or rationals as in `region_table`. `layer_k_edges`, `_length` and `_units` are the
        edges on knot lines of layer k (counted from 1), their total length and how many
        of its units have any; None where a network has fewer layers.
    """
    expect(partitions, Mapping, "partitions", "a mapping of names to partitions")
    for name, part in partitions.items():
        expect(part, Partition, f"partitions[{name!r:.40}]", "a Partition")
    rows = {name: _row(part, level) for name, part in partitions.items()}
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    return {
        "network": list(rows),
        **{column: [row.get(column) for row in rows.values()] for column in columns},
    }


def _row(partition: Partition, level: Any) -> dict[str, Any]:
    """The row of one partition in `comparison`."""
    counts, boundary = partition.counts, partition.decision_boundary(level)
    in_order = areas(partition)
    area = sorted(in_order)
    row: dict[str, Any] = {
        "activation_regions": counts.activation_regions,
        "linear_regions": counts.linear_regions,
        "affine_pieces": counts.affine_pieces,
        "window_area": partition.window.area,
        "density": mpq(len(partition)) / partition.window.area,
        "boundary_length": boundary.length,
        "area_least": area[0],
        "area_median": (area[len(area) // 2] + area[~(len(area) // 2)]) / 2,
        "area_mean": partition.window.area / len(partition),
        "area_greatest": area[-1],
        "vertices_mean": mpq(len(partition.corners), len(partition)),
    }
    slope = slopes(partition).tolist()
    for name, values in (
        ("perimeter", perimeters(partition).tolist()),
        ("eccentricity", eccentricities(partition).tolist()),
        ("slope", slope),
    ):
        ordered = sorted(values)
        middle = ordered[len(ordered) // 2], ordered[~(len(ordered) // 2)]
        row |= {
            f"{name}_least": ordered[0],
            f"{name}_median": _mean(middle),
            f"{name}_mean": _mean(ordered),
            f"{name}_greatest": ordered[-1],
        }
    shares = (area / partition.window.area for area in in_order)
    row["slope_mean_by_area"] = nearest_sum(
        [share * mpq(s) for share, s in zip(shares, slope, strict=True)]
    )
    return row | _layers(partition)


def _mean(values: Sequence[Real]) -> Real:
    """The mean, rounded once."""
    return nearest(sum(map(mpq, values), mpq(0)) / len(values))


def _layers(partition: Partition) -> dict[str, Any]:
    """The edges on each layer's knot lines, their length and their units."""
    out: dict[str, Any] = {}
    points, ends, units = partition.vertices, partition.edges.vertices, partition.edge_units
    for layer, edges in zip(partition.network.layers, edges_of_layers(partition), strict=True):
        squares = [squared_distance(*(points[v] for v in ends[e])) for e in edges]
        out[f"layer_{layer.number + 1}_edges"] = len(edges)
        out[f"layer_{layer.number + 1}_length"] = root_sum(squares)
        out[f"layer_{layer.number + 1}_units"] = len(np.unique(units[edges]))
    return out


def edges_of_layers(partition: Partition) -> list[np.ndarray]:
    """For each layer of the network the edges on knot lines of its units, ascending int64."""
    expect(partition, Partition, "partition", "a Partition")
    units = partition.edge_units
    columns = (layer.units for layer in partition.network.layers)
    return [np.nonzero((units >= c.start) & (units < c.stop))[0] for c in columns]


def as_floats(table: Table) -> Table:
    """The table with every rational rounded to the nearest float64.

    Beyond the range of floats that is infinity, below it zero; the table itself has the number.
    """
    rational = type(mpq(0))
    _check(table)
    return {
        name: [to_float(x) if isinstance(x, rational) else x for x in column]
        for name, column in table.items()
    }


def _check(table: Any) -> None:
    """Raise ExactcamError for what is no table."""
    expect(table, Mapping, "table", "a dict of columns of equal length")
    columns = [listed(column, f"column {name}", "a list") for name, column in table.items()]
    if len({len(column) for column in columns}) > 1:
        raise ExactcamError("table has columns of unequal lengths: give equal ones")


def csv_text(table: Table) -> str:
    """The table as CSV with a header; rationals as p/q, floats with all their digits.

    There is no infinity in it: of what `as_floats` rounded to one it says `> 1.8e308`.
    """
    rational = type(mpq(0))
    _check(table)

    def text(value: Any) -> Any:
        if isinstance(value, float) and math.isinf(value):
            return "> 1.8e308" if value > 0 else "< -1.8e308"
        return decimal_text(value) if isinstance(value, rational) else value

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table)
    writer.writerows([text(x) for x in row] for row in zip(*table.values(), strict=True))
    return out.getvalue()


def write_csv(table: Table, path: str | Path) -> None:
    """Write a table to a file as CSV (see `csv_text`)."""
    write_text(file_name(path), csv_text(table))
