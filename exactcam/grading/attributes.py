"""The patterns and affine maps an engine returns with its polygons, checked exactly.

Where a polygon is too small for its position to tell which cell it stands for, its
pattern or map can: see `Attributes.agree`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arithmetic.rational import digits, integer_matrix, mpq, mpz
from ..complex.partition import Partition
from ..compute import partition
from ..errors import FileFormatError
from ..model.network import Network
from ..model.nodes import Pointwise
from ..runtime.cached import cached_property
from .output import EngineOutput
from .result import Finding

__all__ = ["Attributes", "pieces"]


def pieces(network: Network, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest piece number of every unit; they differ only at a tie.

    Parameters
    ----------
    network : Network
        The network the pattern is of.
    codes : int ndarray (regions, units)
        Exact patterns, coded as in `exactcam.model.nodes`.

    Returns
    -------
    low, high : int64 ndarray (regions, units)
        0 off and 1 on for a ReLU, the member for a max group.
    """
    low, high = codes.astype(np.int64), codes.astype(np.int64)
    for layer in network.layers:
        if isinstance(layer.node, Pointwise):
            low[:, layer.units] //= 2
            high[:, layer.units] = (high[:, layer.units] + 1) // 2
    return low, high


class Attributes:
    """An engine's patterns and affine maps, compared with those of the exact partition.

    The exact maps of a hidden value come from a partition of the network up to that
    value: the same cells, with that value's maps.

    Parameters
    ----------
    truth : Partition
        The exact partition.
    output : EngineOutput
        What the engine returned.
    tolerance : mpq
        How far a map's coefficient may be off, relative to the largest where that is above 1.

    Raises
    ------
    FileFormatError
        Where patterns or maps do not fit the network's widths.
    """

    def __init__(self, truth: Partition, output: EngineOutput, tolerance: mpq) -> None:
        self.truth, self.output, self.tolerance = truth, output, tolerance
        units = truth.network.units
        if output.patterns is not None and output.patterns.shape[1] != units:
            raise FileFormatError(
                f"patterns: {output.patterns.shape[1]} units, the network has {units}"
            )
        value = truth.network.output if output.affine_value is None else output.affine_value
        if not 0 <= value < len(truth.network.sizes):
            raise FileFormatError(f"affine_value: {value} is no value of the network")
        width = truth.network.sizes[value]
        if output.affine is not None and output.affine.shape[1] != width:
            raise FileFormatError(
                f"affine: maps of {output.affine.shape[1]} values, the network has {width} there"
            )
        self._value = value

    def agree(self, polygons: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Whether the attributes of polygons[k] fit cells[k], for each k.

        Returns
        -------
        int64 ndarray (pairs,)
            1 they fit, -1 they do not, 0 the engine gave neither pattern nor map.
        """
        out = np.zeros(len(polygons), dtype=np.int64)
        if self.output.patterns is not None:
            out[:] = np.where(self._wrong_units(polygons, cells).any(axis=1), -1, 1)
        if self.output.affine is not None:
            wrong = self._map_errors(polygons, cells)[2]
            out[:] = np.where(wrong | (out < 0), -1, 1)
        return out

    def check(self, polygons: np.ndarray, cells: np.ndarray) -> tuple[mpq | None, list[Finding]]:
        """The findings about matched pairs (polygons[k], cells[k]).

        Returns
        -------
        error : mpq or None
            The largest error of a map's coefficient, None where no maps were given.
        findings : list of Finding
            A "wrong pattern" or "wrong map" each.
        """
        findings = []
        if self.output.patterns is not None:
            for p, c, row in zip(polygons, cells, self._wrong_units(polygons, cells), strict=True):
                if row.any():
                    units = np.nonzero(row)[0]
                    note = "units " + ", ".join(map(str, units[:8])) + ", ..." * (len(units) > 8)
                    findings.append(Finding("wrong pattern", (int(p),), (int(c),), note=note))
        if self.output.affine is None or not len(polygons):
            return None, findings
        error, unit, wrong, finite = self._map_errors(polygons, cells)
        for k in np.nonzero(wrong)[0]:
            off = f"a coefficient is off by {digits(mpq(error[k], unit))}"
            note = off if finite[k] else "not finite"
            findings.append(Finding("wrong map", (int(polygons[k]),), (int(cells[k]),), note=note))
        return mpq(max(error[finite], default=0), unit), findings

    def _wrong_units(self, polygons: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Which units have a wrong piece, (pairs, units); at a tie either of the two is right."""
        assert self.output.patterns is not None
        given = self.output.patterns[polygons]
        low, high = pieces(self.truth.network, self.truth.patterns[cells])
        return (given < low) | (given > high)

    def _map_errors(
        self, polygons: np.ndarray, cells: np.ndarray
    ) -> tuple[np.ndarray, mpz, np.ndarray, np.ndarray]:
        """The errors of the maps of each pair: (error, unit, wrong, finite).

        The largest error of a coefficient is error[k] / unit; `wrong` says that it is above
        the pass mark or the map not `finite`.
        """
        assert self.output.affine is not None
        given = self.output.affine[polygons]
        finite = np.isfinite(given).all(axis=(1, 2))
        numbers, scale = integer_matrix(np.where(finite[:, None, None], given, 0), "affine")
        forms, form_scale = self._maps.forms[cells], self._maps.form_scale
        off = np.abs(numbers * form_scale - forms * scale)
        error, unit = off.max(axis=(1, 2), initial=mpz(0)), scale * form_scale
        mark = self.tolerance
        size = np.maximum(
            np.abs(forms * scale).max(axis=(1, 2), initial=mpz(0)), np.asarray(unit, object)
        )
        wrong = ~finite | (error * mark.denominator > size * mark.numerator)
        return error, unit, wrong.astype(bool), finite

    @cached_property
    def _maps(self) -> Partition:
        """The partition whose output maps are those of the value the engine gave maps of."""
        truth = self.truth
        if self._value == truth.network.output:
            return truth
        prefix = replace(truth.network, output=self._value)
        return partition(prefix, truth.slice, truth.window, truth.engine)
