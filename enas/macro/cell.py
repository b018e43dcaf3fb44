"""The layers of the macro network: one definition, run by a fixed arc (Python values) or by a sampled arc (tensors).

A layer reads the output before it. Its op begins with a 1x1 convolution, batch norm and activation, as in the ENAS authors'
code; then comes the convolution or pooling itself. The outputs that its skip bits name and its own are concatenated and
mixed by a 1x1 convolution, which is computed as the sum of one for each: so nothing is copied. Outputs are kept activated,
since every reader wants them so, and are halved together by factorized reductions.

Where channels are a choice, all six ops run on the same input, each gives the channels that the arc says, and a 1x1
convolution mixes them before the skip connections do.

`enter`, `run_op`, `run_branches`, `conv1x1` and `reduce` are the same code in both cases. A fixed arc has variables for
what it uses. A sampled arc has banks with a row, or channels, for all it might use. Functions, kept out of line as in the
micro space, switch between the ops of a layer and halve an output if it is read; skip connections are edges of the data
flow that their bits switch.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import blocks, layers
from enas.macro import arc as arcs
from quantize import ops

# Kernel size of the ops that have weights of their own; their ids are the first ones.
KERNELS = {"conv_3x3": 3, "sep_conv_3x3": 3, "conv_5x5": 5, "sep_conv_5x5": 5}


def enter(build, x, w, norm):
    """What every op begins with: 1x1 convolution, batch norm, activation.

    Args:
      build: the `layers.BuildContext`.
      x: `[N, H, W, C]`, activated.
      w: float32 `[C, C]`.
      norm: scale and offset `[C]` (and, where the build keeps them, moving mean and variance).

    Returns:
      `[N, H, W, C]`.
    """
    return ops.activate(normed(build, ops.conv2d(x, _1x1(w), build.scheme), norm), build.scheme)


def run_op(build, op, x, kernels, norm):
    """The op itself, on what `enter` gave.

    Args:
      op: name in `arcs.OPS`.
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
        x = ops.conv2d(x, *kernels, build.scheme)
    return normed(build, x, norm)


def run_branches(build, x, entrances, branches, mix):
    """All ops side by side, mixed by a 1x1 convolution.

    Args:
      x: `[N, H, W, C]`, activated.
      entrances: (w, norm) of `enter` for each op.
      branches: (kernels, norm) of `run_op` for a convolution, (first channel, number of channels) for a pooling.
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


def conv1x1(build, x, w):
    """The share of x `[N, H, W, C]` in a 1x1 convolution of concatenated outputs; w: float32 `[C, C]`, the rows for x."""
    return ops.conv2d(x, _1x1(w), build.scheme)


def reduce(build, x, first, second, norm):
    """Factorized reduction (ENAS, section 2.4) and activation.

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


def _1x1(w):
    """`[C, D]` as the weights of a 1x1 convolution; a slice would have a slow gradient."""
    return tf.expand_dims(tf.expand_dims(w, 0), 0)


def normed(build, x, norm):
    """Batch norm of x `[N, H, W, C]` with the variables `norm`, whose moving averages, if any, follow; see `enter`."""
    y, mean, variance, _ = layers.batch_norm(build, x, *norm)
    layers.track(build, norm[2:], mean, variance)
    return y


def kernel_variables(build, op, channels, outputs):
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


def conv1x1_weights(build, name, rows, used, channels):
    """Makes 1x1 weights `[*rows, C, C]` that mix what is concatenated; typically `used` of the rows at once."""
    shape = [*rows, channels, channels]
    return layers.weight(build, name, shape, used * channels, build.scheme, np.eye(channels))


def scoped_norm(build, name, shape):
    """Batch-norm variables in a scope of their own; see `layers.norm_variables`."""
    with tf.variable_scope(name):
        return layers.norm_variables(build, shape)


def reduction_variables(build, rows, channels, filters):
    """Makes the weights of `reduce`, each with leading dimensions `rows`: first, second, and the norm's."""
    widths = filters // 2, filters - filters // 2
    paths = [
        layers.weight(build, f"path_{i}", [*rows, channels, width], channels, build.scheme)
        for i, width in enumerate(widths)
    ]
    return [*paths, *layers.norm_variables(build, [*rows, filters])]


class FixedLayers:
    """Runs the layers of an `arcs.Arc`: only what it uses exists, each with variables of its own."""

    def __init__(self, build, arc, stem):
        self.build, self.arc = build, arc
        self.outputs = [ops.activate(stem, build.scheme)]

    def op(self, layer):
        """What the layer computes from the output before it, `[N, H, W, C]`, not activated."""
        build, chosen, x = self.build, self.arc.layers[layer], self.outputs[-1]
        channels = x.shape[-1]
        if chosen.channels:
            return self._branches(chosen, x)
        op = arcs.OPS[chosen.op]
        with tf.variable_scope(f"op_{op}"):
            x = enter(build, x, *self._entrance(channels))
            if op not in KERNELS:
                return run_op(build, op, x, (), ())
            kernels = kernel_variables(build, op, channels, channels)
            return run_op(build, op, x, kernels, scoped_norm(build, "norm", [channels]))

    def _entrance(self, channels):
        return conv1x1_weights(self.build, "enter", (), 1, channels), scoped_norm(self.build, "enter_norm", [channels])

    def _branches(self, chosen, x):
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

    def join(self, layer, y):
        """y, activated, and the outputs that skip connections join to it, mixed; `[N, H, W, C]`, not normalised."""
        sources = [self.outputs[i] for i in self.arc.layers[layer].sources]
        rows = len(sources) + 1
        *w_sources, w_y = tf.unstack(conv1x1_weights(self.build, "w", (rows,), rows, y.shape[-1]))
        total = conv1x1(self.build, y, w_y)
        for x, w in zip(sources, w_sources, strict=True):
            total += conv1x1(self.build, x, w)
        return total

    def append(self, x):
        """Adds the next output, activated."""
        self.outputs.append(x)

    def reduce(self, layer, filters):
        """Halves the outputs that layers after this one read."""
        later = {source for after in self.arc.layers[layer + 1 :] for source in after.sources}
        for i, x in enumerate(self.outputs):
            if i in later or i + 1 == len(self.outputs):
                with tf.variable_scope(f"output_{i}"):
                    first, second, *norm = reduction_variables(self.build, (), x.shape[-1], filters)
                    self.outputs[i] = reduce(self.build, x, first, second, norm)


def run_layer(build, runner, layer):
    """Runs a layer: its op, then, but for the first layer, what its skip connections join, mixed by a 1x1 convolution and
    batch norm.

    Args:
      runner: a `FixedLayers`, or a `SampledLayers` of `sampled.py`.

    Returns:
      `[N, H, W, C]`, not activated.
    """
    y = runner.op(layer)
    if layer:
        with tf.variable_scope("join"):
            y = layers.norm(build, runner.join(layer, ops.activate(y, build.scheme)))
    if layer + 1 < build.config.num_layers:
        runner.append(ops.activate(y, build.scheme))
    return y
