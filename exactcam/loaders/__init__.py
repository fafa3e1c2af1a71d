"""Loaders: networks from torch modules, ONNX files, exact network files and plain arrays."""

from __future__ import annotations

from pathlib import Path

from ..errors import FileFormatError, NetworkError
from ..files.reading import open_file
from ..model.network import Network
from ..model.network_file import read_network
from ..runtime.arguments import file_name
from .npz import read_npz

__all__ = ["load"]


def load(
    path: str | Path,
    *,
    drop_final: bool = False,
    check: bool = True,
    output: int | str | None = None,
) -> Network:
    """Read a network from a file, whose kind its name or its first bytes tell.

    Parameters
    ----------
    path : str or Path
        An exact network file, `.npz` arrays (`weight0 bias0 ...`), `.onnx` or `.pt2`; the
        last two need the extras `onnx` and `torch`.
    drop_final : bool
        Leave out a final softmax or sigmoid of an ONNX or torch model.
    check : bool
        Compare the network with the ONNX or torch model's own forward pass.
    output : int or str, optional
        Which output to read of an ONNX or torch model that has several: its place or its name.

    Raises
    ------
    FileFormatError
        For a file that is missing, damaged or of no known kind.
    NetworkError, UnsupportedLayerError, NumberError, MissingExtraError
        As the loader of that kind of file says; each names the file.
    """
    path = file_name(path, error=FileFormatError)
    file = Path(path)
    with open_file(path) as stream:
        start = stream.read(4)
    suffix = file.suffix.lower()
    if suffix == ".pt2":
        from .from_torch import read_pt2

        return read_pt2(path, drop_final=drop_final, check=check, output=output)
    if suffix == ".onnx":
        from .from_onnx import read_onnx

        return read_onnx(path, drop_final=drop_final, check=check, output=output)
    if suffix in (".pt", ".pth"):
        raise FileFormatError(
            f"{path}: is a file of torch.save, which cannot be read safely: save the module with "
            "torch.export.save as .pt2, or use exactcam.from_torch"
        )
    if output is not None:
        raise NetworkError(
            f"{path}: has one output; output= (--model-output) is for ONNX and torch models"
        )
    if suffix == ".npz" or start == b"PK\x03\x04":
        return read_npz(path)
    if start[:1] == b"{":
        return read_network(path)
    raise FileFormatError(
        f"{path}: is no exact network file and its name does not end in .npz, .onnx or .pt2"
    )
