"""`exactcam info`: describe a model layer by layer, and what its loader substituted."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from ..arithmetic.kept_floats import Floats
from ..arithmetic.matrix import Convolution, Matrix, Sparse
from ..model.network import Network
from ..model.nodes import Affine, MaxGroups, Node, Pointwise
from .common import read_model
from .options import add_model

HELP = "describe a model: layers, exact parameters, content hash, substitutions"


def configure(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    network = read_model(args)
    facts = _describe(network)
    if args.json:
        print(json.dumps(facts))
        return 0
    print(
        f"inputs {network.inputs}, outputs {network.outputs}, units {network.units}, "
        f"parameters {facts['parameters']}"
    )
    width = max((len(layer["name"]) for layer in facts["layers"]), default=0)
    for layer in facts["layers"]:
        print(f"  {layer['name']:<{width}} {layer['size']:>7}  {layer['what']}")
    print(f"sha256 {network.sha256}")
    for note in network.notes:
        print(f"note: {note}")
    return 0


def _describe(network: Network) -> dict[str, Any]:
    """The description that `exactcam info --json` prints.

    Parameters
    ----------
    network : Network
        The network.

    Returns
    -------
    dict
        JSON values. `parameters` counts the numbers stored in affine maps that do more than
        select entries; per layer, `integer_bits` is the size of the largest entry of the
        integer matrices and `scale_bits` that of their common denominator.
    """
    layers = [
        {"name": name, "size": node.size, **_facts(node)}
        for name, node in zip(network.names, network.nodes, strict=True)
    ]
    return {
        "inputs": network.inputs,
        "outputs": network.outputs,
        "units": network.units,
        "parameters": sum(layer.get("parameters", 0) for layer in layers),
        "layers": layers,
        "notes": list(network.notes),
        "network_sha256": network.sha256,
    }


def _facts(node: Node) -> dict[str, Any]:
    if isinstance(node, Pointwise):
        units = np.bincount(node.which, minlength=len(node.functions)).tolist()
        knots = sum(n * len(f.breakpoints) for n, f in zip(units, node.functions, strict=True))
        return {"kind": "pointwise", "what": f"piecewise linear, {knots} breakpoints"}
    if isinstance(node, MaxGroups):
        largest = int(node.code_limits.max(initial=-1)) + 1
        return {"kind": "max", "what": f"maximum of groups of up to {largest}"}
    kinds = " + ".join(type(m).__name__.lower() for m in node.matrices)
    bits = max((_bits(m) for m in node.matrices), default=0)
    scale = node.scale.bit_length()
    return {
        "kind": "affine",
        "parameters": _parameters(node),
        "integer_bits": bits,
        "scale_bits": scale,
        "what": f"affine ({kinds}), integers of {bits} bits over a scale of {scale}",
    }


def _bits(matrix: Matrix) -> int:
    """How many bits its longest entry has; of floats no integers are made."""
    held = matrix.held
    if isinstance(held, Floats):
        return held.bits
    return max((abs(x).bit_length() for x in held.ravel()), default=0)


def _parameters(node: Affine) -> int:
    if all(isinstance(m, Sparse) and (abs(m.data) == node.scale).all() for m in node.matrices):
        return 0  # a selection: entries moved, added or negated
    # One bias a channel, however many places it is added at.
    channels = [m.target[0] for m in node.matrices if isinstance(m, Convolution)]
    biases = min([node.size, *channels]) if any(node.bias) else 0
    return biases + sum(m.held.size for m in node.matrices)
