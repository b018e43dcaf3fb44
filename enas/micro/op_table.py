"""The op table: what the op ids of an arc stand for. Nothing here imports TensorFlow."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

# An op's id is its position; the number of branches follows from it.
OPS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "identity")
# Kernel size of the ops that have weights: each is a separable convolution applied twice.
KERNELS = {"sep_conv_3x3": 3, "sep_conv_5x5": 5}
REPEATS = 2


class Precisions(Protocol):
    """What the op table depends on: a `ChildConfig`.

    Attributes:
      scheme: the scheme of all convolutions where precision is not searched.
      precisions: the schemes that are searched; empty where precision is not.
    """

    @property
    def scheme(self) -> str: ...

    @property
    def precisions(self) -> tuple[str, ...]: ...


class Op(NamedTuple):
    """An entry of the op table.

    Attributes:
      kind: one of `OPS`.
      scheme: arithmetic of a convolution, one of `config.SCHEMES`; "" for ops that have no weights.
      name: unique in its table.
    """

    kind: str
    scheme: str
    name: str

    @property
    def kernel(self) -> int:
        """Kernel size of a convolution, else 0."""
        return KERNELS.get(self.kind, 0)

    def __str__(self):
        return f"{self.kind} {self.scheme}".strip()


def op_table(config: Precisions) -> tuple[Op, ...]:
    """The op table of a child: a tuple of `Op`, position = id.

    Where precision is searched each convolution comes once under every scheme, in the order of --search_precision; ops
    without weights come once.

    Args:
      config: a `ChildConfig`.
    """
    if not config.precisions:
        return tuple(Op(kind, config.scheme if kind in KERNELS else "", kind) for kind in OPS)
    pairs = [(kind, scheme) for kind in OPS for scheme in (config.precisions if kind in KERNELS else ("",))]
    return tuple(Op(kind, scheme, f"{kind}_{scheme}" if scheme else kind) for kind, scheme in pairs)


def at_one_scheme(values: Sequence[int], child: Precisions, scheme: str) -> list[int]:
    """An arc's integers with every convolution under one scheme.

    Args:
      values: list of int, see `arc.Arc.to_list`.
      child: the `ChildConfig` of a search of precision that has the scheme.
      scheme: name of the scheme.
    """
    table = op_table(child)
    ids = {(op.kind, op.scheme): id for id, op in enumerate(table)}
    return [
        ids[table[value].kind, scheme] if position % 2 and table[value].kernel else value
        for position, value in enumerate(values)
    ]
