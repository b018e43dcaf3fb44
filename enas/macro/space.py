"""The macro search space as the shared rooms see it."""

from enas.interfaces import Network, SearchSpace
from enas.macro import arc, config, diagram


def load() -> Network:
    """Imports what needs TensorFlow."""
    from enas.classification import task
    from enas.macro import child, controller

    return Network(child, controller, task)


SPACE = SearchSpace(
    name="macro",
    search_config=config.SearchConfig,
    train_config=config.TrainConfig,
    arc=arc,
    diagram=diagram,
    load=load,
)
