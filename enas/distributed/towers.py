"""The devices that one process trains on: a tower, which is a copy of the child on a batch of its own, for each."""

from typing import Any

import tensorflow.compat.v1 as tf

from enas.errors import UserError
from enas.options.workers import TowersConfig


def devices(config: TowersConfig) -> list[str]:
    """Returns the device of each tower: all GPUs, or the first `num_gpus`. Without GPUs there is one tower, "", wherever
    TensorFlow places it.

    Raises:
      UserError: there are fewer GPUs than `num_gpus`.
    """
    found = len(tf.config.list_physical_devices("GPU"))
    if config.num_gpus > found:
        raise UserError(f"--num_gpus={config.num_gpus}: TensorFlow sees {found} here; expected at most {found}")
    return [f"/gpu:{number}" for number in range(config.num_gpus or found)] or [""]


def arcs(arc: Any, count: int) -> list[Any]:
    """Returns what each tower trains: a fixed arc, or one placeholder each for the arcs of a search, `arc` the first."""
    if not isinstance(arc, tf.Tensor):
        return [arc] * count
    return [arc, *(tf.placeholder(arc.dtype, arc.shape, f"arc_of_tower_{place}") for place in range(1, count))]
