"""A training that begins with the shared weights that its arc has in a search: --init_from."""

from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from enas.errors import UserError
from enas.interfaces import SearchSpace
from enas.runs import checkpoints, stored_settings
from enas.runs.session import RunContext

SHOWN = 3  # variables named in the log


def take(context: RunContext, space: SearchSpace, arc: Any) -> None:
    """Gives the trained variables of a fixed child the values of the search in --init_from, and logs what was not there.

    Batch norms' moving averages, which shared weights have none of, start as always, and so does the optimizer.

    Args:
      context: the training's run, with initial values in all variables.
      arc: the arc that is trained.

    Raises:
      UserError: the directory holds no search of the space, or no checkpoint, or nothing of it fits.
    """
    search_dir = context.config.arc.init_from
    child = stored_settings.search_in(search_dir, space, "init_from").child
    path = checkpoints.newest(search_dir, "last")
    if path is None:
        raise UserError(f"--init_from={search_dir}: the search has no checkpoint yet")
    reader = tf.train.load_checkpoint(path)
    there = reader.get_variable_to_shape_map()

    def read(name: str) -> np.ndarray | None:
        return reader.get_tensor(name) if name in there else None

    taken, left = {}, []
    for variable in context.session.graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, "child/"):
        value = space.shared_value(variable.op.name, arc, child, read)
        if value is not None and list(value.shape) == variable.shape.as_list():
            taken[variable] = value
        else:
            why = "the search has none" if value is None else f"{_size(value.shape)}, not {_size(variable.shape)}"
            left.append(f"{variable.op.name} ({why})")
    if not taken:
        raise UserError(f"--init_from={search_dir}: none of the {len(left)} variables fits: {'; '.join(left[:SHOWN])}")
    fed = {variable.initializer.inputs[1]: value for variable, value in taken.items()}
    context.session.run([variable.initializer for variable in taken], fed)
    more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
    not_used = f"; not {', '.join(left[:SHOWN])}{more}" if left else ""
    context.run.log(f"initial weights: {len(taken)} of {len(taken) + len(left)} variables from {path}{not_used}")


def _size(shape: Any) -> str:
    return "x".join(map(str, shape)) or "1"
