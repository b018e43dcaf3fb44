"""The micro search space as the shared rooms see it."""

from typing import Any

from enas.interfaces import Network, SearchSpace
from enas.micro import arc, config, cost, diagram, latency, op_table


def load() -> Network:
    """Imports what needs TensorFlow."""
    from enas.classification import task
    from enas.micro import child, controller, program

    return Network(child, controller, task, program.describe)


def environment(cores: int) -> dict[str, str]:
    """Half as many threads for an op as there are cores.

    What a cell's slots compute is small, and several slots are computed side by side: to spread each of their ops over all
    cores as well costs a fifth more time for waking threads and waiting for them than it saves, on the two cores measured.
    """
    return {"TF_NUM_INTRAOP_THREADS": str(max(1, cores // 2))}


def shared_value(*arguments: Any) -> Any:
    """See `inheritance.shared_value`."""
    from enas.micro import inheritance

    return inheritance.shared_value(*arguments)


def ops(found: arc.Arc, child: config.ChildConfig) -> list[str]:
    """Names the two ops of each node of each cell."""
    table = op_table.op_table(child)
    return [str(table[op]) for cell in (found.normal, found.reduction) for node in cell.nodes for _, op in node.sides]


SPACE = SearchSpace(
    name="micro",
    search_config=config.SearchConfig,
    train_config=config.TrainConfig,
    arc=arc,
    diagram=diagram,
    load=load,
    ops=ops,
    shared_value=shared_value,
    environment=environment,
    cost=cost.cost,
    latency_parts=latency.parts,
    evaluation_config=config.EvaluationConfig,
    at_one_scheme=op_table.at_one_scheme,
)
