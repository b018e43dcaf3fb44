"""An architecture of the chain space as a value: one op for each layer. Nothing here imports TensorFlow."""

import dataclasses
from collections.abc import Sequence

from chain_space.config import ChildConfig
from enas.errors import UserError

# The op table. An op's id is its position.
OPS = ("conv_3x3", "avg_pool_3x3", "identity")


@dataclasses.dataclass(frozen=True)
class Arc:
    """A chain: the op of each layer."""

    ops: tuple[int, ...]

    def to_list(self) -> list[int]:
        """The arc's integers."""
        return list(self.ops)

    def lines(self) -> list[str]:
        """The arc in parts for a log: there is only one."""
        return [str(self)]

    def __str__(self) -> str:
        return " ".join(map(str, self.ops))


def for_child(values: Sequence[int], child: ChildConfig) -> Arc:
    """The arc of these integers, one for each layer of the child.

    Raises:
      UserError: a wrong count, or a value out of range.
    """
    if len(values) != child.num_layers:
        raise UserError(f"arc: expected {child.num_layers} integers, one a layer, got {len(values)}")
    return any_size(values, child)


def any_size(values: Sequence[int], _child: ChildConfig) -> Arc:
    """As `for_child`, of any number of layers."""
    for position, value in enumerate(values, 1):
        if not 0 <= value < len(OPS):
            raise UserError(f"arc: integer {position} of {len(values)} (op) is {value}, expected 0 to {len(OPS) - 1}")
    return Arc(tuple(map(int, values)))


def implied(arc: Arc) -> dict[str, int]:
    """What an arc says of its child: {flag: value}."""
    return {"child_num_layers": len(arc.ops)}
