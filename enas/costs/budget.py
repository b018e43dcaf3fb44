"""A search under a cost budget: what arcs cost, and what their reward loses by it. Nothing here imports TensorFlow."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from enas.costs import latency_table
from enas.errors import UserError
from enas.interfaces import Arc, SearchSpace
from enas.options import config as configs
from enas.options.budget import BudgetConfig
from enas.options.config import Settings

TOLERANCE = 0.1  # an arc is on target if its cost differs from the target by at most this share of it


@dataclasses.dataclass(frozen=True)
class Budget:
    """The budget of a search.

    Attributes:
      config: the target, its unit, and the weight of a deviation.
      cost: maps an arc to what it costs, in units of --cost.
    """

    config: BudgetConfig
    cost: Callable[[Arc], float]

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

    Raises:
      UserError: see `latency_model`.
    """
    model = space.cost
    if model is None or not config.budget or not config.budget.cost_target:
        return None

    if config.budget.cost == "latency":
        return Budget(config.budget, latency_model(config, space, dataset))

    def cost(arc: Arc) -> float:
        return getattr(model(arc, config.child, dataset.image_shape, dataset.num_classes), config.budget.cost)

    return Budget(config.budget, cost)


# The settings of a child that its parts' times depend on.
_OF_PARTS = (
    *("child_num_layers", "child_num_cells", "child_out_filters", "child_scheme", "search_precision"),
    *("child_op_table", "child_glue_scheme", "child_recipe", "child_quantize_ends"),
)


def latency_model(config: Settings, space: SearchSpace, dataset: Any) -> Callable[[Arc], float]:
    """Returns what maps an arc to its milliseconds, by the table of the config.

    Raises:
      UserError: the table can't be read, or is one of another child; the space has no latencies.
    """
    parts, name = space.latency_parts, config.budget.latency_table
    if parts is None:
        raise UserError(f"--cost=latency: children of the {space.name} space have no table of latencies")
    table = latency_table.read(name)
    values = configs.to_values(config)
    here = {flag: values[flag] for flag in _OF_PARTS} | {
        "image_shape": tuple(dataset.image_shape),
        "num_classes": dataset.num_classes,
    }
    # A table that is older than a flag was measured for its default.
    there = (
        configs.to_values(type(config)())
        | dict(table.child)
        | {"image_shape": table.image_shape, "num_classes": table.num_classes}
    )
    for flag, value in here.items():
        if there[flag] != value:
            raise UserError(
                f"--latency_table={name}: was measured for {flag} {there[flag]}, but the search has {value}; measure "
                "again: scripts/measure_latency.py with the search's flags"
            )
    return lambda arc: table.latency(parts(arc, config.child, dataset.image_shape, dataset.num_classes))
