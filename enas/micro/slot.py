"""What a slot of a micro cell computes: an op of the op table, then drop path.

`_forward` and `_backward` are the same code for a fixed arc and for a sampled one. A fixed arc's slots run them on variables
of their own (`run_op`). All slots of a sampled child that have one feature-map size share one function that switches
between the ops, and one for its gradient (`SharedSlot`). Both are kept out of line, which makes the graph small and quick to
start. What passes from the first to the second is the same for every op (`_packed`); TensorFlow's own gradient of a switch
would pass on what any of the branches might need.
"""

import math
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from enas.graph import blocks, functions, layers
from enas.micro.op_table import REPEATS, op_table
from quantize import ops, schemes


def run_op(build, op, x, weights=()):
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
        return _forward(build, op, x, weights)[0]
    weights, moving = weights[:4], weights[4:]

    def run(x, *weights):
        y, kept, statistics = _forward(build, op, x, weights)

        def gradient(grad_y, *_):
            grad_x, grad_weights = _backward(build, op, x, weights, kept, grad_y)
            return grad_x, *grad_weights

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


class SharedSlot:
    """What all slots of a sampled child are: functions that switch between the ops.

    infer: of (x, choice, weights); returns `[N, H, W, C]`.
    forward: of (x, choice, weights, mask); returns the same, and what `backward` takes.
    backward: of (x, choice, weights, mask, the output's gradient, and those); returns the gradients of x and of weights.

    x: `[N, H, W, C]`; choice: int32 scalar, the id of the op; weights: a row of `flat`; mask: see `drop_path`.

    Args:
      build: the `layers.BuildContext`.
    """

    def __init__(self, build):
        self.build, self.table = build, op_table(build.config)
        # float16 would not hold what passes from a float32 op's forward to its backward pass.
        self.kept_dtype = tf.float16 if all(op.scheme == "fp16" for op in convolutions(build)) else tf.float32
        self.infer, self.forward, self.backward = map(functions.out_of_line, (self._infer, self._run, self._gradients))

    def _infer(self, x, choice, weights):
        row = _Row(self.build, weights, x.shape[-1])
        return self._switch(choice, lambda op: _forward(self.build, op, x, row.of(op))[0])

    def _run(self, x, choice, weights, mask):
        """Returns y and what `_packed` makes of what `_backward` takes."""
        row = _Row(self.build, weights, x.shape[-1])

        def branch(op):
            y, kept, _ = _forward(self.build, op, x, row.of(op))
            return drop_path(op, y, mask), *_packed(kept, self.kept_dtype)

        return self._switch(choice, branch)

    def _gradients(self, x, choice, weights, mask, grad_y, *packed):
        """Returns the gradients of x and of weights."""
        row = _Row(self.build, weights, x.shape[-1])

        def branch(op):
            kept = _unpacked(packed, x, schemes.get(op.scheme)) if op.kernel else []
            grad_x, grad_weights = _backward(self.build, op, x, row.of(op), kept, drop_path(op, grad_y, mask))
            return grad_x, row.gradient(op, grad_weights)

        return self._switch(choice, branch)

    def _switch(self, choice, branch):
        return tf.switch_case(choice, [lambda op=op: branch(op) for op in self.table])


def convolutions(build):
    """The ops of the table that have weights."""
    return [op for op in op_table(build.config) if op.kernel]


def weight_shapes(op, channels):
    """Shapes of a convolution's depthwise and pointwise weights and batch-norm scale and offset."""
    norm = [REPEATS, channels]
    return [REPEATS, op.kernel, op.kernel, channels, 1], [REPEATS, channels, channels], norm, norm


def flat(banks):
    """Joins the rows `[n, ...]` of n slots from the banks of all convolutions, in the table's order, to what a `SharedSlot`
    takes: float32 `[n, P]`."""
    return tf.concat([tf.reshape(rows, [rows.shape[0], -1]) for rows in banks], axis=1)


