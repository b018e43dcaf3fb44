"""The ops of a micro cell, then drop path: what each computes, and its gradient.

A fixed arc's slots run an op on variables of their own (`run_op`). The slots of a sampled arc share functions that switch
between the ops (enas/micro/op_switch.py). Both run `forward` and `backward`, so an arc means the same network in both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import blocks, functions, layers, norms
from enas.graph.layers import BuildContext
from enas.micro.op_table import REPEATS, Op, op_table
from enas.types import Tensor
from quantize import ops, schemes


def run_op(build: BuildContext, op: Op, x: Tensor, weights: Sequence[Tensor] = ()) -> Tensor:
    """Applies one op of the op table.

    Args:
      build: the `layers.BuildContext`.
      op: an `op_table.Op`.
      x: `[N, H, W, C]`, in the dtype of the build's scheme.
      weights: for a convolution, its depthwise `[2, k, k, C, 1]`, pointwise `[2, C, C]`, batch-norm scale and offset (and,
        where the build keeps them, moving mean and variance) as in `weight_shapes`, the 2 being the times it is applied.

    Returns:
      `[N, H, W, C]`, x's dtype.
    """
    if not op.kernel or not build.training:
        return forward(build, op, x, weights)[0]
    weights, moving = weights[:4], weights[4:]

    def run(x, *weights):
        y, kept, statistics = forward(build, op, x, weights)

        def gradient(grad_y, *_):
            grad_x, grad_weights = backward(build, op, x, weights, kept, grad_y)
            return grad_x, *grad_weights

        return [y, *statistics], gradient

    y, *statistics = functions.with_gradient(run, x, *weights)
    norms.track(build, moving, *statistics)
    return y


def drop_path(op: Op, x: Tensor, mask: Tensor | None) -> Tensor:
    """Multiplies each image of x `[N, H, W, C]` by its factor in mask `[N]`; identity ops keep every path."""
    if mask is None or op.kind == "identity":
        return x
    # As a matrix: with the mask as [N, 1, 1, 1] the product takes a quarter longer.
    rows, mask = tf.reshape(x, [x.shape[0], -1]), tf.cast(mask[:, None], x.dtype)
    with tf.get_default_graph().gradient_override_map({"Mul": "DropPath"}):
        return tf.reshape(tf.multiply(rows, mask), x.shape)


@tf.RegisterGradient("DropPath")
def _drop_path_gradient(op, gradient):
    """Nobody asks for the mask's gradient, but TensorFlow would compute it, and keep x for it."""
    return gradient * op.inputs[1], None


def convolutions(build: BuildContext) -> list[Op]:
    """The ops of the table that have weights."""
    return [op for op in op_table(build.config) if op.kernel]


def banks(build: BuildContext) -> list[tuple[Op, ...]]:
    """The convolutions of the table, in groups whose weights, of all slots, lie in one bank per kind of weight.

    Where precision is searched among low-bit schemes, those of a kernel size share a bank, and so do its floats: a slot
    gathers one row for each kernel size, however many schemes there are.
    """
    if not build.config.low_bit:
        return [(op,) for op in convolutions(build)]
    groups: dict[tuple[str, bool], list[Op]] = {}
    for op in convolutions(build):
        groups.setdefault((op.kind, schemes.get(op.scheme).latent), []).append(op)
    return [tuple(group) for group in groups.values()]


def weight_shapes(build: BuildContext, op: Op, channels: int) -> tuple[list[int], ...]:
    """Shapes of a convolution's depthwise and pointwise weights and batch-norm scale and offset: `[2, 2, C]` where low-bit
    convolutions have a batch norm between their halves and one behind them, else `[2, C]`."""
    norm = [REPEATS, 2, channels] if layers.is_low_bit(build, schemes.get(op.scheme)) else [REPEATS, channels]
    return [REPEATS, op.kernel, op.kernel, channels, 1], [REPEATS, channels, channels], norm, norm


def norm_start(build: BuildContext, op: Op) -> np.ndarray | None:
    """What the scales of a convolution's batch norms start at, to be broadcast to `weight_shapes`; None: as all others.

    A low-bit op starts near an identity, by its shortcut and a small scale behind it, as an op of more bits does by its
    weights.
    """
    scheme = schemes.get(op.scheme)
    return np.array([[build.norm_scale], [norms.SHORTCUT_SCALE]]) if layers.is_low_bit(build, scheme) else None


NORM_KEPT = 3  # tensors


class Repeat(NamedTuple):
    """What the gradient of one of a convolution's `REPEATS` takes: what goes in, `[N, H, W, C]`, and what
    `norms.batch_norm_gradient` takes, `NORM_KEPT` tensors. What the convolutions give is computed anew: keeping it would
    take a third of the memory of a step.
    """

    x: Tensor
    norm: list


