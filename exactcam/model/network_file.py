"""Network files: one strict, pickle-free JSON object that holds the exact network.

It is the canonical document of the computation (`Network.document`, specified in
proofs/network.md) plus `names` and `notes`. Reading checks everything; a file that is not
exactly of the form is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ExactcamError, FileFormatError, NetworkError
from ..files.reading import read_text, reading
from ..files.strict_json import Json, count, dump, fields, items, parse
from ..files.writing import write_text
from ..runtime.arguments import expect, file_name
from .network import Network
from .node_document import node_from_document

__all__ = ["network_document", "network_from_document", "read_network", "write_network"]

_KEYS = ("format", "inputs", "nodes", "output", "version")
_LARGEST = 1 << 32  # bytes of a network file


def write_network(network: Network, path: str | Path) -> None:
    """Write a network to a file without losing anything.

    Parameters
    ----------
    network : Network
        The network; `read_network` gives one with the same content hash back.
    path : str or Path
        Where to write; an existing file is replaced.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    expect(network, Network, "network", "a Network", NetworkError)
    write_text(file_name(path), dump(network_document(network)) + "\n")


def network_document(network: Network) -> dict[str, Any]:
    """The whole content of a network file: the computation, names and notes."""
    return {**network.document(), "names": list(network.names), "notes": list(network.notes)}


def read_network(path: str | Path) -> Network:
    """Read a network file (proofs/network.md).

    Parameters
    ----------
    path : str or Path
        A file that `write_network` wrote.

    Returns
    -------
    Network
        The network with its names and notes.

    Raises
    ------
    FileFormatError
        If the file cannot be read or is not exactly of the form; names the file and field.
    """
    path = file_name(path, error=FileFormatError)
    text = read_text(path, _LARGEST)
    document = parse(text, str(path))
    if not isinstance(document, dict) or document.get("format") != "exactcam-network":
        raise FileFormatError(f"{path}: is not an exactcam network file")
    return network_from_document(document, str(path))


def network_from_document(document: Json, where: str) -> Network:
    """Build the network that the parsed content of a network file describes.

    Parameters
    ----------
    document : JSON value
        What `network_document` gives, after parsing.
    where : str
        What is read, for messages.

    Raises
    ------
    FileFormatError
        If the document is not exactly of the form, or no network; names the field or layer.
    """
    format_, inputs, node_list, output, version, names, notes = fields(
        document, (*_KEYS, "names", "notes"), where
    )
    if format_ != "exactcam-network" or count(version, f"{where}: version") != 1:
        raise FileFormatError(f"{where}: is not an exactcam-network file of version 1")
    labels, remarks = items(names, f"{where}: names"), items(notes, f"{where}: notes")
    try:
        with reading(where):
            nodes = tuple(
                node_from_document(node, f"{where}: node {k}")
                for k, node in enumerate(items(node_list, where))
            )
            size, last = count(inputs, f"{where}: inputs"), count(output, f"{where}: output")
            return Network(size, nodes, last, tuple(labels), tuple(remarks))
    except ExactcamError as error:
        raise FileFormatError(str(error)) from None
