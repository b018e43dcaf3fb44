"""Which of a search's shared weights a fixed arc's variables begin with."""

import re
from collections.abc import Callable

import numpy as np

from enas.graph.layers import BuildContext
from enas.micro import arc as arcs
from enas.micro import cell as cells
from enas.micro import ops
from enas.micro.config import ChildConfig
from enas.micro.cost import reduction_layers

_SLOT = re.compile(r"(.*/)node_(\d+)_side_(\d+)_source_(\d+)_(\w+?)/(\w+)")
_COMBINE = re.compile(r".*layer_(\d+)/combine")


def shared_value(
    name: str, arc: arcs.Arc, child: ChildConfig, read: Callable[[str], np.ndarray | None]
) -> np.ndarray | None:
    """Returns the shared weights that a variable of a fixed arc has in a search; None if the search has none.

    Args:
      name: of the fixed child's variable.
      child: the settings of the search's child.
      read: returns a variable of the shared child by its name, or None.
    """
    slot, combine = _SLOT.fullmatch(name), _COMBINE.fullmatch(name)
    if slot:
        return _row(slot, child, read)
    shared = read(name)
    if combine and shared is not None:
        cell = arc.reduction if int(combine[1]) in reduction_layers(child.num_layers) else arc.normal
        return shared[list(cell.loose_ends)] if len(shared) == len(cell.nodes) + 2 else None
    return shared


def _row(slot: re.Match[str], child: ChildConfig, read: Callable[[str], np.ndarray | None]) -> np.ndarray | None:
    """The row of a bank: rows are ordered by node, side and source, those of ops that share a bank one after the other."""
    head, node, side, source, op_name, weight = slot.groups()
    for group in ops.banks(BuildContext(child, num_classes=2, seed=0)):
        for index, op in enumerate(group):
            if op.name == op_name:
                bank = read(f"{head}{cells.bank_name(group)}/{weight}")
                row = cells.slot_row(child.num_cells, 0) * index + cells.slot_row(int(node), int(side)) + int(source)
                return bank[row] if bank is not None and row < len(bank) else None
    return None
