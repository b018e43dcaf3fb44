"""Bad numbers: a training step whose loss or gradients are not finite is not taken, and the run can say which were not."""

import dataclasses

import tensorflow.compat.v1 as tf

from enas.graph import functions


@dataclasses.dataclass(frozen=True)
class FiniteCheck:
    """What a training step looks at before it changes a variable.

    Attributes:
      names: tuple of str, what is looked at: "the loss", "the gradient of <variable>", ...
      finite: bool `[len(names)]`, which of them are finite in this step.
      all: bool scalar.
    """

    names: tuple
    finite: object
    all: object


def squares(gradients):
    """Half the sum of the squares of each gradient, a list of float32 scalars; of an IndexedSlices, of its values."""
    return [tf.nn.l2_loss(g.values if isinstance(g, tf.IndexedSlices) else g) for g in gradients]


def global_norm(squares):
    """The norm of all gradients together, float32 scalar, from their `squares`."""
    return tf.sqrt(2.0 * tf.reduce_sum(tf.stack(squares)))


def build_check(loss, squares, variables, **others):
    """Returns the `FiniteCheck` of a training step.

    A gradient whose squares add up to more than float32 holds, 3.4e38, counts as not finite.

    Args:
      loss: float32 scalar.
      squares: of the gradients, see `squares`.
      variables: the variables they are for.
      others: name -> float32 tensor, more to look at; an underscore in the name stands for a blank.
    """
    names = ["the loss", *(f"the gradient of {v.op.name}" for v in variables)]
    sums = [loss, *squares, *(tf.reduce_sum(tensor) for tensor in others.values())]
    finite = tf.math.is_finite(tf.stack(sums))
    return FiniteCheck((*names, *(name.replace("_", " ") for name in others)), finite, tf.reduce_all(finite))


def guarded(check, apply, step):
    """A training step that is skipped, and counted in the variable optimizer/skipped_steps, where a number is not finite.

    Args:
      check: the step's `FiniteCheck`.
      apply: function without arguments that returns the operation to run where all is finite.
      step: int64 variable, counted up in either case.

    Returns:
      (op, skipped): the operation, and int64 scalar: steps skipped so far, this one included.
    """
    with tf.variable_scope("optimizer"):
        skipped = tf.get_variable("skipped_steps", [], tf.int64, tf.zeros_initializer(), trainable=False)
    with tf.control_dependencies([when(check.all, apply)]):
        skipped_now = tf.identity(skipped.assign_add(tf.cast(tf.logical_not(check.all), tf.int64)))
        return tf.group(step.assign_add(1), skipped_now), skipped_now


def when(condition, build):
    """Returns an operation that runs the one `build()` makes, where the bool scalar `condition` is true.

    A conditional would hand each of hundreds of gradients into its branch. Here nothing that `build` makes is computed but
    after a signal that only comes where the condition is true.
    """
    signal = tf.identity(functions.switch_true(condition, condition))  # an op of its own: the one before it always runs
    with tf.control_dependencies([signal]), tf.control_dependencies([build()]):
        done = tf.identity(signal)
    return functions.merge([done, functions.switch_false(condition, condition)]).op
