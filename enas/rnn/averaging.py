"""Averaged SGD (Polyak and Juditsky 1992): the mean of the weights of all steps from --child_average_start on.

Each weight has its mean beside it. Training goes on from the weights; scoring takes the means once there are any.
"""

from collections.abc import Callable, Sequence

import tensorflow.compat.v1 as tf

from enas.graph import layers
from enas.graph.layers import BuildContext
from enas.rnn.config import ChildConfig
from enas.types import Operation, Tensor


def variable(
    build: BuildContext[ChildConfig], name: str, shape: Sequence[int], initial: Callable[..., Tensor]
) -> Tensor:
    """Makes a float32 trainable variable in the current scope.

    Args:
      initial: the variable's initializer.

    Returns:
      The variable itself while training, its mean while scoring.
    """
    weights = tf.get_variable(name, shape, tf.float32, initial, use_resource=True)
    if build.config.average_start < 0:
        return weights
    mean = tf.get_variable(f"{name}_mean", shape, tf.float32, tf.zeros_initializer(), trainable=False)
    if build.training:
        return weights
    return tf.cond(_steps() > 0, mean.read_value, weights.read_value)


def update(build: BuildContext[ChildConfig], per_epoch: int) -> Operation:
    """Builds the operation that takes the weights, as they are after a step, into their means.

    Args:
      build: of the training; its step counts the steps done before.
      per_epoch: steps of an epoch.
    """
    if build.config.average_start < 0:
        return tf.no_op()
    with tf.variable_scope("child", reuse=tf.AUTO_REUSE):
        steps = _steps()
    means = {v.name: v for v in tf.global_variables("child/")}
    pairs = [(means[v.name.replace(":0", "_mean:0")], v) for v in tf.trainable_variables("child/")]

    def average() -> Tensor:
        with tf.control_dependencies([steps.assign_add(1)]):
            count = tf.cast(steps.read_value(), tf.float32)
            changes = [mean.assign_add((weights - mean) / count) for mean, weights in pairs]
        with tf.control_dependencies(changes):
            return tf.constant(True)

    started = build.step >= build.config.average_start * per_epoch
    return tf.cond(started, average, lambda: tf.constant(False))


def _steps() -> Tensor:
    """Makes the int64 variable that counts the steps that the means are of."""
    return layers.counter("averaged_steps")
