"""The fast engine: exact combinatorics at the speed of floats.

Cells are refined layer by layer exactly as in `exact.reference`, but many at a time and
in float64: the affine forms of a batch of cells go through a layer in one matrix
product with proven error bounds (`float_affine`), and compiled kernels decide signs and cut
(`kernels`). A cell with an undecided sign is cut again with its ties known
(`value_numbers`), with sharper bounds, and at last by `reference.refine` in exact integers, before
anything else happens to it: `Engine._cut` is where all three meet. So every decision
is the exact one (G1), cells never depend on each other (by continuity their pieces fit edge to
edge: Lemma 5 of proofs/partition.md), and batches can be bounded, streamed and computed anywhere.

Batches are taken depth first and each part list is in the order of its codes, so
regions come out in the canonical order of their patterns whatever the batch size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from ..exact.reference import refine
from ..exact.replay import LineLabels, Trace
from ..model.geometry import Line, Point, Polygon, meet, reduced, side
from ..model.network import Layer, Network
from ..model.slice import Slice, Window
from ..runtime.arena import taken
from ..runtime.cached import cached_property
from ..runtime.float_mode import quiet
from .batch import Batch, concatenated, gathered
from .float_activation import FloatLayer, FloatMax, FloatPointwise, in_floats
from .float_affine import FloatAffine
from .float_forms import FloatValue
from .kernels.arrays import CutResult, FloatForms, KnownValues
from .local_frame import Frame
from .place import Place
from .schedule import DEFAULT, Schedule
from .upright import Uprights

__all__ = ["Batch", "Engine", "Statistics", "Task", "concatenated", "exact_polygon", "gathered"]

_BATCH_BYTES = 1 << 20  # of affine forms: what stays in a core's cache
_STACK_BYTES = 1 << 29  # of the forms of all layers, which wait while deeper ones are cut
_LOSS = 2.0**24  # where bounds would lose more than this, each unit has its own from the start
_RARE = 256  # one cell in so many may be cut with bounds input by input without all being so
TRIED, _VAIN = 64, 16  # from TRIED cells on, fewer than one in _VAIN decided so are not worth it
_UNITS = 512  # so many units of a wide layer cut at a time, lest a large cell fill the memory


_Parts = tuple[Batch, np.ndarray]  # parts of cells, and the number of each one's cell


@dataclass
class Statistics:
    """Counters of a run: cells cut, signs at corners that this took, cells tried again with bounds
    input by input and those so decided, cells that needed exact arithmetic, batches."""

    cells_cut: int = 0
    signs: int = 0
    tried_closely: int = 0
    decided_closely: int = 0
    exact_cells: int = 0
    batches: int = 0


@dataclass(frozen=True)
class Task:
    """Cells that wait to be cut along layer number `activation`.

    `values` are the live values by number, on the cells of which these are parts: cell i is a
    part of number parents[i]. They are those at the input of this layer where its first `units`
    have cut already, else those at the input of the layer before. `closely` says that their
    bounds were computed input by input (Lemma 21, first remark).
    """

    activation: int
    cells: Batch
    parents: np.ndarray
    values: dict[int, FloatValue]
    units: int = 0
    closely: bool = False

    def divided(self, size: int) -> Iterator[Task]:
        """Tasks of at most `size` cells each, in order."""
        pieces = max(1, -(-len(self.cells) // size))
        cuts = np.linspace(0, len(self.cells), pieces + 1).astype(np.int64)
        for low, high in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            yield self.part(low, high)

    def part(self, low: int, high: int) -> Task:
        """The task of the cells low:high."""
        cells, parents = self.cells.part(low, high), self.parents[low:high]
        return replace(self, cells=cells, parents=parents)

    def detached(self) -> Task:
        """The same task, to be sent elsewhere: without values on cells that it has no part of."""
        kept, parents = np.unique(self.parents, return_inverse=True)
        if self.activation == 0:
            return self
        values = {v: value.of(kept).compact() for v, value in self.values.items()}
        return replace(self, parents=parents, values=values)


@dataclass(frozen=True)
class _Cut:
    """A cut of cells along the units first:stop of a layer.

    `x` are forms of the layer's input, of which cell i has number rows[i]; `label` is the
    name of the layer's first line.
    """

    layer: Layer
    node: FloatLayer
    x: FloatForms
    rows: np.ndarray
    label: int
    first: int
    stop: int

    def of(self, cells: np.ndarray) -> _Cut:
        """The cut of some of the cells."""
        return replace(self, x=self.x.of(self.rows[cells]), rows=np.arange(len(cells)))

    def by_floats(self, cells: Batch, known: KnownValues | None = None) -> CutResult:
        """Cut by the float filter; cells with a sign it cannot prove are `undecided`."""
        begin = self.layer.units.start
        if isinstance(self.node, FloatPointwise) and self.stop - self.first < self.layer.node.size:
            before = cells.codes[:, begin : begin + self.first]
            return self.node.cut_some(
                cells.polygons, self.x, self.rows, self.label, before, self.stop, known
            )
        return self.node.cut(cells.polygons, self.x, self.label, known)

    def parts(self, cells: Batch, found: CutResult) -> Batch:
        """The parts found as a batch: with their cells' codes, those of this cut filled in."""
        begin = self.layer.units.start
        codes = taken(cells.codes, found.parents)
        codes[:, begin + self.first : begin + self.stop] = found.codes
        return Batch(*found.cells, codes, cells.places_of(found.parents))


