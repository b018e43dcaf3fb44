"""What arcs and trained children are compared by. Nothing here imports TensorFlow."""

import dataclasses


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
        """A number that is higher for better values."""
        return value if self.higher_is_better else -value
