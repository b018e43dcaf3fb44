"""The child's optimizer: learning-rate schedule, loss scaling, clipping, weight decay, Nesterov momentum, and Adam for
latent weights."""

import dataclasses
import math
from collections.abc import Sequence

import tensorflow.compat.v1 as tf

from enas.distributed import collectives
from enas.graph import adam, finite_check, functions, layers, norms
from enas.graph.finite_check import FiniteCheck
from enas.graph.layers import BuildContext
from enas.options.config import ChildConfig
from enas.types import Operation, Tensor

MOMENTUM = 0.9
FIRST_LOSS_SCALE = 2.0**15
LARGEST_LOSS_SCALE = 2.0**24
GOOD_STEPS_TO_GROW = 2000


def learning_rate(config: ChildConfig, epoch: float) -> float:
    """Computes the learning rate at a moment of training: cosine annealing with warm restarts (SGDR, arXiv 1608.03983,
    eq. 5), per step.

    Args:
      epoch: epochs done, at least 0, fractions included.

    Returns:
      `lr_max` at the start of each period, falling to `lr_min` at its end; always `lr_max` without --child_lr_cosine.
    """
    if not config.lr_cosine:
        return config.lr_max
    period = config.lr_T_0
    while epoch >= period:
        epoch -= period
        period *= config.lr_T_mul
    return config.lr_min + 0.5 * (config.lr_max - config.lr_min) * (1 + math.cos(math.pi * epoch / period))


@dataclasses.dataclass(frozen=True)
class Update:
    """One training step's operation and figures.

    Attributes:
      op: runs the step.
      grad_norm: float32 scalar, global norm of the unscaled gradients before clipping and weight decay.
      loss_scale: float32 scalar, the loss scale of the step.
      dynamic: the loss scale adapts itself.
      skipped: int64 scalar, steps skipped so far, this one included, because a number was not finite.
      finite_check: the check of the step, which is skipped if a number is not finite.
    """

    op: Operation
    grad_norm: Tensor
    loss_scale: Tensor
    dynamic: bool
    skipped: Tensor
    finite_check: FiniteCheck


def update(
    build: BuildContext[ChildConfig], objective: Tensor, variables: Sequence[Tensor], rate: Tensor, step: Tensor
) -> Update:
    """Builds the training step.

    The gradients of `objective` times the loss scale are divided by the loss scale and clipped. They then gain the
    weight decay 2 * l2_reg * w, the gradient of l2_reg * sum(w^2) over all trainable variables that momentum trains.

    In a search, weights that the arc does not use have no gradient of their own (or zeros: the other ops' rows of a
    slot in use), but their momentum goes on. A bank's row is used once in tens of steps. If its momentum stood still in
    between, a gradient would take as many visits as momentum has memory to have its effect. Adam's steps do not depend on
    the size of a gradient; its rows stand still (`adam.py`).

    If the loss, a gradient or a batch's statistics are not finite, the step is skipped: no weight, momentum or moving
    average changes, and a dynamic loss scale halves (arXiv 1710.03740, section 3.2).

    Several workers take the step that the mean of their gradients makes, and all of them skip it if one of them has to.

    Args:
      build: what the child was built with.
      objective: float32 scalar.
      variables: the trainable variables.
      rate: float32 scalar, the learning rate.
      step: int64 variable, counted up by the step, also when it is skipped.
    """
    with tf.variable_scope("optimizer"):
        scale, good_steps = _loss_scale_variables(build.config)
    # Read before the step adapts it, so that the scale reported is the scale used.
    used_scale = tf.identity(scale)
    # Each gradient is that of a whole variable or of the rows that the step uses. Only `_apply` asks which.
    several = build.towers > 1
    found = list(map(of_rows, functions.gradients(objective * used_scale, variables, colocate=several)))
    # Of several workers, what a step is made of is averaged first. The overflow of one makes the mean infinite for all.
    rows, scaled = collectives.mean_gradients(found, variables, build.workers, several)
    objective = collectives.total(objective, build.workers, mean=True)
    _average_statistics(build)
    gradients = list(scaled) if "fp16" not in build.config.schemes else [g / used_scale for g in scaled]
    squares = finite_check.squares(gradients)
    norm = finite_check.global_norm(squares)
    gradients = _latent_scaled(_clipped(gradients, norm, build.config), variables, build)
    moves = _moves(rows, gradients, variables, build.config.l2_reg)
    # At a learning rate for which weight decay explodes, decay alone may overflow.
    checked = [
        square_of_move if row is None else square_of_move + square
        for row, square_of_move, square in zip(rows, finite_check.squares(moves), squares, strict=True)
    ]
    check = finite_check.build_check(objective, checked, variables, norm_of_all_gradients=norm, **_statistics(build))

    def apply() -> Operation:
        averages = [v.assign_sub((1 - norms.DECAY) * (v - value)) for v, value in build.moving_updates]
        steps = list(zip(variables, moves, rows, gradients, strict=True))
        latent_rate = rate * (build.config.latent_lr / build.config.lr_max)
        by_adam = [adam.step(v, row, g, latent_rate) for v, _, row, g in steps if _by_adam(build, v)]
        moved = _apply_momentum(rate, [step for step in steps if not _by_adam(build, step[0])])
        with tf.control_dependencies([moved]):
            # BinaryConnect (arXiv 1511.00363, section 2.4) clips latent weights.
            latent = [v for v in variables if v.name in build.latent and not _by_adam(build, v)]
            clipped = [v.assign(tf.clip_by_value(v, -1.0, 1.0)) for v in latent]
        return tf.group(moved, *by_adam, *clipped, *averages)

    taken, skipped = finite_check.guarded(check, apply, step)
    with tf.control_dependencies([taken]):
        op = tf.group(taken, *_adapt_loss_scale(scale, good_steps, check.all))
    return Update(op, norm, used_scale, good_steps is not None, skipped, check)


