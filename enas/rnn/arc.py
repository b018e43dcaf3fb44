"""An architecture of the recurrent search space as a value: parsed once, checked once, printable back.

An arc string is integers separated by blanks: the activation of node 0, then `source activation` for each later node. N
nodes have 2N - 1 integers. Node 0 reads the cell's input and the previous time step's output. A source names an earlier
node (ENAS, arXiv 1802.03268, section 2.1, and the ENAS authors' format). Nothing here imports TensorFlow.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from enas.errors import UserError
from enas.options import arc_input

# The activation table. An activation's id is its position.
ACTIVATIONS = ("tanh", "relu", "identity", "sigmoid")
MOST_NODES = 32


@dataclasses.dataclass(frozen=True)
class Node:
    """One node of the cell.

    Attributes:
      source: the node it reads; None for node 0, which reads the cell's inputs.
      activation: id of its activation.
    """

    source: int | None
    activation: int


@dataclasses.dataclass(frozen=True)
class Arc:
    """A recurrent cell: its nodes, in order."""

    nodes: tuple[Node, ...]

    @property
    def loose_ends(self) -> tuple[int, ...]:
        """Ids of the nodes that no other node reads, ascending. Their mean is the cell's output."""
        used = {node.source for node in self.nodes}
        return tuple(i for i in range(len(self.nodes)) if i not in used)

    def to_list(self) -> list[int]:
        """The arc's integers, `2 * len(nodes) - 1` of them."""
        return [value for node in self.nodes for value in (node.source, node.activation) if value is not None]

    def lines(self) -> list[str]:
        """The arc for a log: its integers as one string."""
        return [str(self)]

    def __str__(self) -> str:
        return " ".join(map(str, self.to_list()))


def from_list(values: Iterable[int], num_nodes: int | None = None) -> Arc:
    """Builds an `Arc` from integers.

    Args:
      num_nodes: how many nodes the cell must have; None: as many as its length says.

    Raises:
      UserError: a wrong count, or a source or activation out of range; names the position and the allowed range.
    """
    values = [int(v) for v in values]
    if len(values) % 2 == 0 or len(values) > 2 * MOST_NODES - 1 or (num_nodes and len(values) != 2 * num_nodes - 1):
        nodes = f"{num_nodes} nodes" if num_nodes else f"N nodes, at most {MOST_NODES}"
        count = 2 * num_nodes - 1 if num_nodes else "2N - 1"
        raise UserError(f"arc: expected {count} integers for {nodes} (1, then 2 a node), got {len(values)}")
    for position, value in enumerate(values):
        node = (position + 1) // 2
        is_source = position % 2 == 1
        bound = node if is_source else len(ACTIVATIONS)
        if not 0 <= value < bound:
            what = "source" if is_source else "activation"
            raise UserError(
                f"arc: integer {position + 1} of {len(values)} ({what} of node {node}) is {value}, "
                f"expected 0 to {bound - 1}"
            )
    later = zip(values[1::2], values[2::2], strict=True)
    return Arc((Node(None, values[0]), *(Node(source, activation) for source, activation in later)))


def for_child(values: Sequence[int], child: Any) -> Arc:
    """The arc of these integers, for a child of these settings, a `ChildConfig`; see `from_list`."""
    return from_list(values, child.rhn_depth)


def any_size(values: Sequence[int], _child: Any) -> Arc:
    """As `for_child`, but of any number of nodes."""
    return from_list(values)


def implied(arc: Arc) -> dict[str, int]:
    """What an arc says of its child: {flag: value}."""
    return {"child_rhn_depth": len(arc.nodes)}


def parse(text: str, num_nodes: int | None = None) -> Arc:
    """Parses an arc string, integers separated by blanks or line ends.

    Raises:
      UserError: a word that is no integer, or whatever `from_list` refuses.
    """
    return from_list(arc_input.integers(text), num_nodes)
