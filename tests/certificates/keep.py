"""Write the committed certificates anew, as when their format changes.

    cd tests && python -m certificates.keep

`committed.py` runs the checker on them with a bare Python; `test_rules.py` compares
them with what this would write.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from exactcam import Slice, partition

from . import tiny
from .conftest import NETWORKS, question
from .test_mutants import convolutions

HERE = Path(__file__).resolve().parent
LONGEST = 10_000  # bytes of a damaged file that is worth keeping
PACKED = "convolution-1"  # kept as gzip
ALSO = ("affine-too-few", "not-ascii")  # a rule broken in one more way


def damages() -> dict[str, dict[str, bytes]]:
    """Folder to the one file that is damaged: all false claims, of the malformed files the
    first for each rule and kind of file."""
    out: dict[str, dict[str, bytes]] = {}
    seen = set()
    for kind, listed in (("reject", tiny.REJECT), ("malformed", tiny.MALFORMED)):
        for damage in listed:
            name, rule, file, *_ = damage
            data = tiny.damaged(damage)[file].encode()
            again = (rule, file) in seen and name not in ALSO
            if kind == "malformed" and (again or len(data) > LONGEST):
                continue
            seen.add((rule, file))
            out[f"{kind}/{rule}--{name}"] = {file: data}
    return out


def accepted(folder: Path) -> dict[str, dict[str, bytes]]:
    """Folder to the three files of a true certificate; works in an empty folder."""
    parts = {name: partition(make()) for name, make in NETWORKS.items()}
    for k in (1, 2):  # one with groups, one transposed
        network = convolutions()[k]
        vectors = np.random.default_rng(k).integers(-2, 3, (3, network.inputs))
        parts[f"convolution-{k}"] = partition(network, Slice(*vectors), engine="reference")
    out = {"accept/tiny": {name: text.encode() for name, text in tiny.EXAMPLE.items()}}
    for name, part in parts.items():
        asked = question(folder / name, part)
        certificate = folder / name / ("packed.gz" if name == PACKED else "certificate")
        part.certify(certificate)
        files = zip(tiny.EXAMPLE, (asked.network, asked.slice, certificate), strict=True)
        out[f"accept/{name}"] = {file: path.read_bytes() for file, path in files}
    return out


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = accepted(Path(folder)) | damages()
    for kind in ("accept", "reject", "malformed"):
        shutil.rmtree(HERE / kind)
    for name, files in kept.items():
        (HERE / name).mkdir(parents=True)
        for file, data in files.items():
            (HERE / name / file).write_bytes(data)


if __name__ == "__main__":
    main()
