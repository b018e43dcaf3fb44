"""The op table: what the op ids of an arc stand for. Nothing here imports TensorFlow."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from quantize.bits import FLOATING

# Kernel size of the ops that have weights: each is a convolution, separable or dense, applied `REPEATS` times.
KERNELS = {"sep_conv_3x3": 3, "sep_conv_5x5": 5, "conv_3x3": 3}
REPEATS = 2
# What --child_op_table may name.
KINDS = (*KERNELS, "avg_pool_3x3", "max_pool_3x3", "identity")
# The ops of the ENAS authors, in their order. An op's id is its position; the number of branches follows from it.
OPS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "identity")


class TableSettings(Protocol):
    """What the op table depends on: a `ChildConfig`.

    Attributes:
      scheme: the scheme of all convolutions where precision is not searched.
      precisions: the schemes that are searched; empty where precision is not.
      op_kinds: the ops, some of `KINDS`.
      low_bit: whether convolutions under a quantized scheme are low-bit all through.
    """

    @property
    def scheme(self) -> str: ...

    @property
    def precisions(self) -> tuple[str, ...]: ...

    @property
    def op_kinds(self) -> tuple[str, ...]: ...

    @property
    def low_bit(self) -> bool: ...


class Op(NamedTuple):
    """An entry of the op table.

    Attributes:
      kind: one of `KINDS`.
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

    @property
    def separable(self) -> bool:
        """Whether it is a convolution in two halves: depthwise, then 1x1."""
        return self.kind.startswith("sep_")

    def __str__(self):
        return f"{self.kind} {self.scheme}".strip()


def op_table(config: TableSettings) -> tuple[Op, ...]:
    """The op table of a child: a tuple of `Op`, position = id.

    Where precision is searched each convolution comes once under every scheme, in the order of --search_precision; ops
    without weights come once.

    Args:
      config: a `ChildConfig`.
    """
    if not config.precisions:
        return tuple(Op(kind, config.scheme if kind in KERNELS else "", kind) for kind in config.op_kinds)
    pairs = [(kind, scheme) for kind in config.op_kinds for scheme in (config.precisions if kind in KERNELS else ("",))]
    return tuple(Op(kind, scheme, f"{kind}_{scheme}" if scheme else kind) for kind, scheme in pairs)


def weight_shapes(op: Op, channels: int, config: TableSettings) -> dict[str, list[int]]:
    """The shapes of a convolution's variables by their names, of C channels; the first dimension is the repeat.

    A separable convolution has depthwise `[2, k, k, C, 1]` and pointwise `[2, C, C]`, a dense one w `[2, k, k, C, C]`. The
    scale and offset of their batch norms are `[2, C]`; those of a separable one that is low-bit all through, which has a
    batch norm between its halves and one behind them, `[2, 2, C]`.
    """
    k = op.kernel
    if op.separable:
        weights = {"depthwise": [REPEATS, k, k, channels, 1], "pointwise": [REPEATS, channels, channels]}
    else:
        weights = {"w": [REPEATS, k, k, channels, channels]}
    norms = [2] if op.separable and config.low_bit and op.scheme not in FLOATING else []
    return weights | dict.fromkeys(("scale", "offset"), [REPEATS, *norms, channels])


def at_one_scheme(values: Sequence[int], child: TableSettings, scheme: str) -> list[int]:
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
