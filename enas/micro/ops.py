"""The ops of a micro cell, then drop path: what each computes, and its gradient.

A fixed arc's slots run an op on variables of their own (`run_op`). The slots of a sampled arc share functions that switch
between the ops (enas/micro/op_switch.py). Both run `forward` and `backward`, so an arc means the same network in both.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import blocks, functions, layers, norms
from enas.graph.layers import BuildContext
from enas.micro.op_table import Op, op_table, weight_shapes
from enas.types import Tensor
from quantize import ops, schemes
from quantize.schemes import Scheme


def run_op(build: BuildContext, op: Op, x: Tensor, weights: Sequence[Tensor] = ()) -> Tensor:
    """Applies one op of the op table.

    Args:
      build: the `layers.BuildContext`.
      op: an `op_table.Op`.
      x: `[N, H, W, C]`, in the dtype of the build's scheme.
      weights: for a convolution, the variables of `op_table.weight_shapes`, in their order (and, where the build keeps
        them, moving mean and variance).

    Returns:
      `[N, H, W, C]`, x's dtype.
    """
    if not op.kernel or not build.training:
        return forward(build, op, x, weights)[0]
    count = len(weight_shapes(op, x.shape[-1], build.config))
    weights, moving = weights[:count], weights[count:]

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


def norm_start(build: BuildContext, op: Op) -> np.ndarray | None:
    """What the scales of a convolution's batch norms start at, to be broadcast to its shape; None: as all others.

    A low-bit op starts near an identity, by its shortcut and a small scale behind it, as an op of more bits does by its
    weights.
    """
    if not layers.is_low_bit(build, schemes.get(op.scheme)):
        return None
    return np.array([[build.norm_scale], [norms.SHORTCUT_SCALE]] if op.separable else [norms.SHORTCUT_SCALE])


NORM_KEPT = 3  # tensors


class Repeat(NamedTuple):
    """What the gradient of one repeat of a convolution takes: what goes in, `[N, H, W, C]`, and what
    `norms.batch_norm_gradient` takes, `NORM_KEPT` tensors. What the convolutions give is computed anew: keeping it would
    take a third of the memory of a step.
    """

    x: Tensor
    norm: list


def forward(
    build: BuildContext, op: Op, x: Tensor, weights: Sequence[Tensor], scheme: Scheme | None = None
) -> tuple[Tensor, list[Repeat], list[Tensor]]:
    """Computes an op: depthwise and 1x1 convolution, or a dense one, then batch norm, twice; or a pool, or nothing.

    Where the scheme is low-bit all through, each time is x + BN(conv(q(BN(depthwise(q(x)))))), or x + BN(conv(q(x))), q
    being the scheme's activation: a shortcut of real values, as in Bi-Real Net (arXiv 1808.00278), round a convolution that
    reads few bits everywhere.

    Args:
      build, op, x, weights: as of `run_op`, without moving averages.
      scheme: of a convolution; None: the op's own.

    Returns:
      y, the `Repeat`s that `backward` takes ([] of ops without weights), and the means and variances of all batch norms,
      of the shape of their scales.
    """
    if not op.kernel:
        return (x if op.kind == "identity" else blocks.pool_3x3(op.kind, x)), [], []
    scheme, dtype, kept, statistics = scheme or schemes.get(op.scheme), x.dtype, [], []
    low_bit = layers.is_low_bit(build, scheme)
    run, _ = _repeat_of(op, low_bit)
    for repeat_weights in _repeats(weights):
        y, *of_norm, norm_kept = run(build, scheme, x, *repeat_weights)
        kept.append(Repeat(x, norm_kept))
        statistics.append(of_norm)
        x = y + tf.cast(x, y.dtype) if low_bit else y
    return tf.cast(x, dtype), kept, [tf.stack(values) for values in zip(*statistics, strict=True)]


def backward(
    build: BuildContext,
    op: Op,
    x: Tensor,
    weights: Sequence[Tensor],
    kept: Sequence[Repeat],
    grad_y: Tensor,
    scheme: Scheme | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Returns the gradients of x and of the weights, a list; see `forward`."""
    if op.kind == "identity":
        return grad_y, []
    [grad_y] = functions.capture([grad_y])
    if not op.kernel:
        [x] = functions.capture([x])
        return functions.gradients(blocks.pool_3x3(op.kind, x), [x], grad_y)[0], []
    scheme = scheme or schemes.get(op.scheme)
    grad_weights: list[tuple[Tensor, ...]] = []
    grad_y = tf.cast(grad_y, scheme.dtype)
    low_bit = layers.is_low_bit(build, scheme)
    _, run = _repeat_of(op, low_bit)
    for repeat, repeat_weights in reversed(list(zip(kept, _repeats(weights), strict=True))):
        grad_x, *gradients = run(build, scheme, repeat, repeat_weights, grad_y)
        grad_y = grad_x + tf.cast(grad_y, grad_x.dtype) if low_bit else grad_x
        grad_weights.insert(0, tuple(gradients))
    return grad_y, [tf.stack(gradients) for gradients in zip(*grad_weights, strict=True)]


