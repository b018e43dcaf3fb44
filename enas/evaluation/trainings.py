"""Trainings from scratch that an evaluation runs, each in a run directory of its own."""

import contextlib
import io
import os
from typing import Any

from tqdm import tqdm

from enas import files
from enas.evaluation.time_limit import Clock
from enas.interfaces import SearchSpace
from enas.options import config
from enas.options.config import EvaluationConfig, Settings
from enas.runs import train
from enas.runs.run_directory import RunDirectory

Record = dict[str, Any]  # what is known of an arc, see `evaluate.figures`


def seeds(settings: EvaluationConfig) -> range:
    """Returns the seeds that each arc is trained with."""
    return range(settings.run.seed, settings.run.seed + settings.evaluation.num_seeds)


class Trainings:
    """Trainings from scratch, each in a run directory of its own below the evaluation's.

    Args:
      run: the evaluation's run directory.
      settings: the evaluation's config; data and child are those of the trainings.
      space: the arcs' space.
      num_epochs: epochs of each training.
      clock: of the evaluation; None: there is no time limit.
    """

    def __init__(
        self,
        run: RunDirectory,
        settings: EvaluationConfig,
        space: SearchSpace,
        num_epochs: int,
        clock: Clock | None = None,
    ) -> None:
        self.run, self.settings, self.space, self.num_epochs, self.clock = run, settings, space, num_epochs, clock

    def path(self, name: str, seed: int) -> str:
        """Returns the run directory of a training."""
        return self.run.file(os.path.join("trainings", f"{name}-epochs-{self.num_epochs}-seed-{seed}"))

    def is_done(self, name: str, seed: int) -> bool:
        """Says whether a training has ended."""
        return files.read_json(self._results_path(name, seed)) is not None

    def results(self, name: str, seed: int) -> dict[str, Any]:
        """Returns the content of results.json of a training that has ended."""
        return files.read_json(self._results_path(name, seed))

    def _results_path(self, name: str, seed: int) -> str:
        return os.path.join(self.path(name, seed), "results.json")

    def run_all(self, jobs: list[tuple[str, Record, int]]) -> None:
        """Trains what is not trained yet; `jobs` are (name, record of the arc, seed).

        Raises:
          OutOfTime: the evaluation's time is over; the training that was under way goes on where it was.
        """
        self.run.log(f"{len(jobs)} trainings of {self.num_epochs} epochs")
        for name, arc, seed in tqdm(jobs, "trainings", disable=None, leave=False):
            if not self.is_done(name, seed):
                # The training's log goes into its own directory.
                with contextlib.redirect_stdout(io.StringIO()):
                    train.run_training(
                        self._config(name, arc, seed), self.space, self.clock.out_of_time if self.clock else None
                    )
                if self.clock:
                    self.clock.keep()
                accuracy = self.results(name, seed)["test_accuracy"]
                self.run.log(f"{name} ({arc['group']}), seed {seed}: test_accuracy {accuracy:.4f}")

    def _config(self, name: str, arc: Record, seed: int) -> Settings:
        values = {**config.to_values(self.settings), "output_dir": self.path(name, seed), "reset_output_dir": False}
        values.update(seed=seed, child_fixed_arc=arc["arc"], num_epochs=self.num_epochs)
        # The limit is the evaluation's, not that of each training.
        values.update(eval_every_epochs=self.num_epochs, max_minutes=0.0)
        if self.num_epochs != self.settings.run.num_epochs:
            values.update(child_lr_T_0=self.num_epochs)
        return config.from_values(self.space.train_config, values)
