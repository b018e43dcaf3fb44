"""The child's optimizer: learning-rate schedule, loss scaling, clipping, weight decay, Nesterov momentum."""

import dataclasses
import math

import tensorflow.compat.v1 as tf

from enas.graph import finite_check, functions, layers

MOMENTUM = 0.9
FIRST_LOSS_SCALE = 2.0**15
LARGEST_LOSS_SCALE = 2.0**24
GOOD_STEPS_TO_GROW = 2000


def learning_rate(config, epoch):
    """The rate at a moment of training: cosine annealing with warm restarts (SGDR, arXiv 1608.03983, eq. 5) per step.

    Args:
      config: a `ChildConfig`.
      epoch: float >= 0, epochs done, fractions included.

    Returns:
      float: `lr_max` at the start of each period, towards `lr_min` at its end; `lr_max` always without --child_lr_cosine.
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
      dynamic: bool, the loss scale adapts itself.
      skipped: int64 scalar, steps skipped so far, this one included, because a number was not finite.
      finite_check: the `finite_check.FiniteCheck` of the step; one that it finds bad is skipped.
    """

    op: object
    grad_norm: object
    loss_scale: object
    dynamic: bool
    skipped: object
    finite_check: object


def update(build, objective, variables, rate, step):
    """Builds the training step.

    The gradients of `objective` times the loss scale are unscaled, clipped, and given the weight decay 2 * l2_reg * w, the
    gradient of l2_reg * sum(w^2) over all trainable variables. In a search, weights the arc does not use have no gradient
    of their own (or zeros: the other ops' rows of a slot in use), but their momentum goes on: a bank's row is used once in
    tens of steps, and its gradient would otherwise take as many visits as momentum has memory to have its effect. If the
    loss, a gradient or a batch's statistics are not finite the step is skipped: no weight, momentum or moving average
    changes, and a dynamic loss scale halves (arXiv 1710.03740, 3.2).

    Args:
      build: the `layers.BuildContext` the child was built with.
      objective: float32 scalar.
      variables: the trainable variables.
      rate: float32 scalar, the learning rate.
      step: int64 variable, counted up by the step, also when it is skipped.

    Returns:
      `Update`.
    """
    with tf.variable_scope("optimizer"):
        scale, good_steps = _loss_scale_variables(build.config)
    # Read before the step adapts it: what is reported is what was used.
    used_scale = tf.identity(scale)
    # Of each variable, or of the rows of it that the step uses, which are another variable's worth to all but `_apply`.
    rows, gradients = zip(*map(_rows, functions.gradients(objective * used_scale, variables)), strict=True)
    gradients = gradients if "fp16" not in build.config.schemes else [g / used_scale for g in gradients]
    squares = finite_check.squares(gradients)
    norm = finite_check.global_norm(squares)
    gradients = _latent_scaled(_clipped(gradients, norm, build.config), variables, build)
    moves = _moves(rows, gradients, variables, build.config.l2_reg)
    # Weight decay alone may overflow, at a rate for which it explodes.
    checked = [
        square_of_move if row is None else square_of_move + square
        for row, square_of_move, square in zip(rows, finite_check.squares(moves), squares, strict=True)
    ]
    check = finite_check.build_check(objective, checked, variables, norm_of_all_gradients=norm, **_statistics(build))

    def apply():
        optimizer = tf.train.MomentumOptimizer(rate, MOMENTUM, use_nesterov=True)
        averages = [v.assign_sub((1 - layers.BN_DECAY) * (v - value)) for v, value in build.moving_updates]
        moved = _apply(optimizer, rate, variables, moves, rows, gradients)
        with tf.control_dependencies([moved, *averages]):
            # BinaryConnect, arXiv 1511.00363, section 2.4.
            return tf.group(*[v.assign(tf.clip_by_value(v, -1.0, 1.0)) for v in variables if v.name in build.latent])

    taken, skipped = finite_check.guarded(check, apply, step)
    with tf.control_dependencies([taken]):
        op = tf.group(taken, *_adapt_loss_scale(scale, good_steps, check.all))
    return Update(op, norm, used_scale, good_steps is not None, skipped, check)


