"""The op table: what the op ids of an arc stand for. Nothing here imports TensorFlow."""

from typing import NamedTuple

# An op's id is its position; the number of branches follows from it.
OPS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "identity")
# Kernel size of the ops that have weights: each is a separable convolution applied twice.
KERNELS = {"sep_conv_3x3": 3, "sep_conv_5x5": 5}
REPEATS = 2


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
    def kernel(self):
        """Kernel size of a convolution, else 0."""
        return KERNELS.get(self.kind, 0)

    def __str__(self):
        return f"{self.kind} {self.scheme}".strip()


def op_table(config):
    """The op table of a child: a tuple of `Op`, position = id.

    Args:
      config: a `ChildConfig`.
    """
    return tuple(Op(kind, config.scheme if kind in KERNELS else "", kind) for kind in OPS)


def legend(table):
    """One line that says which id is which op: "0 sep_conv_3x3 k4, 1 ..."."""
    return ", ".join(f"{id} {op}" for id, op in enumerate(table))
