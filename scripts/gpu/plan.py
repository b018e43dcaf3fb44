"""How much of what is checked. Nothing here imports TensorFlow."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from enas.options.config import SCHEMES


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of the checks; the defaults are those for a GPU.

    Attributes:
      schemes: which are compared with the CPU.
      compared: flags of the children that are compared, small ones; see `steps.schemes`.
      timed: flags of the child whose steps are timed.
      compared_side, timed_side: of the square images of both, pixels.
      steps: how many steps are timed, after a few that are not.
      search: flags of the search.
      speedup: of a float16 step over a float32 one, at least.
    """

    schemes: tuple[str, ...] = tuple(SCHEMES)
    compared: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: {"batch_size": 4, "child_out_filters": 6, "child_num_layers": 2, "child_num_cells": 2}
    )
    compared_side: int = 8
    timed: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: {"batch_size": 160, "child_out_filters": 36, "child_num_layers": 6}
    )
    timed_side: int = 32
    steps: int = 30
    search: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: {"child_out_filters": 8, "num_epochs": 2, "controller_train_steps": 2}
    )
    speedup: float = 1.5
