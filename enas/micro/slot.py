"""What a slot of a micro cell computes: an op of the op table, then drop path.

`_forward` and `_backward` are the same code for a fixed arc and for a sampled one. A fixed arc's slots run them on variables
of their own (`run_op`). All slots of a sampled child that have one feature-map size share one function that switches
between the ops, and one for its gradient (`function`). Both are kept out of line, which makes the graph small and quick to
start. What passes from the first to the second is the same for every op; TensorFlow's own gradient of a switch would pass on
what any of the branches might need.
"""

import math

import tensorflow.compat.v1 as tf

from enas import blocks, functions, layers
from enas.micro.op_table import REPEATS, op_table
from quantize import ops, schemes

# Of each repeat: what goes in (the first time that is the slot's input, which is there anyway), what the depthwise
# convolution gives, and what the batch norm's gradient takes.
KEPT_IMAGES, KEPT_VECTORS = 2 * REPEATS - 1, 3 * REPEATS


def run_op(build, op, x, weights=()):
    """Applies one op of the op table.

    Args:
      build: the `layers.Build`.
      op: an `op_table.Op`.
      x: `[N, H, W, C]`, in the dtype of the build's scheme.
      weights: for a convolution, its depthwise `[2, k, k, C, 1]`, pointwise `[2, C, C]`, batch-norm scale and offset
        `[2, C]` (and, where the build keeps them, moving mean and variance), the 2 being the times it is applied.

    Returns:
      `[N, H, W, C]`, x's dtype.
    """
    if not op.kernel or not build.training:
        return _forward(build, op, x, weights)[0]
    weights, moving = weights[:4], weights[4:]

    def run(x, *weights):
        y, images, vectors, statistics = _forward(build, op, x, weights)

        def gradient(of_y, *_):
            of_x, of_weights = _backward(build, op, x, weights, images, vectors, of_y)
            return of_x, *of_weights

        return [y, *statistics], gradient

    y, *statistics = functions.with_gradient(run, x, *weights)
    layers.track(build, moving, *statistics)
    return y


def drop_path(op, x, mask):
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


def _forward(build, op, x, weights):
    """Returns y, what `_backward` takes as images and vectors, and the means and variances of all batch norms, `[2, C]`.

    Of all that is computed on the way only what is costly is kept for the gradient. That is half the memory of a search.
    """
    if not op.kernel:
        return (x if op.kind == "identity" else blocks.pool_3x3(op.kind, x)), [], [], []
    scheme, dtype, images, vectors, statistics = schemes.get(op.scheme), x.dtype, [], [], []
    for depthwise, pointwise, *norm in _repeats(weights):
        between = _depthwise(build, scheme, x, depthwise)
        images += [x, between]
        x, mean, variance, kept = layers.batch_norm(build, _pointwise(scheme, between, pointwise), *norm)
        vectors += kept
        statistics.append((mean, variance))
    return tf.cast(x, dtype), images[1:], vectors, [tf.stack(values) for values in zip(*statistics, strict=True)]


def _backward(build, op, x, weights, images, vectors, of_y):
    """Returns the gradients of x and of the weights, a list."""
    if op.kind == "identity":
        return of_y, []
    if not op.kernel:
        [x] = functions.local([x])
        return functions.gradients(blocks.pool_3x3(op.kind, x), [x], of_y)[0], []
    scheme, of_weights, images = schemes.get(op.scheme), [], [x, *images]
    of_x = tf.cast(of_y, scheme.dtype)
    for i, (depthwise, pointwise, scale, _) in reversed(list(enumerate(_repeats(weights)))):
        x, between = images[2 * i : 2 * i + 2]
        between, pointwise = functions.local([between, pointwise])
        product = _pointwise(scheme, between, pointwise)
        of_product, *of_norm = layers.batch_norm_gradient(product, scale, vectors[3 * i : 3 * i + 3], of_x)
        of_between, of_pointwise = functions.gradients(product, [between, pointwise], of_product)
        x, depthwise = functions.local([x, depthwise])
        y = _depthwise(build, scheme, x, depthwise)
        of_x, of_depthwise = functions.gradients(y, [x, depthwise], of_between)
        of_weights.insert(0, (of_depthwise, of_pointwise, *of_norm))
    return of_x, [tf.stack(gradients) for gradients in zip(*of_weights, strict=True)]


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