def forward(
    build: BuildContext, op: Op, x: Tensor, weights: Sequence[Tensor]
) -> tuple[Tensor, list[Repeat], list[Tensor]]:
    """Computes an op: depthwise and 1x1 convolution, then batch norm, twice; or a pool, or nothing.

    Where the scheme is low-bit all through, each time is x + BN(conv(q(BN(depthwise(q(x)))))), q being the scheme's
    activation: a shortcut of real values, as in Bi-Real Net (arXiv 1808.00278), round a convolution of which both halves
    read few bits.

    Returns:
      y, the `Repeat`s that `backward` takes ([] of ops without weights), and the means and variances of all batch norms,
      of the shape of their scales.
    """
    if not op.kernel:
        return (x if op.kind == "identity" else blocks.pool_3x3(op.kind, x)), [], []
    scheme, dtype, kept, statistics = schemes.get(op.scheme), x.dtype, [], []
    low_bit = layers.is_low_bit(build, scheme)
    for depthwise, pointwise, *norm in _repeats(weights):
        between = _depthwise(build, scheme, x, depthwise)
        if low_bit:
            first, norm = zip(*map(tf.unstack, norm), strict=True)
            between, *of_first, _ = norms.batch_norm(build, between, *first)
        y, *of_norm, norm_kept = norms.batch_norm(build, _pointwise(build, scheme, between, pointwise), *norm)
        kept.append(Repeat(x, norm_kept))
        if low_bit:
            y, of_norm = y + tf.cast(x, y.dtype), [tf.stack(pair) for pair in zip(of_first, of_norm, strict=True)]
        statistics.append(of_norm)
        x = y
    return tf.cast(x, dtype), kept, [tf.stack(values) for values in zip(*statistics, strict=True)]


def backward(
    build: BuildContext, op: Op, x: Tensor, weights: Sequence[Tensor], kept: Sequence[Repeat], grad_y: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Returns the gradients of x and of the weights, a list."""
    if op.kind == "identity":
        return grad_y, []
    [grad_y] = functions.capture([grad_y])
    if not op.kernel:
        [x] = functions.capture([x])
        return functions.gradients(blocks.pool_3x3(op.kind, x), [x], grad_y)[0], []
    scheme = schemes.get(op.scheme)
    grad_weights: list[tuple[Tensor, ...]] = []
    grad_x = tf.cast(grad_y, scheme.dtype)
    grad_repeat = _grad_low_bit_repeat if layers.is_low_bit(build, scheme) else _grad_repeat
    for repeat, repeat_weights in reversed(list(zip(kept, _repeats(weights), strict=True))):
        grad_x, *gradients = grad_repeat(build, scheme, repeat, repeat_weights, grad_x)
        grad_weights.insert(0, tuple(gradients))
    return grad_x, [tf.stack(gradients) for gradients in zip(*grad_weights, strict=True)]


def _grad_repeat(build, scheme, repeat, weights, grad_y):
    """The gradients of x, depthwise, pointwise, scale and offset of one repeat, from that of what it gives."""
    depthwise, pointwise, scale, _ = weights
    x, depthwise, pointwise = functions.capture([repeat.x, depthwise, pointwise], after=[grad_y])
    between = _depthwise(build, scheme, x, depthwise)
    product = _pointwise(build, scheme, between, pointwise)
    grad_product, *grad_norm = norms.batch_norm_gradient(build, product, scale, repeat.norm, grad_y)
    grad_between, grad_pointwise = functions.gradients(product, [between, pointwise], grad_product)
    grad_x, grad_depthwise = functions.gradients(between, [x, depthwise], grad_between)
    return grad_x, grad_depthwise, grad_pointwise, *grad_norm


def _grad_low_bit_repeat(build, scheme, repeat, weights, grad_y):
    """As `_grad_repeat`, of a repeat with a batch norm and a quantizer between its halves, and a shortcut."""
    depthwise, pointwise, scales, offsets = weights
    x, depthwise, pointwise = functions.capture([repeat.x, depthwise, pointwise], after=[grad_y])
    (first_scale, scale), first_offset = tf.unstack(scales), offsets[0]
    raw = _depthwise(build, scheme, x, depthwise)
    between, *_, first_kept = norms.batch_norm(build, raw, first_scale, first_offset)
    product = _pointwise(build, scheme, between, pointwise)
    grad_product, *grad_last = norms.batch_norm_gradient(build, product, scale, repeat.norm, grad_y)
    grad_between, grad_pointwise = functions.gradients(product, [between, pointwise], grad_product)
    grad_raw, *grad_first = norms.batch_norm_gradient(build, raw, first_scale, first_kept, grad_between)
    grad_x, grad_depthwise = functions.gradients(raw, [x, depthwise], grad_raw)
    grad_norms = [tf.stack(pair) for pair in zip(grad_first, grad_last, strict=True)]
    return grad_x + tf.cast(grad_y, grad_x.dtype), grad_depthwise, grad_pointwise, *grad_norms


def _repeats(weights):
    return list(zip(*[tf.unstack(w) for w in weights], strict=True))


def _depthwise(build, scheme, x, w):
    return ops.depthwise_conv2d(layers.activate(build, scheme, x), w, scheme)


def _pointwise(build, scheme, x, w):
    x = layers.activate(build, scheme, x) if layers.is_low_bit(build, scheme) else x
    return ops.conv2d(x, tf.reshape(w, [1, 1, *w.shape]), scheme)