def _repeat_of(op: Op, low_bit: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What computes one repeat of a convolution, and what computes its gradient."""
    if not op.separable:
        return _dense_repeat, _grad_dense_repeat
    return (_low_bit_repeat, _grad_low_bit_repeat) if low_bit else (_separable_repeat, _grad_separable_repeat)


# One repeat without its shortcut: returns what `norms.batch_norm` does. Its gradient: those of x and of its weights.


def _dense_repeat(build, scheme, x, w, *norm):
    return norms.batch_norm(build, _dense(build, scheme, x, w), *norm)


def _separable_repeat(build, scheme, x, depthwise, pointwise, *norm):
    between = _depthwise(build, scheme, x, depthwise)
    return norms.batch_norm(build, _pointwise(build, scheme, between, pointwise), *norm)


def _low_bit_repeat(build, scheme, x, depthwise, pointwise, *pair):
    """A separable convolution with a batch norm and a quantizer between its halves; means and variances are `[2, C]`."""
    first, norm = zip(*map(tf.unstack, pair), strict=True)
    between, *of_first, _ = norms.batch_norm(build, _depthwise(build, scheme, x, depthwise), *first)
    y, *of_norm, kept = norms.batch_norm(build, _pointwise(build, scheme, between, pointwise), *norm)
    return y, *[tf.stack(pair) for pair in zip(of_first, of_norm, strict=True)], kept


def _grad_dense_repeat(build, scheme, repeat, weights, grad_y):
    w, scale, _ = weights
    x, w = functions.capture([repeat.x, w], after=[grad_y])
    product = _dense(build, scheme, x, w)
    grad_product, *grad_norm = norms.batch_norm_gradient(build, product, scale, repeat.norm, grad_y)
    return *functions.gradients(product, [x, w], grad_product), *grad_norm


def _grad_separable_repeat(build, scheme, repeat, weights, grad_y):
    depthwise, pointwise, scale, _ = weights
    x, depthwise, pointwise = functions.capture([repeat.x, depthwise, pointwise], after=[grad_y])
    between = _depthwise(build, scheme, x, depthwise)
    product = _pointwise(build, scheme, between, pointwise)
    grad_product, *grad_norm = norms.batch_norm_gradient(build, product, scale, repeat.norm, grad_y)
    grad_between, grad_pointwise = functions.gradients(product, [between, pointwise], grad_product)
    grad_x, grad_depthwise = functions.gradients(between, [x, depthwise], grad_between)
    return grad_x, grad_depthwise, grad_pointwise, *grad_norm


def _grad_low_bit_repeat(build, scheme, repeat, weights, grad_y):
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
    return grad_x, grad_depthwise, grad_pointwise, *grad_norms


def _repeats(weights):
    return list(zip(*[tf.unstack(w) for w in weights], strict=True))


def _depthwise(build, scheme, x, w):
    return ops.depthwise_conv2d(layers.activate(build, scheme, x), w, scheme)


def _dense(build, scheme, x, w):
    return ops.conv2d(layers.activate(build, scheme, x), w, scheme)


def _pointwise(build, scheme, x, w):
    x = layers.activate(build, scheme, x) if layers.is_low_bit(build, scheme) else x
    return ops.conv2d(x, tf.reshape(w, [1, 1, *w.shape]), scheme)
