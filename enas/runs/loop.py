"""What the search and the training of one arc share: the main loop, an epoch of child training, an evaluation.

An epoch is a list of phases, a phase a sequence of units: child steps, controller updates, scored arcs, evaluated sets. A
phase is a generator function of (epoch, first unit) that yields after each unit it has finished. All a run needs to go on
is in its variables, its records and its `Position`; the three are stored together, between two units.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from enas import signals
from enas.errors import UserError
from enas.interfaces import Feeds, TrainStep
from enas.runs import series
from enas.runs.position import Position, position_of
from enas.runs.records import child_line, record

if TYPE_CHECKING:
    from enas.runs.session import RunContext

Phase = Callable[[int, int], Iterator[None]]

EVALUATED = ("valid", "test")


class OutOfTime(Exception):
    """The time of a run is over. It stands between two units, and a checkpoint was saved."""


class Loop:
    """The main loop of a run. Making one restores the newest checkpoint.

    Args:
      context: the `session.RunContext`.
      out_of_time: function that says whether the time is over; None: --max_minutes says it.

    Attributes:
      context: the `session.RunContext`.
      position: the `Position`.
      fresh: no checkpoint was restored.
    """

    def __init__(self, context: "RunContext", out_of_time: Callable[[], bool] | None = None) -> None:
        self.context, self.out_of_time = context, out_of_time or self._limit_passed
        self.config, self.run, self.session, self.last = context.config.run, context.run, context.session, context.last
        restored = self.last.restore(self.session)
        self.fresh = restored is None
        self.position = Position() if restored is None else position_of(*restored)
        self.run.cut(self.position.sizes)
        self.position.sizes = self.run.sizes()
        self.run.earlier_minutes = self.position.minutes
        self.saved = time.monotonic()

    def epochs(self, phases: Sequence[Phase], over: Callable[[], bool] = lambda: False) -> None:
        """Runs all epochs that are left, saving a checkpoint after each and every --checkpoint_every_minutes.

        Args:
          phases: the phases of an epoch.
          over: function that says, between epochs, that no more are wanted.

        Raises:
          signals.Stopped: a signal came; a checkpoint was saved.
          OutOfTime: the time is over before the epochs are.
        """
        position = self.position
        # An earlier process may have been killed between its records and these.
        series.write(self.run)
        try:
            while position.epoch < self.config.num_epochs and (self._inside_epoch() or not over()):
                self._check_time()
                while position.phase < len(phases):
                    for _ in phases[position.phase](position.epoch, position.unit):
                        self._count_unit()
                    position.phase, position.unit = position.phase + 1, 0
                position.epoch, position.phase = position.epoch + 1, 0
                self._save()
                series.write(self.run)
        except signals.Stopped as stopped:
            self._save()
            series.write(self.run)
            stopped.tell(
                self.run,
                f"in epoch {self.position.epoch + 1} of {self.config.num_epochs}; checkpoint saved; "
                f"run the same command again to go on (--output_dir={self.run.path})",
            )
            raise

    def count_bad_step(self, kind: str, step: int, check: Any, finite: np.ndarray, ordinary: bool = False) -> None:
        """Notes whether the numbers of a step were finite. If not the step has changed nothing, and is logged.

        Args:
          kind: "child" or "controller".
          step: the step's number, from 1.
          check, finite: the step's `FiniteCheck` and the value of its `finite`.
          ordinary: an overflow that the loss scale now adapts to; it does not count as bad.

        Raises:
          UserError: it was the last of --max_bad_steps in a row.
        """
        if finite.all():
            self.position.bad_steps[kind] = 0
            return
        bad = [name for name, good in zip(check.names, finite, strict=True) if not good]
        more = f" and {len(bad) - 2} more" if bad[2:] else ""
        what = f"not finite: {', '.join(bad[:2])}{more}"
        self.run.log(f"{kind} step {step}: {what}; step skipped, nothing changed")
        if ordinary:
            return
        advice = self.context.task.ADVICE if kind == "child" else "a lower --controller_lr"
        in_a_row = self.position.bad_steps.get(kind, 0) + 1
        self.position.bad_steps[kind] = in_a_row
        if in_a_row >= self.config.max_bad_steps:
            series.write(self.run)
            raise UserError(
                f"{kind} step {step}: {what}; it was the last of {in_a_row} such steps in a row "
                f"(--max_bad_steps={self.config.max_bad_steps}); the last checkpoint in {self.run.path} is kept, with the "
                f"weights of good steps; in another --output_dir, try {advice}"
            )

    def _inside_epoch(self):
        return self.position.phase > 0 or self.position.unit > 0

    def _count_unit(self):
        self.position.unit += 1
        self.position.sizes = self.run.sizes()
        signals.check()
        self._check_time()
        if time.monotonic() - self.saved >= 60 * self.config.checkpoint_every_minutes:
            self._save()

    def _limit_passed(self):
        limit = self.config.max_minutes
        return bool(limit) and self.run.minutes() >= limit

    def _check_time(self):
        if self.out_of_time():
            self._save()
            series.write(self.run)
            raise OutOfTime

    def log_out_of_time(self) -> None:
        """Logs that the time is over, and how to go on."""
        self.run.log("-" * 80)
        self.run.log(
            f"time is over: {self.run.minutes():.2f} minutes spent of --max_minutes={self.config.max_minutes:g}, in epoch "
            f"{min(self.position.epoch + 1, self.config.num_epochs)} of {self.config.num_epochs}; checkpoint saved; run the "
            f"same command with a larger --max_minutes to go on (--output_dir={self.run.path})"
        )

    def scheduled(self, epochs: float) -> float:
        """Returns how far the learning rate's schedule is, in epochs of its own, after so many epochs of training.

        With --lr_by_time it is as far as the nearer of the two limits, --num_epochs and --max_minutes.
        """
        if not self.config.lr_by_time:
            return epochs
        by_time = self.config.num_epochs * self.run.minutes() / self.config.max_minutes
        # At the end itself a schedule with restarts begins anew.
        return max(epochs, min(by_time, math.nextafter(self.config.num_epochs, 0.0)))

    def _save(self):
        self.position.minutes = self.run.minutes()
        self.run.sync()
        self.last.save(self.session, dataclasses.asdict(self.position))
        self.saved = time.monotonic()


def child_epoch(
    loop: Loop, training: TrainStep, epoch: int, unit: int, feeds: Callable[[int], Feeds] = lambda _: {}
) -> Iterator[None]:
    """A phase that trains a child for one epoch; one unit is one step.

    Args:
      loop: the run's `Loop`.
      training: what the task's `training` built.
      epoch: epochs done before this one.
      unit: steps of this epoch already done.
      feeds: function of the step (from 0, over the whole run) to more feeds, e.g. the arc.
    """
    run, config, session = loop.run, loop.context.config, loop.session
    per_epoch, update = training.per_epoch, training.update
    fetches = [
        training.loss,
        update.grad_norm,
        training.batch_metric,
        update.loss_scale,
        update.skipped,
        update.finite_check.finite,
    ]
    for step in units(epoch * per_epoch + unit, (epoch + 1) * per_epoch, f"epoch {epoch + 1}"):
        rate = loop.context.task.learning_rate(config.child, loop.scheduled(step / per_epoch))
        feed = {training.rate: rate, **training.feeds(step), **feeds(step)}
        (loss, norm, batch_metric, scale, skipped, finite), _ = session.run([fetches, update.op], feed)
        # Halving the loss scale answers an overflow of float16, but for the last time.
        loop.count_bad_step("child", step + 1, update.finite_check, finite, ordinary=update.dynamic and scale > 1)
        if (step + 1) % config.run.log_every == 0 or step + 1 == (epoch + 1) * per_epoch:
            more, words = training.figures(batch_metric)
            figures = {"loss": float(loss), "lr": rate, "grad_norm": float(norm), **more, "loss_scale": float(scale)}
            run.log(child_line(epoch, step + 1, figures, words, run.minutes()))
            record(run, "child", epoch, step + 1, figures, step=step + 1, skipped_steps=int(skipped))
        yield


def units(first: int, last: int, title: str) -> Iterator[int]:
    """Yields first, ..., last - 1, with a progress bar on a terminal."""
    with tqdm(range(first, last), title, disable=None, leave=False) as bar:
        yield from bar


def evaluation(
    loop: Loop, score: Callable[[str], float], finished: Callable[[dict[str, float]], None]
) -> Iterator[None]:
    """A phase that scores a child on the validation and the test set; one unit is one set.

    Args:
      loop: the run's `Loop`, whose position holds the scores already measured.
      score: function of a set's name.
      finished: called with e.g. `{"valid_accuracy": float, "test_accuracy": float}` at the end of the last unit.
    """
    position, metric = loop.position, loop.context.task.METRIC
    for name in EVALUATED[position.unit :]:
        position.scores[f"{name}_{metric.name}"] = score(name)
        if name == EVALUATED[-1]:
            figures, position.scores = position.scores, {}
            finished(figures)
        yield
