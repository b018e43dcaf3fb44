"""The chain space as the shared rooms see it."""

from chain_space import arc, config, diagram
from enas.interfaces import Network, SearchSpace


def load() -> Network:
    """Imports what needs TensorFlow."""
    from chain_space import child, controller
    from enas.classification import task

    return Network(child, controller, task)


def ops(found: arc.Arc, _child: config.ChildConfig) -> list[str]:
    """Names the op of each layer."""
    return [arc.OPS[op] for op in found.ops]


SPACE = SearchSpace(
    name="chain",
    search_config=config.SearchConfig,
    train_config=config.TrainConfig,
    arc=arc,
    diagram=diagram,
    load=load,
    ops=ops,
)