def _statistics(build):
    """What moving averages would take from the batch, in one tensor, as `finite_check.build_check` wants it."""
    values = [tf.reshape(value, [-1]) for _, value in build.moving_updates]
    return {"batch_statistics": tf.concat(values, axis=0)} if values else {}


def _loss_scale_variables(config):
    if "fp16" not in config.schemes:
        return tf.constant(1.0), None
    if config.loss_scale != "dynamic":
        return tf.constant(float(config.loss_scale)), None
    scale = tf.get_variable("loss_scale", [], tf.float32, tf.constant_initializer(FIRST_LOSS_SCALE), trainable=False)
    good = tf.get_variable("good_steps", [], tf.int64, tf.zeros_initializer(), trainable=False)
    return scale, good


def _adapt_loss_scale(scale, good_steps, finite):
    """Halves a dynamic loss scale after a skipped step, doubles it after enough good ones."""
    if good_steps is None:
        return []
    grow = tf.greater_equal(good_steps + 1, GOOD_STEPS_TO_GROW)
    grown = tf.where(grow, tf.minimum(scale * 2.0, LARGEST_LOSS_SCALE), scale)
    next_scale = tf.where(finite, grown, tf.maximum(scale / 2.0, 1.0))
    next_good = tf.where(tf.logical_and(finite, tf.logical_not(grow)), good_steps + 1, tf.zeros_like(good_steps))
    with tf.control_dependencies([next_scale, next_good]):
        return [scale.assign(next_scale), good_steps.assign(next_good)]


def _rows(gradient):
    """(rows, their gradients) of a gathered bank, of which no row is gathered twice; (None, gradient) of any other
    variable."""
    return (gradient.indices, gradient.values) if isinstance(gradient, tf.IndexedSlices) else (None, gradient)


def _moves(rows, gradients, variables, l2_reg):
    """What momentum is given for each variable: weight decay and the gradient; for a bank, decay alone."""
    decay = [2.0 * l2_reg * v for v in variables]
    return [d if row is not None else d + g for d, row, g in zip(decay, rows, gradients, strict=True)]


def _apply(optimizer, rate, variables, moves, rows, gradients):
    """Nesterov momentum with weight decay.

    The step is linear in the gradient, so a bank takes it in two parts: decay and momentum of all its rows, and the
    gradients of the rows in use. A gradient of the whole bank, nearly all zeros, is never made.
    """
    moved = optimizer.apply_gradients(zip(moves, variables, strict=True))
    additions = []
    with tf.control_dependencies([moved]):
        for v, row, g in zip(variables, rows, gradients, strict=True):
            if row is not None:
                additions.append(optimizer.get_slot(v, "momentum").scatter_add(tf.IndexedSlices(g, row)))
                additions.append(v.scatter_sub(tf.IndexedSlices(rate * (1.0 + MOMENTUM) * g, row)))
    return tf.group(moved, *additions)


def _clipped(gradients, norm, config):
    if config.clip_mode == "global":
        factor = config.grad_bound / tf.maximum(norm, config.grad_bound)
        return [g * factor for g in gradients]
    if config.clip_mode == "norm":
        return [tf.clip_by_norm(g, config.grad_bound) for g in gradients]
    return gradients


def _latent_scaled(gradients, variables, build):
    """Divides the gradients of latent weights by the variance that full-precision weights would have, 2 / fan_in.

    Latent weights fill [-1, 1] whatever their layer's width, and batch norm makes a layer's gradient shrink as its
    weights grow: without this, wide layers would hardly move. BinaryConnect (arXiv 1511.00363, section 2.5) scales
    learning rates by the coefficients of the initialisation for the same reason.
    """
    factors = [max(1.0, build.latent.get(v.name, 0) / 2.0) for v in variables]
    return [g if factor == 1.0 else g * factor for g, factor in zip(gradients, factors, strict=True)]
