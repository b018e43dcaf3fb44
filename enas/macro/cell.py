"""The layers of the macro network: one definition, run by a fixed arc (Python values) or by a sampled arc (tensors).

A layer reads the output before it. Its op begins with a 1x1 convolution, batch norm and activation, as in the ENAS
authors' code. Then comes the convolution or pooling itself. The layer's result and the outputs that its skip bits name
are concatenated and mixed by a 1x1 convolution. That convolution is computed as a sum, one addend for each output, so
nothing is copied. Outputs are kept activated, since every reader wants them so. Factorized reductions halve them all
together.

Where channels are a choice, all six ops run on the same input. Each gives the channels that the arc says, and a 1x1
convolution mixes them before the skip connections do.

`enter`, `run_op`, `run_branches`, `conv1x1` and `reduce` are the same code in both cases. A fixed arc has variables for
what it uses. A sampled arc has banks, with a row or channels for all that it might use. Functions, kept out of line as
in the micro space, switch between the ops of a layer, and halve an output if it is read. Skip connections are edges of
the data flow that their bits switch.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import blocks, layers
from enas.graph.layers import BuildContext
from enas.macro import arc as arcs
from enas.macro.config import ChildConfig
from enas.types import Tensor
from quantize import ops

# Kernel size of the ops that have weights of their own; their ids are the first ones.
KERNELS = {"conv_3x3": 3, "sep_conv_3x3": 3, "conv_5x5": 5, "sep_conv_5x5": 5}


def enter(build: BuildContext[ChildConfig], x: Tensor, w: Tensor, norm: Sequence[Tensor]) -> Tensor:
    """Computes what every op begins with: 1x1 convolution, batch norm, activation.

    Args:
      x: `[N, H, W, C]`, activated.
      w: float32 `[C, C]`.
      norm: scale and offset `[C]` (and, where the build keeps them, moving mean and variance).

    Returns:
      `[N, H, W, C]`.
    """
    return ops.activate(normed(build, ops.conv2d(x, _1x1(w), build.scheme), norm), build.scheme)


def run_op(
    build: BuildContext[ChildConfig], op: str, x: Tensor, kernels: Sequence[Tensor], norm: Sequence[Tensor]
) -> Tensor:
    """Applies the op itself, to what `enter` computed.

    Args:
      op: its name in `arcs.OPS`.
      x: `[N, H, W, C]`, activated.
      kernels: of a convolution `[k, k, C, D]`; of a separable one `[k, k, C, 1]` and `[C, D]`; of a pooling none.
      norm: of a convolution, scale and offset `[D]` (and moving mean and variance).

    Returns:
      `[N, H, W, D]`, not activated; of a pooling `[N, H, W, C]`.
    """
    if op not in KERNELS:
        return blocks.pool_3x3(op, x)
    if len(kernels) == 2:
        depthwise, pointwise = kernels
        x = ops.separable_conv2d(x, depthwise, _1x1(pointwise), build.scheme)
    else:
        [w] = kernels
        x = ops.conv2d(x, w, build.scheme)
    return normed(build, x, norm)


def run_branches(
    build: BuildContext[ChildConfig],
    x: Tensor,
    entrances: Sequence[tuple[Tensor, Sequence[Tensor]]],
    branches: Sequence[tuple],
    mix: Tensor,
) -> Tensor:
    """Runs all ops side by side and mixes them by a 1x1 convolution.

    Args:
      x: `[N, H, W, C]`, activated.
      entrances: for each op, the (w, norm) of `enter`.
      branches: for each convolution, the (kernels, norm) of `run_op`; for each pooling, (first channel, number of
        channels).
      mix: float32 `[D, C]`, D being the channels of all branches.

    Returns:
      `[N, H, W, C]`, not normalised.
    """
    outputs = []
    for op, (w, norm), branch in zip(arcs.OPS, entrances, branches, strict=True):
        y = enter(build, x, w, norm)
        if op in KERNELS:
            outputs.append(run_op(build, op, y, *branch))
        else:
            first, count = branch
            outputs.append(run_op(build, op, y[..., first : first + count], (), ()))
    return ops.conv2d(ops.activate(tf.concat(outputs, axis=3), build.scheme), _1x1(mix), build.scheme)


def conv1x1(build: BuildContext[ChildConfig], x: Tensor, w: Tensor) -> Tensor:
    """Computes what x `[N, H, W, C]` adds to a 1x1 convolution of concatenated outputs.

    Args:
      w: float32 `[C, C]`, the rows of the convolution's weights that belong to x.
    """
    return ops.conv2d(x, _1x1(w), build.scheme)


def reduce(
    build: BuildContext[ChildConfig], x: Tensor, first: Tensor, second: Tensor, norm: Sequence[Tensor]
) -> Tensor:
    """Applies a factorized reduction (ENAS, section 2.4) and the activation.

    Args:
      x: `[N, H, W, C]`, activated.
      first, second: float32 `[C, D1]` and `[C, D2]`, the 1x1 convolutions of its two paths.
      norm: scale and offset `[D1 + D2]` (and moving mean and variance).

    Returns:
      `[N, ceil(H / 2), ceil(W / 2), D1 + D2]`.
    """
    paths = zip(blocks.reduction_inputs(x), (first, second), strict=True)
    x = tf.concat([ops.conv2d(path, _1x1(w), build.scheme) for path, w in paths], axis=3)
    return ops.activate(normed(build, x, norm), build.scheme)


def _1x1(w: Tensor) -> Tensor:
    """`[C, D]` as the weights of a 1x1 convolution, without a slice, whose gradient would be slow."""
    return tf.expand_dims(tf.expand_dims(w, 0), 0)


def normed(build: BuildContext[ChildConfig], x: Tensor, norm: Sequence[Tensor]) -> Tensor:
    """Applies batch norm to x `[N, H, W, C]`. Its moving averages, if any, are updated by the training step.

    Args:
      norm: as of `enter`.
    """
    y, mean, variance, _ = layers.batch_norm(build, x, *norm)
    layers.track(build, norm[2:], mean, variance)
    return y


def kernel_variables(build: BuildContext[ChildConfig], op: str, channels: int, outputs: int) -> list[Tensor]:
    """Makes the kernels of a convolution op, from `channels` to `outputs` channels, in a scope of the op's name."""
    k = KERNELS[op]
    centre = np.zeros([k, k, 1, 1])
    centre[k // 2, k // 2] = 1.0
    eye = np.eye(channels)[:, :outputs]
    with tf.variable_scope(op):
        if op.startswith("sep"):
            return [
                layers.weight(build, "depthwise", [k, k, channels, 1], k * k, build.scheme, centre),
                layers.weight(build, "pointwise", [channels, outputs], channels, build.scheme, eye),
            ]
        return [layers.weight(build, "w", [k, k, channels, outputs], k * k * channels, build.scheme, centre * eye)]


def scoped_norm(build: BuildContext[ChildConfig], name: str, shape: Sequence[int]) -> list[Tensor]:
    """Makes batch-norm variables in a scope of their own; see `layers.norm_variables`."""
    with tf.variable_scope(name):
        return layers.norm_variables(build, shape)


def reduction_variables(
    build: BuildContext[ChildConfig], rows: Sequence[int], channels: int, filters: int
) -> list[Tensor]:
    """Makes the weights of `reduce`, each with leading dimensions `rows`: first, second, and the norm's."""
    widths = filters // 2, filters - filters // 2
    paths = [
        layers.weight(build, f"path_{i}", [*rows, channels, width], channels, build.scheme)
        for i, width in enumerate(widths)
    ]
    return [*paths, *layers.norm_variables(build, [*rows, filters])]


class Layers(Protocol):
    """What runs the layers of an arc: `FixedLayers`, or `SampledLayers` of `sampled.py`.

    Attributes:
      outputs: the stem's output and those of the layers so far, `[N, H, W, C]`, activated.
    """

    outputs: list[Tensor]

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

    def __init__(self, build: BuildContext[ChildConfig], arc: arcs.Arc, stem: Tensor) -> None:
        self.build, self.arc = build, arc
        self.outputs = [ops.activate(stem, build.scheme)]

    def op(self, layer: int) -> Tensor:
        """Runs the layer's op; see `Layers`."""
        build, chosen, x = self.build, self.arc.layers[layer], self.outputs[-1]
        channels = x.shape[-1]
        if chosen.op is None:
            return self._branches(chosen, x)
        op = arcs.OPS[chosen.op]
        with tf.variable_scope(f"op_{op}"):
            x = enter(build, x, *self._entrance(channels))
            if op not in KERNELS:
                return run_op(build, op, x, (), ())
            kernels = kernel_variables(build, op, channels, channels)
            return run_op(build, op, x, kernels, scoped_norm(build, "norm", [channels]))

    def _entrance(self, channels: int) -> tuple[Tensor, list[Tensor]]:
        w = blocks.square_conv1x1_weights(self.build, "enter", (), 1, channels)
        return w, scoped_norm(self.build, "enter_norm", [channels])

    def _branches(self, chosen: arcs.Layer, x: Tensor) -> Tensor:
        build, channels = self.build, x.shape[-1]
        entrances, branches = [], []
        for op, (first, count) in zip(arcs.OPS, chosen.channels, strict=True):
            with tf.variable_scope(f"op_{op}"):
                entrances.append(self._entrance(channels))
                kernels = kernel_variables(build, op, channels, count) if op in KERNELS else None
                branches.append((kernels, scoped_norm(build, "norm", [count])) if kernels else (first, count))
        total = sum(count for _, count in chosen.channels)
        eye = np.concatenate([np.eye(channels)[first : first + count] for first, count in chosen.channels])
        mix = layers.weight(build, "mix", [total, channels], total, build.scheme, eye)
        x = run_branches(build, x, entrances, branches, mix)
        return normed(build, x, scoped_norm(build, "mix_norm", [channels]))

    def join(self, layer: int, y: Tensor) -> Tensor:
        """Mixes y and what its skip connections join to it; see `Layers`."""
        sources = [self.outputs[i] for i in self.arc.layers[layer].sources]
        rows = len(sources) + 1
        *w_sources, w_y = tf.unstack(blocks.square_conv1x1_weights(self.build, "w", (rows,), rows, y.shape[-1]))
        total = conv1x1(self.build, y, w_y)
        for x, w in zip(sources, w_sources, strict=True):
            total += conv1x1(self.build, x, w)
        return total

    def reduce(self, layer: int, filters: int) -> None:
        """Halves the outputs that layers after this one read; see `Layers`."""
        later = {source for after in self.arc.layers[layer + 1 :] for source in after.sources}
        for i, x in enumerate(self.outputs):
            if i in later or i + 1 == len(self.outputs):
                with tf.variable_scope(f"output_{i}"):
                    first, second, *norm = reduction_variables(self.build, (), x.shape[-1], filters)
                    self.outputs[i] = reduce(self.build, x, first, second, norm)


def run_layer(build: BuildContext[ChildConfig], runner: Layers, layer: int) -> Tensor:
    """Runs a layer: its op, then (but for the first layer) what its skip connections join, mixed, and batch norm.

    Returns:
      `[N, H, W, C]`, not activated.
    """
    y = runner.op(layer)
    if layer:
        with tf.variable_scope("join"):
            y = layers.norm(build, runner.join(layer, ops.activate(y, build.scheme)))
    if layer + 1 < build.config.num_layers:
        runner.outputs.append(ops.activate(y, build.scheme))
    return y
