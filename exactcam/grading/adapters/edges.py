"""relu_edge_subdivision: makes faces of its vertices, edges and the vertices' sign vectors.

`skeletal_subdivision` returns (vs, edges, v_sv): points (V, 2), pairs of them (E, 2),
and signs (V, 4 + units + outputs) against the four sides of its box, then every unit,
then the outputs, whose zero lines cut the regions too. An edge has one zero sign, and
belongs to the two faces whose signs replace it by + and by -; the edges of a face
chain into its polygon. Units come in layer order, so the outputs' columns are dropped
together with the edges on their zero lines.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileFormatError
from ...files.reading import reading
from .. import EngineOutput
from ..output import engine_output
from .arrays import context, read_arrays, whole_number

__all__ = ["from_skeleton", "read"]

_BOX = 4


def from_skeleton(vs: Any, edges: Any, v_sv: Any, units: int, **facts: Any) -> EngineOutput:
    """The output for what `skeletal_subdivision` returned on a network of two inputs.

    Parameters
    ----------
    vs, edges, v_sv : arrays or CPU tensors (V, 2), (E, 2), (V, 4 + units + outputs)
        Vertices, edges as pairs of vertices, and the vertices' signs.
    units : int
        The number of hidden units.
    **facts
        Further fields of the EngineOutput, by name.

    Returns
    -------
    EngineOutput
        With patterns. Linear in the number of edges.

    Raises
    ------
    FileFormatError
        Where the arrays do not fit together.
    """
    points, pairs, signs = np.asarray(vs), np.asarray(edges), np.asarray(v_sv)
    integers = all(array.dtype.kind in "iu" for array in (pairs, signs))
    flat = all(array.ndim == 2 for array in (points, pairs, signs))
    if (
        units < 0
        or not (integers and flat)
        or pairs.shape[1] != 2
        or len(signs) != len(points)
        or signs.shape[1] < _BOX + units
        or (len(pairs) and not 0 <= pairs.min() <= pairs.max() < len(points))
    ):
        raise FileFormatError(
            f"skeleton: vs {points.shape}, edges {pairs.shape} and v_sv {signs.shape} do not fit "
            f"together with {units} units"
        )
    of_edge = np.sign(signs[pairs].astype(np.int64).sum(axis=1))[:, : _BOX + units]
    faces: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for pair, sign in zip(pairs.tolist(), of_edge.astype(np.int8), strict=True):
        for zero in np.nonzero(sign == 0)[0]:
            # Outside the box, where a side's sign would be minus, there is no face.
            for value in (1,) if zero < _BOX else (1, -1):
                face = sign.copy()
                face[zero] = value
                faces[face.tobytes()].append((pair[0], pair[1]))
    polygons, patterns = [], []
    for key, sides in faces.items():
        for cycle in _cycles(sides):
            polygons.append(points[cycle])
            patterns.append(np.frombuffer(key, dtype=np.int8)[_BOX:] > 0)
    codes = np.asarray(patterns, dtype=np.int64).reshape(len(polygons), units)
    return engine_output(polygons, patterns=codes, **facts)


def read(path: str | Path) -> EngineOutput:
    """The output in a file with `vs`, `edges` and `v_sv`, and the network or its number of `units`.

    Raises FileFormatError naming what is missing or does not fit.
    """
    facts = context(path)
    held = read_arrays(path, ("vs", "edges", "v_sv"), ("units",))
    if "units" not in held and "network" not in facts:
        raise FileFormatError(f"{path}: needs units, the number of hidden units, or the network")
    units = whole_number(held, "units", path)
    units = facts["network"].units if units is None else units
    with reading(path):
        return from_skeleton(held["vs"], held["edges"], held["v_sv"], units, **facts)


def _cycles(sides: list[tuple[int, int]]) -> list[list[int]]:
    """The walks along the sides of a face: one closed walk if the engine is right."""
    at: dict[int, list[int]] = defaultdict(list)
    for k, (a, b) in enumerate(sides):
        at[a].append(k)
        at[b].append(k)
    unused = dict.fromkeys(range(len(sides)))
    out = []
    while unused:
        walk = [sides[next(iter(unused))][0]]
        while (step := next((k for k in at[walk[-1]] if k in unused), None)) is not None:
            del unused[step]
            walk.append(sum(sides[step]) - walk[-1])
        out.append(walk)
    return out
