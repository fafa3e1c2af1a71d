"""The fast engine: exact combinatorics at the speed of floats.

Cells are refined layer by layer exactly as in `reference`, but many at a time and
in float64: the affine forms of a batch of cells go through a layer in one matrix
product with proven error bounds (`float_affine`), compiled kernels decide signs and cut
(`cut_lines`), and a cell with an undecided sign is cut again with its ties known (`value_numbers`)
and, if that is not enough, by `reference.refine` in exact integers, before anything else
happens to it. So every decision is the exact one
(G1), cells never depend on each other (by continuity their pieces fit edge to
edge: Lemma 5 of proofs/partition.md), and batches can be bounded, streamed and computed anywhere.

Batches are taken depth first and each part list is in the order of its codes, so
regions come out in the canonical order of their patterns whatever the batch size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np

from ..exact.reference import refine
from ..exact.replay import Trace
from ..model.geometry import Line, Point, Polygon, meet, reduced, side
from ..model.network import Network
from ..model.nodes import Affine
from ..model.slice import Slice, Window
from ..runtime.arena import taken
from ..runtime.cached import cached_property
from ..runtime.float_mode import quiet
from .float_activation import FloatPointwise, in_floats
from .float_affine import FloatAffine
from .float_forms import Forms
from .local_frame import Frame
from .schedule import DEFAULT, Schedule
from .value_numbers import Ties

__all__ = ["Batch", "Engine", "Statistics", "Task", "concatenated", "exact_polygon", "gathered"]

_BATCH_BYTES = 1 << 20  # of affine forms: what stays in a core's cache
_LOSS = 2.0**24  # what bounds may lose between the layers before they are taken unit by unit
_UNITS = 512  # so many units of a wide layer cut at a time, lest a large cell fill the memory


@dataclass(frozen=True)
class Batch:
    """Cells in canonical order: cell i has corners start[i]:start[i+1].

    `corners` (n, 8) are rows (u, v, delta, a, b, c, e, f) in local coordinates: a point
    and the line of the edge that leaves it (see `predicates`), `labels` (n,) that line's
    name (see `replay`); `codes` (cells, units) is the pattern as far as it is known.
    """

    start: np.ndarray
    corners: np.ndarray
    labels: np.ndarray
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.start) - 1

    def part(self, low: int, high: int) -> Batch:
        """Cells low to high."""
        a, b = self.start[low], self.start[high]
        return Batch(
            self.start[low : high + 1] - a, self.corners[a:b], self.labels[a:b],
            self.codes[low:high],
        )  # fmt: skip


@dataclass
class Statistics:
    """What a run did: signs looked at, cells that needed exact arithmetic, batches."""

    cells_cut: int = 0
    signs: int = 0
    exact_cells: int = 0
    batches: int = 0


@dataclass(frozen=True)
class Task:
    """Cells that are to be cut by activation number `activation`.

    `values` are the float forms that are still read, on the cells these are parts of;
    `parents` (cells,) says which. Where the first `units` of the activation node have
    cut already, those are forms of its input, else of the activation's before.
    """

    activation: int
    cells: Batch
    parents: np.ndarray
    values: dict[int, Forms]
    units: int = 0

    def divided(self, size: int) -> Iterator[Task]:
        """Tasks of at most `size` cells each, in order."""
        pieces = max(1, -(-len(self.cells) // size))
        cuts = np.linspace(0, len(self.cells), pieces + 1).astype(np.int64)
        for low, high in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            yield self.part(low, high)

    def part(self, low: int, high: int) -> Task:
        """The same for cells low to high."""
        return Task(
            self.activation, self.cells.part(low, high), self.parents[low:high], self.values,
            self.units,
        )  # fmt: skip

    def alone(self) -> Task:
        """The same task without what only other cells need."""
        kept, parents = np.unique(self.parents, return_inverse=True)
        if self.activation == 0:
            return self
        values = {v: forms.of(kept).compact() for v, forms in self.values.items()}
        return Task(self.activation, self.cells, parents, values, self.units)


class Engine:
    """A network on a window, prepared; `run` yields its regions batch by batch.

    `blind` forces the filter to leave cells undecided: given (activation, cells) it
    returns a mask. Results do not depend on it (G1); tests do.
    """

    @quiet()
    def __init__(
        self,
        network: Network,
        plane: Slice,
        window: Window,
        blind: Callable[[int, int], np.ndarray] | None = None,
        schedule: Schedule = DEFAULT,
    ) -> None:
        self.network, self.plane, self.window = network, plane, window
        self.schedule = schedule
        self.frame = Frame(window)
        self.trace = Trace(network, plane, window)
        self.statistics = Statistics()
        self.blind = blind
        self.units = _UNITS
        self._float = in_floats(network)
        self.closely = self._loss() > _LOSS
        readers = Counter(v for node in network.nodes for v in node.inputs)
        # Activations read only by the next node, once: siblings can share its product.
        self._sequential = {
            k for k in network.activations
            if readers[k + 1] == 1 and network.last_use[k + 1] == k + 1
        }  # fmt: skip
        cells = _BATCH_BYTES // (24 * max(network.sizes))
        # Weights that do not fit beside the forms are at least read for more cells at once.
        self.batch_size = int(min(4096, max(16, cells if cells >= 128 else 2 * cells)))

    def _loss(self) -> float:
        """About how much faster than the values bounds grow that take all inputs of a layer for
        the worst one: where weights are random and half the inputs zero, sqrt(2 n) a layer."""
        loss = [1.0]
        for node, ready in zip(self.network.nodes, self._float, strict=True):
            own = sqrt(2.0 * ready.terms) if isinstance(ready, FloatAffine) else 1.0
            loss.append(own * max(loss[v] for v in node.inputs))
        return max(loss)

    @cached_property
    def ties(self) -> Ties:
        """What is computed alike on a cell; few networks ask."""
        return Ties(self.network, self.plane)

    @quiet()
    def start(self) -> Task:
        """The window as a batch of one cell, before the first activation."""
        corners = self._rows(zip(self.window.vertices, self.window.sides, strict=True))
        labels = -1 - np.arange(len(corners), dtype=np.int64)
        codes = np.zeros(
            (1, self.network.units), dtype=self.network.pattern_dtype.newbyteorder("=")
        )
        cells = Batch(np.asarray([0, len(corners)]), corners, labels, codes)
        values = self._affine(0, {0: self.frame.forms(self.plane)})
        return Task(0, cells, np.zeros(1, dtype=np.int64), values)

    def run(self, tasks: list[Task] | None = None) -> Iterator[Batch]:
        """All activation regions, batch by batch, in canonical order."""
        for task in self._leaves(tasks):
            yield task.cells

    def outputs(self, tasks: list[Task] | None = None) -> Iterator[Forms]:
        """The network's output as forms on the regions, in the order of `run`."""
        for leaf in self._leaves(tasks):
            for task in leaf.divided(self.batch_size):
                with quiet():
                    values = self._values(task)
                yield values[self.network.output]

    def _leaves(self, tasks: list[Task] | None) -> Iterator[Task]:
        stack = [self.start()] if tasks is None else tasks[::-1]
        while stack:
            task = stack.pop()
            if task.activation == len(self.network.activations):
                yield task
            elif len(task.cells) > self.batch_size:
                stack.extend(reversed(list(task.divided(self.batch_size))))
            else:
                stack.append(self.step(task))

    @quiet()
    def step(self, task: Task, units: int | None = None) -> Task:
        """Cut every cell of a task along its activation node, or of a wide one the next
        `units` (the engine's own number if None)."""
        a, first, units = task.activation, task.units, units or self.units
        values = task.values if first else self._values(task)
        k = self.network.activations[a]
        node, ready = self.network.nodes[k], self._float[k]
        low, cells = self.network.unit_offsets[a], task.cells
        blind = (
            np.zeros(len(cells), dtype=np.bool_)
            if self.blind is None
            else self.blind(a, len(cells))
        )
        assert not isinstance(node, Affine)
        assert not isinstance(ready, FloatAffine)
        polygons = (cells.start, cells.corners, cells.labels)
        x, stop = values[node.source], node.size
        rows = task.parents if first else np.arange(len(cells))
        label = int(self.trace.labels.starts[a])
        wide = first > 0 or node.size > 2 * units
        if isinstance(ready, FloatPointwise) and ready.plain and wide:
            stop = min(node.size, first + units)
            start, corners, labels, parents, own, undecided = ready.cut_some(
                polygons, x, rows, label, blind, cells.codes[:, low : low + first], stop
            )
        else:
            start, corners, labels, parents, own, undecided = ready.cut(polygons, x, label, blind)
        codes = taken(cells.codes, parents)
        codes[:, low + first : low + stop] = own
        self.statistics.batches += 1
        self.statistics.cells_cut += len(cells)
        self.statistics.signs += len(cells.corners) * (stop - first)
        out = Batch(start, corners, labels, codes)
        if len(undecided):
            out, parents = self._merge(task, x, rows, stop, out, parents, undecided, blind)
        if first:
            parents = task.parents[parents]
        if stop < node.size:
            return Task(a, out, parents, values, stop)
        return Task(a + 1, out, parents, values)

    def _values(self, task: Task) -> dict[int, Forms]:
        """The live forms on a task's cells, up to the input of its activation node."""
        if task.activation == 0:
            return task.values
        a = task.activation - 1
        k = self.network.activations[a]
        node, ready = self.network.nodes[k], self._float[k]
        assert not isinstance(node, Affine)
        assert not isinstance(ready, FloatAffine)
        low, high = self.network.unit_offsets[a], self.network.unit_offsets[a + 1]
        codes, parents, values = task.cells.codes[:, low:high], task.parents, task.values
        after = self._float[k + 1] if k + 1 < len(self._float) else None
        if (
            k in self._sequential
            and isinstance(after, FloatAffine)
            and isinstance(ready, FloatPointwise)
        ):
            which = after.inputs.index(k + 1)
            family = ready.family(values[node.source], parents, codes, after, which, self.closely)
            heads = parents[family.first]
            value = ready.heads(values[node.source], family)
            inputs = [value if v == k + 1 else values[v].of(heads) for v in after.inputs]
            forms = {k + 2: after.apply_siblings(inputs, family, self.closely)}
            return self._affine(k + 2, {**self._kept(values, k + 1, parents), **forms})
        value = ready.apply(values[node.source].of(parents), codes)
        return self._affine(k + 1, {**self._kept(values, k, parents), k + 1: value})

    def _kept(self, values: dict[int, Forms], k: int, parents: np.ndarray) -> dict[int, Forms]:
        """The values still read after node k, on the children of their cells."""
        last = self.network.last_use
        return {v: forms.of(parents) for v, forms in values.items() if last[v] > k}

    def _affine(self, start: int, values: dict[int, Forms]) -> dict[int, Forms]:
        while start < len(self._float) and isinstance(ready := self._float[start], FloatAffine):
            values[start + 1] = ready.apply([values[i] for i in ready.inputs], self.closely)
            start += 1
        return {v: f for v, f in values.items() if self.network.last_use[v] >= start}

    def _merge(
        self, task: Task, x: Forms, rows: np.ndarray, stop: int, out: Batch, parents: np.ndarray,
        undecided: np.ndarray, blind: np.ndarray,
    ) -> tuple[Batch, np.ndarray]:  # fmt: skip
        """Cut the undecided cells exactly and put their parts where they belong."""
        batches, owners = [out], [parents]
        for number in undecided.tolist():
            cell = task.cells.part(number, number + 1)
            own = x.of(rows[number : number + 1])
            parts = None if blind[number] else self._tied_parts(task, cell, own, stop)
            if parts is None:
                self.statistics.exact_cells += 1
                parts = self._exact_parts(task.activation, cell)
            batches.append(parts)
            owners.append(np.full(len(parts), number, dtype=np.int64))
        owner = np.concatenate(owners)
        order = np.argsort(owner, kind="stable")
        merged = concatenated(batches)
        sizes = np.diff(merged.start)[order]
        start = np.concatenate([[0], np.cumsum(sizes)])
        corners = np.repeat(merged.start[:-1][order] - start[:-1], sizes) + np.arange(start[-1])
        return Batch(
            start, merged.corners[corners], merged.labels[corners], merged.codes[order]
        ), owner[order]  # fmt: skip

    def _tied_parts(self, task: Task, cell: Batch, x: Forms, stop: int) -> Batch | None:
        """The parts of one cell by floats that know its ties; None if still undecided."""
        a, first = task.activation, task.units
        classes = self.ties.classes(cell.codes[0], a)
        if classes.all() and len(np.unique(classes)) == len(classes):
            return None
        ready, low = self._float[self.network.activations[a]], self.network.unit_offsets[a]
        assert not isinstance(ready, FloatAffine)
        polygons, label = (cell.start, cell.corners, cell.labels), int(self.trace.labels.starts[a])
        sees = np.zeros(1, dtype=np.bool_)
        if isinstance(ready, FloatPointwise) and stop - first < len(classes):
            known = cell.codes[:, low : low + first]
            cut = ready.cut_some(
                polygons, x, np.zeros(1, np.int64), label, sees, known, stop, classes
            )
        else:
            cut = ready.cut(polygons, x, label, sees, classes, self.ties.above(cell.codes[0], a))
        start, corners, labels, _, own, undecided = cut
        if len(undecided):
            return None
        codes = np.repeat(cell.codes, len(start) - 1, axis=0)
        codes[:, low + first : low + stop] = own
        return Batch(start, corners, labels, codes)

    def _exact_parts(self, a: int, cell: Batch) -> Batch:
        codes = cell.codes[0]
        lines = [self.trace.line(codes, label) for label in cell.labels.tolist()]
        polygon = exact_polygon(lines)
        parts = refine(polygon, self.network.layers[a].node, self.trace.input(codes, a))
        parts.sort(key=lambda part: tuple(part[1]))
        return self._batch(a, cell, polygon, parts)

    def _batch(
        self, a: int, cell: Batch, outline: Polygon, parts: list[tuple[Polygon, np.ndarray]]
    ) -> Batch:
        """Exact parts of one cell as a batch: correctly rounded, their edges labelled."""
        low, high = self.network.unit_offsets[a], self.network.unit_offsets[a + 1]
        labels = self.trace.cut_labels(cell.codes[0], a, [codes for _, codes in parts])
        labels.update((line, int(k)) for (_, line), k in zip(outline, cell.labels, strict=True))
        edges = [edge for part, _ in parts for edge in part]
        codes = np.repeat(cell.codes, len(parts), axis=0)
        for k, (_, own) in enumerate(parts):
            codes[k, low:high] = own
        return Batch(
            np.cumsum([0, *(len(part) for part, _ in parts)]),
            self._rows(edges),
            np.asarray([labels[line] for _, line in edges], dtype=np.int64),
            codes,
        )

    def _rows(self, edges: Iterable[tuple[Point, Line]]) -> np.ndarray:
        """Exact corners and lines as float rows with their errors."""
        points, lines = zip(*edges, strict=True)
        return np.concatenate([self.frame.points(points), self.frame.lines(lines)], axis=1)


