"""The micro cell: one definition, run by a fixed arc (Python values) or by a sampled arc (tensors).

A cell has inputs h[i-1] and h[i] as nodes 0 and 1. Each of its own nodes adds two slots (`add`); a slot (node, side) reads
an earlier node, its source, and applies an op. The loose ends are concatenated, activated and mixed by a 1x1 convolution
(ENAS, section 2.4). Weights belong to (layer, node, side, source, op).

What a slot computes (enas/micro/ops.py) is the same code in both cases. A fixed arc has variables for the ops it uses. For
a sampled arc (enas/micro/sampled.py) the weights of all slots of a layer lie in one bank per kind of weight and op, or
ops that share it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import blocks, layers, norms
from enas.graph.layers import BuildContext
from enas.micro import ops
from enas.micro.arc import Cell
from enas.micro.op_table import Op, op_table, weight_shapes
from enas.types import Tensor
from quantize import schemes


def op_variables(build: BuildContext, group: Sequence[Op], channels: int, count: int | None = None) -> list[Tensor]:
    """Makes the variables of a convolution op in the current variable scope.

    Args:
      group: the op; of a bank, those that share it.
      count: None for one slot; else the number of slots of a bank, which has as many rows for each op, one op after the
        other.
    """
    first, rows = group[0], [] if count is None else [len(group) * count]
    k, of_ops = first.kernel, [schemes.get(op.scheme) for op in group]
    shapes = {name: [*rows, *shape] for name, shape in weight_shapes(first, channels, build.config).items()}
    centre, eye = np.zeros([k, k, 1, 1]), np.eye(channels)
    centre[k // 2, k // 2] = 1.0
    if first.separable:
        between_bits = layers.pointwise_bits(build, of_ops[0], k)
        weights = [
            layers.weight(build, "depthwise", shapes["depthwise"], k * k, of_ops, centre),
            layers.weight(build, "pointwise", shapes["pointwise"], channels, of_ops, eye, between_bits),
        ]
    else:
        weights = [layers.weight(build, "w", shapes["w"], k * k * channels, of_ops, centre * eye)]
    return [*weights, *norms.norm_variables(build, shapes["scale"], ops.norm_start(build, first))]


def bank_name(group: Sequence[Op]) -> str:
    """The variable scope of a bank: the op's name, or its kind and the schemes that share the bank."""
    return group[0].name if len(group) == 1 else "_".join([group[0].kind, *(op.scheme for op in group)])


def slot_row(node: int, side: int) -> int:
    """First row, in a bank, of slot (node, side): rows are ordered by node, side and source."""
    return node * (node + 3) + side * (node + 2)


def add(build: BuildContext, left: Tensor, right: Tensor) -> Tensor:
    """Adds the slots of a node. Where shortcuts carry real values through all ops it takes half the sum, so that the values
    do not grow from node to node."""
    return (left + right) * 0.5 if build.config.low_bit else left + right


class FixedCell:
    """Runs a cell whose arc is an `arcs.Cell`: only the chosen ops exist, each with variables of its own."""

    def __init__(self, build: BuildContext, cell: Cell, inputs: Sequence[Tensor], masks: Any) -> None:
        self.build, self.cell, self.masks, self.table = build, cell, masks, op_table(build.config)
        self.nodes = list(inputs)

    def joined(self) -> tuple[Tensor, Tensor]:
        """Runs the nodes; returns the concatenated loose ends and the weights that mix them: `[N, H, W, L * C]` and
        `[1, 1, L * C, C]`."""
        for node in range(len(self.cell.nodes)):
            self.nodes.append(add(self.build, self.slot(node, 0), self.slot(node, 1)))
        loose = [self.nodes[i] for i in self.cell.loose_ends]
        channels = loose[0].shape[-1]
        w = blocks.square_conv1x1_weights(self.build, "combine", (len(loose),), len(loose), channels)
        return tf.concat(loose, axis=3), tf.reshape(w, [1, 1, len(loose) * channels, channels])

    def slot(self, node: int, side: int) -> Tensor:
        """Output of slot (node, side), `[N, H, W, C]`."""
        index, op_id = self.cell.nodes[node].sides[side]
        op, x = self.table[op_id], self.nodes[index]
        weights: Sequence[Tensor] = ()
        if op.kernel:
            with tf.variable_scope(f"node_{node}_side_{side}_source_{index}_{op.name}"):
                weights = op_variables(self.build, [op], x.shape[-1])
        x = ops.run_op(self.build, op, x, weights)
        return ops.drop_path(op, x, None if self.masks is None else self.masks[node][side])


def run_cell(build: BuildContext, runner: Any) -> Tensor:
    """Runs a cell: its nodes, then activation, 1x1 convolution and batch norm of the concatenated loose ends.

    Args:
      runner: a `FixedCell`, or a `SampledCell` of `sampled.py`.

    Returns:
      `[N, H, W, C]`.
    """
    x, w = runner.joined()
    with tf.variable_scope("combine"):
        return norms.norm_of(build, w.shape[-1], lambda x, w: blocks.act_conv1x1(build, x, w), x, w)
