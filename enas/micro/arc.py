"""An architecture of the micro search space as a value: parsed once, checked once, printable back.

An arc string is integers separated by spaces: the normal cell, then the reduction cell, each a list of nodes
`index_1 op_1 index_2 op_2`. Nodes 0 and 1 are the cell's inputs h[i-1] and h[i]; the cell's first own node is 2. An index
names an earlier node. Nothing here imports TensorFlow.
"""

import dataclasses
from collections.abc import Sequence

from enas.errors import UserError
from enas.micro.config import ChildConfig
from enas.micro.op_table import OPS, op_table
from enas.options import arc_input

CELLS = ("normal", "reduction")


@dataclasses.dataclass(frozen=True)
class Node:
    """One node of a cell: op_1 applied to node index_1 plus op_2 applied to node index_2."""

    index_1: int
    op_1: int
    index_2: int
    op_2: int

    @property
    def sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((index_1, op_1), (index_2, op_2))."""
        return (self.index_1, self.op_1), (self.index_2, self.op_2)


@dataclasses.dataclass(frozen=True)
class Cell:
    """The nodes of a cell, in order; node k of the tuple is node k + 2 of the cell."""

    nodes: tuple

    @property
    def loose_ends(self) -> tuple[int, ...]:
        """Ids of the nodes no other node reads (inputs included), ascending: the ones concatenated."""
        used = {index for node in self.nodes for index, _ in node.sides}
        return tuple(i for i in range(len(self.nodes) + 2) if i not in used)


@dataclasses.dataclass(frozen=True)
class Arc:
    """A micro architecture."""

    normal: Cell
    reduction: Cell

    @property
    def num_cells(self) -> int:
        """Nodes in each cell."""
        return len(self.normal.nodes)

    def to_list(self) -> list[int]:
        """The arc's integers, `8 * num_cells` of them."""
        return [
            value
            for cell in (self.normal, self.reduction)
            for node in cell.nodes
            for value in (node.index_1, node.op_1, node.index_2, node.op_2)
        ]

    def lines(self) -> list[str]:
        """The arc in parts for a log: the normal cell's integers, then the reduction cell's, each one string."""
        values = list(map(str, self.to_list()))
        half = len(values) // 2
        return [" ".join(values[:half]), " ".join(values[half:])]

    def __str__(self):
        return " ".join(map(str, self.to_list()))


def from_list(values: Sequence[int], num_cells: int | None = None, num_ops: int = len(OPS)) -> Arc:
    """Builds an `Arc` from integers.

    Args:
      values: sequence of ints.
      num_cells: nodes each cell must have; None: what the length says.
      num_ops: size of the op table.

    Raises:
      UserError: a wrong count, or an index or op out of range; names the position and the allowed range.
    """
    values = [int(v) for v in values]
    expected = f"{8 * num_cells} integers" if num_cells else "a multiple of 8 integers"
    if not values or len(values) % 8 or (num_cells and len(values) != 8 * num_cells):
        raise UserError(f"arc: expected {expected} (4 a node, normal cell then reduction cell), got {len(values)}")
    half = len(values) // 2
    for position, value in enumerate(values):
        node = position % half // 4 + 2
        is_op = position % 2 == 1
        bound = num_ops if is_op else node
        if not 0 <= value < bound:
            what = "op" if is_op else f"input index of node {node}"
            cell = CELLS[position // half]
            raise UserError(
                f"arc: integer {position + 1} of {len(values)} ({what}, {cell} cell) is {value}, expected 0 to {bound - 1}"
            )
    cells = [Cell(tuple(Node(*values[start + i : start + i + 4]) for i in range(0, half, 4))) for start in (0, half)]
    return Arc(*cells)


def for_child(values: Sequence[int], child: ChildConfig) -> Arc:
    """The arc of a list of integers, for the `ChildConfig` of a child: its nodes a cell, its op table; see `from_list`."""
    return from_list(values, child.num_cells, len(op_table(child)))


def any_size(values: Sequence[int], child: ChildConfig) -> Arc:
    """As `for_child`, of any number of nodes a cell."""
    return from_list(values, num_ops=len(op_table(child)))


def implied(arc: Arc) -> dict[str, int]:
    """What an arc says of its child: {flag: value}."""
    return {"child_num_cells": arc.num_cells}


def parse(text: str, num_cells: int | None = None, num_ops: int = len(OPS)) -> Arc:
    """Parses an arc string (integers separated by blanks or line ends).

    Raises:
      UserError: a word that is no integer, or whatever `from_list` refuses.
    """
    return from_list(arc_input.integers(text), num_cells, num_ops)
