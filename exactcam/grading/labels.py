"""What engines return with their polygons: patterns and affine maps, checked exactly.

Where a polygon is too small for its position to say which cell it stands for, its
pattern or map does: see `Labels.agree`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arithmetic.rational import integer_matrix, mpq, mpz, to_float
from ..complex.partition import Partition
from ..compute import partition
from ..errors import FileFormatError
from ..model.nodes import Pointwise
from ..runtime.cached import cached_property
from .output import EngineOutput
from .result import Finding

__all__ = ["Labels"]


class Labels:
    """The patterns and maps an engine gave, against the truth's.

    The truth's maps are composed exactly: for a hidden value the network up to it is
    partitioned again, which gives the same cells with that value's maps. Raises
    FileFormatError where widths do not fit the network.
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
        """For each pair: 1 what is given fits the cell, -1 it does not, 0 nothing is given."""
        out = np.zeros(len(polygons), dtype=np.int64)
        if self.output.patterns is not None:
            out[:] = np.where(self._wrong_units(polygons, cells).any(axis=1), -1, 1)
        if self.output.affine is not None:
            wrong = self._map_errors(polygons, cells)[2]
            out[:] = np.where(wrong | (out < 0), -1, 1)
        return out

    def check(self, polygons: np.ndarray, cells: np.ndarray) -> tuple[mpq | None, list[Finding]]:
        """(largest error of a map's coefficient, findings) for matched pairs."""
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
            note = f"a coefficient is off by {to_float(mpq(error[k], unit)):.6g}"
            findings.append(
                Finding("wrong map", (int(polygons[k]),), (int(cells[k]),),
                        note=note if finite[k] else "not finite")
            )  # fmt: skip
        return mpq(max(error[finite], default=0), unit), findings

    def _wrong_units(self, polygons: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Pieces against codes; at a tie either of the two pieces is right."""
        network, assigned = self.truth.network, self.output.patterns
        assert assigned is not None
        codes = self.truth.patterns[cells].astype(np.int64)
        low, high = codes.copy(), codes.copy()
        for layer in network.layers:
            if isinstance(layer.node, Pointwise):
                units = layer.units
                low[:, units], high[:, units] = codes[:, units] // 2, (codes[:, units] + 1) // 2
        given = assigned[polygons]
        return (given < low) | (given > high)

    def _map_errors(
        self, polygons: np.ndarray, cells: np.ndarray
    ) -> tuple[np.ndarray, mpz, np.ndarray, np.ndarray]:
        """(largest coefficient error times unit, unit, wrong?, finite?) of each pair.

        The pass mark is relative to the map's largest coefficient where that is above 1.
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
        truth = self.truth
        if self._value == truth.network.output:
            return truth
        prefix = replace(truth.network, output=self._value)
        return partition(prefix, truth.slice, truth.window, truth.engine)