class Engine:
    """The fast engine for one network and window: `run` yields the regions batch by batch.

    `blind` hides cells from the filter, so that exact arithmetic cuts them: given (activation,
    number of cells) it returns a mask. Results do not depend on it (G1); tests do. Nor do they
    depend on `closely`, whether bounds are computed input by input from now on: that is slower,
    proves more in deep networks, and is switched on when enough cells were decided only so.
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
        self._prepare(network, [Place(network, plane, window)], blind, schedule)

    def _prepare(
        self,
        network: Network,
        places: Sequence[Place],
        blind: Callable[[int, int], np.ndarray] | None = None,
        schedule: Schedule = DEFAULT,
    ) -> None:
        """Begin a run on one place, or on many whose cells are cut together."""
        self.network, self.places, self.schedule = network, places, schedule
        self.labels = LineLabels(network)
        self.statistics = Statistics()
        self.blind = blind
        self.units = _UNITS
        self._float = in_floats(network)
        self.closely = self._loss() > _LOSS
        self._reader = self._sole_readers()
        cells = _BATCH_BYTES // (24 * max(network.sizes))
        # Weights that do not fit beside the forms are at least read for more cells at once.
        most = max(1, _STACK_BYTES // (24 * sum(network.sizes)))
        self.batch_size = min(4096, most, max(16, cells if cells >= 128 else 2 * cells))

    def _loss(self) -> float:
        """Estimate by what factor bounds outgrow the values over the network, if each layer takes
        all its n inputs to be as bad as the worst: sqrt(2 n) a layer where weights are random and
        half the inputs are zero."""
        loss = [1.0]
        for k, node in enumerate(self.network.nodes):
            ready = self._float.affine.get(k)
            own = 1.0 if ready is None else sqrt(2.0 * ready.terms)
            loss.append(own * max(loss[v] for v in node.inputs))
        return max(loss)

    def _sole_readers(self) -> dict[int, FloatAffine]:
        """The affine node just after a pointwise layer, by the layer's number, where no other node
        reads the layer's value: siblings can then share the product."""
        readers = Counter(v for node in self.network.nodes for v in node.inputs)
        return {
            layer.number: self._float.affine[layer.value]
            for layer, ready in zip(self.network.layers, self._float.layers, strict=True)
            if isinstance(ready, FloatPointwise)
            and layer.value in self._float.affine
            and readers[layer.value] == 1
            and self.network.last_use[layer.value] == layer.value
        }

    @property
    def plane(self) -> Slice:
        """The slice of the run's only place."""
        return self.places[0].plane

    @property
    def window(self) -> Window:
        """The window of the run's only place."""
        return self.places[0].window

    @property
    def frame(self) -> Frame:
        """The local coordinates of the run's only place."""
        return self.places[0].frame

    @property
    def trace(self) -> Trace:
        """What replays patterns at the run's only place."""
        return self.places[0].trace

    @property
    def uprights(self) -> Uprights:
        """What proves that lines are upright at the run's only place."""
        return self.places[0].uprights

    def _place(self, cells: Batch, number: int) -> Place:
        """The place of one of some cells."""
        return self.places[0 if cells.places is None else int(cells.places[number])]

    @quiet()
    def start(self) -> Task:
        """Every window as one cell, before the first activation."""
        cells, closely = self._windows(), self.closely
        values = self._close_root if closely else self._root(False)
        return Task(0, cells, np.arange(len(cells)), values, 0, closely)

    def _windows(self) -> Batch:
        """The window as a batch of one cell."""
        corners = rows_of(self.frame, zip(self.window.vertices, self.window.sides, strict=True))
        labels = -1 - np.arange(len(corners), dtype=np.int64)
        return Batch(np.asarray([0, len(corners)]), corners, labels, self._no_codes(1))

    def _no_codes(self, cells: int) -> np.ndarray:
        """The patterns of cells that no unit has cut."""
        kind = self.network.pattern_dtype.newbyteorder("=")
        return np.zeros((cells, self.network.units), dtype=kind)

    def _root(self, closely: bool) -> dict[int, FloatValue]:
        """The live values at the first layer, on every window."""
        return self._through_affine(0, {0: self._inputs()}, closely)

    def _inputs(self) -> FloatValue:
        """The network's input on every window."""
        return self.frame.forms(self.plane)

    @cached_property
    def _close_root(self) -> dict[int, FloatValue]:
        """`_root` with bounds input by input, with which `_anew` begins each time."""
        return self._root(True)

    def run(self, tasks: list[Task] | None = None) -> Iterator[Batch]:
        """All activation regions, batch by batch, in canonical order."""
        for task in self._leaves(tasks):
            yield task.cells

    def outputs(self, tasks: list[Task] | None = None) -> Iterator[FloatForms]:
        """The network's output as forms on the regions, in the order of `run`."""
        for leaf in self._leaves(tasks):
            for task in leaf.divided(self.batch_size):
                with quiet():
                    values = self._values(task)
                yield values[self.network.output].forms

    @quiet()
    def outputs_closely(self, codes: np.ndarray) -> Iterator[FloatForms]:
        """The network's output as forms on the regions of the only window with these codes (cells,
        units), with bounds input by input."""
        for first in range(0, len(codes), self.batch_size):
            some = codes[first : first + self.batch_size]
            values = self._anew(some, None, len(self.network.layers))
            yield values[self.network.output].forms

    def _leaves(self, tasks: list[Task] | None) -> Iterator[Task]:
        """The tasks behind the last layer."""
        stack = [self.start()] if tasks is None else tasks[::-1]
        while (leaf := self._next_leaf(stack)) is not None:
            yield leaf

    @quiet()
    def _next_leaf(self, stack: list[Task]) -> Task | None:
        """Cut the tasks of a stack, depth first, until one is behind the last layer: that, or None."""
        while stack:
            task = stack.pop()
            if task.activation == len(self.network.layers):
                return task
            if len(task.cells) > self.batch_size:
                stack.extend(reversed(list(task.divided(self.batch_size))))
            else:
                stack.append(self._step(task))
        return None

    @quiet()
    def step(self, task: Task, units: int | None = None) -> Task:
        """Cut every cell of a task along its layer, or along the next `units` of a wide one (the
        engine's own number if None)."""
        return self._step(task, units)

    def _step(self, task: Task, units: int | None = None) -> Task:
        """`step`, by one who is `quiet` already."""
        layer = self.network.layers[task.activation]
        closely = task.closely if task.units else self.closely  # of `values`
        values = task.values if task.units else self._values(task)
        cut = self._next(task, layer, values[layer.source].forms, units or self.units)
        parts, parents = self._cut(cut, task.cells, closely)
        if task.units:
            parents = task.parents[parents]
        if cut.stop < layer.node.size:
            return Task(layer.number, parts, parents, values, cut.stop, closely)
        return Task(layer.number + 1, parts, parents, values, 0, closely)

    def _next(self, task: Task, layer: Layer, x: FloatForms, units: int) -> _Cut:
        """How a task's cells are cut next: by the whole layer, or some units of a wide one."""
        ready, first, size = self._float.layers[layer.number], task.units, layer.node.size
        rows = task.parents if first else np.arange(len(task.cells))
        wide = first > 0 or size > 2 * units
        in_turn = wide and isinstance(ready, FloatPointwise) and ready.plain
        stop = min(size, first + units) if in_turn else size
        return _Cut(layer, ready, x, rows, int(self.labels.starts[layer.number]), first, stop)

    def _cut(self, cut: _Cut, cells: Batch, closely: bool) -> tuple[Batch, np.ndarray]:
        """The parts of cells, and the number of the cell that each is a part of.

        A filtered predicate: the float filter cuts the cells whose signs it proves; the others
        are tried again with value numbering, then with bounds input by input (if the forms
        are not so, `closely`), then cut in exact integers.
        """
        count = self.statistics
        count.batches += 1
        count.cells_cut += len(cells)
        count.signs += len(cells.corners) * (cut.stop - cut.first)
        hidden = np.zeros(len(cells), np.bool_)
        if self.blind is not None:
            hidden = self.blind(cut.layer.number, len(cells))
        found: list[_Parts] = []
        left = self._decide(cut, cells, np.nonzero(~hidden)[0], found)
        if len(left) and not closely and worth_trying(count.tried_closely, count.decided_closely):
            left = self._decide_closely(cut, cells, left, found)
        for number in [*left.tolist(), *np.nonzero(hidden)[0].tolist()]:
            count.exact_cells += 1
            parts = self._exact_parts(cut.layer, cells.part(number, number + 1))
            found.append((parts, np.full(len(parts), number, dtype=np.int64)))
        if len(found) == 1:
            return found[0]
        batches, owners = zip(*found, strict=True)
        owner = np.concatenate(owners)
        order = np.argsort(owner, kind="stable")
        return concatenated(list(batches)).take(order), owner[order]

    def _decide(
        self, cut: _Cut, cells: Batch, numbers: np.ndarray, found: list[_Parts]
    ) -> np.ndarray:
        """Cut the cells with these numbers by floats; append parts and their cells' numbers to
        `found`, and return the numbers of the cells with a sign that is not proven."""
        if len(numbers) < len(cells):
            cut, cells = cut.of(numbers), cells.take(numbers)
        by_filter = cut.by_floats(cells)
        found.append((cut.parts(cells, by_filter), numbers[by_filter.parents]))
        if not len(by_filter.undecided):
            return by_filter.undecided
        left, tied, rows = self._ties_of(cut.layer.number, cells, by_filter.undecided)
        # A max group takes ties cell by cell; knots that coincide are merged before they cut.
        size = max(1, len(tied)) if isinstance(cut.node, FloatMax) else 1
        for k in range(0, len(tied), size):
            one = slice(k, k + size)
            some = tied[one]
            again, own = cut.of(some), cells.take(some)
            by_ties = again.by_floats(own, KnownValues(*(x[one] for x in rows)))
            found.append((again.parts(own, by_ties), numbers[some][by_ties.parents]))
            left = np.concatenate([left, some[by_ties.undecided]])
        return numbers[np.sort(left)]

    def _ties_of(
        self, number: int, cells: Batch, undecided: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, KnownValues]:
        """Of some cells, by number, those without and with values known to be equal or zero at the
        input of layer `number`, and what is known of the latter."""
        plain, tied, classes, above = [], [], [], []
        for k in undecided.tolist():
            codes, ties = cells.codes[k], self._place(cells, k).ties
            own = ties.classes(codes, number)
            if own.all() and len(np.unique(own)) == len(own):
                plain.append(k)
                continue
            tied.append(k)
            classes.append(own)
            above.append(ties.above(codes, number))
        left, found, names = (np.asarray(x, dtype=np.int64) for x in (plain, tied, classes))
        return left, found, KnownValues(names, np.asarray(above, dtype=np.bool_))

    def _decide_closely(
        self, cut: _Cut, cells: Batch, numbers: np.ndarray, found: list[_Parts]
    ) -> np.ndarray:
        """`_decide` with bounds input by input; switches over to them for the rest of the run if
        that decides many of its cells."""
        places = cells.places_of(numbers)
        x = self._anew(cells.codes[numbers], places, cut.layer.number)[cut.layer.source].forms
        rows = np.zeros(len(cells), dtype=np.int64)
        rows[numbers] = np.arange(len(numbers))
        left = self._decide(replace(cut, x=x, rows=rows), cells, numbers, found)
        count = self.statistics
        count.tried_closely += len(numbers)
        count.decided_closely += len(numbers) - len(left)
        self.closely |= count.decided_closely * _RARE > count.cells_cut
        return left

    def _anew(
        self, codes: np.ndarray, places: np.ndarray | None, number: int
    ) -> dict[int, FloatValue]:
        """The live values at layer `number` on the cells with these codes and places (see `Batch`),
        from the window on, with bounds input by input."""
        which = np.zeros(len(codes), dtype=np.int64) if places is None else places
        values = {v: value.of(which) for v, value in self._close_root.items()}
        for layer, ready in zip(self.network.layers[:number], self._float.layers, strict=False):
            values[layer.value] = ready.apply(values[layer.source], codes[:, layer.units])
            values = self._through_affine(layer.number + 1, values, True)
        return values

    def _values(self, task: Task) -> dict[int, FloatValue]:
        """Evaluate the live values on a task's cells, up to the input of its layer."""
        if task.activation == 0:
            return {v: value.of(task.parents) for v, value in task.values.items()}
        if self.closely and not task.closely:
            return self._anew(task.cells.codes, task.cells.places, task.activation)
        layer = self.network.layers[task.activation - 1]
        ready, after = self._float.layers[layer.number], self._reader.get(layer.number)
        codes, source = task.cells.codes[:, layer.units], task.values[layer.source]
        done = layer.index if after is None else layer.value  # the last node computed here
        live = {
            v: value.of(task.parents)
            for v, value in task.values.items()
            if self.network.last_use[v] > done
        }
        if after is None:
            live[layer.value] = ready.apply(source.of(task.parents), codes)
        else:
            live[layer.value + 1] = self._siblings(layer, task, after)
        return self._through_affine(task.activation, live, self.closely)

    def _siblings(self, layer: Layer, task: Task, after: FloatAffine) -> FloatValue:
        """The value of the affine node after a layer, by one product for all parts of a cell."""
        ready, source = self._float.layers[layer.number], task.values[layer.source]
        assert isinstance(ready, FloatPointwise)
        codes, which = task.cells.codes[:, layer.units], after.inputs.index(layer.value)
        family = ready.family(source, task.parents, codes, after, which, self.closely)
        heads, value = task.parents[family.siblings.first], ready.heads(source, family)
        inputs = [value if v == layer.value else task.values[v].of(heads) for v in after.inputs]
        return after.apply_siblings(inputs, family, self.closely)

    def _through_affine(
        self, number: int, values: dict[int, FloatValue], closely: bool
    ) -> dict[int, FloatValue]:
        """`Network.through_affine` in floats."""
        affine = self._float.affine
        return self.network.through_affine(
            number, values, lambda k, inputs: affine[k].apply(inputs, closely)
        )

    def _exact_parts(self, layer: Layer, cell: Batch) -> Batch:
        """Cut one cell in exact integers; the parts are rounded correctly at the end."""
        codes, trace = cell.codes[0], self._place(cell, 0).trace
        lines = [trace.line(codes, label) for label in cell.labels.tolist()]
        outline = exact_polygon(lines)
        parts = refine(outline, layer.node, trace.input(codes, layer.number))
        parts.sort(key=lambda part: tuple(part[1]))
        return self._batch(layer, cell, outline, parts)

    def _batch(
        self, layer: Layer, cell: Batch, outline: Polygon, parts: list[tuple[Polygon, np.ndarray]]
    ) -> Batch:
        """Exact parts of one cell as a batch: correctly rounded, their edges labelled."""
        own, place = [codes for _, codes in parts], self._place(cell, 0)
        labels = place.trace.cut_labels(cell.codes[0], layer.number, own)
        labels.update((line, int(k)) for (_, line), k in zip(outline, cell.labels, strict=True))
        edges = [edge for part, _ in parts for edge in part]
        codes = np.repeat(cell.codes, len(parts), axis=0)
        codes[:, layer.units] = own
        names = np.asarray([labels[line] for _, line in edges], dtype=np.int64)
        start = np.cumsum([0, *(len(part) for part, _ in parts)])
        places = cell.places_of(np.zeros(len(parts), dtype=np.int64))
        return Batch(start, rows_of(place.frame, edges), names, codes, places)


def rows_of(frame: Frame, edges: Iterable[tuple[Point, Line]]) -> np.ndarray:
    """Exact corners and lines as float rows with their errors (see `Batch`)."""
    points, lines = zip(*edges, strict=True)
    return np.concatenate([frame.points(points), frame.lines(lines)], axis=1)


def worth_trying(tried: int, decided: int) -> bool:
    """Whether bounds input by input have decided enough of the cells that were tried so."""
    return tried < TRIED or decided * _VAIN >= tried


def exact_polygon(lines: list[Line]) -> Polygon:
    """The convex polygon whose consecutive edges lie on the given unoriented lines."""
    corners = [reduced(meet(lines[k - 1], line)) for k, line in enumerate(lines)]
    out: Polygon = []
    for k, (a, b, c) in enumerate(lines):
        inside = side((a, b, c), corners[(k + 2) % len(lines)])
        out.append((corners[k], (a, b, c) if inside > 0 else (-a, -b, -c)))
    return out
