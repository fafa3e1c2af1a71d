"""What both front ends say of a constant expression: its type, its rounding, its note.

A value that does not depend on the input is computed by the model's own library in the model's
own types, since that is the value the model has: integers wrap around, int8 / 127 is a float32,
the sum of two float32 constants is rounded to float32. There are two kinds of operators:

- one whose result its type determines (arithmetic, comparisons, casts, choices, everything on
  integers) is computed in that type;
- one whose last bits depend on the machine (sums, norms, products of matrices, square roots, exp
  and so on) is computed in float64 and rounded once to the type, and a note of the network says so.

`torch_constants` and `onnx_constants` ask torch and onnx. Sizes are known before anything is
computed.
"""

from __future__ import annotations

from .graph import Graph

__all__ = ["note_rounded"]


def note_rounded(graph: Graph, kind: str, to: str) -> None:
    """Note that a constant expression of the present layer was rounded to its type."""
    note = f"layer {graph.layer}: {kind} of constants is rounded once, to the nearest {to}"
    if note not in graph.notes[-8:]:
        graph.notes.append(note)
