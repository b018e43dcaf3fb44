"""The optimizer of language models: plain SGD with clipped gradients, and its learning rate."""

from collections.abc import Callable, Sequence

import tensorflow.compat.v1 as tf

from enas.distributed import collectives
from enas.graph import finite_check, functions
from enas.graph.layers import BuildContext
from enas.graph.optim import Update, of_rows
from enas.rnn.config import ChildConfig
from enas.types import Operation, Tensor


def learning_rate(config: ChildConfig, epoch: float) -> float:
    """Computes the learning rate at a moment of training: lr, times lr_dec_rate for each lr_dec_every epochs after
    lr_dec_start, at least lr_dec_min.

    Args:
      epoch: epochs done, at least 0, fractions included.
    """
    decays = max(0, (epoch - config.lr_dec_start) // config.lr_dec_every)
    return max(config.lr_dec_min, config.lr * config.lr_dec_rate**decays)


def update(
    build: BuildContext[ChildConfig], objective: Tensor, rate: Tensor, step: Tensor, also: Callable[[], Operation]
) -> Update:
    """Builds the training step of the variables named child/.

    Gradients of gathered weights stay rows: a weight that a step does not use costs nothing and does not change. If the
    loss or a gradient is not finite, nothing changes. Several workers take the step of the mean of their gradients, and
    all of them skip it if one of them has to.

    Args:
      build: what the child was built with.
      objective: float32 scalar.
      rate: float32 scalar, the learning rate.
      step: int64 variable, counted up by the step, also when it is skipped.
      also: builds an operation that runs after the weights have changed.
    """
    variables = tf.trainable_variables("child/")
    gradients = _averaged(functions.gradients(objective, variables), variables, build.workers)
    objective = collectives.total(objective, build.workers, mean=True)
    squares = finite_check.squares(gradients)
    norm = finite_check.global_norm(squares)
    check = finite_check.build_check(objective, squares, variables, norm_of_all_gradients=norm)
    factor = rate * build.config.grad_bound / tf.maximum(norm, build.config.grad_bound)

    def apply() -> Operation:
        changes = [_changed(v, g, factor) for v, g in zip(variables, gradients, strict=True)]
        with tf.control_dependencies(changes):
            return also()

    op, skipped = finite_check.guarded(check, apply, step)
    return Update(op, norm, tf.constant(1.0), False, skipped, check)


def _averaged(gradients: Sequence[Tensor], variables: Sequence[Tensor], workers: int) -> list[Tensor]:
    """Averages gradients over the workers; those of rows become ones of the rows that any worker used."""
    rows, means = collectives.mean_gradients(list(map(of_rows, gradients)), variables, workers)
    pairs = zip(rows, means, strict=True)
    return [mean if row is None else tf.IndexedSlices(mean, row) for row, mean in pairs]


def _changed(variable: Tensor, gradient: Tensor, factor: Tensor) -> Operation:
    """Subtracts the gradient times `factor` from a variable."""
    # The variable's own methods return its new value, which would copy all shared weights.
    if isinstance(gradient, tf.IndexedSlices):
        rows = gradient.values * factor
        return tf.raw_ops.ResourceScatterSub(resource=variable.handle, indices=gradient.indices, updates=rows)
    return tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=factor, delta=gradient)
