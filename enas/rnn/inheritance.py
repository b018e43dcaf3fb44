"""Which of a search's shared weights a fixed cell's variables begin with."""

from collections.abc import Callable

import numpy as np

from enas.rnn import arc as arcs
from enas.rnn.config import ChildConfig


def shared_value(
    name: str, arc: arcs.Arc, _child: ChildConfig, read: Callable[[str], np.ndarray | None]
) -> np.ndarray | None:
    """Returns the shared weights that a variable of a fixed cell has in a search; None if the search has none.

    Args:
      name: of the fixed child's variable.
      read: returns a variable of the shared child by its name, or None.
    """
    if name != "child/cell":
        return read(name)
    shared = read("child/shared_cell")
    if shared is None:
        return None
    # One matrix for node 0, then one for each pair of a node and its source.
    rows = [0] + [
        1 + number * (number - 1) // 2 + (node.source or 0) for number, node in enumerate(arc.nodes) if number
    ]
    return shared[rows] if rows[-1] < len(shared) else None
