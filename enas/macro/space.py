"""The macro search space as the shared rooms see it."""

from typing import Any

from enas.interfaces import Network, SearchSpace
from enas.macro import arc, config, cost, diagram


def load() -> Network:
    """Imports what needs TensorFlow."""
    from enas.classification import task
    from enas.macro import child, controller, program

    return Network(child, controller, task, program.describe)


def shared_value(*arguments: Any) -> Any:
    """See `inheritance.shared_value`."""
    from enas.macro import inheritance

    return inheritance.shared_value(*arguments)


def ops(found: arc.Arc, _child: config.ChildConfig) -> list[str]:
    """Names the op of each layer, or, where channels are a choice, the op of each channel."""
    names: list[str] = []
    for layer in found.layers:
        if layer.op is not None:
            names.append(arc.OPS[layer.op])
        for name, (_, count) in zip(arc.OPS, layer.channels, strict=False):
            names += [name] * count
    return names


SPACE = SearchSpace(
    name="macro",
    search_config=config.SearchConfig,
    train_config=config.TrainConfig,
    arc=arc,
    diagram=diagram,
    load=load,
    ops=ops,
    cost=cost.cost,
    shared_value=shared_value,
)
