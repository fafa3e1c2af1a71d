"""Tables of measures: a row per region of a partition, or a row per network to compare.

A table is a dict of columns of equal length, so `pandas.DataFrame(table)` is a data
frame and `write_csv` a file, and neither is needed for the other. Exact columns
hold rationals; `as_floats` rounds them where a figure or a data frame wants floats.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arithmetic.rational import decimal_text, mpq, root_sum, to_float
from ..complex.partition import Partition
from ..files.writing import write_text
from ..model.geometry import squared_distance
from .measures import areas, eccentricities, perimeters, slopes

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
        `area` is exact; `perimeter`, `slope` and `eccentricity` are correctly rounded;
        `inradius_bound` is 2 area / perimeter, within 2 units in the last place: the
        largest circle inside has a radius of at most that and more than half of it.
        `linear_region` and `affine_piece` number what the region belongs to. O(corners).
    """
    area, around = areas(partition), perimeters(partition)
    return {
        "region": list(range(len(partition))),
        "area": area,
        "perimeter": around.tolist(),
        "vertices": np.diff(partition.offsets).tolist(),
        "eccentricity": eccentricities(partition).tolist(),
        "inradius_bound": [2 * to_float(a) / p for a, p in zip(area, around.tolist(), strict=True)],
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
        numbers are rounded once more. `layer_k_edges`, `_length` and `_units` are the
        edges on knot lines of layer k (counted from 1), their total length and how many
        of its units have any; None where a network has fewer layers.
    """
    rows = {name: _row(part, level) for name, part in partitions.items()}
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    return {
        "network": list(rows),
        **{column: [row.get(column) for row in rows.values()] for column in columns},
    }


def _row(partition: Partition, level: Any) -> dict[str, Any]:
    """The row of one partition in `comparison`."""
    counts, boundary = partition.counts, partition.decision_boundary(level)
    area = sorted(areas(partition))
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
    for name, values in (
        ("perimeter", perimeters(partition)),
        ("eccentricity", eccentricities(partition)),
        ("slope", slopes(partition)),
    ):
        row |= {
            f"{name}_least": float(values.min()),
            f"{name}_median": float(np.median(values)),
            f"{name}_mean": float(values.mean()),
            f"{name}_greatest": float(values.max()),
        }
    weights = np.asarray([to_float(a) for a in areas(partition)])
    row["slope_mean_by_area"] = float(np.average(slopes(partition), weights=weights))
    return row | _layers(partition)


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
    units = partition.edge_units
    columns = (layer.units for layer in partition.network.layers)
    return [np.nonzero((units >= c.start) & (units < c.stop))[0] for c in columns]


def as_floats(table: Table) -> Table:
    """The table with every rational rounded to the nearest float64."""
    rational = type(mpq(0))
    return {
        name: [to_float(x) if isinstance(x, rational) else x for x in column]
        for name, column in table.items()
    }


def csv_text(table: Table) -> str:
    """The table as CSV with a header; rationals as p/q, floats with all their digits."""
    rational = type(mpq(0))

    def text(value: Any) -> Any:
        return decimal_text(value) if isinstance(value, rational) else value

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table)
    writer.writerows([text(x) for x in row] for row in zip(*table.values(), strict=True))
    return out.getvalue()


def write_csv(table: Table, path: str | Path) -> None:
    """Write a table to a file as CSV (see `csv_text`)."""
    write_text(path, csv_text(table))
