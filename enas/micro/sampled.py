"""The micro cell for a sampled arc: every slot can run every op on every earlier node.

The arc decides which edges of the data flow are live. A slot begins as soon as its own source is there, whatever else is
still being computed, and so does its gradient: what does not depend on one another runs side by side. Hence Switch and Merge
ops: the branches of a conditional, or a list of all nodes, would wait for everything that they might need.
"""

from collections.abc import Sequence

import tensorflow.compat.v1 as tf

from enas.graph import blocks, functions
from enas.graph.layers import BuildContext
from enas.micro import cell as cells
from enas.micro import op_switch, ops
from enas.micro.op_table import op_table
from enas.types import Tensor


class SampledCell:
    """Runs a cell whose arc is an int32 tensor `[num_cells, 4]`.

    Args:
      build: the `layers.BuildContext`.
      cell: the arc.
      inputs: nodes 0 and 1, each `[N, H, W, C]`.
      masks: drop-path factors `[num_cells, 2, N]`, or None.
      shared_slot: a `op_switch.SharedSlot`.
    """

    def __init__(
        self,
        build: BuildContext,
        cell: Tensor,
        inputs: Sequence[Tensor],
        masks: Tensor | None,
        shared_slot: op_switch.SharedSlot,
    ) -> None:
        self.build, self.shared_slot, self.inputs = build, shared_slot, inputs
        self.shape, self.num_nodes = inputs[0].shape, len(inputs) + int(cell.shape[0])
        sides = tf.reshape(cell, [-1, 2])
        self.source, self.num_slots = sides[:, 0], int(sides.shape[0])
        self.ops = tf.unstack(sides[:, 1])
        masks = None if masks is None else tf.unstack(tf.reshape(masks, [self.num_slots, -1]))
        self.masks = masks or [None] * self.num_slots
        self._find_edges()

    def _find_edges(self):
        """Which node a slot reads; whether it is the last slot that reads it; which nodes none reads. All bools."""
        reads = tf.one_hot(self.source, self.num_nodes, True, False)
        later = tf.cumsum(tf.cast(reads, tf.int32), exclusive=True, reverse=True) > 0
        self.reads, self.reads_last = (
            [tf.unstack(row) for row in tf.unstack(edges)] for edges in (reads, reads & ~later)
        )
        self.loose = ~tf.reduce_any(reads, axis=0)

    def joined(self) -> tuple[Tensor, Tensor]:
        """Runs the nodes; returns the concatenated loose ends and the weights that mix them: `[N, H, W, L * C]` and
        `[1, 1, L * C, C]`."""
        tensors = [*self.inputs, *self._gather_banks()]
        x = functions.with_gradient(self._run, *tensors) if self.build.training else self._infer(*tensors)
        channels, loose = self.shape[-1], tf.reshape(tf.where(self.loose), [-1])
        typical = self.num_nodes - len(self.inputs)  # loose ends
        w = blocks.square_conv1x1_weights(self.build, "combine", (self.num_nodes,), typical, channels)
        return x, tf.reshape(functions.gather_rows(w, tf.cast(loose, tf.int32)), [1, 1, -1, channels])

    def _gather_banks(self):
        """Gathers the rows of all slots from each bank: a list over slots of vectors, see `op_switch.flat`."""
        num_cells = self.num_slots // 2
        first = [cells.slot_row(node, side) for node in range(num_cells) for side in (0, 1)]
        rows, count = tf.constant(first, tf.int32) + self.source, cells.slot_row(num_cells, 0)
        table, gathered = op_table(self.build.config), []
        for group in ops.banks(self.build):
            own = rows
            if len(group) > 1:
                # A slot whose op is none of the group's gathers a row that nothing reads.
                starts = [count * group.index(op) if op in group else 0 for op in table]
                own += tf.gather(tf.constant(starts, tf.int32), tf.stack(self.ops))
            with tf.variable_scope(cells.bank_name(group)):
                banks = cells.op_variables(self.build, group, self.shape[-1], count)
                gathered += [functions.gather_rows(bank, own) for bank in banks]
        return tf.unstack(op_switch.flat(gathered))

    def _infer(self, *tensors):
        def run_slot(slot, x, weights):
            return self.shared_slot.infer(x, self.ops[slot], weights)

        return self._forward(tensors, run_slot)

    def _run(self, *tensors):
        """Returns the concatenated loose ends, and a function from their gradient to that of tensors."""
        taken, weights = [], tensors[len(self.inputs) :]

        def run_slot(slot, x, weights):
            y, *packed = self.shared_slot.forward(x, self.ops[slot], weights, self.masks[slot])
            taken.append((x, packed))
            return y

        def gradient(grad_joined):
            grad_nodes = self._grad_loose_ends(grad_joined)
            grad_weights: list[Tensor] = []
            for slot, (x, packed) in reversed(list(enumerate(taken))):
                settings = self.ops[slot], weights[slot], self.masks[slot]
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
        for node, loose in zip(nodes, tf.unstack(self.loose), strict=True):
            part = functions.merge([functions.switch_false(loose, nothing), functions.switch_true(loose, node)])
            part.set_shape([*self.shape[:3], None])
            parts.append(part)
        return tf.concat(parts, axis=3)

    def _source_of(self, slot, nodes):
        """The node that a slot reads."""
        x = functions.merge(
            [functions.switch_true(reads, node) for reads, node in zip(self.reads[slot], nodes, strict=False)]
        )
        x.set_shape(self.shape)
        return x

    def _grad_loose_ends(self, grad_joined):
        """The gradients of the nodes from the combination of the loose ends; none is live of a node that is not one."""
        channels, rows = self.shape[-1], tf.reshape(grad_joined, [-1, tf.shape(grad_joined)[3]])
        places = tf.cumsum(tf.cast(self.loose, tf.int32), exclusive=True) * channels
        grad_nodes = []
        for loose, place in zip(tf.unstack(self.loose), tf.unstack(places), strict=True):
            part = tf.slice(functions.switch_true(loose, rows), [0, place], [-1, channels])
            grad_nodes.append(tf.reshape(part, self.shape))
        return grad_nodes

    def _add(self, slot, grad_nodes, grad_x):
        """Adds the gradient of what a slot read to that of its source."""
        for node, (reads, last) in enumerate(zip(self.reads[slot], self.reads_last[slot], strict=True)):
            if node < len(self.inputs) + slot // 2:
                # Of the last slot that reads a node the gradient comes first: there is nothing live to be added to.
                total = functions.add_if(reads, grad_nodes[node], grad_x)
                grad_nodes[node] = functions.merge([total, functions.switch_true(last, grad_x)])
