"""What all slots of a sampled micro cell share: functions that switch between the ops of the op table.

All slots of one feature-map size share one function, and one for its gradient. Both are kept out of line, which makes the
graph small and quick to start. What passes from the first to the second is the same for every op (`_packed`); TensorFlow's
own gradient of a switch would pass on what any of the branches might need.

Ops that share a bank, the same convolution under several low-bit schemes, share a branch as well, in which nothing but the
quantizers is switched: what a step costs hardly grows with the number of schemes.
"""

import functools
import math
from collections.abc import Callable, Sequence

import tensorflow.compat.v1 as tf

from enas.graph import functions
from enas.graph.layers import BuildContext
from enas.micro import ops
from enas.micro.op_table import REPEATS, Op, op_table, weight_shapes
from enas.types import Tensor
from quantize import schemes
from quantize.ops import activate
from quantize.schemes import Quantizer, Scheme

_IMAGES = REPEATS - 1  # without the first repeat's x: it is the slot's, which is there anyway


class SharedSlot:
    """What all slots of a sampled child are: functions that switch between the ops.

    infer: of (x, choice, weights); returns `[N, H, W, C]`.
    forward: of (x, choice, weights, mask); returns the same, and what `ops.backward` takes.
    backward: of (x, choice, weights, mask, the output's gradient, and those); returns the gradients of x and of weights.

    x: `[N, H, W, C]`; choice: int32 scalar, the id of the op; weights: a row of `flat`; mask: see `ops.drop_path`.

    Args:
      build: the `layers.BuildContext`.
    """

    def __init__(self, build: BuildContext) -> None:
        self.build, self.table = build, op_table(build.config)
        latent = [group for group in ops.banks(build) if schemes.get(group[0].scheme).latent]
        shared = {op: group for group in latent for op in group}
        self.groups = {group: _schemes(group) for group in (shared.get(op, (op,)) for op in self.table)}
        # float16 would not hold what passes from a float32 op's forward to its backward pass.
        self.kept_dtype = tf.float16 if all(op.scheme == "fp16" for op in ops.convolutions(build)) else tf.float32
        self.infer = functions.out_of_line(self._infer)
        self.forward = functions.out_of_line(self._run)
        self.backward = functions.out_of_line(self._gradients)

    def _infer(self, x, choice, weights):
        row = _Row(self.build, weights, x.shape[-1])
        return self._switch(choice, lambda op, scheme: ops.forward(self.build, op, x, row.of(op), scheme)[0])

    def _run(self, x, choice, weights, mask):
        """Returns y and what `_packed` makes of what `ops.backward` takes."""
        row = _Row(self.build, weights, x.shape[-1])

        def branch(op, scheme):
            y, kept, _ = ops.forward(self.build, op, x, row.of(op), scheme)
            return ops.drop_path(op, y, mask), *_packed(kept, self.kept_dtype)

        return self._switch(choice, branch)

    def _gradients(self, x, choice, weights, mask, grad_y, *packed):
        """Returns the gradients of x and of weights."""
        row = _Row(self.build, weights, x.shape[-1])

        def branch(op, scheme):
            kept = _unpacked(packed, x, scheme) if op.kernel else []
            dropped = ops.drop_path(op, grad_y, mask)
            grad_x, grad_weights = ops.backward(self.build, op, x, row.of(op), kept, dropped, scheme)
            return grad_x, row.gradient(op, grad_weights)

        return self._switch(choice, branch)

    def _switch(self, choice, branch):
        """Calls `branch(op, scheme)` of the group of the op that is chosen, with the group's first op."""
        place = {op: (number, index) for number, group in enumerate(self.groups) for index, op in enumerate(group)}
        number, index = tf.unstack(tf.gather(tf.constant([place[op] for op in self.table], tf.int32), choice))
        return tf.switch_case(
            number, [lambda group=group, at=at: branch(group[0], at(index)) for group, at in self.groups.items()]
        )


