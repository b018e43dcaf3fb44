"""What arcs and trained children are compared by. Nothing here imports TensorFlow."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
      name: as in `valid_<name>` of the records.
      short: as in `val_<short>` of the log.
      reward: what the log calls a controller's reward.
      higher_is_better: whether a higher value is a better one.
    """

    name: str
    short: str
    reward: str
    higher_is_better: bool

    def goodness(self, value):
        """A number that is higher for better values, and for None, see `recordable`, lower than for any."""
        if value is None:
            return -math.inf
        return value if self.higher_is_better else -value


def recordable(figures):
    """`{name: value}` as JSON has it, which knows no infinity: None in the place of numbers that are not finite."""
    bad = {name for name, value in figures.items() if isinstance(value, float) and not math.isfinite(value)}
    return {name: None if name in bad else value for name, value in figures.items()}


def shown(value):
    """A recorded figure for the log."""
    return "not finite" if value is None else f"{value:.4f}"