def exact_polygon(lines: list[Line]) -> Polygon:
    """The convex polygon whose consecutive edges lie on the given unoriented lines."""
    corners = [reduced(meet(lines[k - 1], line)) for k, line in enumerate(lines)]
    out: Polygon = []
    for k, (a, b, c) in enumerate(lines):
        inside = side((a, b, c), corners[(k + 2) % len(lines)])
        out.append((corners[k], (a, b, c) if inside > 0 else (-a, -b, -c)))
    return out


def concatenated(batches: list[Batch]) -> Batch:
    """Several batches as one, in the given order."""
    if len(batches) == 1:
        return batches[0]
    shifts = np.cumsum([0, *(b.start[-1] for b in batches[:-1])])
    starts = [b.start[1:] + shift for b, shift in zip(batches, shifts, strict=True)]
    return Batch(
        np.concatenate([[0], *starts]),
        *(np.concatenate([getattr(b, name) for b in batches]) for name in ("corners", "labels", "codes")),
    )  # fmt: skip


def gathered(batches: Iterable[Batch], cells: int) -> Iterator[Batch]:
    """The same cells in the same order, at least so many in each batch but the last."""
    waiting: list[Batch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= cells:
            yield concatenated(waiting)
            waiting = []
    if waiting:
        yield concatenated(waiting)