class _Row:
    """A row of `flat`, float32 `[P]`: the weights of all convolutions for one slot of a number of channels."""

    def __init__(self, build, weights, channels):
        self.weights, self.channels, self.places, end = weights, channels, {}, 0
        for op in convolutions(build):
            start, end = end, end + sum(map(math.prod, weight_shapes(op, channels)))
            self.places[op] = start, end

    def of(self, op):
        """An op's own weights, a list, empty where it has none; see `run_op`."""
        if not op.kernel:
            return []
        start, end = self.places[op]
        shapes = weight_shapes(op, self.channels)
        parts = tf.split(self.weights[start:end], list(map(math.prod, shapes)))
        return [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]

    def gradient(self, op, grad_weights):
        """The gradient of the row from that of an op's own weights: zeros for all others."""
        start, end = self.places.get(op, (0, 0))
        own = tf.concat([tf.reshape(gradient, [-1]) for gradient in grad_weights] or [[]], axis=0)
        return tf.pad(own, [(start, self.weights.shape[0] - end)])


class _Repeat(NamedTuple):
    """What the gradient of one of a convolution's `REPEATS` takes: what goes in, `[N, H, W, C]`, and what
    `layers.batch_norm_gradient` takes, `_NORM_KEPT` tensors. What the convolutions give is computed anew: keeping it would
    take a third of the memory of a step.
    """

    x: object
    norm: list


_NORM_KEPT = 3
_IMAGES = REPEATS - 1  # without the first repeat's x: it is the slot's, which is there anyway


def _packed(kept, dtype):
    """What passes between the shared functions: a convolution's `_Repeat`s, or [] of another op, as a list of equally many
    tensors, `_IMAGES` of `dtype` and then those of the norms."""
    if not kept:
        return [tf.zeros([0], dtype)] * _IMAGES + [tf.zeros([0])] * (_NORM_KEPT * REPEATS)
    _, *images = [repeat.x for repeat in kept]
    return [tf.cast(image, dtype) for image in images] + [tensor for repeat in kept for tensor in repeat.norm]


def _unpacked(packed, x, scheme):
    """The `_Repeat`s that `_packed` was given, of a slot's input x and a convolution under `scheme`."""
    images, norms = [tf.cast(image, scheme.dtype) for image in packed[:_IMAGES]], packed[_IMAGES:]
    for image in images:
        image.set_shape(x.shape)
    return [_Repeat(image, norms[_NORM_KEPT * i : _NORM_KEPT * (i + 1)]) for i, image in enumerate([x, *images])]


def _forward(build, op, x, weights):
    """Returns y, the `_Repeat`s that `_backward` takes ([] of ops without weights), and the means and variances of all batch
    norms, `[2, C]`."""
    if not op.kernel:
        return (x if op.kind == "identity" else blocks.pool_3x3(op.kind, x)), [], []
    scheme, dtype, kept, statistics = schemes.get(op.scheme), x.dtype, [], []
    for depthwise, pointwise, *norm in _repeats(weights):
        between = _depthwise(build, scheme, x, depthwise)
        y, mean, variance, norm_kept = layers.batch_norm(build, _pointwise(scheme, between, pointwise), *norm)
        kept.append(_Repeat(x, norm_kept))
        statistics.append((mean, variance))
        x = y
    return tf.cast(x, dtype), kept, [tf.stack(values) for values in zip(*statistics, strict=True)]


def _backward(build, op, x, weights, kept, grad_y):
    """Returns the gradients of x and of the weights, a list."""
    if op.kind == "identity":
        return grad_y, []
    [grad_y] = functions.capture([grad_y])
    if not op.kernel:
        [x] = functions.capture([x])
        return functions.gradients(blocks.pool_3x3(op.kind, x), [x], grad_y)[0], []
    scheme, grad_weights = schemes.get(op.scheme), []
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
