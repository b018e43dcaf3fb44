"""The settings of the micro search space; see `enas/options/config.py`. Nothing here imports TensorFlow."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from enas.errors import UserError
from enas.micro.op_table import KERNELS, KINDS, OPS, op_table
from enas.options import config, option, other_default
from enas.options.budget import BudgetConfig
from enas.options.config import RECIPES, SCHEMES, BaseRunConfig, DataConfig, ScoreConfig
from enas.options.evaluation import SweepOptions


@dataclasses.dataclass(frozen=True)
class ChildConfig(config.ChildConfig):
    """The child network and how it is trained."""

    num_layers: int = option(
        6,
        "Normal cells; two reduction cells come on top, at 1/3 and 2/3 of the depth. ENAS authors: 6 in "
        "the search, 15 in the final training.",
        2,
        100,
    )
    num_cells: int = option(
        5, "Nodes a cell computes (the arc has 4 integers for each, for each of the two cells). Paper: 5.", 1, 12
    )
    out_filters: int = option(
        20,
        "Filters of the first cells; doubled by each reduction cell. ENAS authors: 20 in the search, "
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
    op_table: str = option(
        ",".join(OPS),
        f"The ops that an arc's op ids stand for, in their order: some of {', '.join(KINDS)}, separated by commas. "
        "conv_3x3 is a dense convolution, applied twice as the separable ones are. train_fixed_arc.py takes the table from "
        "the search that --arc_file lies in. ENAS authors: the default.",
        before=lambda _stored: ",".join(OPS),
    )
    search_precision: str = option(
        "",
        "Schemes separated by commas, e.g. binary,ternary,k4,fp16: every convolution op comes once under each, op ids count "
        "through the pairs, and --child_scheme is the arithmetic of what is not searched (the 1x1 convolutions around "
        "the ops, and the ends). Empty: --child_scheme everywhere. train_fixed_arc.py takes it from the search that "
        "--arc_file lies in.",
        prefixed=False,
    )

    @property
    def op_kinds(self) -> tuple[str, ...]:
        """The ops of --child_op_table, some of `op_table.KINDS`."""
        return tuple(self.op_table.split(","))

    @property
    def precisions(self) -> tuple[str, ...]:
        """The schemes that are searched, a tuple; empty where --child_scheme rules everywhere."""
        return tuple(self.search_precision.split(",")) if self.search_precision else ()

    @property
    def op_schemes(self) -> tuple[str, ...]:
        """The schemes that ops may compute under."""
        return self.precisions or (self.scheme,)

    def __post_init__(self):
        super().__post_init__()
        _check_some_of("child_op_table", self.op_kinds, "op", KINDS)
        if not set(self.op_kinds) & set(KERNELS):
            raise UserError(f"--child_op_table={self.op_table}: expected at least one of {', '.join(KERNELS)}")
        _check_some_of("search_precision", self.precisions, "scheme", SCHEMES)


def _check_some_of(flag: str, names: Sequence[str], what: str, known: Sequence[str]) -> None:
    """Checks the names in a flag's list.

    Raises:
      UserError: one is not known, or is there twice.
    """
    for name in names:
        if name not in known or names.count(name) > 1:
            raise UserError(
                f"--{flag}={','.join(names)}: {name!r} is {'there twice' if name in known else f'no {what}'}; expected some "
                f"of {', '.join(known)}, separated by commas"
            )


@dataclasses.dataclass(frozen=True)
class ControllerConfig(config.ControllerConfig):
    """The LSTM controller and its REINFORCE updates."""

    preset: str = option(
        "none",
        "authors: as in the ENAS authors' code, for comparison: learning rate 0.0035, tanh constants 1.10 and 1.10 / 2.5, "
        "no decision bias, a moving baseline that starts at 0, no normalisation, entropy as a part of the reward, and an "
        "op bias that starts at 10 for ops 0 and 1, where tanh has no gradient, with 0.25 more for them and 0.25 less for "
        "the others in the normal cell. Other flags that are given override the preset's.",
        choices=("none", "authors"),
    )
    lr: float = other_default(config.ControllerConfig, "lr", 0.001)
    tanh_constant: float = other_default(config.ControllerConfig, "tanh_constant", 2.5)
    baseline: str = other_default(config.ControllerConfig, "baseline", "leave_one_out")
    normalize_advantage: bool = other_default(config.ControllerConfig, "normalize_advantage", True)
    op_tanh_reduce: float = option(
        1.0,
        "The tanh constant of op logits is divided by this. ENAS authors: 2.5, with which none of five ops can get more "
        "than 38%.",
        above=0.0,
    )
    decision_bias: float = option(
        40.0,
        "Each decision has learned biases of its own, times this, in its logits, so that they learn that many times as "
        "fast as the LSTM: at the start its states hardly differ from one decision to the next, and where it has to learn "
        "alone, at a higher rate, some searches saturate at poor arcs (docs/search.md). 0: none. ENAS authors: none.",
        0.0,
    )
    fair_warmup: bool = option(
        False,
        "In the epochs of --controller_warmup_epochs each decision goes through all its choices in random order before any "
        "comes again (strict fairness, FairNAS, arXiv 1907.01845). Off: each step's arc is drawn on its own.",
    )
    op_prior: str = option("none", "Comma-separated fixed logits added to the op logits, one for each op, or none.")
    normal_op_prior: float = option(
        0.0,
        "In the normal cell the fixed logits of ops 0 and 1 gain this and the others lose it. ENAS authors: 0.25.",
        0.0,
    )
    op_bias_init: float = option(
        0.0,
        "The learned biases of ops 0 and 1 start at this. ENAS authors: 10, where tanh has no gradient, so that these two "
        "ops are never learned.",
        0.0,
    )


# --controller_preset: the defaults it changes.
PRESETS = {
    "none": {},
    "authors": {
        "controller_lr": 0.0035,
        "controller_tanh_constant": 1.10,
        "controller_op_tanh_reduce": 2.5,
        "controller_decision_bias": 0.0,
        "controller_baseline": "moving",
        "controller_normalize_advantage": False,
        "controller_entropy_in_reward": True,
        "controller_baseline_from_zero": True,
        "controller_normal_op_prior": 0.25,
        "controller_op_bias_init": 10.0,
    },
}


class _WithOps(config.Settings):
    """What runs of this space have beside their settings."""

    space: ClassVar[str] = "micro"
    arc_flags: ClassVar[tuple[str, ...]] = ("child_op_table", "search_precision")

    def metadata(self):
        """{"ops": [the op that each op id stands for]}, for config.json."""
        return {"ops": [str(op) for op in op_table(self.child)]}


def op_prior(controller: ControllerConfig, num_ops: int = len(OPS)) -> list[float]:
    """Parses --controller_op_prior: a list of `num_ops` floats, zeros for none.

    Raises:
      UserError: it is not one finite number for each op.
    """
    if controller.op_prior == "none":
        return [0.0] * num_ops
    try:
        prior = [float(word) for word in controller.op_prior.split(",")]
    except ValueError:
        prior = []
    if len(prior) != num_ops or not all(map(math.isfinite, prior)):
        raise UserError(
            f"--controller_op_prior={controller.op_prior}: expected none or {num_ops} numbers separated by commas"
        )
    return prior


@dataclasses.dataclass(frozen=True)
class SearchConfig(_WithOps, config.SearchConfig):
    """Everything a search of the micro space needs."""

    presets: ClassVar[dict] = {"child_recipe": RECIPES, "controller_preset": PRESETS}
    child: ChildConfig = ChildConfig()
    controller: ControllerConfig = ControllerConfig()
    budget: BudgetConfig = BudgetConfig()

    def __post_init__(self):
        op_prior(self.controller, len(op_table(self.child)))

    def obstacle(self, stored: Mapping[str, Any]) -> str:
        """A search under a budget of bit operations that is older than --child_recipe counted them otherwise."""
        budget = self.budget.cost_target and self.budget.cost == "bitops"
        if "child_recipe" in stored or not budget or self.child.recipe != "published":
            return ""
        return (
            f"--cost_target={self.budget.cost_target:g}: its search counts too few bit operations, those of the 1x1 half of "
            "a separable convolution with the bits of its scheme in place of the bits of what it reads"
        )


@dataclasses.dataclass(frozen=True)
class TrainConfig(_WithOps, config.TrainConfig):
    """Everything the training of a micro arc needs."""

    child: ChildConfig = ChildConfig()


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(_WithOps, config.EvaluationConfig):
    """Everything the evaluation of a search of the micro space needs."""

    arc_flags: ClassVar[tuple[str, ...]] = ("child_num_cells", *_WithOps.arc_flags)
    child: ChildConfig = ChildConfig()


@dataclasses.dataclass(frozen=True)
class SweepRunConfig(BaseRunConfig):
    """One sweep. Its searches are not made longer later: arcs of theirs may have been trained."""

    output_dir: str = option("outputs/sweep", "The run directory. An existing sweep in it is resumed.", flexible=True)
    num_epochs: int = option(10, "Epochs of each search.", 1)


@dataclasses.dataclass(frozen=True)
class SweepConfig(_WithOps):
    """Everything that searches at several cost targets, and the trainings of their arcs, need."""

    presets: ClassVar[dict] = {"child_recipe": RECIPES, "controller_preset": PRESETS}
    sweep: SweepOptions = SweepOptions()
    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    controller: ControllerConfig = ControllerConfig()
    strategy: config.StrategyConfig = config.StrategyConfig()
    budget: BudgetConfig = BudgetConfig()
    score: ScoreConfig = ScoreConfig()
    run: SweepRunConfig = SweepRunConfig()

    @property
    def of_search(self) -> SearchConfig:
        """The `SearchConfig` of the searches, but for directory and target."""
        return config.from_values(SearchConfig, config.to_values(self))

    @property
    def of_trainings(self) -> EvaluationConfig:
        """The `EvaluationConfig` of the trainings from scratch: one period of the learning rate's schedule."""
        epochs = self.sweep.final_epochs
        return config.from_values(
            EvaluationConfig, {**config.to_values(self), "num_epochs": epochs, "child_lr_T_0": epochs}
        )
