"""Every random draw is a pure function of (seed, purpose, step).

Nothing in the project keeps the state of a generator. A run that was stopped at step N and resumed draws at step N what it
would have drawn without the stop, and the same seed gives the same run.
"""

import zlib

import numpy as np

from enas.types import Tensor


def generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """Returns a generator keyed by (seed, purpose, step).

    Args:
      seed: the run's `--seed`, at least 0.
      purpose: what the draw is for, e.g. "split".
      step: the step, epoch or item that the draw belongs to, at least 0.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), step])


def of_rank(purpose: str, rank: int) -> str:
    """Returns the purpose of a draw that each of several workers makes for itself; worker 0's are those of a run of one.

    Args:
      rank: the worker's index, from 0.
    """
    return f"{purpose}/worker_{rank}" if rank else purpose


def stateless_seed(seed: int, purpose: str, step: int | Tensor) -> Tensor:
    """Returns a seed for `tf.random.stateless_*`, int32 `[2]`, keyed by (seed, purpose, step).

    Args:
      seed: the run's `--seed`, at least 0.
      purpose: what the draw is for, e.g. "drop_path/layer_3".
      step: a number, or a scalar tensor of integers.
    """
    import tensorflow.compat.v1 as tf

    key = zlib.crc32(f"{seed}/{purpose}".encode()) & 0x7FFFFFFF
    if isinstance(step, int):
        return tf.constant([key, step], tf.int32)
    return tf.stack([tf.constant(key, tf.int32), tf.cast(step, tf.int32)])
