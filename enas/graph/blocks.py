"""Parts of a child network that the search spaces of images share: the stem, the classifier, and what is between."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from enas.costs.cost import IMAGE_BITS
from enas.graph import functions, layers, norms
from enas.graph.layers import BuildContext
from enas.options.config import ChildConfig
from enas.types import Operation, Tensor
from quantize import ops
from quantize.schemes import Scheme


def stem(build: BuildContext[ChildConfig], images: Tensor, filters: int) -> Tensor:
    """Builds the stem: a 3x3 convolution of the images, and batch norm. Returns `[N, H, W, filters]`."""
    scheme = build.end_scheme
    with tf.variable_scope("stem"):
        channels = images.shape[-1]
        bits = IMAGE_BITS if scheme.latent else None
        w = layers.weight(build, "w", [3, 3, channels, filters], 9 * channels, scheme, activation_bits=bits)
        x = norms.norm(build, ops.conv2d(ops.quantize_input(images, scheme), w, scheme))
        return tf.cast(x, build.scheme.dtype)


def reduction_inputs(x: Tensor, beyond: float = 0.0) -> list[Tensor]:
    """Returns what the two 1x1 convolutions of a factorized reduction read (ENAS, section 2.4): of x `[N, H, W, C]`
    every second pixel of every second row, beginning with the first of each, and beginning with the second.

    Pixels are gathered, in the gradient too, because slices with strides are slow there.

    Args:
      beyond: what lies beyond an odd side.

    Returns:
      Two tensors `[N, ceil(H / 2), ceil(W / 2), C]`.
    """
    _, height, width, _ = x.shape
    if height % 2 or width % 2:
        x = tf.pad(x, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]], constant_values=beyond)
    return functions.with_gradient(_two_of_four, x)


def _two_of_four(x: Tensor) -> tuple[list[Tensor], Callable[..., Tensor]]:
    """Computes `reduction_inputs` of an x with even sides; returns them and their gradient."""
    count, height, width, channels = x.shape
    places = np.arange(height * width).reshape(height, width)
    first, second = places[::2, ::2].ravel(), places[1::2, 1::2].ravel()
    # Where each pixel's gradient lies: among the first, the second, or the zeros that come last.
    origins = np.full(height * width, 2 * len(first))
    origins[first], origins[second] = np.arange(len(first)), np.arange(len(first)) + len(first)
    first, second, origins = (tf.constant(indices, tf.int32) for indices in (first, second, origins))
    pixels = tf.reshape(x, [count, height * width, channels])
    halves = [tf.gather(pixels, indices, axis=1) for indices in (first, second)]

    def gradient(*grad_halves: Tensor) -> Tensor:
        flat = [tf.reshape(grad_half, [count, -1, channels]) for grad_half in grad_halves]
        grad_pixels = tf.concat([*flat, tf.zeros([count, 1, channels], x.dtype)], axis=1)
        return tf.reshape(tf.gather(grad_pixels, origins, axis=1), x.shape)

    return [tf.reshape(half, [count, height // 2, width // 2, channels]) for half in halves], gradient


def pool_3x3(op: str, x: Tensor) -> Tensor:
    """Applies avg_pool_3x3 or max_pool_3x3, stride 1. Averages leave out the padding.

    Args:
      op: the name of the pool.
      x: `[N, H, W, C]`.

    Returns:
      Shape and dtype of x.
    """
    pool = {"avg_pool_3x3": _avg_pool, "max_pool_3x3": _max_pool}[op]
    return pool_with(pool, x)


def pool_with(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Applies a pool, `function(x)`, which accumulates in float32 where x is float16."""
    return ops.half_precision(function, x) if x.dtype == tf.float16 else function(x)


def _avg_pool(x: Tensor) -> Tensor:
    with tf.get_default_graph().gradient_override_map({"AvgPool": "AvgPoolOfGradient"}):
        return tf.nn.avg_pool2d(x, 3, 1, "SAME")


