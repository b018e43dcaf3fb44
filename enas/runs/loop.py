"""What the search and the training of one arc share: the main loop, an epoch of child training, an evaluation.

An epoch is a list of phases, a phase a sequence of units: child steps, controller updates, scored arcs, evaluated sets. A
phase is a generator function of (epoch, first unit) that yields after each unit it has finished. All a run needs to go on
is in its variables, its records and its `Position`; the three are stored together, between two units.
"""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from enas import signals
from enas.errors import UserError
from enas.runs import series
from enas.runs.position import Position, position_of

if TYPE_CHECKING:
    from enas.runs.session import RunContext

Phase = Callable[[int, int], Iterator[None]]


class OutOfTime(Exception):
    """The time of a run is over. It stands between two units, and a checkpoint was saved."""


class Loop:
    """The main loop of a run. Making one restores the newest checkpoint.

    Args:
      context: the `session.RunContext`.
      out_of_time: function that says whether the time is over; None: --max_minutes says it.

    Of several workers only the chief saves and restores; the others take what it has. All of them agree, after each unit,
    whether to go on.

    Attributes:
      context: the `session.RunContext`.
      position: the `Position`.
      fresh: no checkpoint was restored.
      workers: the `Workers` of the run.
    """

    def __init__(self, context: "RunContext", out_of_time: Callable[[], bool] | None = None) -> None:
        self.context, self.out_of_time = context, out_of_time or self._limit_passed
        self.config, self.run, self.session, self.last = context.config.run, context.run, context.session, context.last
        self.workers = context.workers
        restored = self.last.restore(self.session) if self.workers.is_chief else None
        self.fresh = restored is None
        self.position = Position() if restored is None else position_of(*restored)
        self._follow_chief()
        self.run.cut(self.position.sizes)
        self.position.sizes = self.run.sizes()
        self.run.earlier_minutes = self.minutes = self.position.minutes
        self.saved = time.monotonic()
        self._stop_agreed = False

    def _follow_chief(self) -> None:
        """Brings all workers to where the chief is."""
        fresh, position = json.loads(self.workers.chiefs(json.dumps([self.fresh, dataclasses.asdict(self.position)])))
        if not self.workers.is_chief:
            self.fresh, self.position = fresh, Position(**position)
        self._divide_anew()
        self.workers.share_variables()

    def _divide_anew(self) -> None:
        """Finds the place in its epoch that a run has which goes on with another number of workers or GPUs."""
        training = self.context.graph.training
        was, now = self.position.workers, training.replicas
        self.position.workers = now
        if was == now or self.fresh:
            return
        inside = self.position.phase == 0
        if inside:
            self.position.unit = min(self.position.unit * was // now, training.per_epoch)
        epochs = self.position.epoch + (not inside)
        training.go_to(self.session, epochs * training.per_epoch + (self.position.unit if inside else 0))
        if self.workers.is_chief:
            self.run.log(f"going on with {now} batches a step (was {was}), {training.per_epoch} steps an epoch")

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
        self._write_series()
        try:
            while position.epoch < self.config.num_epochs:
                if self._agree(over=not self._inside_epoch() and over()).over:
                    break
                while position.phase < len(phases):
                    for _ in phases[position.phase](position.epoch, position.unit):
                        self._count_unit()
                    position.phase, position.unit = position.phase + 1, 0
                position.epoch, position.phase = position.epoch + 1, 0
                self.workers.check_in_step()
                self._save()
                self._write_series()
            self.workers.left()
        except signals.Stopped as stopped:
            if not self._stop_agreed:
                # It came inside a unit, while the others wait for this one.
                self.workers.agree(stop=stopped.signal)
            self._save()
            self._write_series()
            if not self.workers.is_chief:
                raise
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
            self._write_series()
            raise UserError(
                f"{kind} step {step}: {what}; it was the last of {in_a_row} such steps in a row "
                f"(--max_bad_steps={self.config.max_bad_steps}); the last checkpoint in {self.run.path} is kept, with the "
                f"weights of good steps; in another --output_dir, try {advice}"
            )

    def _inside_epoch(self):
        return self.position.phase > 0 or self.position.unit > 0

    def by_chief(self, phase: Phase) -> Phase:
        """Returns a phase that the chief does alone, while the other workers wait unit by unit."""
        if self.workers.count == 1:
            return phase

        def led(epoch: int, unit: int) -> Iterator[None]:
            yield from phase(epoch, unit)
            self._agree(over=True)

        def followed(_epoch: int, _unit: int) -> Iterator[None]:
            over = False
            while not over:
                yield
                over = self._agreed.over

        return led if self.workers.is_chief else followed

    def shared(self, values: np.ndarray) -> np.ndarray:
        """Returns what all workers have, one after the other, `[workers * n]`, of float32 `[n]` that each of them has.

        Raises:
          signals.Stopped: one of them got a signal.
        """
        return self.told(values).astype(np.float32).ravel()

    def told(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Returns what each worker tells the others, float64 `[workers, n]`, of the n numbers that this one tells.

        Raises:
          signals.Stopped: one of them got a signal.
        """
        return self._agree(values=values).values

    def _agree(self, over=False, values=()):
        """Agrees with the other workers on whether to go on; called at the same moments by all of them.

        Raises:
          signals.Stopped: a worker got a signal.
          OutOfTime: the chief's time is over; not from within a unit.
        """
        out_of_time = not over and len(values) == 0 and self.workers.is_chief and self.out_of_time()
        minutes = self.run.minutes()
        self._agreed = self.workers.agree(over, out_of_time, minutes, signals.received(), values)
        self.minutes = self._agreed.minutes
        if self._agreed.stop:
            self._stop_agreed = True
            worker, number = self._agreed.stop
            if worker != self.workers.index:
                self.run.log(f"worker {worker} got a signal to stop")
            raise signals.Stopped(number)
        if self._agreed.out_of_time:
            self._save()
            self._write_series()
            self.workers.left()
            raise OutOfTime
        return self._agreed

    def _count_unit(self):
        self.position.unit += 1
        self.position.sizes = self.run.sizes()
        self._agree()
        if time.monotonic() - self.saved >= 60 * self.config.checkpoint_every_minutes:
            self._save()

    def _limit_passed(self):
        limit = self.config.max_minutes
        return bool(limit) and self.run.minutes() >= limit

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
        # Of several workers the chief's minutes, so that all have the same rate.
        minutes = self.minutes if self.workers.count > 1 else self.run.minutes()
        by_time = self.config.num_epochs * minutes / self.config.max_minutes
        # At the end itself a schedule with restarts begins anew.
        return max(epochs, min(by_time, math.nextafter(self.config.num_epochs, 0.0)))

    def _write_series(self):
        if self.workers.is_chief:
            series.write(self.run)

    def _save(self):
        if not self.workers.is_chief:
            return
        self.position.minutes = self.run.minutes()
        self.run.sync()
        self.last.save(self.session, dataclasses.asdict(self.position))
        self.saved = time.monotonic()
