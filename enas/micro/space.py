"""The micro search space as the shared rooms see it."""

from enas.interfaces import Network, SearchSpace
from enas.micro import arc, config, cost, diagram, op_table


def load() -> Network:
    """Imports what needs TensorFlow."""
    from enas.classification import task
    from enas.micro import child, controller

    return Network(child, controller, task)


SPACE = SearchSpace(
    name="micro",
    search_config=config.SearchConfig,
    train_config=config.TrainConfig,
    arc=arc,
    diagram=diagram,
    load=load,
    cost=cost.cost,
    evaluation_config=config.EvaluationConfig,
    at_one_scheme=op_table.at_one_scheme,
)
