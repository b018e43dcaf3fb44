"""Options of the controller, of how its arcs are scored, and of what comes of them."""

import dataclasses

from enas.options import option


@dataclasses.dataclass(frozen=True)
class ControllerConfig:
    """The LSTM controller and its REINFORCE updates."""

    lr: float = option(0.0035, "Adam's learning rate. Paper: 0.00035; ENAS authors' scripts: 0.0035.", above=0.0)
    train_steps: int = option(30, "Controller updates in one controller phase. ENAS authors: 30.", 1)
    warmup_epochs: int = option(
        0,
        "Epochs at the start in which the shared weights are trained on uniformly sampled arcs and the controller rests. "
        "ENAS authors: 0.",
        0,
    )
    train_every: int = option(1, "Epochs between controller phases. ENAS authors: 1.", 1)
    num_aggregate: int = option(
        10, "Arcs sampled for one update; their gradients are averaged. ENAS authors: 10.", 1, 10_000
    )
    batch_size: int = option(
        0, "Validation images that one reward is measured on. 0: --batch_size, as the ENAS authors.", 0
    )
    entropy_weight: float = option(
        1e-4,
        "Weight of the sampling entropy, nats, in the controller's loss. Paper: 0.1, in the reward; ENAS authors: 1e-4.",
        0.0,
    )
    entropy_decay: float = option(
        1.0,
        "Factor on the entropy weight at every update; 1: it stays. On the planted problem (docs/search.md) a weight of 0.1 "
        "that falls by 0.99 reached the level of the best random arcs no sooner: after 49 to 59 updates (three seeds), the "
        "micro space's defaults after 43 to 48. ENAS authors: 1.",
        0.0,
        1.0,
    )
    tanh_constant: float = option(
        1.10,
        "Logits become this times tanh(logits) (arXiv 1611.09940); 0: off. Paper: 2.5; ENAS authors' micro search: 1.10.",
        0.0,
    )
    temperature: float = option(
        1.0,
        "Logits are divided by this before the tanh. Paper: 5.0; ENAS authors' micro search: none (1.0).",
        above=0.0,
    )
    bl_dec: float = option(
        0.99, "Decay of the moving averages of rewards and advantages, per update. ENAS authors: 0.99.", 0.0, 1.0
    )
    baseline: str = option(
        "moving",
        "What a reward is compared with. leave_one_out: the mean reward of the update's other arcs; moving: a moving "
        "average (see --controller_bl_dec), also used where an update has one arc. ENAS authors: moving.",
        choices=("leave_one_out", "moving"),
    )
    normalize_advantage: bool = option(
        False,
        "Divide advantages by a moving average (see --controller_bl_dec) of their root mean square, so that updates do "
        "not depend on how far accuracies lie apart. ENAS authors: off.",
    )
    entropy_in_reward: bool = option(
        False,
        "Count the entropy, times --controller_entropy_weight, in the reward, where it has no gradient of its own, rather "
        "than in the loss. ENAS authors: on.",
    )
    baseline_from_zero: bool = option(
        False,
        "Start the moving average of rewards at 0, which calls every early arc good, rather than at the first reward. ENAS "
        "authors: on.",
    )
    lstm_size: int = option(64, "Hidden units of the LSTM. ENAS authors: 64 (paper: 100).", 1, 4096)

    # Only where all choices of a decision are alike; an option of the micro space.
    fair_warmup = False


@dataclasses.dataclass(frozen=True)
class ScoreConfig:
    """What arcs are rewarded with, and how those sampled after a controller phase are scored."""

    reward: str = option(
        "accuracy",
        "What arcs are rewarded with, and chosen by: the accuracy on validation images, or balanced_accuracy, the mean "
        "recall of the classes, for classes of very different sizes.",
        choices=("accuracy", "balanced_accuracy"),
    )

    eval_arc_batches: int = option(
        0,
        "Validation batches each of the 10 arcs sampled after a controller phase is scored "
        "on, the same images for all. 0: the whole validation set.",
        0,
    )


@dataclasses.dataclass(frozen=True)
class RecommendationConfig:
    """When a search ends, and which arc it recommends."""

    early_stop_over: float = option(
        0.0,
        "End the search after the epoch in which an arc's validation accuracy passes this: 0.9 is 90%. 0: never.",
        0.0,
        1.0,
        flexible=True,
    )
    select_strategy: str = option(
        "best",
        "The arc a search recommends, in best_arc.txt. best: of all scored arcs the best; last: of those scored last the "
        "best.",
        choices=("best", "last"),
        flexible=True,
    )
    recommended_arch: str = option(
        "",
        "File outside --output_dir the recommended arc is written to as well: as JSON or .npy where its name ends so, else "
        "as text.",
        flexible=True,
    )
    sampling_only: bool = option(
        False,
        "Train nothing: sample --num_sampling more arcs with the controller of the search in --output_dir, score them, "
        "and write them to sampled_arcs.jsonl there. All other settings are that search's.",
        flexible=True,
    )
    num_sampling: int = option(10, "Arcs that --sampling_only samples.", 1, 1_000_000, flexible=True)
