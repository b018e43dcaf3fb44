"""Options of a search under a cost budget."""

import dataclasses

from enas.errors import UserError
from enas.options import option


@dataclasses.dataclass(frozen=True)
class BudgetConfig:
    """What an arc may cost, and how much of its reward it loses when it costs something else."""

    cost: str = option(
        "bitops",
        "What --cost_target counts of the searched child, for one image: bitops (MACs x weight bits x activation bits), "
        "model_bytes (weights at their bit width), macs, or latency (milliseconds of the exported child, --latency_table).",
        choices=("bitops", "model_bytes", "macs", "latency"),
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
    latency_table: str = option(
        "",
        "With --cost=latency, the file of what parts of the child take on the device that it is for; "
        "scripts/measure_latency.py measures it.",
    )

    def __post_init__(self) -> None:
        if self.cost == "latency" and not self.latency_table:
            raise UserError("--cost=latency: needs a --latency_table; scripts/measure_latency.py measures one")
        if self.latency_table and self.cost != "latency":
            raise UserError(f"--latency_table={self.latency_table}: needs --cost=latency (--cost is {self.cost})")
