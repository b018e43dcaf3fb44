"""A search under a cost budget: what arcs cost, and what their reward loses by it. Nothing here imports TensorFlow."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from enas.costs.cost import Cost
from enas.interfaces import Arc, SearchSpace
from enas.options.budget import BudgetConfig
from enas.options.config import Settings

TOLERANCE = 0.1  # an arc is on target if its cost differs from the target by at most this share of it
FIELDS = {"bitops": "bitops", "bytes": "model_bytes", "macs": "macs"}  # --cost -> field of `Cost`


@dataclasses.dataclass(frozen=True)
class Budget:
    """The budget of a search.

    Attributes:
      config: the target, its unit, and the weight of a deviation.
      cost_model: maps an arc to its cost.
    """

    config: BudgetConfig
    cost_model: Callable[[Arc], Cost]

    def cost(self, arc: Arc) -> int:
        """Returns what the arc costs, in units of --cost."""
        return getattr(self.cost_model(arc), FIELDS[self.config.cost])

    def penalty(self, arc: Arc) -> float:
        """Returns what the arc's reward loses: weight x |cost / target - 1| (absolute reward of TuNAS, arXiv 2008.06120)."""
        return self.config.cost_weight * abs(self.cost(arc) / self.config.cost_target - 1)

    def met(self, arc: Arc) -> bool:
        """Says whether the arc is on target, that is, costs about what it should."""
        return abs(self.cost(arc) / self.config.cost_target - 1) <= TOLERANCE

    def share_met(self, arcs: Sequence[Arc]) -> float:
        """Returns the share of the arcs that are on target."""
        return sum(map(self.met, arcs)) / len(arcs)


def of(config: Settings, space: SearchSpace, dataset: Any) -> Budget | None:
    """Returns the budget of a search, or None if its config sets no --cost_target.

    Args:
      config: the search's config.
      dataset: its data set. Only a space with a cost model can have a budget, and its data set is one of images.
    """
    model = space.cost
    if model is None or not config.budget or not config.budget.cost_target:
        return None

    def cost_model(arc: Arc) -> Cost:
        return model(arc, config.child, dataset.image_shape, dataset.num_classes)

    return Budget(config.budget, cost_model)
