"""A small float engine, as another project might have it: cells cut line by line in float64.

It is right on generic networks and wrong where three lines meet in one point or nearly
do; the tests beside it show this.
"""

from __future__ import annotations

import numpy as np

EPSILON = 1e-9  # "close enough to zero": the guess that makes it wrong


def partition(layers: list[tuple[np.ndarray, np.ndarray]], corners: np.ndarray) -> list[np.ndarray]:
    """Polygons (vertices, 2) of a dense ReLU network, layers [(weight (out, in), bias), ...]."""
    cells = [(np.asarray(corners, dtype=float), np.eye(2), np.zeros(2))]
    for weight, bias in layers[:-1]:
        children = []
        for polygon, slope, shift in cells:
            rows, offsets = weight @ slope, weight @ shift + bias
            parts = [polygon]
            for row, offset in zip(rows, offsets, strict=True):
                parts = [piece for part in parts for piece in cut(part, row, offset)]
            for part in parts:
                on = rows @ part.mean(axis=0) + offsets > 0
                children.append((part, rows * on[:, None], offsets * on))
        cells = children
    return [polygon for polygon, _, _ in cells]


def cut(polygon: np.ndarray, row: np.ndarray, offset: float) -> list[np.ndarray]:
    """The parts of a convex polygon on either side of the line row . x + offset = 0."""
    values = polygon @ row + offset
    if values.max() <= EPSILON or values.min() >= -EPSILON:
        return [polygon]
    sides: tuple[list, list] = ([], [])
    corners = zip(polygon, np.roll(polygon, -1, axis=0), values, np.roll(values, -1), strict=True)
    for here, there, value, following in corners:
        if value >= -EPSILON:
            sides[0].append(here)
        if value <= EPSILON:
            sides[1].append(here)
        if min(value, following) < -EPSILON and max(value, following) > EPSILON:
            point = here + (there - here) * value / (value - following)
            sides[0].append(point)
            sides[1].append(point)
    return [np.asarray(side) for side in sides]


def run(network: object, window: object) -> list[np.ndarray]:
    """The engine as `exactcam conformance float_engine:run` calls it."""
    from exactcam.grading.adapters.dense import dense_layers

    layers, slope = dense_layers(network)
    if slope:
        from exactcam.errors import UnsupportedLayerError

        raise UnsupportedLayerError("layer 1: this engine knows ReLU only")
    return partition(layers, np.asarray([[float(u), float(v)] for u, v in window.corners]))
