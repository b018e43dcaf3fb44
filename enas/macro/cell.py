"""The layers of the macro network: one definition, run by a fixed arc (Python values) or by a sampled arc (tensors).

A layer reads the output before it and runs its op. The op's result and the outputs that the layer's skip bits name are
concatenated and mixed by a 1x1 convolution. That convolution is computed as a sum, one addend for each output, so
nothing is copied. Outputs are kept activated, since every reader but the next op wants them so. Factorized reductions
halve them all together.

What is computed is the same code in both cases (`enas/macro/ops.py`). A fixed arc has variables for what it uses. A
sampled arc (`enas/macro/sampled.py`) has banks, with a row or channels for all that it might use. Functions, kept out of
line as in the micro space, switch between the ops of a layer, and halve an output if it is read. Skip connections are
edges of the data flow that their bits switch.
"""

from typing import Protocol

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import blocks, layers, norms
from enas.graph.layers import BuildContext
from enas.macro import arc as arcs
from enas.macro import ops
from enas.macro.config import ChildConfig
from enas.types import Tensor


class Layers(Protocol):
    """What runs the layers of an arc: `FixedLayers`, or `SampledLayers` of `sampled.py`.

    Attributes:
      outputs: the stem's output and those of the layers so far, `[N, H, W, C]`, activated.
      x: what the next layer's op reads: the last output, as real values where convolutions are low-bit all through.
    """

    outputs: list[Tensor]
    x: Tensor

    def op(self, layer: int) -> Tensor:
        """What the layer's op computes from the output before it, `[N, H, W, C]`, not activated."""
        ...

    def join(self, layer: int, y: Tensor) -> Tensor:
        """y, activated, and the outputs that skip connections join to it, mixed; `[N, H, W, C]`, not normalised."""
        ...

    def reduce(self, layer: int, filters: int) -> None:
        """Halves, after this layer, the outputs that later layers read, and gives them this many channels."""
        ...


class FixedLayers:
    """Runs the layers of an arc that is a value; see `Layers`. Only what it uses exists, with variables of its own.

    Args:
      stem: the stem's output, `[N, H, W, C]`, not activated.
    """

    x: Tensor

    def __init__(self, build: BuildContext[ChildConfig], arc: arcs.Arc, stem: Tensor) -> None:
        self.build, self.arc = build, arc
        self.outputs: list[Tensor] = []
        set_output(build, self, 0, stem)

    def op(self, layer: int) -> Tensor:
        """Runs the layer's op; see `Layers`."""
        build, chosen, x = self.build, self.arc.layers[layer], self.x
        channels = x.shape[-1]
        if chosen.op is None:
            return self._branches(chosen, x)
        op = arcs.OPS[chosen.op]
        with tf.variable_scope(f"op_{op}"):
            x = ops.enter(build, x, *self._entrance(channels))
            if op not in arcs.KERNELS:
                return ops.run_op(build, op, x, (), ())
            kernels = ops.kernel_variables(build, op, channels, channels)
            return ops.run_op(build, op, x, kernels, ops.op_norm(build, "norm", [channels]))

    def _entrance(self, channels: int) -> tuple[Tensor, list[Tensor]]:
        w = blocks.square_conv1x1_weights(self.build, "enter", (), 1, channels, self.build.scheme)
        return w, ops.op_norm(self.build, "enter_norm", [channels])

    def _branches(self, chosen: arcs.Layer, x: Tensor) -> Tensor:
        build, channels = self.build, x.shape[-1]
        entrances, branches = [], []
        for op, (first, count) in zip(arcs.OPS, chosen.channels, strict=True):
            with tf.variable_scope(f"op_{op}"):
                entrances.append(self._entrance(channels))
                kernels = ops.kernel_variables(build, op, channels, count) if op in arcs.KERNELS else []
                norm = ops.op_norm(build, "norm", [count]) if kernels else []
                branches.append((slice(first, first + count), kernels, norm))
        total = sum(count for _, count in chosen.channels)
        eye = np.concatenate([np.eye(channels)[first : first + count] for first, count in chosen.channels])
        mix = layers.weight(build, "mix", [total, channels], total, build.glue, eye)
        x = ops.run_branches(build, x, entrances, branches, mix)
        return ops.normed(build, x, ops.scoped_norm(build, "mix_norm", [channels]))

    def join(self, layer: int, y: Tensor) -> Tensor:
        """Mixes y and what its skip connections join to it; see `Layers`."""
        sources = [self.outputs[i] for i in self.arc.layers[layer].sources]
        rows = len(sources) + 1
        *w_sources, w_y = tf.unstack(blocks.square_conv1x1_weights(self.build, "w", (rows,), rows, y.shape[-1]))
        total = ops.conv1x1(self.build, y, w_y)
        for x, w in zip(sources, w_sources, strict=True):
            total += ops.conv1x1(self.build, x, w)
        return total

    def reduce(self, layer: int, filters: int) -> None:
        """Halves the outputs that layers after this one read; see `Layers`."""
        later = {source for after in self.arc.layers[layer + 1 :] for source in after.sources}
        for i, x in enumerate(self.outputs):
            if i in later or i + 1 == len(self.outputs):
                with tf.variable_scope(f"output_{i}"):
                    first, second, *norm = ops.reduction_variables(self.build, (), x.shape[-1], filters)
                    set_output(self.build, self, i, ops.reduce(self.build, x, first, second, norm))


def set_output(build: BuildContext[ChildConfig], runner: Layers, i: int, y: Tensor) -> None:
    """Keeps y `[N, H, W, C]`, not activated, as output i; the last one is also what the next op reads.

    Args:
      i: the number of an output, or, for a new one, of outputs so far.
    """
    activated = ops.activated(build, y)
    runner.outputs[i:] = [activated, *runner.outputs[i + 1 :]]
    if i + 1 == len(runner.outputs):
        runner.x = y if build.config.low_bit else activated


def run_layer(build: BuildContext[ChildConfig], runner: Layers, layer: int) -> Tensor:
    """Runs a layer: its op, then (but for the first layer) what its skip connections join, mixed, and batch norm.

    Returns:
      `[N, H, W, C]`, not activated.
    """
    y = runner.op(layer)
    if layer:
        with tf.variable_scope("join"):
            y = norms.norm(build, runner.join(layer, ops.activated(build, y)))
    if layer + 1 < build.config.num_layers:
        set_output(build, runner, len(runner.outputs), y)
    return y
