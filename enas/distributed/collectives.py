"""Sums and means over all workers, as operations of the graph.

All workers build the same graph, so that their operations meet: the n-th collective of a graph has the key n. One that is
called in a loop or in a function more than once would meet itself, so collectives stand in the graph itself.
"""

from collections.abc import Sequence

import tensorflow.compat.v1 as tf
from tensorflow.python.framework.func_graph import FuncGraph

from enas.types import Tensor

GROUP = 1
# Bytes of one buffer. A ring over gRPC is no faster with larger ones, and a copy of each buffer is made.
LARGEST_BUFFER = 32 * 2**20
_KEYS = "distributed/collectives"


def total(tensor: Tensor, count: int, mean: bool = False) -> Tensor:
    """Adds up a tensor over all workers.

    The sum is made in an order that depends on the shape and on `count` only, and is the same, bit for bit, on all workers.

    Args:
      tensor: float32, float64, int32 or int64, of the same shape on all workers.
      count: how many workers there are; 1: the tensor comes back as it is.
      mean: divide the sum by `count`.
    """
    if count == 1:
        return tensor
    if isinstance(tf.get_default_graph(), FuncGraph):
        raise ValueError(f"{tensor.name}: collectives can't stand in a function, which may be called twice")
    keys = tf.get_collection_ref(_KEYS)
    keys.append(len(keys))
    return tf.raw_ops.CollectiveReduceV2(
        input=tensor,
        group_size=count,
        group_key=GROUP,
        instance_key=len(keys),
        ordering_token=[],
        merge_op="Add",
        final_op="Div" if mean else "Id",
    )


def means(tensors: Sequence[Tensor], count: int) -> list[Tensor]:
    """Averages float32 tensors of static shapes over all workers, joined in buffers of up to `LARGEST_BUFFER`."""
    if count == 1:
        return list(tensors)
    averaged: list[Tensor] = []
    for part in _parts([tensor.shape.num_elements() for tensor in tensors]):
        joined = tf.concat([tf.reshape(tensors[i], [-1]) for i in part], axis=0)
        sizes = [tensors[i].shape.num_elements() for i in part]
        pieces = tf.split(total(joined, count, mean=True), sizes)
        averaged += [tf.reshape(piece, tensors[i].shape) for piece, i in zip(pieces, part, strict=True)]
    return averaged


def _parts(sizes: Sequence[int]) -> list[list[int]]:
    """Cuts [0, 1, ...] into runs whose sizes, of float32 numbers, fit a buffer; one larger than that has its own."""
    parts: list[list[int]] = []
    room = 0
    for place, size in enumerate(sizes):
        if not parts or 4 * size > room:
            parts.append([])
            room = LARGEST_BUFFER
        parts[-1].append(place)
        room -= 4 * size
    return parts


def mean_gradients(
    gradients: Sequence[tuple[Tensor | None, Tensor]], variables: Sequence[Tensor], count: int, repeated: bool = False
) -> tuple[list[Tensor | None], list[Tensor]]:
    """Averages gradients over all workers.

    A gradient of a bank's rows becomes one of all rows that any worker used. A worker that did not use a row adds nothing to
    its mean.

    Args:
      gradients: (rows, gradient) of each variable: int32 `[n]` and float32 `[n, ...]`, or None and one of its own shape.
      variables: the variables.
      count: how many workers there are.
      repeated: rows may come more than once in a gradient, e.g. of the several arcs of this worker's towers. If not, the
        gradients of one worker come back as they are.

    Returns:
      (rows, gradients), rows int64, in ascending order.
    """
    rows = [row for row, _ in gradients]
    if count == 1 and not repeated:
        return rows, [gradient for _, gradient in gradients]
    dense, used = [], []
    for (row, gradient), variable in zip(gradients, variables, strict=True):
        if row is not None:
            place = tf.cast(row, tf.int32)[:, None]
            gradient = tf.scatter_nd(place, gradient, variable.shape.as_list())
            used.append(tf.scatter_nd(place, tf.ones(tf.shape(row)), variable.shape[:1].as_list()))
        dense.append(tf.ensure_shape(gradient, variable.shape))
    averaged = means([*dense, *used], count)
    shares = iter(averaged[len(dense) :])
    new_rows: list[Tensor | None] = [None if row is None else tf.where(next(shares) > 0)[:, 0] for row in rows]
    pairs = zip(new_rows, averaged[: len(dense)], strict=True)
    return new_rows, [gradient if row is None else tf.gather(gradient, row) for row, gradient in pairs]


def same_as_chief(variables: Sequence[Tensor], is_chief: bool, count: int) -> Tensor:
    """Builds the operation that gives all workers the chief's values of float32 and int64 variables, bit for bit."""
    assignments = []
    for dtype in (tf.float32, tf.int64):
        of_dtype = [variable for variable in variables if variable.dtype.base_dtype == dtype]
        for part in _parts([variable.shape.num_elements() for variable in of_dtype]):
            chosen = [of_dtype[i] for i in part]
            joined = tf.concat([_bits(variable) for variable in chosen], axis=0)
            shared = total(joined if is_chief else tf.zeros_like(joined), count)
            values = shared if dtype == tf.int64 else tf.bitcast(shared, tf.float32)
            pieces = tf.split(values, [variable.shape.num_elements() for variable in chosen])
            assignments += [
                variable.assign(tf.reshape(piece, variable.shape))
                for variable, piece in zip(chosen, pieces, strict=True)
            ]
    return tf.group(*assignments)


def _bits(variable: Tensor) -> Tensor:
    """The value of a float32 or int64 variable as whole numbers `[n]`: a sum of floats with 0 would turn -0.0 into 0.0."""
    value = tf.reshape(variable.read_value(), [-1])
    return tf.bitcast(value, tf.int32) if value.dtype == tf.float32 else value


def digest(variables: Sequence[Tensor]) -> Tensor:
    """Computes an int64 scalar from the bits of float32 and int64 variables. Equal values have equal ones."""
    sums = []
    for number, variable in enumerate(variables, 1):
        bits = tf.cast(_bits(variable), tf.int64)
        # Weights that differ from place to place, so that no swap of two values goes unseen; int64 wraps round.
        weights = 2 * tf.range(bits.shape[0], dtype=tf.int64) + 2 * number + 1
        sums.append(tf.reduce_sum(bits * weights))
    return tf.add_n(sums)
