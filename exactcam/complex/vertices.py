"""The exact vertices of a complex, behind one interface whoever computes them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence

from ..model.geometry import Point

__all__ = ["StoredVertices", "Vertices"]


class Vertices(Sequence[Point]):
    """Reduced homogeneous integer points by number; a slice of them is a tuple."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} points>"

    @abstractmethod
    def prefetch(self, numbers: Iterable[int] | None = None, jobs: int = 1) -> None:
        """Compute the vertices with these numbers (None: all) with `jobs` processes, and keep
        them. Many at once are found faster than one by one."""


class StoredVertices(tuple[Point, ...], Vertices):
    """Vertices that are all known."""

    __slots__ = ()

    __repr__ = Vertices.__repr__

    def prefetch(self, numbers: Iterable[int] | None = None, jobs: int = 1) -> None:
        """Nothing: all vertices are there."""
