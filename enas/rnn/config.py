"""The settings of the recurrent search space; see `enas/options/config.py`. Nothing here imports TensorFlow."""

import dataclasses
from typing import ClassVar

from enas.errors import UserError
from enas.options import config, option
from enas.options.workers import WorkersConfig
from enas.rnn.arc import MOST_NODES

_LIMIT = "Keep at most this many tokens of the {} text, from its front. 0: all."


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where the text comes from."""

    dataset: str = option(
        "pydoc",
        "Text. pydoc: Python's own reference manual, which needs no file; ptb: the Penn Treebank; folder: any folder "
        "with train.txt, valid.txt and test.txt.",
        choices=("pydoc", "ptb", "folder"),
    )
    data_dir: str = option(
        "",
        "Folder that holds train.txt, valid.txt and test.txt. Default: data/<dataset>. A resumed run may find the same "
        "files elsewhere.",
        flexible=True,
    )
    max_train_tokens: int = option(0, _LIMIT.format("training"), 0)
    max_valid_tokens: int = option(0, _LIMIT.format("validation"), 0)
    max_test_tokens: int = option(0, _LIMIT.format("test"), 0)


@dataclasses.dataclass(frozen=True)
class ChildConfig:
    """The language model and how it is trained. The defaults are those of the ENAS authors' search."""

    # Only the training of one cell averages weights, so this is no option here.
    average_start = -1

    rhn_depth: int = option(12, "Nodes of the cell; an arc has 2N - 1 integers for N nodes. Paper: 12.", 1, MOST_NODES)
    lstm_hidden_size: int = option(
        720, "Units of each node, of the state and of the embedding. ENAS authors: 720; final training 748.", 1, 8192
    )
    bptt_steps: int = option(35, "Time steps a gradient goes back; the state is carried on. ENAS authors: 35.", 1, 1024)
    lstm_e_keep: float = option(
        0.75,
        "Probability of keeping a word of the vocabulary, for all its occurrences in a sequence (embedding dropout, arXiv "
        "1512.05287). ENAS authors: 0.75; final training 0.79.",
        above=0.0,
        high=1.0,
    )
    lstm_x_keep: float = option(
        0.25,
        "Probability of keeping a unit of the cell's input, the same at all time steps (variational dropout, arXiv "
        "1512.05287). ENAS authors: 0.25.",
        above=0.0,
        high=1.0,
    )
    lstm_h_keep: float = option(
        0.75,
        "Probability of keeping a unit of what a node reads, the same at all time steps and nodes. ENAS authors: 0.75.",
        above=0.0,
        high=1.0,
    )
    lstm_o_keep: float = option(
        0.25,
        "Probability of keeping a unit of the output, the same at all time steps. ENAS authors: 0.25; final training 0.24.",
        above=0.0,
        high=1.0,
    )
    lr: float = option(
        0.25, "Learning rate of plain SGD at the start. ENAS authors: 0.25; final training 20.", above=0.0
    )
    lr_dec_start: int = option(
        12, "Epochs before the learning rate starts to decay. ENAS authors: 12; final training 14.", 0
    )
    lr_dec_every: int = option(1, "Epochs from one decay to the next. ENAS authors: 1.", 1)
    lr_dec_rate: float = option(
        0.95, "Factor of each decay. ENAS authors: 0.95; final training 0.9991.", above=0.0, high=1.0
    )
    lr_dec_min: float = option(0.0005, "Floor of the learning rate. ENAS authors: 0.0005; final training 0.001.", 0.0)
    grad_bound: float = option(
        10.0,
        "All gradients are scaled so that their global norm is at most this. ENAS authors: 10; final training 0.25.",
        above=0.0,
    )
    l2_reg: float = option(
        1e-7,
        "The loss gains this times the sum of squares of the weights the child uses. ENAS authors: 1e-7; final "
        "training 5e-7.",
        0.0,
        1.0,
    )
    rnn_l2_reg: float = option(
        0.0, "The loss gains this times the sum of squares of a sequence's outputs. ENAS authors: none.", 0.0
    )
    rnn_slowness_reg: float = option(
        0.0,
        "The loss gains this times the sum of squared differences of a sequence's successive outputs. ENAS authors: none "
        "in the search, 1e-3 in the final training.",
        0.0,
    )


@dataclasses.dataclass(frozen=True)
class FinalChildConfig(ChildConfig):
    """What only the training of one cell has."""

    average_start: int = option(
        -1,
        "Epochs after which averaged SGD (Polyak and Juditsky 1992) starts: what is evaluated and stored from then on "
        "is the mean of the weights of all later steps. -1: never.",
        -1,
    )


