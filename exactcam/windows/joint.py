"""One run of the fast engine over many slices and windows of a network.

The cells of a batch may belong to different windows: their forms are what differs, and each
carries the number of its place (`Batch.places`), so that what floats leave undecided is decided
by the value numbers and exact forms of its own slice. Windows come first in the order of a run,
which goes depth first, so regions leave it window by window, each window's in canonical order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

from ..arithmetic.rational import to_float
from ..engine.float_forms import FloatValue
from ..engine.kernels.arrays import FloatForms
from ..engine.local_frame import Frame
from ..engine.place import Place
from ..engine.refine import Batch, Engine, Task, concatenated, rows_of
from ..model.network import Layer, Network
from ..runtime.cached import cached_property
from ..runtime.float_mode import quiet
from .questions import Frames, Questions

__all__ = ["JointEngine", "TooLargeError"]

_MANY = 1 << 14  # units: exact arithmetic for one cell of so many takes a second or more


class TooLargeError(Exception):
    """A large network needs exact arithmetic: reduced to a window, it needs less of it."""


class JointEngine(Engine):
    """The fast engine for windows low:high of some questions, cut together; `closely`: with bounds
    input by input from the start, for who needs narrow ones."""

    @quiet()
    def __init__(
        self, network: Network, questions: Questions, low: int, high: int, closely: bool = False
    ) -> None:
        self._begun = _Places(network, questions, low, high)
        self._prepare(network, self._begun)
        self.closely |= closely

    @property
    def scales(self) -> np.ndarray:
        """The scale of every window's local coordinates, float64 (windows,)."""
        return np.concatenate(
            [
                [to_float(self.places[first].frame.scale)] if frames is None else frames.scale
                for (first, _), frames in self._begun.parts
            ]
        )

    def _exact_parts(self, layer: Layer, cell: Batch) -> Batch:
        if self.network.units >= _MANY:
            raise TooLargeError
        return super()._exact_parts(layer, cell)

    def leaves(self, start: Task) -> Iterator[Task]:
        """The tasks behind the last layer, in order; their `values` are those before it."""
        return self._leaves([start])

    def _windows(self) -> Batch:
        """Every window as one cell."""
        found = []
        for part, frames in self._begun.parts:
            numbers = np.arange(*part)
            if frames is None:
                place = self.places[part[0]]
                window = place.window
                corners = rows_of(place.frame, zip(window.vertices, window.sides, strict=True))
            else:
                corners = frames.corners().reshape(-1, 8)
            sides = len(corners) // len(numbers)
            start = np.arange(len(numbers) + 1) * sides
            labels = np.tile(-1 - np.arange(sides), len(numbers))
            found.append(Batch(start, corners, labels, self._no_codes(len(numbers)), numbers))
        return concatenated(found)

    def _inputs(self) -> FloatValue:
        return self.inputs

    @cached_property
    def inputs(self) -> FloatValue:
        """The network's input on every window."""
        found = []
        for part, frames in self._begun.parts:
            if frames is None:
                place = self.places[part[0]]
                found.append(place.frame.forms(place.plane))
            else:
                found.append(frames.forms(self._begun.vectors(*part)))
        rows = np.concatenate([value.forms.coefficients for value in found])
        errors = np.concatenate([value.forms.errors for value in found])
        grids = [-1 if value.grid is None else value.grid for value in found]
        grid = None if min(grids) < 0 else max(grids)
        return FloatValue(FloatForms(rows, errors, np.arange(len(rows))), grid)


class _Places(Sequence[Place]):
    """The places of windows low:high; one by one only where exact arithmetic is needed.

    `parts` are ranges of places, in order, each with the frames of its rectangles; or one place
    that is not `usual`, with None.
    """

    def __init__(self, network: Network, questions: Questions, low: int, high: int) -> None:
        self._network, self._questions, self._low = network, questions, low
        self._known: dict[int, Place] = {}
        usual = questions.usual[low:high]
        ends = np.nonzero(~usual | ~np.append(usual[1:], False))[0] + 1
        self.parts: list[tuple[tuple[int, int], Frames | None]] = []
        for first, last in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            frames = None
            if usual[first]:
                frames = Frames(questions.rectangles(low + first, low + last))
            self.parts.append(((first, last), frames))
        self._lasts = ends

    def __len__(self) -> int:
        return int(self._lasts[-1])

    @overload
    def __getitem__(self, index: int) -> Place: ...

    @overload
    def __getitem__(self, index: slice) -> list[Place]: ...

    def __getitem__(self, index: int | slice) -> Place | list[Place]:
        if isinstance(index, slice):
            return [self[k] for k in range(len(self))[index]]
        if index not in self._known:
            (first, _), frames = self.parts[int(np.searchsorted(self._lasts, index, side="right"))]
            frame: Frame | None = None if frames is None else frames.at(index - first)
            number = self._low + index
            plane, window = self._questions.slice(number), self._questions.window(number)
            self._known[index] = Place(self._network, plane, window, frame)
        return self._known[index]

    def vectors(self, first: int, last: int) -> np.ndarray:
        """Origin, e1 and e2 of places first:last, which are `usual`."""
        return self._questions.vectors(self._low + first, self._low + last)
