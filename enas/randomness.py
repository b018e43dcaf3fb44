"""Every random draw is a pure function of (seed, purpose, step).

Nothing in the project holds generator state: a run that is stopped and resumed at step N draws at step N what it
would have drawn without the stop, and the same seed gives the same run.
"""

import zlib

import numpy as np


def generator(seed, purpose, step=0):
    """Returns a ``numpy.random.Generator`` keyed by (seed, purpose, step).

    Args:
      seed: int >= 0, the run's ``--seed``.
      purpose: str, what the draw is for, e.g. ``"split"``.
      step: int >= 0, the step, epoch or item the draw belongs to.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), step])


def stateless_seed(seed, purpose, step):
    """Returns an int32 ``[2]`` seed tensor for ``tf.random.stateless_*``, keyed by (seed, purpose, step).

    Args:
      seed: int >= 0, the run's ``--seed``.
      purpose: str, what the draw is for, e.g. ``"drop_path/layer_3"``.
      step: int scalar, a tensor or a Python number.
    """
    import tensorflow.compat.v1 as tf

    key = zlib.crc32(f"{seed}/{purpose}".encode()) & 0x7FFFFFFF
    if isinstance(step, int):
        return tf.constant([key, step], tf.int32)
    return tf.stack([tf.constant(key, tf.int32), tf.cast(step, tf.int32)])
