"""`exactcam info`: what a model is, layer by layer, and what was substituted in it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..loaders import load
from ..network import Network
from ..nodes import Affine, Node, Pointwise
from .common import add_model

HELP = "describe a model: layers, exact parameters, content hash, substitutions"


def configure(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    network = load(args.model)
    facts = describe(network)
    if args.json:
        print(json.dumps(facts))
        return 0
    print(f"inputs {network.inputs}, outputs {network.outputs}, units {network.units}")
    for layer in facts["layers"]:
        print(f"  {layer['name']:<20} {layer['size']:>7}  {layer['what']}")
    print(f"sha256 {network.sha256}")
    for note in network.notes:
        print(f"note: {note}")
    return 0


def describe(network: Network) -> dict[str, Any]:
    """The facts of a network as JSON values."""
    return {
        "inputs": network.inputs,
        "outputs": network.outputs,
        "units": network.units,
        "layers": [
            {"name": name, "size": node.size, "what": _what(node)}
            for name, node in zip(network.names, network.nodes, strict=True)
        ],
        "notes": list(network.notes),
        "network_sha256": network.sha256,
    }


def _what(node: Node) -> str:
    if isinstance(node, Affine):
        kinds = " + ".join(type(m).__name__.lower() for m in node.matrices)
        bits = max((abs(x).bit_length() for m in node.matrices for x in m.numbers), default=0)
        return (
            f"affine ({kinds}), integers of {bits} bits over a scale of {node.scale.bit_length()}"
        )
    if isinstance(node, Pointwise):
        knots = sum(len(node.functions[f].breakpoints) for f in node.which)
        return f"piecewise linear, {knots} breakpoints"
    return f"maximum of groups of up to {max(map(len, node.groups), default=0)}"
