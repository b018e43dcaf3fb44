"""The settings of the macro search space; see `enas/options/config.py`. Nothing here imports TensorFlow.

The defaults of the child and the controller are those of the ENAS authors' macro search on CIFAR-10
(github.com/melodyguan/enas, scripts/cifar10_macro_search.sh).
"""

import dataclasses
from typing import ClassVar

from enas.macro.arc import FEWEST_LAYERS, MOST_LAYERS
from enas.options import config, option
from enas.options.budget import BudgetConfig


@dataclasses.dataclass(frozen=True)
class ChildConfig(config.ChildConfig):
    """The child network and how it is trained."""

    num_layers: int = option(
        12,
        "Layers, each with an op of its own; feature maps are halved after 1/3 and 2/3 of them. ENAS authors: 12 in the "
        "search, 24 in the final training.",
        FEWEST_LAYERS,
        MOST_LAYERS,
    )
    out_filters: int = option(
        36, "Filters of every layer. ENAS authors: 36 in the search, 96 in the final training.", 2, 1024
    )
    double_filters: bool = option(
        False,
        "Double the filters where feature maps are halved. ENAS authors: off in the search, on in the final training.",
    )
    controller_search_whole_channels: bool = option(
        True,
        "An arc names one op for each layer; off: a first channel and a number of channels for each of the six ops, all of "
        "which run. ENAS authors' presets: on.",
        prefixed=False,
    )
    l2_reg: float = option(
        2.5e-4,
        "Weight decay: the loss gains this times the sum of squares of all trained weights. ENAS authors: 2.5e-4 in the "
        "search, 2e-4 in the final training.",
        0.0,
        1.0,
    )


@dataclasses.dataclass(frozen=True)
class ControllerConfig(config.ControllerConfig):
    """The LSTM controller and its REINFORCE updates."""

    lr: float = option(0.001, "Adam's learning rate. ENAS authors: 0.001.", above=0.0)
    train_steps: int = option(50, "Controller updates in one controller phase. ENAS authors: 50.", 1)
    num_aggregate: int = option(
        20, "Arcs sampled for one update; their gradients are averaged. ENAS authors: 20.", 1, 10_000
    )
    tanh_constant: float = option(
        1.5, "Logits become this times tanh(logits) (arXiv 1611.09940); 0: off. ENAS authors: 1.5; paper: 2.5.", 0.0
    )
    temperature: float = option(
        1.0, "Logits are divided by this before the tanh. ENAS authors: none (1.0); paper: 5.0.", above=0.0
    )
    skip_target: float = option(
        0.4,
        "Share of skip connections the controller is held to (paper, section 3.2). Paper: 0.4.",
        above=0.0,
        high=0.99,
    )
    skip_weight: float = option(
        0.8,
        "Weight of the KL divergence between the probabilities of skip connections and --controller_skip_target in the "
        "controller's loss; 0: off. Paper: 0.8.",
        0.0,
    )


@dataclasses.dataclass(frozen=True)
class SearchConfig(config.SearchConfig):
    """Everything a search of the macro space needs."""

    space: ClassVar[str] = "macro"
    arc_flags: ClassVar[tuple[str, ...]] = ("controller_search_whole_channels",)
    child: ChildConfig = ChildConfig()
    controller: ControllerConfig = ControllerConfig()
    budget: BudgetConfig = BudgetConfig()


@dataclasses.dataclass(frozen=True)
class TrainConfig(config.TrainConfig):
    """Everything the training of a macro arc needs."""

    space: ClassVar[str] = "macro"
    arc_flags: ClassVar[tuple[str, ...]] = ("controller_search_whole_channels",)
    child: ChildConfig = ChildConfig()
