"""The settings of the chain space. Nothing here imports TensorFlow."""

import dataclasses
from typing import ClassVar

from enas.options import config, option


@dataclasses.dataclass(frozen=True)
class ChildConfig(config.ChildConfig):
    """The child network and how it is trained."""

    num_layers: int = option(3, "Layers of the chain.", 1, 20)
    out_filters: int = option(8, "Filters of every layer.", 2, 1024)


@dataclasses.dataclass(frozen=True)
class SearchConfig(config.SearchConfig):
    """Everything a search of the chain space needs."""

    space: ClassVar[str] = "chain"
    child: ChildConfig = ChildConfig()


@dataclasses.dataclass(frozen=True)
class TrainConfig(config.TrainConfig):
    """Everything the training of a chain needs."""

    space: ClassVar[str] = "chain"
    child: ChildConfig = ChildConfig()
