"""Parts of a child network that the search spaces of images share: the stem, the classifier, and what is between."""

import tensorflow.compat.v1 as tf

from enas import layers
from enas.cost import IMAGE_BITS
from quantize import ops


def stem(build, images, filters):
    """3x3 convolution of the images, and batch norm; `[N, H, W, filters]`."""
    scheme = build.end_scheme
    with tf.variable_scope("stem"):
        channels = images.shape[-1]
        bits = IMAGE_BITS if scheme.latent else None
        w = layers.weight(build, "w", [3, 3, channels, filters], 9 * channels, scheme, activation_bits=bits)
        x = layers.norm(build, ops.conv2d(ops.quantize_input(images, scheme), w, scheme))
        return tf.cast(x, build.scheme.dtype)


def reduction_inputs(x):
    """What the two 1x1 convolutions of a factorized reduction read (ENAS, 2.4).

    Every second pixel of x `[N, H, W, C]`, in both directions, from the first one on and from the second one on, zeros where
    an odd side has none; each `[N, ceil(H / 2), ceil(W / 2), C]`. Splits of whole rows and pixels, since strided slices and
    their gradients take several times as long.
    """
    odd = [[0, 0], *([0, int(side) % 2] for side in x.shape[1:3]), [0, 0]]
    x = tf.pad(x, odd) if any(end for _, end in odd) else x
    height, width, channels = (int(size) for size in x.shape[1:])
    rows = tf.split(tf.reshape(x, [-1, 2, width * channels]), 2, axis=1)
    pixels = [tf.split(tf.reshape(row, [-1, 2, channels]), 2, axis=1)[i] for i, row in enumerate(rows)]
    return [tf.reshape(pixel, [-1, height // 2, width // 2, channels]) for pixel in pixels]


def pool_3x3(op, x):
    """avg_pool_3x3 or max_pool_3x3 of stride 1, padding left out of averages; shape and dtype of x, `[N, H, W, C]`."""
    pool = {"avg_pool_3x3": _avg_pool, "max_pool_3x3": _max_pool}[op]
    return pool_with(pool, x)


def pool_with(function, x):
    """`function(x)`, a pool; accumulated in float32 where x is float16."""
    return ops.half_precision(function, x) if x.dtype == tf.float16 else function(x)


def _avg_pool(x):
    return tf.nn.avg_pool2d(x, 3, 1, "SAME")


def _max_pool(x):
    with tf.get_default_graph().gradient_override_map({"MaxPool": "MaxPoolRecomputed"}):
        return tf.nn.max_pool2d(x, 3, 1, "SAME")


@tf.RegisterGradient("MaxPoolRecomputed")
def _max_pool_gradient(op, gradient):
    """Max pool's gradient, from an output computed anew beside it.

    oneDNN notes where each maximum was and passes it on, but only within one graph: an op's forward and backward pass
    are two functions, and without the note the gradient takes three times as long as both together.
    """
    settings = {name: op.get_attr(name) for name in ("ksize", "strides", "padding")}
    x = op.inputs[0]
    return tf.raw_ops.MaxPoolGrad(
        orig_input=x, orig_output=tf.raw_ops.MaxPool(input=x, **settings), grad=gradient, **settings
    )


def conv1x1(build, name, x, filters):
    """1x1 convolution with a variable of its own; `[N, H, W, filters]`."""
    channels = x.shape[-1]
    w = layers.weight(build, name, [1, 1, channels, filters], channels, build.scheme)
    return ops.conv2d(x, w, build.scheme)


def classifier(build, x):
    """ReLU, global average pool, dropout, dense; `[N, num_classes]`."""
    with tf.variable_scope("classifier"):
        x = tf.reduce_mean(tf.nn.relu(tf.cast(x, tf.float32)), [1, 2])
        return dense(build, layers.dropout(build, x, "dropout"), build.end_scheme)


def dense(build, x, scheme):
    """Dense layer with variables of its own, from `[N, C]` to logits float32 `[N, num_classes]`."""
    channels = x.shape[-1]
    bits = 32 if scheme.latent else None  # what was pooled is not quantized again
    w = layers.weight(build, "w", [channels, build.num_classes], channels, scheme, activation_bits=bits)
    b = layers.constant_variable("b", [build.num_classes], 0.0)
    return ops.dense(x, w, b, scheme)
