"""Bad numbers: a training step whose loss or gradients are not finite is skipped, and the run can say which were
not."""

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow.compat.v1 as tf

from enas.graph import functions, layers
from enas.types import Operation, Tensor


@dataclasses.dataclass(frozen=True)
class FiniteCheck:
    """What a training step looks at before it changes a variable.

    Attributes:
      names: what is looked at: "the loss", "the gradient of <variable>", ...
      finite: bool `[len(names)]`, which of them are finite in this step.
      all: bool scalar, whether all are.
    """

    names: tuple[str, ...]
    finite: Tensor
    all: Tensor


def squares(gradients: Sequence[Tensor]) -> list[Tensor]:
    """Computes half the sum of the squares of each gradient, float32 scalars; of an IndexedSlices, of its values."""
    return [tf.nn.l2_loss(g.values if isinstance(g, tf.IndexedSlices) else g) for g in gradients]


def global_norm(squares: Sequence[Tensor]) -> Tensor:
    """Computes the norm of all gradients together, a float32 scalar, from their `squares`."""
    return tf.sqrt(2.0 * tf.reduce_sum(tf.stack(squares)))


def build_check(loss: Tensor, squares: Sequence[Tensor], variables: Sequence[Tensor], **others: Tensor) -> FiniteCheck:
    """Builds the check of a training step.

    A gradient whose squares add up to more than float32 holds, 3.4e38, counts as not finite.

    Args:
      loss: float32 scalar.
      squares: the `squares` of the gradients of `variables`.
      others: more float32 tensors to look at, by name; an underscore in a name stands for a blank.
    """
    names = ["the loss", *(f"the gradient of {v.op.name}" for v in variables)]
    sums = [loss, *squares, *(tf.reduce_sum(tensor) for tensor in others.values())]
    finite = tf.math.is_finite(tf.stack(sums))
    return FiniteCheck((*names, *(name.replace("_", " ") for name in others)), finite, tf.reduce_all(finite))


def guarded(check: FiniteCheck, apply: Callable[[], Operation], step: Tensor) -> tuple[Operation, Tensor]:
    """Builds a training step that is skipped if a number is not finite, and is then counted in optimizer/skipped_steps.

    Args:
      apply: builds the operation to run if all is finite.
      step: int64 variable, counted up in either case.

    Returns:
      (op, skipped): the operation, and an int64 scalar, steps skipped so far, this one included.
    """
    with tf.variable_scope("optimizer"):
        skipped = layers.counter("skipped_steps")
    with tf.control_dependencies([when(check.all, apply)]):
        skipped_now = tf.identity(skipped.assign_add(tf.cast(tf.logical_not(check.all), tf.int64)))
        return tf.group(step.assign_add(1), skipped_now), skipped_now


def when(condition: Tensor, build: Callable[[], Operation]) -> Operation:
    """Returns an operation that runs the one that `build()` makes if the bool scalar `condition` is true.

    A tf.cond would hand each of hundreds of gradients into its branch. Here everything that `build` makes waits for a
    signal that only comes if the condition is true.
    """
    signal = tf.identity(functions.switch_true(condition, condition))  # an op of its own: the one before it always runs
    with tf.control_dependencies([signal]), tf.control_dependencies([build()]):
        done = tf.identity(signal)
    return functions.merge([done, functions.switch_false(condition, condition)]).op