@dataclasses.dataclass(frozen=True)
class ControllerConfig(config.ControllerConfig):
    """The LSTM controller and its REINFORCE updates. The defaults are those of the ENAS authors' search."""

    lr: float = option(0.001, "Adam's learning rate. ENAS authors: 0.001.", above=0.0)
    train_steps: int = option(100, "Controller updates in one controller phase. ENAS authors: 100.", 1)
    batch_size: int = option(
        0, "Sequences of the validation window that one reward is measured on. 0: --batch_size, as the ENAS authors.", 0
    )
    entropy_weight: float = option(
        1e-3, "Weight of the sampling entropy, nats, in the controller's loss. ENAS authors: 1e-3.", 0.0
    )
    tanh_constant: float = option(
        2.5, "Logits become this times tanh(logits) (arXiv 1611.09940); 0: off. ENAS authors: 2.5.", 0.0
    )
    temperature: float = option(5.0, "Logits are divided by this before the tanh. ENAS authors: 5.0.", above=0.0)
    lstm_size: int = option(100, "Hidden units of the LSTM. ENAS authors: 100.", 1, 4096)
    reward_constant: float = option(
        80.0, "The reward of an arc is this divided by its validation perplexity. ENAS authors: 80.", above=0.0
    )


@dataclasses.dataclass(frozen=True)
class ScoreConfig:
    """How the arcs sampled after a controller phase are scored."""

    eval_arc_batches: int = option(
        0,
        "Windows of the validation text, --child_bptt_steps long in --batch_size streams, that each of the 10 arcs "
        "sampled after a controller phase is scored on, the same for all. 0: the whole text.",
        0,
    )


@dataclasses.dataclass(frozen=True)
class RunConfig(config.RunConfig):
    """One run: its directory, length, logging and seed."""

    batch_size: int = option(
        20, "Streams of text a step trains on. ENAS authors: 20 in the search, 64 in the final training.", 1
    )
    num_epochs: int = option(
        10, "Epochs to train in all. ENAS authors: 100 in the search, 2,000 in the final training.", 1, flexible=True
    )


@dataclasses.dataclass(frozen=True)
class TrainRunConfig(RunConfig):
    """One training: as a search, in a directory of its own."""

    output_dir: str = option("outputs/final", "The run directory. An existing run in it is resumed.", flexible=True)


@dataclasses.dataclass(frozen=True)
class FixedArcConfig(config.FixedArcConfig):
    """Which arc is trained from scratch."""

    baseline: str = option(
        "none",
        "What to train in the place of an arc. lstm: one LSTM layer, as wide as the cell of --child_rhn_depth nodes of "
        "--child_lstm_hidden_size units has weights for, the embedding included.",
        choices=("none", "lstm"),
    )
    additional_filters_on_retrain: int = option(
        0,
        "Units added to --child_lstm_hidden_size, which keeps the rest of a search's settings; with --baseline=lstm to "
        "those of the cell whose size it has.",
        0,
        1024,
    )

    def source(self) -> tuple[str, str]:
        """Names the flag that says what is trained, as in any space, or ("baseline", what is trained in place of an
        arc)."""
        if self.baseline == "none":
            return super().source()
        if self.child_fixed_arc or self.arc_file:
            raise UserError(
                f"--baseline={self.baseline}: takes the place of an arc; drop --child_fixed_arc and --arc_file"
            )
        return "baseline", self.baseline

    def trained_child(self, child: FinalChildConfig) -> FinalChildConfig:
        """The settings of the child that is trained: those of the flags, with the additional units."""
        return dataclasses.replace(child, lstm_hidden_size=child.lstm_hidden_size + self.additional_filters_on_retrain)


@dataclasses.dataclass(frozen=True)
class RecommendationConfig(config.RecommendationConfig):
    """When a search ends, and which cell it recommends."""

    early_stop_over: float = option(
        0.0,
        "End the search after the epoch in which a cell's validation perplexity, which is at least 1, falls below this. 0: "
        "never.",
        0.0,
        flexible=True,
    )

    def __post_init__(self) -> None:
        if 0 < self.early_stop_over < 1:
            raise UserError(f"--early_stop_over={self.early_stop_over}: expected 0, or a perplexity of at least 1")


@dataclasses.dataclass(frozen=True)
class SearchConfig(config.Settings):
    """Everything a search of the recurrent space needs."""

    space: ClassVar[str] = "rnn"
    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    controller: ControllerConfig = ControllerConfig()
    strategy: config.StrategyConfig = config.StrategyConfig()
    score: ScoreConfig = ScoreConfig()
    recommendation: RecommendationConfig = RecommendationConfig()
    run: RunConfig = RunConfig()
    workers: WorkersConfig = WorkersConfig()


@dataclasses.dataclass(frozen=True)
class TrainConfig(config.Settings):
    """Everything the training of a recurrent cell needs."""

    space: ClassVar[str] = "rnn"
    data: DataConfig = DataConfig()
    child: FinalChildConfig = FinalChildConfig()
    arc: FixedArcConfig = FixedArcConfig()
    run: TrainRunConfig = TrainRunConfig()
    workers: WorkersConfig = WorkersConfig()