def convolutions(build):
    """The ops of the table that have weights."""
    return [op for op in op_table(build.config) if op.kernel]


def weight_shapes(op, channels):
    """Shapes of a convolution's depthwise and pointwise weights and batch-norm scale and offset."""
    norm = [REPEATS, channels]
    return [REPEATS, op.kernel, op.kernel, channels, 1], [REPEATS, channels, channels], norm, norm


def flat(banks):
    """Joins the rows `[n, ...]` of n slots from the banks of all convolutions, in the table's order, to what `function`
    takes: float32 `[n, P]`."""
    return tf.concat([tf.reshape(rows, [rows.shape[0], -1]) for rows in banks], axis=1)


def function(build):
    """Returns the function `(x, id of the op, weights, *[mask]) -> y` that all slots of a sampled child share; weights are
    a row of `flat`, mask is drop path's."""
    table = op_table(build.config)
    # float16 would not hold what passes from a float32 op's forward to its backward pass.
    dtype = tf.float16 if all(op.scheme == "fp16" for op in convolutions(build)) else tf.float32

    def switched(id, branch):
        return tf.switch_case(id, [lambda op=op: branch(op) for op in table])

    def infer(x, id, weights):
        return switched(id, lambda op: _forward(build, op, x, _unpacked(build, op, x, weights)[0])[0])

    def forward(x, id, weights, mask=None):
        def branch(op):
            y, images, vectors, _ = _forward(build, op, x, _unpacked(build, op, x, weights)[0])
            images = [tf.cast(image, dtype) for image in images] or [tf.zeros([0], dtype)] * KEPT_IMAGES
            return drop_path(op, y, mask), *images, *(vectors or [tf.zeros([0])] * KEPT_VECTORS)

        return switched(id, branch)

    def backward(x, id, weights, mask, of_y, *kept):
        def branch(op):
            own, padding = _unpacked(build, op, x, weights)
            images = [tf.cast(image, schemes.get(op.scheme).dtype) for image in kept[:KEPT_IMAGES]] if op.kernel else ()
            for image in images:
                image.set_shape(x.shape)
            of_x, of_own = _backward(build, op, x, own, images, kept[KEPT_IMAGES:], drop_path(op, of_y, mask))
            of_own = tf.concat([tf.reshape(gradient, [-1]) for gradient in of_own] or [[]], axis=0)
            return of_x, tf.pad(of_own, [padding])

        return switched(id, branch)

    if not build.training:
        return functions.out_of_line(infer)
    forward, backward = functions.out_of_line(forward), functions.out_of_line(backward)

    def slot(x, id, weights, mask=None):
        def run(x, weights):
            y, *kept = forward(x, id, weights, mask)
            return y, lambda of_y: backward(x, id, weights, mask, of_y, *kept)

        return functions.with_gradient(run, x, weights)

    return slot


def _unpacked(build, op, x, weights):
    """An op's own weights out of a row of `flat`, and how many others lie before and behind them."""
    table, channels = convolutions(build), x.shape[-1]
    if op not in table:
        return (), (0, weights.shape[0])
    sizes = {other: sum(map(math.prod, weight_shapes(other, channels))) for other in table}
    before = sum(sizes[other] for other in table[: table.index(op)])
    shapes = weight_shapes(op, channels)
    parts = tf.split(weights[before : before + sizes[op]], list(map(math.prod, shapes)))
    own = [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]
    return own, (before, sum(sizes.values()) - before - sizes[op])
