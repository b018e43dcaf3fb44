"""What arcs and trained children are compared by. Nothing here imports TensorFlow."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
      name: its name in the records, where it is e.g. `valid_<name>`.
      short: its name in the log, where it is `val_<short>`.
      reward: the log's name for a controller's reward.
      higher_is_better: whether a higher value is a better one.
    """

    name: str
    short: str
    reward: str
    higher_is_better: bool

    def goodness(self, value: float | None) -> float:
        """Returns a number that is higher for better values. It is lowest for None, which `recordable` puts in the place of
        numbers that are not finite."""
        if value is None:
            return -math.inf
        return value if self.higher_is_better else -value


ACCURACY = Metric("accuracy", "acc", "acc", higher_is_better=True)
PERPLEXITY = Metric("perplexity", "ppl", "rw", higher_is_better=False)


def recordable(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the figures with None in the place of numbers that are not finite, which JSON cannot hold."""
    bad = {name for name, value in figures.items() if isinstance(value, float) and not math.isfinite(value)}
    return {name: None if name in bad else value for name, value in figures.items()}


def shown(value: float | None) -> str:
    """Returns a recorded figure as the log shows it."""
    return "not finite" if value is None else f"{value:.4f}"