@tf.RegisterGradient("AvgPoolOfGradient")
def _avg_pool_gradient(op: Operation, grad_y: Tensor) -> Tensor:
    """The gradient of an average pool of stride 1, computed by another average pool in half the time of oneDNN's
    gradient.

    A sum over 3x3 pixels is its own transpose. Only the number of pixels that each average counts comes in between.
    """
    sides = (np.arange(side) for side in op.inputs[0].shape[1:3])
    counts = [np.minimum(side + 2, len(side)) - np.maximum(side - 1, 0) for side in sides]
    counts = tf.constant(np.outer(*counts)[..., None], grad_y.dtype)
    return counts * tf.nn.avg_pool2d(grad_y / counts, 3, 1, "SAME")


def _max_pool(x: Tensor) -> Tensor:
    with tf.get_default_graph().gradient_override_map({"MaxPool": "MaxPoolRecomputed"}):
        return tf.nn.max_pool2d(x, 3, 1, "SAME")


@tf.RegisterGradient("MaxPoolRecomputed")
def _max_pool_gradient(op: Operation, grad_y: Tensor) -> Tensor:
    """The gradient of a max pool, from an output that is recomputed beside it.

    oneDNN notes where each maximum was and passes the note on, but only within one graph. The forward and the backward
    pass of an op are two functions here, and without the note the gradient takes three times as long as both together.
    """
    settings = {name: op.get_attr(name) for name in ("ksize", "strides", "padding")}
    x = op.inputs[0]
    return tf.raw_ops.MaxPoolGrad(
        orig_input=x, orig_output=tf.raw_ops.MaxPool(input=x, **settings), grad=grad_y, **settings
    )


def conv1x1_weights(build: BuildContext[ChildConfig], name: str, channels: int, filters: int) -> Tensor:
    """Makes the weights of a 1x1 convolution of the glue, `[1, 1, channels, filters]`."""
    return layers.weight(build, name, [1, 1, channels, filters], channels, build.glue)


def square_conv1x1_weights(
    build: BuildContext[ChildConfig],
    name: str,
    rows: Sequence[int],
    used: float,
    channels: int,
    scheme: Scheme | None = None,
) -> Tensor:
    """Makes the weights `[*rows, C, C]` of 1x1 convolutions, which start around an identity.

    Args:
      used: how many of the rows typically add up to one output.
      scheme: of the convolutions; None: the glue's.
    """
    shape = [*rows, channels, channels]
    return layers.weight(build, name, shape, used * channels, scheme or build.glue, np.eye(channels))


def act_conv1x1(build: BuildContext[ChildConfig], x: Tensor, w: Tensor) -> Tensor:
    """Applies the glue's activation, then its 1x1 convolution, to x `[N, H, W, C]`; w is `[1, 1, C, D]`."""
    y = ops.conv2d(layers.activate(build, build.glue, x), w, build.glue)
    return tf.cast(y, build.scheme.dtype)


def classifier(build: BuildContext[ChildConfig], x: Tensor) -> Tensor:
    """Builds the classifier: ReLU, global average pool, dropout, dense layer. Returns `[N, num_classes]`."""
    with tf.variable_scope("classifier"):
        x = tf.reduce_mean(tf.nn.relu(tf.cast(x, tf.float32)), [1, 2])
        return dense(build, layers.dropout(build, x, "dropout"), build.end_scheme)


def dense(build: BuildContext[ChildConfig], x: Tensor, scheme: Scheme) -> Tensor:
    """Builds a dense layer with variables of its own, from x `[N, C]` to logits float32 `[N, num_classes]`."""
    channels = x.shape[-1]
    bits = 32 if scheme.latent else None  # what was pooled is not quantized again
    w = layers.weight(build, "w", [channels, build.num_classes], channels, scheme, activation_bits=bits)
    b = layers.constant_variable("b", [build.num_classes], 0.0)
    return ops.dense(x, w, b, scheme)