def _schemes(group: Sequence[Op]) -> Callable[[Tensor], Scheme | None]:
    """Returns what makes of an index the scheme of the op of a group that has it: one whose quantizers are switched where
    there are several ops; None of ops without weights."""
    of_ops = [schemes.get(op.scheme) for op in group if op.kernel]
    if len(of_ops) < 2:
        return lambda _index: of_ops[0] if of_ops else None
    weights = _switched([scheme.weights for scheme in of_ops])
    activation = _switched([functools.partial(activate, scheme=scheme, unit_variance=True) for scheme in of_ops])
    return lambda index: Scheme("switched", weights(index), activation(index))


def _switched(quantizers: Sequence[Quantizer]) -> Callable[[Tensor], Quantizer]:
    """Returns what makes of an index the quantizer that has it, with its gradient. The graph holds the functions that switch
    once for each shape."""

    def quantized(x: Tensor, index: Tensor) -> Tensor:
        return tf.switch_case(index, [lambda q=q: q(x) for q in quantizers])

    def grad_x(x: Tensor, index: Tensor, grad_y: Tensor) -> Tensor:
        def gradient(quantizer):
            inner = tf.identity(x)
            return functions.gradients(quantizer(inner), [inner], grad_y)[0]

        return tf.switch_case(index, [lambda q=q: gradient(q) for q in quantizers])

    quantized, grad_x = functions.once(quantized), functions.once(grad_x)

    def with_index(index: Tensor) -> Quantizer:
        def run(x):
            return quantized(x, index), lambda grad_y: grad_x(x, index, grad_y)

        return lambda x: functions.with_gradient(run, x)

    return with_index


def flat(banks: Sequence[Tensor]) -> Tensor:
    """Joins the rows `[n, ...]` of n slots from all banks, in the order of `ops.banks`, to what a `SharedSlot` takes:
    float32 `[n, P]`."""
    return tf.concat([tf.reshape(rows, [rows.shape[0], -1]) for rows in banks], axis=1)


class _Row:
    """A row of `flat`, float32 `[P]`: what one slot of a number of channels gathers from all banks."""

    def __init__(self, build, weights, channels):
        self.build, self.weights, self.channels = build, weights, channels
        self.places: dict[Op, tuple[int, int]] = {}
        end = 0
        for group in ops.banks(build):
            start, end = end, end + sum(map(math.prod, self._shapes(group[0])))
            self.places |= dict.fromkeys(group, (start, end))

    def of(self, op):
        """An op's own weights, a list, empty where it has none; see `run_op`."""
        if not op.kernel:
            return []
        start, end = self.places[op]
        shapes = self._shapes(op)
        parts = tf.split(self.weights[start:end], list(map(math.prod, shapes)))
        return [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]

    def _shapes(self, op):
        return list(weight_shapes(op, self.channels, self.build.config).values())

    def gradient(self, op, grad_weights):
        """The gradient of the row from that of an op's own weights: zeros for all others."""
        start, end = self.places.get(op, (0, 0))
        own = tf.concat([tf.reshape(gradient, [-1]) for gradient in grad_weights] or [[]], axis=0)
        return tf.pad(own, [(start, self.weights.shape[0] - end)])


def _packed(kept, dtype):
    """What passes between the shared functions: a convolution's `ops.Repeat`s, or [] of another op, as a list of equally
    many tensors, `_IMAGES` of `dtype` and then those of the norms."""
    if not kept:
        return [tf.zeros([0], dtype)] * _IMAGES + [tf.zeros([0])] * (ops.NORM_KEPT * REPEATS)
    _, *images = [repeat.x for repeat in kept]
    return [tf.cast(image, dtype) for image in images] + [tensor for repeat in kept for tensor in repeat.norm]


def _unpacked(packed, x, scheme):
    """The `ops.Repeat`s that `_packed` was given, of a slot's input x and a convolution under `scheme`."""
    images, norms = [tf.cast(image, scheme.dtype) for image in packed[:_IMAGES]], packed[_IMAGES:]
    for image in images:
        image.set_shape(x.shape)
    return [
        ops.Repeat(image, norms[ops.NORM_KEPT * i : ops.NORM_KEPT * (i + 1)]) for i, image in enumerate([x, *images])
    ]
