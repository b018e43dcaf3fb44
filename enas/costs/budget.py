"""A search under a cost budget: what arcs cost and what that costs them. Nothing here imports TensorFlow."""

import dataclasses

TOLERANCE = 0.1  # share of the target by which an arc's cost may differ from it and count as on target
FIELDS = {"bitops": "bitops", "bytes": "model_bytes", "macs": "macs"}


@dataclasses.dataclass(frozen=True)
class Budget:
    """The budget of a search.

    Attributes:
      config: the `BudgetConfig`.
      cost_model: function of an arc to its `enas.costs.cost.Cost`.
    """

    config: object
    cost_model: object

    def cost(self, arc):
        """What the arc costs, in units of --cost."""
        return getattr(self.cost_model(arc), FIELDS[self.config.cost])

    def penalty(self, arc):
        """What the arc's reward loses: weight x |cost / target - 1| (the absolute reward of TuNAS, arXiv 2008.06120)."""
        return self.config.cost_weight * abs(self.cost(arc) / self.config.cost_target - 1)

    def met(self, arc):
        """The arc costs about what it should."""
        return abs(self.cost(arc) / self.config.cost_target - 1) <= TOLERANCE

    def share_met(self, arcs):
        """Share of the arcs, a list, that cost about what they should."""
        return sum(map(self.met, arcs)) / len(arcs)


def of(config, space, dataset):
    """The `Budget` of a search; None where its config sets no --cost_target, or has no budget.

    Args:
      config: a search's config.
      space: the `SearchSpace`.
      dataset: the `enas.data.DataSet`.
    """
    if not config.budget or not config.budget.cost_target:
        return None

    def cost_model(arc):
        return space.cost(arc, config.child, dataset.image_shape, dataset.num_classes)

    return Budget(config.budget, cost_model)
