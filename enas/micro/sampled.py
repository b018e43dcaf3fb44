"""The micro cell for a sampled arc: every slot can run every op on every earlier node.

The arc decides which edges of the data flow are live. A slot begins as soon as its own source is there, whatever else is
still being computed, and so does its gradient: what does not depend on one another runs side by side. Hence Switch and Merge
ops: the branches of a conditional, or a list of all nodes, would wait for everything that they might need.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow.compat.v1 as tf

from enas.graph import blocks, functions
from enas.graph.layers import BuildContext
from enas.micro import cell as cells
from enas.micro import op_switch, ops
from enas.micro.op_table import op_table
from enas.types import Tensor

NUM_INPUTS = 2  # of a cell: nodes that are no own ones


@dataclasses.dataclass(frozen=True)
class Edges:
    """What the arc of a cell says of its data flow, the same in every layer.

    Attributes:
      source: int32 `[slots]`, the node that each slot reads.
      ops: for each slot an int32 scalar, the id of its op.
      reads, reads_last: for each slot and node a bool scalar, whether the slot reads the node, and whether it is the last
        one that does.
      loose: for each node a bool scalar, whether no slot reads it.
      loose_ends: int32 `[L]`, the nodes that no slot reads.
    """

    source: Tensor
    ops: list[Tensor]
    reads: list[list[Tensor]]
    reads_last: list[list[Tensor]]
    loose: list[Tensor]
    loose_ends: Tensor


def edges(cell: Tensor) -> Edges:
    """Finds the edges of a cell's arc, int32 `[num_cells, 4]`."""
    sides = tf.reshape(cell, [-1, 2])
    source = sides[:, 0]
    reads = tf.one_hot(source, NUM_INPUTS + int(cell.shape[0]), True, False)
    later = tf.cumsum(tf.cast(reads, tf.int32), exclusive=True, reverse=True) > 0
    all_reads, last = ([tf.unstack(row) for row in tf.unstack(found)] for found in (reads, reads & ~later))
    loose = ~tf.reduce_any(reads, axis=0)
    loose_ends = tf.cast(tf.reshape(tf.where(loose), [-1]), tf.int32)
    return Edges(source, tf.unstack(sides[:, 1]), all_reads, last, tf.unstack(loose), loose_ends)


