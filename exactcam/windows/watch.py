"""`Watch`: the local complexity of a torch module while it trains."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..analysis.tables import Table, write_csv
from ..errors import ExactcamError, MissingExtraError
from ..loaders.from_torch import from_torch
from ..runtime.arguments import file_name, integer
from .complexity import LocalComplexity, local_complexity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Watch"]

_OWN = ("step", "regions", "standard_error")


class Watch:
    """Counts the regions of a torch module near data points, on random planes, while it trains.

    The module is not touched: what is counted is a copy in evaluation mode, and torch's random
    numbers go on as if nothing had been counted. The planes are the same every time.

    Parameters
    ----------
    model : torch.nn.Module
        The module that is trained.
    data : torch.Tensor or array, (n, ...)
        Points near which regions are counted; each entry of the first axis is one input.
    radius : float
        Half the side of the squares around them: see `local_complexity`.
    every : int
        Count at every so many steps.
    planes, seed, jobs
        As for `local_complexity`.
    path : str or Path, optional
        A CSV file, written anew after every count.

    Attributes
    ----------
    table : dict of columns
        `step`, `regions` (their mean on a random plane), `standard_error`, and what `step` was given.

    Examples
    --------
    ::

        watch = exactcam.Watch(model, images[:50], radius=0.1, every=100, path="complexity.csv")
        for batch, labels in batches:
            ...
            optimizer.step()
            watch.step(loss=loss.item())
        watch.draw("complexity.png")
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        radius: float,
        every: int = 100,
        planes: int = 1,
        seed: int = 0,
        jobs: int = 1,
        path: str | Path | None = None,
    ) -> None:
        self._every = integer(every, "every", least=1)
        self._path = None if path is None else file_name(path)
        self._model, self._data = model, data
        self._settings = radius, planes, seed, jobs
        self._steps = 0
        self._shape = tuple(getattr(data, "shape", ()))[1:]
        if not self._shape:
            raise ExactcamError("data is no array of inputs: give a tensor or array (n, ...)")
        self.table: Table = {name: [] for name in _OWN}
        self._add({})

    def __repr__(self) -> str:
        latest = self.table["regions"][-1]
        return f"<Watch: step {self._steps:,}, {latest:.4g} regions on a random plane>"

    def step(self, **values: Any) -> None:
        """Count this training step, and at every so many steps the regions.

        `values`, a loss for example, become columns of the table, empty where they were not given.
        """
        self._steps += 1
        if self._steps % self._every == 0:
            self._add(values)

    def count(self) -> LocalComplexity:
        """Count the regions of the module as it is now."""
        try:
            import torch
        except ImportError:
            raise MissingExtraError("Watch needs torch: pip install 'exactcam[torch]'") from None
        with torch.random.fork_rng(devices=[]):
            still = copy.deepcopy(self._model).eval().cpu()
            # The self-check would compute as much as the counts; the first time it is made.
            network = from_torch(still, self._shape, check=not self.table["step"])
        return local_complexity(network, self._data, *self._settings)

    def draw(self, path: str | Path | None = None) -> Figure:
        """Draw the curves of the table with matplotlib, into a file if `path` is given."""
        from ..render.plots import curves_figure, save

        figure = curves_figure(self.table)
        if path is not None:
            save(figure, path)
        return figure

    def _add(self, values: dict[str, Any]) -> None:
        """A new row of the table; what is new in it is empty in rows before."""
        wrong = sorted(set(values) & set(_OWN))
        if wrong:
            raise ExactcamError(f"{wrong[0]} is a column of its own: give the value another name")
        found = self.count()
        rows = len(self.table["step"])
        for name in values:
            self.table.setdefault(name, [None] * rows)
        row = {"step": self._steps, "regions": found.mean, "standard_error": found.standard_error}
        for name, column in self.table.items():
            column.append({**values, **row}.get(name))
        if self._path is not None:
            write_csv(self.table, self._path)
