"""A slice and a window of it, with what decides there what floats cannot; made when asked for."""

from __future__ import annotations

from ..exact.replay import Trace
from ..model.network import Network
from ..model.slice import Slice, Window
from ..runtime.cached import cached_property
from .local_frame import Frame
from .upright import Uprights
from .value_numbers import Ties

__all__ = ["Place"]


class Place:
    """One slice and window of a run; most runs have one place, and few need all that is here."""

    def __init__(
        self, network: Network, plane: Slice, window: Window, frame: Frame | None = None
    ) -> None:
        self.network, self.plane, self.window = network, plane, window
        self.frame = Frame(window) if frame is None else frame

    @cached_property
    def trace(self) -> Trace:
        """Replays patterns in exact integers."""
        return Trace(self.network, self.plane, self.window)

    @cached_property
    def ties(self) -> Ties:
        """Value numbering of the network, which proves ties; few networks need it."""
        return Ties(self.network, self.plane)

    @cached_property
    def uprights(self) -> Uprights:
        """What proves that a line is upright; few networks need it."""
        return Uprights(self.network, self.plane)