class SampledCell:
    """Runs a cell whose arc is a tensor.

    Args:
      build: the `layers.BuildContext`.
      found: the arc's `edges`.
      inputs: nodes 0 and 1, each `[N, H, W, C]`.
      masks: drop-path factors `[num_cells, 2, N]`, or None.
      shared_slot: a `op_switch.SharedSlot`.
    """

    def __init__(
        self,
        build: BuildContext,
        found: Edges,
        inputs: Sequence[Tensor],
        masks: Tensor | None,
        shared_slot: op_switch.SharedSlot,
    ) -> None:
        self.build, self.edges, self.shared_slot, self.inputs = build, found, shared_slot, inputs
        self.shape, self.num_nodes, self.num_slots = inputs[0].shape, len(found.reads[0]), len(found.ops)
        masks = None if masks is None else tf.unstack(tf.reshape(masks, [self.num_slots, -1]))
        self.masks = masks or [None] * self.num_slots

    def joined(self) -> tuple[Tensor, Tensor]:
        """Runs the nodes; returns the concatenated loose ends and the weights that mix them: `[N, H, W, L * C]` and
        `[1, 1, L * C, C]`."""
        tensors = [*self.inputs, *self._gather_banks()]
        x = functions.with_gradient(self._run, *tensors) if self.build.training else self._infer(*tensors)
        channels = self.shape[-1]
        typical = self.num_nodes - len(self.inputs)  # loose ends
        w = blocks.square_conv1x1_weights(self.build, "combine", (self.num_nodes,), typical, channels)
        return x, tf.reshape(functions.gather_rows(w, self.edges.loose_ends), [1, 1, -1, channels])

    def _gather_banks(self):
        """Gathers the rows of all slots from each bank: a list over slots of vectors, see `op_switch.flat`."""
        num_cells = self.num_slots // 2
        first = [cells.slot_row(node, side) for node in range(num_cells) for side in (0, 1)]
        rows, count = tf.constant(first, tf.int32) + self.edges.source, cells.slot_row(num_cells, 0)
        table, gathered = op_table(self.build.config), []
        for group in ops.banks(self.build):
            own = rows
            if len(group) > 1:
                # A slot whose op is none of the group's gathers a row that nothing reads.
                starts = [count * group.index(op) if op in group else 0 for op in table]
                own += tf.gather(tf.constant(starts, tf.int32), tf.stack(self.edges.ops))
            with tf.variable_scope(cells.bank_name(group)):
                banks = cells.op_variables(self.build, group, self.shape[-1], count)
                gathered += [functions.gather_rows(bank, own) for bank in banks]
        return tf.unstack(op_switch.flat(gathered))

    def _infer(self, *tensors):
        def run_slot(slot, x, weights):
            return self.shared_slot.infer(x, self.edges.ops[slot], weights)

        return self._forward(tensors, run_slot)

    def _run(self, *tensors):
        """Returns the concatenated loose ends, and a function from their gradient to that of tensors."""
        taken, weights = [], tensors[len(self.inputs) :]

        def run_slot(slot, x, weights):
            y, *packed = self.shared_slot.forward(x, self.edges.ops[slot], weights, self.masks[slot])
            taken.append((x, packed))
            return y

        def gradient(grad_joined):
            grad_nodes = self._grad_loose_ends(grad_joined)
            grad_weights: list[Tensor] = []
            for slot, (x, packed) in reversed(list(enumerate(taken))):
                settings = self.edges.ops[slot], weights[slot], self.masks[slot]
                node = len(self.inputs) + slot // 2
                if slot % 2 and self.build.config.low_bit:
                    grad_nodes[node] = 0.5 * grad_nodes[node]  # the gradient of `cells.add`, for both slots
                grad_y = grad_nodes[node]
                grad_x, grad_w = self.shared_slot.backward(x, *settings, grad_y, *packed)
                grad_weights.insert(0, grad_w)
                self._add(slot, grad_nodes, grad_x)
            return [*grad_nodes[: len(self.inputs)], *grad_weights]

        return self._forward(tensors, run_slot), gradient

    def _forward(self, tensors, run_slot):
        """Returns the concatenated loose ends, of inputs and weights and a function `run_slot(slot, x, weights)`."""
        nodes, weights = list(tensors[: len(self.inputs)]), tensors[len(self.inputs) :]
        for first in range(0, self.num_slots, 2):
            sides = [run_slot(slot, self._source_of(slot, nodes), weights[slot]) for slot in (first, first + 1)]
            nodes.append(tf.ensure_shape(cells.add(self.build, *sides), self.shape))
        nothing, parts = tf.zeros([*self.shape[:3], 0], nodes[0].dtype), []
        for node, loose in zip(nodes, self.edges.loose, strict=True):
            part = functions.merge([functions.switch_false(loose, nothing), functions.switch_true(loose, node)])
            part.set_shape([*self.shape[:3], None])
            parts.append(part)
        return tf.concat(parts, axis=3)

    def _source_of(self, slot, nodes):
        """The node that a slot reads."""
        x = functions.merge(
            [functions.switch_true(reads, node) for reads, node in zip(self.edges.reads[slot], nodes, strict=False)]
        )
        x.set_shape(self.shape)
        return x

    def _grad_loose_ends(self, grad_joined):
        """The gradients of the nodes from the combination of the loose ends; none is live of a node that is not one."""
        channels, rows = self.shape[-1], tf.reshape(grad_joined, [-1, tf.shape(grad_joined)[3]])
        places = tf.cumsum(tf.cast(self.edges.loose, tf.int32), exclusive=True) * channels
        grad_nodes = []
        for loose, place in zip(self.edges.loose, tf.unstack(places), strict=True):
            part = tf.slice(functions.switch_true(loose, rows), [0, place], [-1, channels])
            grad_nodes.append(tf.reshape(part, self.shape))
        return grad_nodes

    def _add(self, slot, grad_nodes, grad_x):
        """Adds the gradient of what a slot read to that of its source."""
        for node, (reads, last) in enumerate(zip(self.edges.reads[slot], self.edges.reads_last[slot], strict=True)):
            if node < len(self.inputs) + slot // 2:
                # Of the last slot that reads a node the gradient comes first: there is nothing live to be added to.
                total = functions.add_if(reads, grad_nodes[node], grad_x)
                grad_nodes[node] = functions.merge([total, functions.switch_true(last, grad_x)])
