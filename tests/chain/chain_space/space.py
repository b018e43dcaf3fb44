"""The chain space as the shared rooms see it."""

from chain_space import arc, config, diagram
from enas.interfaces import Network, SearchSpace


def load() -> Network:
    """Imports what needs TensorFlow."""
    from chain_space import child, controller
    from enas.classification import task

    return Network(child, controller, task)


SPACE = SearchSpace(
    name="chain",
    search_config=config.SearchConfig,
    train_config=config.TrainConfig,
    arc=arc,
    diagram=diagram,
    load=load,
)
