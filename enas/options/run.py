"""Options of a run, and of the arc that a training run trains."""

import dataclasses
from typing import Any

from enas.errors import UserError
from enas.options import option


@dataclasses.dataclass(frozen=True)
class BaseRunConfig:
    """One run: its directory, length in epochs, logging and seed."""

    output_dir: str = option("outputs/search", "The run directory. An existing run in it is resumed.", flexible=True)
    reset_output_dir: bool = option(
        False, "Delete --output_dir first; refused unless it is a run of this project.", flexible=True
    )
    batch_size: int = option(
        32, "Training images a step. ENAS authors: 160 in the search, 144 in the final training.", 2
    )
    num_epochs: int = option(
        10, "Epochs to train in all. ENAS authors: 150 in the search, 630 in the final training.", 1, flexible=True
    )
    checkpoint_every_minutes: float = option(
        10.0,
        "Minutes between checkpoints inside an epoch; each epoch ends with one too. 0: after every step, which is slow.",
        0.0,
        flexible=True,
    )
    max_bad_steps: int = option(
        20,
        "Stop after this many child steps, or controller updates, in a row whose loss or gradient was not finite; such a "
        "step is skipped. An overflow that a dynamic --loss_scale still adapts to does not count.",
        1,
        flexible=True,
    )
    log_every: int = option(50, "Child steps between log lines. ENAS authors: 50.", 1, flexible=True)
    eval_every_epochs: int = option(
        1,
        "Epochs between evaluations on all validation and test images; a search also scores arcs then. ENAS authors: 1.",
        1,
        flexible=True,
    )
    seed: int = option(
        0, "Seed of every random draw: the same seed gives the same run, bit for bit on the CPU.", 0, 2**31 - 1
    )


@dataclasses.dataclass(frozen=True)
class RunConfig(BaseRunConfig):
    """One run that may have a time limit."""

    max_minutes: float = option(
        0.0,
        "End the run, at a step's end, after so many minutes of work that was kept; what it found by then is scored on top. "
        "The same command with a larger limit goes on. 0: no limit.",
        0.0,
        flexible=True,
    )
    lr_by_time: bool = option(
        False,
        "Let the learning rate's schedule follow the time: it goes through --num_epochs of its epochs in --max_minutes, or "
        "faster where the epochs are done sooner. Give a --num_epochs that the time is sure to end, and "
        "--child_lr_T_0 as large for one period. Runs with this are not the same bit for bit, as clocks are not.",
    )

    def __post_init__(self) -> None:
        if self.lr_by_time and not self.max_minutes:
            raise UserError("--lr_by_time: needs a --max_minutes that the schedule can follow")


@dataclasses.dataclass(frozen=True)
class TrainRunConfig(RunConfig):
    """One training: as a search, in a directory of its own."""

    output_dir: str = option("outputs/final", "The run directory. An existing run in it is resumed.", flexible=True)


@dataclasses.dataclass(frozen=True)
class FixedArcConfig:
    """Which arc is trained from scratch."""

    child_fixed_arc: str = option(
        "",
        "The arc: its integers, as a search prints them; for the default micro space 40 of them. How many nodes or layers "
        "the child has follows from them.",
    )
    arc_file: str = option(
        "",
        "File that holds the arc: text (e.g. a search's best_arc.txt), JSON, .npy, or the log of a search, of which the "
        "best arc is taken; or a run directory. Use this or --child_fixed_arc.",
    )
    init_from: str = option(
        "",
        "Run directory of a search: begin with the shared weights that the arc has in it, where shapes are the same, in the "
        "place of random ones. docs/search.md has what that is worth.",
    )
    eval_only: bool = option(
        False, "Evaluate the best checkpoint stored in --output_dir instead of training.", flexible=True
    )

    def source(self) -> tuple[str, str]:
        """(flag, its value) of the one flag that says what is trained.

        Raises:
          UserError: none or several do.
        """
        if bool(self.child_fixed_arc) == bool(self.arc_file):
            raise UserError("give the arc to train by --child_fixed_arc or by --arc_file, one of the two")
        return ("arc_file", self.arc_file) if self.arc_file else ("child_fixed_arc", self.child_fixed_arc)


@dataclasses.dataclass(frozen=True)
class RetrainConfig(FixedArcConfig):
    """Which arc of an image space is trained from scratch, and how wide."""

    additional_filters_on_retrain: int = option(
        0,
        "Filters added to --child_out_filters, which keeps the rest of a search's settings.",
        0,
        1024,
    )

    def trained_child(self, child: Any) -> Any:
        """The settings of the child that is trained, from those of the flags: with its additional filters."""
        return dataclasses.replace(child, out_filters=child.out_filters + self.additional_filters_on_retrain)
