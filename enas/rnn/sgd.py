"""The optimizer of language models: plain SGD with clipped gradients, and its learning rate."""

import tensorflow.compat.v1 as tf

from enas.graph import finite_check, functions
from enas.graph.optim import Update


def learning_rate(config, epoch):
    """The rate at a moment of training: lr, times lr_dec_rate for each lr_dec_every epochs after lr_dec_start, at least
    lr_dec_min.

    Args:
      config: a `ChildConfig`.
      epoch: float >= 0, epochs done, fractions included.
    """
    decays = max(0, (epoch - config.lr_dec_start) // config.lr_dec_every)
    return max(config.lr_dec_min, config.lr * config.lr_dec_rate**decays)


def update(build, objective, rate, step, also):
    """Builds the training step.

    Gradients of gathered weights stay rows: what a step does not use costs nothing and does not change. If the loss or a
    gradient is not finite nothing changes.

    Args:
      build: the `layers.BuildContext` the child was built with; its variables are those named child/.
      objective: float32 scalar.
      rate: float32 scalar, the learning rate.
      step: int64 variable, counted up by the step, also when it is skipped.
      also: function without arguments that returns an operation, run after the weights have changed.

    Returns:
      `optim.Update`.
    """
    variables = tf.trainable_variables("child/")
    gradients = functions.gradients(objective, variables)
    squares = finite_check.squares(gradients)
    norm = finite_check.global_norm(squares)
    check = finite_check.build_check(objective, squares, variables, norm_of_all_gradients=norm)
    factor = rate * build.config.grad_bound / tf.maximum(norm, build.config.grad_bound)

    def apply():
        changes = [_changed(v, g, factor) for v, g in zip(variables, gradients, strict=True)]
        with tf.control_dependencies(changes):
            return also()

    op, skipped = finite_check.guarded(check, apply, step)
    return Update(op, norm, tf.constant(1.0), False, skipped, check)


def _changed(variable, gradient, factor):
    # The variables' own methods return their new values, which copies all shared weights.
    if isinstance(gradient, tf.IndexedSlices):
        rows = gradient.values * factor
        return tf.raw_ops.ResourceScatterSub(resource=variable.handle, indices=gradient.indices, updates=rows)
    return tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=factor, delta=gradient)
