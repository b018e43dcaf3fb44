"""How far a run is: a dozen numbers, stored with each checkpoint. Nothing here imports TensorFlow."""

import dataclasses
import math
from typing import Any

from enas.errors import UserError


@dataclasses.dataclass
class Position:
    """How far a run is.

    Attributes:
      epoch: epochs done.
      phase: phases of the next epoch done.
      unit: units of its next phase done.
      minutes: time spent so far.
      best_goodness: (training) `Metric.goodness` of the best validation figure so far.
      bad_steps: kind of step -> how many in a row, up to the last one, had numbers that were not finite.
      scores: of an evaluation that is under way, those measured.
      sizes: `RunDirectory.sizes` after the last unit; a resumed run drops what was recorded later.
      workers: how many batches its steps had, one of each tower of each worker.
    """

    epoch: int = 0
    phase: int = 0
    unit: int = 0
    minutes: float = 0.0
    best_goodness: float = -math.inf
    bad_steps: dict = dataclasses.field(default_factory=dict)
    scores: dict = dataclasses.field(default_factory=dict)
    sizes: dict = dataclasses.field(default_factory=dict)
    workers: int = 1


def position_of(path: str, metadata: dict[str, Any]) -> Position:
    """The `Position` stored with a checkpoint.

    Raises:
      UserError: `metadata` is not one.
    """
    position = Position()
    for field in dataclasses.fields(Position):
        # Checkpoints of older versions say nothing of workers.
        value = metadata.get(field.name, 1 if field.name == "workers" else None)
        if type(value) is not type(getattr(position, field.name)) or not _counts(field.name, value):
            raise UserError(f"{path}.json: {field.name} is {value!r}; expected what a run of this program stores")
        setattr(position, field.name, value)
    return position


def _counts(name, value):
    """A whole number of a position, or each number in one of its dicts, is none below 0; scores are floats."""
    kind = float if name == "scores" else int
    numbers = value.values() if isinstance(value, dict) else [value] if isinstance(value, int) else []
    return all(type(number) is kind and (kind is float or number >= 0) for number in numbers)
