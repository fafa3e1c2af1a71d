"""The conformance corpus: networks in named groups, each shipped with its exact partition.

Every group is one way engines go wrong. A case is a result file with the network,
the window and the exact partition; `tests/tools/build_corpus.py` makes them by code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..complex.partition import Partition, load_partition

__all__ = ["FOLDER", "GROUPS", "VERSION", "Case", "cases"]

VERSION = 1
FOLDER = Path(__file__).resolve().parent.parent / "data" / f"corpus-{VERSION}"

GROUPS = (
    "generic",
    "layers",
    "concurrent",
    "coincident",
    "zero-bias",
    "borders",
    "dead",
    "slivers",
    "near-degenerate",
    "scales",
    "quantised",
    "deep",
    "wide",
)


@dataclass(frozen=True)
class Case:
    """One network of the corpus with its exact partition on disk."""

    group: str
    name: str
    path: Path

    def __repr__(self) -> str:
        return f"<Case {self.group}/{self.name}>"

    def truth(self) -> Partition:
        """Read the exact partition from its file."""
        return load_partition(self.path)


def cases(groups: Sequence[str] = GROUPS) -> list[Case]:
    """List the shipped cases of some groups, group by group and each in order of name."""
    return [
        Case(group, path.name.removesuffix(".jsonl.gz"), path)
        for group in groups
        for path in sorted((FOLDER / group).glob("*.jsonl.gz"))
    ]
