"""The settings of the micro search space; see `enas/config.py`. Nothing here imports TensorFlow."""

import dataclasses
from typing import ClassVar

from enas import config
from enas.config import DataConfig, OutcomeConfig, RetrainConfig, RunConfig, ScoreConfig
from enas.options import option


@dataclasses.dataclass(frozen=True)
class ChildConfig(config.ChildConfig):
    """The child network and how it is trained."""

    num_layers: int = option(
        6,
        "Normal cells; two reduction cells come on top, at 1/3 and 2/3 of the depth. Paper: 6 in "
        "the search, 15 in the final training.",
        2,
        100,
    )
    num_cells: int = option(
        5, "Nodes a cell computes (the arc has 4 integers for each, for each of the two cells). Paper: 5.", 1, 12
    )
    out_filters: int = option(
        20,
        "Filters of the first cells; doubled by each reduction cell. Paper: 20 in the search, "
        "36 in the final training.",
        2,
        1024,
    )
    drop_path_keep_prob: float = option(
        0.6,
        "Probability of keeping a path, reached at the last layer and the last step "
        "(drop path, arXiv 1605.07648; schedule of NASNet, arXiv 1707.07012). ENAS authors: 0.6.",
        above=0.0,
        high=1.0,
    )
    use_aux_heads: bool = option(
        False, "Add an auxiliary classifier, weight 0.4, after the second reduction cell. ENAS authors: on."
    )


@dataclasses.dataclass(frozen=True)
class ControllerConfig(config.ControllerConfig):
    """The LSTM controller and its REINFORCE updates."""

    op_tanh_reduce: float = option(
        2.5, "The tanh constant of op logits is divided by this. ENAS authors: 2.5.", above=0.0
    )
    op_prior: str = option("none", "Comma-separated fixed logits added to the op logits, one for each op, or none.")


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Everything a search of the micro space needs."""

    space: ClassVar[str] = "micro"
    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    controller: ControllerConfig = ControllerConfig()
    score: ScoreConfig = ScoreConfig()
    outcome: OutcomeConfig = OutcomeConfig()
    run: RunConfig = RunConfig()


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything the training of a micro arc needs."""

    space: ClassVar[str] = "micro"
    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    arc: RetrainConfig = RetrainConfig()
    run: RunConfig = RunConfig()
