"""Check certificates from Python: the independent checker, its verdict as an object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .. import checker
from ..errors import ExactcamError
from ..model.network import Network
from ..model.network_file import write_network
from ..model.slice import Slice, Window
from ..model.slice_file import write_slice
from ..runtime.arguments import file_name

__all__ = ["Verification", "check"]


@dataclass(frozen=True, repr=False)
class Verification:
    """What the checker says of a certificate.

    Attributes
    ----------
    verdict : str
        "verified"; "rejected" where a claim is not confirmed; "malformed" where a file is
        not of the specified form, so that nothing can be said about it.
    rule : str
        The rule of proofs/certificate.md that is broken, empty if the certificate is verified.
    statement : str
        What is certified, as the command prints it; empty unless the certificate is verified.
    """

    verdict: str
    rule: str = ""
    statement: str = ""

    def __repr__(self) -> str:
        return f"<Verification: {self.verdict}{self.rule and ', '}{self.rule[:60]}>"

    @property
    def verified(self) -> bool:
        """Whether everything the certificate claims is confirmed."""
        return self.verdict == "verified"


def check(
    network: Network | str | Path,
    slice: tuple[Slice, Window] | str | Path,
    certificate: str | Path,
) -> Verification:
    """Verify a certificate against the network and slice that it is asked about.

    Runs `exactcam/checker.py`, which shares no code with the engine, in this process.

    Parameters
    ----------
    network : Network or path
        The exact network, or its file.
    slice : (Slice, Window) or path
        The slice and the window, or their file.
    certificate : path
        The certificate, packed or not.

    Returns
    -------
    Verification
        Also for a certificate that is rejected or malformed.

    Raises
    ------
    OSError
        Where a file cannot be read.
    """
    certificate = file_name(certificate, "certificate")
    with TemporaryDirectory() as folder:
        question = _network_file(network, folder), _slice_file(slice, folder)
        try:
            statement = checker.verify(*question, str(certificate))
        except checker.Rejected as error:
            return Verification("rejected", str(error))
        except checker.Malformed as error:
            return Verification("malformed", str(error))
    return Verification("verified", statement=statement)


def _network_file(network: Network | str | Path, folder: str) -> str:
    """The name of a network's file, written to a folder where there is none."""
    if not isinstance(network, Network):
        return file_name(network, "network")
    path = Path(folder) / "network.json"
    write_network(network, path)
    return str(path)


def _slice_file(slice: tuple[Slice, Window] | str | Path, folder: str) -> str:
    """The name of a slice's file, written to a folder where there is none."""
    if not isinstance(slice, tuple):
        return file_name(slice, "slice")
    if len(slice) != 2 or not (isinstance(slice[0], Slice) and isinstance(slice[1], Window)):
        raise ExactcamError("slice is no pair (Slice, Window): give one, or the name of its file")
    path = Path(folder) / "slice.json"
    write_slice(*slice, path)
    return str(path)
