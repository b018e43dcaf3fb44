"""The ops of a micro cell, then drop path: what each computes, and its gradient.

A fixed arc's slots run an op on variables of their own (`run_op`). The slots of a sampled arc share functions that switch
between the ops (enas/micro/op_switch.py). Both run `forward` and `backward`, so an arc means the same network in both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from enas.graph import blocks, functions, layers
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
      weights: for a convolution, its depthwise `[2, k, k, C, 1]`, pointwise `[2, C, C]`, batch-norm scale and offset
        `[2, C]` (and, where the build keeps them, moving mean and variance), the 2 being the times it is applied.

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
    layers.track(build, moving, *statistics)
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


def weight_shapes(op: Op, channels: int) -> tuple[list[int], ...]:
    """Shapes of a convolution's depthwise and pointwise weights and batch-norm scale and offset."""
    norm = [REPEATS, channels]
    return [REPEATS, op.kernel, op.kernel, channels, 1], [REPEATS, channels, channels], norm, norm


NORM_KEPT = 3  # tensors


class Repeat(NamedTuple):
    """What the gradient of one of a convolution's `REPEATS` takes: what goes in, `[N, H, W, C]`, and what
    `layers.batch_norm_gradient` takes, `NORM_KEPT` tensors. What the convolutions give is computed anew: keeping it would
    take a third of the memory of a step.
    """

    x: Tensor
    norm: list


def forward(
    build: BuildContext, op: Op, x: Tensor, weights: Sequence[Tensor]
) -> tuple[Tensor, list[Repeat], list[Tensor]]:
    """Returns y, the `Repeat`s that `backward` takes ([] of ops without weights), and the means and variances of all batch
    norms, `[2, C]`."""
    if not op.kernel:
        return (x if op.kind == "identity" else blocks.pool_3x3(op.kind, x)), [], []
    scheme, dtype, kept, statistics = schemes.get(op.scheme), x.dtype, [], []
    for depthwise, pointwise, *norm in _repeats(weights):
        between = _depthwise(build, scheme, x, depthwise)
        y, mean, variance, norm_kept = layers.batch_norm(build, _pointwise(scheme, between, pointwise), *norm)
        kept.append(Repeat(x, norm_kept))
        statistics.append((mean, variance))
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
    for repeat, (depthwise, pointwise, scale, _) in reversed(list(zip(kept, _repeats(weights), strict=True))):
        x, depthwise, pointwise = functions.capture([repeat.x, depthwise, pointwise], after=[grad_x])
        between = _depthwise(build, scheme, x, depthwise)
        product = _pointwise(scheme, between, pointwise)
        grad_product, *grad_norm = layers.batch_norm_gradient(product, scale, repeat.norm, grad_x)
        grad_between, grad_pointwise = functions.gradients(product, [between, pointwise], grad_product)
        grad_x, grad_depthwise = functions.gradients(between, [x, depthwise], grad_between)
        grad_weights.insert(0, (grad_depthwise, grad_pointwise, *grad_norm))
    return grad_x, [tf.stack(gradients) for gradients in zip(*grad_weights, strict=True)]


def _repeats(weights):
    return list(zip(*[tf.unstack(w) for w in weights], strict=True))


def _depthwise(build, scheme, x, w):
    return ops.depthwise_conv2d(ops.activate(_in_range_of(scheme, build, x), scheme), w, scheme)


def _pointwise(scheme, x, w):
    return ops.conv2d(x, tf.reshape(w, [1, 1, *w.shape]), scheme)


def _in_range_of(scheme, build, x):
    """x as an op under `scheme` would get it in a network that is all under that scheme: its dtype, and the scale that
    batch norms start with there."""
    x, factor = tf.cast(x, scheme.dtype), scheme.norm_scale / build.scheme.norm_scale
    return x if factor == 1.0 else x * factor
