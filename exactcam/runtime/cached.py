"""Attributes that are computed at first use: without a lock, and not part of a pickle.

Before Python 3.12 functools.cached_property holds one lock for an attribute of all objects
while it computes. A process forked from one thread while another holds it would wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["WithoutCaches", "cached_property"]

if TYPE_CHECKING:
    from functools import cached_property
else:

    class cached_property:  # noqa: N801 - the name it has there
        """functools.cached_property as it is from Python 3.12 on."""

        def __init__(self, compute: Callable[[Any], Any]) -> None:
            self.compute, self.__doc__ = compute, compute.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self.name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            # Found here only where it is not known yet: this has no __set__.
            value = instance.__dict__[self.name] = self.compute(instance)
            return value


class WithoutCaches:
    """A base of classes that are pickled without their cached properties: these are computed
    again where they are asked for, and may be many times larger."""

    def __getstate__(self) -> dict[str, Any]:
        kind = type(self)
        return {
            name: value
            for name, value in vars(self).items()
            if not isinstance(getattr(kind, name, None), cached_property)
        }