def _average_statistics(build: BuildContext[ChildConfig]) -> None:
    """Averages over the workers what moving averages take from a batch."""
    if build.moving_updates:
        averages, values = zip(*build.moving_updates, strict=True)
        build.moving_updates = list(zip(averages, collectives.means(values, build.workers), strict=True))


def _statistics(build: BuildContext[ChildConfig]) -> dict[str, Tensor]:
    """Joins what moving averages would take from the batch in one tensor, named for `finite_check.build_check`."""
    values = [tf.reshape(value, [-1]) for _, value in build.moving_updates]
    return {"batch_statistics": tf.concat(values, axis=0)} if values else {}


def _loss_scale_variables(config: ChildConfig) -> tuple[Tensor, Tensor | None]:
    """Returns the loss scale, and the number of good steps since it changed; None if the scale is not dynamic."""
    if "fp16" not in config.schemes:
        return tf.constant(1.0), None
    if config.loss_scale != "dynamic":
        return tf.constant(float(config.loss_scale)), None
    scale = tf.get_variable("loss_scale", [], tf.float32, tf.constant_initializer(FIRST_LOSS_SCALE), trainable=False)
    return scale, layers.counter("good_steps")


def _adapt_loss_scale(scale: Tensor, good_steps: Tensor | None, finite: Tensor) -> list[Operation]:
    """Halves a dynamic loss scale after a skipped step, and doubles it after enough good ones."""
    if good_steps is None:
        return []
    grow = tf.greater_equal(good_steps + 1, GOOD_STEPS_TO_GROW)
    grown = tf.where(grow, tf.minimum(scale * 2.0, LARGEST_LOSS_SCALE), scale)
    next_scale = tf.where(finite, grown, tf.maximum(scale / 2.0, 1.0))
    next_good = tf.where(tf.logical_and(finite, tf.logical_not(grow)), good_steps + 1, tf.zeros_like(good_steps))
    with tf.control_dependencies([next_scale, next_good]):
        return [scale.assign(next_scale), good_steps.assign(next_good)]


def of_rows(gradient: Tensor) -> tuple[Tensor | None, Tensor]:
    """Splits the gradient of a gathered bank, of which no row is gathered twice, into (rows, their gradients); returns
    (None, gradient) for any other variable."""
    return (gradient.indices, gradient.values) if isinstance(gradient, tf.IndexedSlices) else (None, gradient)


def _moves(
    rows: Sequence[Tensor | None], gradients: Sequence[Tensor], variables: Sequence[Tensor], l2_reg: float
) -> list[Tensor]:
    """Computes what momentum takes for each variable: weight decay and the gradient; for a bank, decay alone."""
    decay = [2.0 * l2_reg * v for v in variables]
    return [d if row is not None else d + g for d, row, g in zip(decay, rows, gradients, strict=True)]


def _by_adam(build: BuildContext[ChildConfig], variable: Tensor) -> bool:
    """Whether Adam trains a variable; momentum trains all others."""
    return build.config.latent_optimizer == "adam" and variable.name in build.latent


def _apply_momentum(rate: Tensor, steps: Sequence[tuple[Tensor, Tensor, Tensor | None, Tensor]]) -> Operation:
    """Applies Nesterov momentum with weight decay.

    The step is linear in the gradient, so a bank takes it in two parts: decay and momentum of all its rows, and the
    gradients of the rows in use. A gradient of the whole bank, nearly all zeros, is never made.

    Args:
      rate: float32 scalar, the learning rate.
      steps: (variable, what momentum takes, the rows of the gradient or None, the gradient) of each variable.
    """
    optimizer = tf.train.MomentumOptimizer(rate, MOMENTUM, use_nesterov=True)
    moved = optimizer.apply_gradients([(move, v) for v, move, _, _ in steps])
    additions = []
    with tf.control_dependencies([moved]):
        for v, _, row, g in steps:
            if row is not None:
                additions.append(optimizer.get_slot(v, "momentum").scatter_add(tf.IndexedSlices(g, row)))
                additions.append(v.scatter_sub(tf.IndexedSlices(rate * (1.0 + MOMENTUM) * g, row)))
    return tf.group(moved, *additions)


def _clipped(gradients: list[Tensor], norm: Tensor, config: ChildConfig) -> list[Tensor]:
    if config.clip_mode == "global":
        factor = config.grad_bound / tf.maximum(norm, config.grad_bound)
        return [g * factor for g in gradients]
    if config.clip_mode == "norm":
        return [tf.clip_by_norm(g, config.grad_bound) for g in gradients]
    return gradients


def _latent_scaled(
    gradients: Sequence[Tensor], variables: Sequence[Tensor], build: BuildContext[ChildConfig]
) -> list[Tensor]:
    """Divides the gradients of latent weights by the variance that full-precision weights would have, 2 / fan_in.

    Latent weights fill [-1, 1] whatever their layer's width, and batch norm makes a layer's gradient shrink as its
    weights grow. Without this, wide layers would hardly move. BinaryConnect (arXiv 1511.00363, section 2.5) scales
    learning rates by the coefficients of the initialisation for the same reason.
    """
    factors = [max(1.0, build.latent.get(v.name, 0) / 2.0) for v in variables]
    return [g if factor == 1.0 else g * factor for g, factor in zip(gradients, factors, strict=True)]
