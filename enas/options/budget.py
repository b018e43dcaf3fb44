"""Options of a search under a cost budget."""

import dataclasses

from enas.options import option


@dataclasses.dataclass(frozen=True)
class BudgetConfig:
    """What an arc may cost, and how much of its reward it loses when it costs something else."""

    cost: str = option(
        "bitops",
        "What --cost_target counts of the searched child, for one image: bitops (MACs x weight bits x activation bits), "
        "bytes (of the model, weights at their bit width) or macs.",
        choices=("bitops", "bytes", "macs"),
    )
    cost_target: float = option(
        0.0, "The cost that arcs should have, in units of --cost. 0: cost does not count.", 0.0, 1e18
    )
    cost_weight: float = option(
        1.0,
        "With a --cost_target, the reward is accuracy - this x |cost / target - 1|. The absolute value, unlike a penalty "
        "on too much alone, lets the controller neither overshoot nor settle for small arcs (TuNAS, arXiv 2008.06120).",
        0.0,
    )
