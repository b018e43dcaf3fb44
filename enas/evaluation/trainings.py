"""Trainings from scratch that an evaluation runs, each in a run directory of its own."""

import contextlib
import io
import os
from typing import Any

from tqdm import tqdm

from enas import files
from enas.errors import UserError
from enas.evaluation.time_limit import Clock
from enas.interfaces import SearchSpace
from enas.jobs.job import Job, Outcome
from enas.options import config
from enas.options.config import EvaluationConfig, Settings
from enas.runs import train
from enas.runs.loop import OutOfTime
from enas.runs.run_directory import RunDirectory

# What a worker's Python runs; an installation has no train_fixed_arc.py.
_PROGRAM = "from enas.commands import train_fixed_arc; train_fixed_arc.run()"
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
      client: of the workers that train, see `jobs.pool`; None: this process does.
    """

    def __init__(
        self,
        run: RunDirectory,
        settings: EvaluationConfig,
        space: SearchSpace,
        num_epochs: int,
        clock: Clock | None = None,
        client: Any = None,
    ) -> None:
        self.run, self.settings, self.space, self.num_epochs, self.clock = run, settings, space, num_epochs, clock
        self.client = client

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
          UserError: a training on a worker failed.
        """
        self.run.log(f"{len(jobs)} trainings of {self.num_epochs} epochs")
        if self.client:
            self._run_on_workers(jobs)
            return
        for name, arc, seed in tqdm(jobs, "trainings", disable=None, leave=False):
            if not self.is_done(name, seed):
                # The training's log goes into its own directory.
                with contextlib.redirect_stdout(io.StringIO()):
                    train.run_training(
                        self._config(name, arc, seed), self.space, self.clock.out_of_time if self.clock else None
                    )
                self._log(name, arc, seed)

    def _run_on_workers(self, jobs: list[tuple[str, Record, int]]) -> None:
        from enas.jobs import pool

        left = {f"{name}, seed {seed}": (name, arc, seed) for name, arc, seed in jobs if not self.is_done(name, seed)}
        out_of_time = self.clock.out_of_time if self.clock else lambda: False

        def ended(outcome: Outcome) -> None:
            if outcome.code:
                raise UserError(f"training {outcome.name} failed: {outcome.last_line}")
            if outcome.code == 0:
                self._log(*left[outcome.name])

        pool.run_all(self.client, [self._job(key, *of) for key, of in left.items()], ended, out_of_time)
        if not all(self.is_done(name, seed) for name, _, seed in jobs):
            raise OutOfTime

    def _job(self, key: str, name: str, arc: Record, seed: int) -> Job:
        """A training as a job: the program that trains one arc, with all of its flags."""
        path, values = self.path(name, seed), config.to_values(self._config(name, arc, seed))
        flags = [f"--{flag}={str(value).lower() if type(value) is bool else value}" for flag, value in values.items()]
        return Job(key, ("-c", _PROGRAM, f"--space={self.space.name}", *flags), f"{path}.log", (path,))

    def _log(self, name: str, arc: Record, seed: int) -> None:
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
