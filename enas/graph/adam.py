"""Adam for latent weights, row by row.

Latent weights matter only by what they are rounded to, so the size of a gradient says little, and Adam (arXiv 1412.6980),
which divides it out, trains networks of few bits better than momentum does (Liu et al., arXiv 2106.11309;
docs/low_bit.md has the measurement). In a search a row of a bank is used once in tens of steps. Its moments and its step
count stand still in between.
"""

import tensorflow.compat.v1 as tf

from enas.types import Operation, Tensor

BETA1, BETA2 = 0.9, 0.99
EPSILON = 1e-7


def step(variable: Tensor, rows: Tensor | None, gradient: Tensor, rate: Tensor) -> Operation:
    """Applies one step of Adam to a variable of latent weights, or to some of its rows, and clips what it changed to
    [-1, 1] (BinaryConnect, arXiv 1511.00363, section 2.4).

    Args:
      variable: float32 `[R, ...]`.
      rows: int32 `[n]`, of which none comes twice; None: the whole variable.
      gradient: float32 `[n, ...]`, or of the variable's shape.
      rate: float32 scalar, the learning rate.
    """
    with tf.variable_scope("optimizer/adam"):
        name = variable.op.name
        first, second = (_zeros(f"{name}/{moment}", variable.shape) for moment in ("m", "v"))
        steps = _zeros(f"{name}/steps", variable.shape[:1])
    done = _read(steps, rows) + 1.0
    m = BETA1 * _read(first, rows) + (1.0 - BETA1) * gradient
    v = BETA2 * _read(second, rows) + (1.0 - BETA2) * tf.square(gradient)
    # Both corrections for moments that start at 0, as one factor for each row.
    factor = rate * tf.sqrt(1.0 - tf.pow(BETA2, done)) / (1.0 - tf.pow(BETA1, done))
    change = tf.reshape(factor, [-1] + [1] * (variable.shape.rank - 1)) * m / (tf.sqrt(v) + EPSILON)
    values = tf.clip_by_value(_read(variable, rows) - change, -1.0, 1.0)
    pairs = ((first, m), (second, v), (steps, done), (variable, values))
    return tf.group(*[_write(target, rows, value) for target, value in pairs])


def _zeros(name: str, shape: tf.TensorShape) -> Tensor:
    return tf.get_variable(name, shape, tf.float32, tf.zeros_initializer(), trainable=False, use_resource=True)


def _read(variable: Tensor, rows: Tensor | None) -> Tensor:
    return variable.read_value() if rows is None else tf.gather(variable, rows)


def _write(variable: Tensor, rows: Tensor | None, values: Tensor) -> Operation:
    if rows is None:
        return tf.raw_ops.AssignVariableOp(resource=variable.handle, value=values)
    # The variable's own method returns the new value, which copies the whole bank.
    return tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=rows, updates=values)
