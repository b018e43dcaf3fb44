"""The recurrent search space as the shared rooms see it."""

from enas.interfaces import Network, SearchSpace
from enas.rnn import arc, config, diagram


def load() -> Network:
    """Imports what needs TensorFlow."""
    from enas.rnn import child, controller, language

    return Network(child, controller, language)


SPACE = SearchSpace(
    name="rnn",
    search_config=config.SearchConfig,
    train_config=config.TrainConfig,
    arc=arc,
    diagram=diagram,
    load=load,
)
