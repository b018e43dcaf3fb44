"""The layers of the macro network for a sampled arc: every layer can run every op, on weights from banks."""

from collections.abc import Callable, Sequence

import tensorflow.compat.v1 as tf

from enas.graph import blocks, functions
from enas.graph.layers import BuildContext
from enas.macro import arc as arcs
from enas.macro import cell as cells
from enas.macro import ops
from enas.macro.config import ChildConfig
from enas.types import Tensor


class SampledLayers:
    """Runs the layers of an arc that is an int32 tensor `[length]`; see `cells.Layers`.

    Args:
      stem: the stem's output, `[N, H, W, C]`, not activated.
    """

    x: Tensor

    def __init__(self, build: BuildContext[ChildConfig], arc: Tensor, stem: Tensor) -> None:
        self.build, self.config = build, build.config
        self.choices, self.bits = [], []
        whole_channels = self.config.controller_search_whole_channels
        for layer in range(self.config.num_layers):
            start = arcs.layer_start(layer, whole_channels)
            middle = start + arcs.num_choices(whole_channels)
            self.choices.append(arc[start] if whole_channels else tf.reshape(arc[start:middle], [len(arcs.OPS), 2]))
            self.bits.append(arc[middle : middle + layer])
        self.op_function = functions.out_of_line(_switch(build) if whole_channels else _all_branches(build))
        self.reduce_function = functions.out_of_line(_reduce_if_used(build))
        self.outputs: list[Tensor] = []
        cells.set_output(build, self, 0, stem)

    def op(self, layer: int) -> Tensor:
        """Runs the layer's op; see `cells.Layers`."""
        build, x, choice = self.build, self.x, self.choices[layer]
        channels = x.shape[-1]
        number = len(arcs.OPS)
        enter_w = blocks.square_conv1x1_weights(build, "enter", (number,), 1, channels, build.scheme)
        enter_norm = ops.op_norm(build, "enter_norm", [number, channels])
        norm = ops.op_norm(build, "norm", [len(arcs.KERNELS), channels])
        kernels = [w for op in arcs.KERNELS for w in ops.kernel_variables(build, op, channels, channels)]
        if self.config.controller_search_whole_channels:
            # A pooling has no norm of its own and does not read the row that it is given.
            row = tf.minimum(choice, len(arcs.KERNELS) - 1)
            weights = [tf.gather(w, choice) for w in (enter_w, *enter_norm)] + [tf.gather(w, row) for w in norm]
            y = self.op_function(x, choice, *weights, *kernels)
            return tf.ensure_shape(y, x.shape)
        mix = blocks.square_conv1x1_weights(build, "mix", (number,), 1, channels)
        y = self.op_function(x, choice, enter_w, *enter_norm, *norm, *kernels, mix)
        return ops.normed(build, tf.ensure_shape(y, x.shape), ops.scoped_norm(build, "mix_norm", [channels]))

    def join(self, layer: int, y: Tensor) -> Tensor:
        """Mixes y and what its skip connections join to it; see `cells.Layers`."""
        bank = blocks.square_conv1x1_weights(self.build, "w", (layer + 1,), 1 + layer / 2, y.shape[-1])
        # The outputs pass through, and so do their gradients: where a bit is not set nothing is added to them.
        tensors = [y, *self.outputs[:layer], *tf.unstack(bank)]
        total, *self.outputs[:layer] = functions.with_gradient(self._join(layer), *tensors)
        return total

    def _join(self, layer: int) -> Callable[..., tuple[list[Tensor], Callable[..., list[Tensor]]]]:
        """Returns what `functions.with_gradient` runs: a function of y, the outputs, the weights of the outputs and that
        of y. Its results are the sum and, unchanged, the outputs."""
        bits = tf.unstack(tf.equal(self.bits[layer], 1)) if layer else []

        def weighted(x: Tensor, w: Tensor) -> Tensor:
            return ops.conv1x1(self.build, x, w)

        def grad_weighted(x: Tensor, w: Tensor, grad_mixed: Tensor) -> list[Tensor]:
            inputs = functions.capture([x, w])
            return functions.gradients(weighted(*inputs), inputs, grad_mixed)

        def run(y: Tensor, *rest: Tensor) -> tuple[list[Tensor], Callable[..., list[Tensor]]]:
            outputs, weights = rest[:layer], rest[layer:]
            chosen = [functions.switch_true(bit, x) for bit, x in zip(bits, outputs, strict=True)]
            total = weighted(y, weights[-1])
            for bit, x, w in zip(bits, chosen, weights[:-1], strict=True):
                total = functions.add_if(bit, total, weighted(x, w))

            def gradient(grad_total: Tensor, *grad_passed: Tensor) -> list[Tensor]:
                grad_y, grad_w = grad_weighted(y, weights[-1], grad_total)
                grad_weights, grad_outputs = [grad_w], list(grad_passed)
                for i, (bit, x, w) in reversed(list(enumerate(zip(bits, chosen, weights[:-1], strict=True)))):
                    grad_x, grad_w = grad_weighted(x, w, functions.switch_true(bit, grad_total))
                    grad_outputs[i] = functions.add_if(bit, grad_outputs[i], grad_x)
                    zeros = functions.switch_false(bit, tf.zeros(w.shape))
                    grad_weights.insert(0, functions.merge([grad_w, zeros]))
                return [grad_y, *grad_outputs, *grad_weights]

            return [tf.ensure_shape(total, y.shape), *outputs], gradient

        return run

    def reduce(self, layer: int, filters: int) -> None:
        """Halves the outputs that layers after this one read; see `cells.Layers`. Zeros stand in for the others."""
        batch, height, width, channels = self.outputs[-1].shape
        weights = ops.reduction_variables(self.build, (len(self.outputs),), channels, filters)
        shape = [batch, -(-height // 2), -(-width // 2), filters]
        for i, rows in enumerate(zip(*map(tf.unstack, weights), strict=True)):
            later = [self.bits[after][i] for after in range(layer + 1, len(self.bits)) if i < after]
            used = tf.equal(tf.reduce_max(later), 1) if i + 1 < len(self.outputs) else tf.constant(True)
            halved = tf.ensure_shape(self.reduce_function(self.outputs[i], used, *rows), shape)
            cells.set_output(self.build, self, i, halved)


def _split_kernels(build: BuildContext[ChildConfig], kernels: Sequence[Tensor]) -> dict[str, list[Tensor]]:
    """Splits the kernels of all convolutions, one after the other, into {op: its kernels}."""
    remaining, separable = iter(kernels), 4 if build.config.low_bit else 2
    return {op: [next(remaining) for _ in range(separable if op.startswith("sep") else 1)] for op in arcs.KERNELS}


def _switch(build: BuildContext[ChildConfig]) -> Callable[..., Tensor]:
    """Returns a function that runs the one op of a layer."""

    def run(
        x: Tensor,
        op: Tensor,
        enter_w: Tensor,
        enter_scale: Tensor,
        enter_offset: Tensor,
        scale: Tensor,
        offset: Tensor,
        *kernels: Tensor,
    ) -> Tensor:
        x = ops.enter(build, x, enter_w, (enter_scale, enter_offset))
        op_kernels = _split_kernels(build, kernels)

        def branch(name: str) -> Callable[[], Tensor]:
            return lambda: ops.run_op(build, name, x, op_kernels.get(name, ()), (scale, offset))

        return tf.switch_case(op, [branch(name) for name in arcs.OPS])

    return run


def _all_branches(build: BuildContext[ChildConfig]) -> Callable[..., Tensor]:
    """Returns a function that runs all ops of a layer on the channels that an int32 `[6, 2]` says."""

    def run(
        x: Tensor,
        channels: Tensor,
        enter_w: Tensor,
        enter_scale: Tensor,
        enter_offset: Tensor,
        scale: Tensor,
        offset: Tensor,
        *rest: Tensor,
    ) -> Tensor:
        *kernels, mix = rest
        op_kernels, rows = _split_kernels(build, kernels), []
        branches: list[tuple[slice, Sequence[Tensor], Sequence[Tensor]]] = []
        for i, op in enumerate(arcs.OPS):
            part = slice(channels[i, 0], channels[i, 0] + channels[i, 1])
            rows.append(mix[i, part])
            if op in arcs.KERNELS:
                *first, last = op_kernels[op]
                branches.append((part, (*first, last[..., part]), (scale[i, part], offset[i, part])))
            else:
                branches.append((part, (), ()))
        norms = zip(tf.unstack(enter_scale), tf.unstack(enter_offset), strict=True)
        entrances = list(zip(tf.unstack(enter_w), norms, strict=True))
        return ops.run_branches(build, x, entrances, branches, tf.concat(rows, axis=0))

    return run


def _reduce_if_used(build: BuildContext[ChildConfig]) -> Callable[..., Tensor]:
    """Returns a function that halves an output that is used, and gives zeros in place of one that is not."""

    def run(x: Tensor, used: Tensor, first: Tensor, second: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
        batch, height, width, _ = x.shape
        shape = [batch, -(-height // 2), -(-width // 2), scale.shape[0]]
        return tf.cond(
            used, lambda: ops.reduce(build, x, first, second, (scale, offset)), lambda: tf.zeros(shape, x.dtype)
        )

    return run
