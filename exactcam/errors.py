"""One exception family, so that a caller can catch every refusal with one name.

Every message is one line that names the layer, parameter, file or argument at
fault and says what to do about it. Nothing else in the package raises for bad
input, and nothing catches these except the command line.
"""


class ExactcamError(Exception):
    """Base of every error exactcam raises on purpose."""


class NumberError(ExactcamError, ValueError):
    """A number that is not an exact rational: NaN, infinity or malformed text."""


class NetworkError(ExactcamError, ValueError):
    """A network that is not well formed, or not continuous piecewise linear."""


class UnsupportedLayerError(NetworkError):
    """A layer that has no exact rational piecewise-linear form."""


class SliceError(ExactcamError, ValueError):
    """A slice or window that is degenerate or does not fit the network."""


class FileFormatError(ExactcamError, ValueError):
    """A file that is damaged, hostile or not of the format it was read as."""


class MissingExtraError(ExactcamError, ImportError):
    """An optional dependency is needed; the message names the extra to install."""


class InvariantError(ExactcamError, AssertionError):
    """A computed result contradicts a theorem: always a defect of exactcam."""


def interrupted(error: BaseException | None) -> bool:
    """Whether this is Ctrl-C, or the SystemError that comes of it in compiled code."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None
