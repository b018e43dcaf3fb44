"""Which of a search's shared weights a fixed arc's variables begin with."""

import re
from collections.abc import Callable

import numpy as np

from enas.macro import arc as arcs
from enas.macro.config import ChildConfig

_OP = re.compile(r"(.*/layer_(\d+)/)op_(\w+?x\d)/(.+)")
_OUTPUT = re.compile(r"(.*/reduction_\d+/)output_(\d+)/(.+)")
_LAYER = re.compile(r".*/layer_(\d+)/(join/w|mix)")


def shared_value(
    name: str, arc: arcs.Arc, _child: ChildConfig, read: Callable[[str], np.ndarray | None]
) -> np.ndarray | None:
    """Returns the shared weights that a variable of a fixed arc has in a search; None if the search has none.

    Args:
      name: of the fixed child's variable.
      read: returns a variable of the shared child by its name, or None.
    """
    op, output, layer = (pattern.fullmatch(name) for pattern in (_OP, _OUTPUT, _LAYER))
    shared = read(op[1] + op[4] if op else output[1] + output[3] if output else name)
    if shared is None:
        return None
    if op:
        return _of_op(shared, arcs.OPS.index(op[3]), op[4], arc.layers[int(op[2])])
    if output:
        return shared[int(output[2])] if int(output[2]) < len(shared) else None
    if layer and layer[2] == "mix":
        pairs = enumerate(arc.layers[int(layer[1])].channels)
        return np.concatenate([shared[op, first : first + count] for op, (first, count) in pairs])
    if layer:
        rows = [*arc.layers[int(layer[1])].sources, int(layer[1])]
        return shared[rows] if rows[-1] < len(shared) else None
    return shared


def _of_op(shared: np.ndarray, op: int, weight: str, layer: arcs.Layer) -> np.ndarray:
    """The part of an op: its row where the bank has one for each op, and the channels that the arc says."""
    first, count = layer.channels[op] if layer.channels else (0, shared.shape[-1])
    part = slice(first, first + count)
    if weight.startswith("enter"):
        return shared[op]
    if weight.startswith("norm"):
        return shared[op][part]
    return shared if "depthwise" in weight or "between_norm" in weight else shared[..., part]
