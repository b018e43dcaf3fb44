"""The recurrent search space as the shared rooms see it."""

from typing import Any

from enas import metric
from enas.interfaces import Network, SearchSpace
from enas.rnn import arc, config, diagram


def load() -> Network:
    """Imports what needs TensorFlow."""
    from enas.rnn import child, controller, language

    return Network(child, controller, language)


def shared_value(*arguments: Any) -> Any:
    """See `inheritance.shared_value`."""
    from enas.rnn import inheritance

    return inheritance.shared_value(*arguments)


def ops(found: arc.Arc, _child: config.ChildConfig) -> list[str]:
    """Names the activation of each node."""
    return [arc.ACTIVATIONS[node.activation] for node in found.nodes]


def environment(_cores: int) -> dict[str, str]:
    """No oneDNN: products have as few rows as a batch has sequences, and its kernels take twice as long over them as
    TensorFlow's own."""
    return {"TF_ENABLE_ONEDNN_OPTS": "0"}


SPACE = SearchSpace(
    name="rnn",
    search_config=config.SearchConfig,
    train_config=config.TrainConfig,
    arc=arc,
    diagram=diagram,
    load=load,
    ops=ops,
    shared_value=shared_value,
    metric=metric.PERPLEXITY,
    environment=environment,
)
