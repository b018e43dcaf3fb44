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
from enas.metric import recordable
from enas.runs import series
from enas.runs.run_directory import RunDirectory

if TYPE_CHECKING:
    from enas.runs.session import RunContext

Phase = Callable[[int, int], Iterator[None]]

EVALUATED = ("valid", "test")


@dataclasses.dataclass
class Position:
    """How far a run is.

    Attributes:
      epoch: epochs done.
      phase: phases of the next epoch done.
      unit: units of its next phase done.
      minutes: time spent so far.
      best_goodness: (training) `Metric.goodness` of the best validation figure so far.
      bad_steps: kind of step -> how many in a row, up to the last one, had numbers that were not finite.
      scores: of an evaluation that is under way, those measured.
      sizes: `RunDirectory.sizes` after the last unit; a resumed run drops what was recorded later.
    """

    epoch: int = 0
    phase: int = 0
    unit: int = 0
    minutes: float = 0.0
    best_goodness: float = -math.inf
    bad_steps: dict = dataclasses.field(default_factory=dict)
    scores: dict = dataclasses.field(default_factory=dict)
    sizes: dict = dataclasses.field(default_factory=dict)


class Loop:
    """The main loop of a run. Making one restores the newest checkpoint.

    Args:
      context: the `session.RunContext`.

    Attributes:
      context: the `session.RunContext`.
      position: the `Position`.
    """

    def __init__(self, context: "RunContext") -> None:
        self.context = context
        self.config, self.run, self.session, self.last = context.config.run, context.run, context.session, context.last
        restored = self.last.restore(self.session)
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
        """
        position = self.position
        # An earlier process may have been killed between its records and these.
        series.write(self.run)
        try:
            while position.epoch < self.config.num_epochs and (self._inside_epoch() or not over()):
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
        if time.monotonic() - self.saved >= 60 * self.config.checkpoint_every_minutes:
            self._save()

    def _save(self):
        self.position.minutes = self.run.minutes()
        self.run.sync()
        self.last.save(self.session, dataclasses.asdict(self.position))
        self.saved = time.monotonic()


def position_of(path: str, metadata: dict[str, Any]) -> Position:
    """The `Position` stored with a checkpoint.

    Raises:
      UserError: `metadata` is not one.
    """
    position = Position()
    for field in dataclasses.fields(Position):
        value = metadata.get(field.name)
        if type(value) is not type(getattr(position, field.name)) or not _counts(field.name, value):
            raise UserError(f"{path}.json: {field.name} is {value!r}; expected what a run of this program stores")
        setattr(position, field.name, value)
    return position


def _counts(name, value):
    """A whole number of a position, or each number in one of its dicts, is none below 0; scores are floats."""
    kind = float if name == "scores" else int
    numbers = value.values() if isinstance(value, dict) else [value] if isinstance(value, int) else []
    return all(type(number) is kind and (kind is float or number >= 0) for number in numbers)


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
        rate = loop.context.task.learning_rate(config.child, step / per_epoch)
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


def child_line(epoch: int, step: int, figures: dict[str, float], words: str, minutes: float) -> str:
    """The log line of a child step, in the format of the older ENAS codebases."""
    return (
        f"epoch = {epoch:<6d}ch_step = {step:<6d} loss = {figures['loss']:<8.6f}   lr = {figures['lr']:<8.4f} "
        f"|g| = {figures['grad_norm']:<8.4f} {words}   mins = {minutes:<10.2f}"
    ).rstrip()


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


def log_evaluation(run: RunDirectory, epoch: int, figures: dict[str, float], **more: Any) -> None:
    """Logs and records an evaluation's `{"valid_accuracy": float, ...}`; `more` goes into the record, e.g. the arc."""
    run.log(f"Epoch {epoch + 1}: Eval")
    for name, value in figures.items():
        run.log(f"{name}: {value:<6.4f}")
        if not math.isfinite(value):
            run.log(f"warning: {name} is not finite: the child has diverged; try a lower learning rate")
    record(run, "eval", epoch, epoch + 1, figures, **more)


def record(run: RunDirectory, kind: str, epoch: int, at: int, figures: dict[str, float], **more: Any) -> None:
    """Records figures in metrics.jsonl and for TensorBoard.

    Args:
      run: the `RunDirectory`.
      kind: "child", "controller" or "eval".
      epoch: epochs done before this one.
      at: the step, of its own kind, that TensorBoard shows the figures at.
      figures: `{name: float}`.
      more: more for the record in metrics.jsonl.
    """
    run.append("metrics.jsonl", {"kind": kind, "epoch": epoch + 1, **more, **recordable(figures)})
    run.events.scalars(at, **{f"{kind}__{name}": value for name, value in figures.items()})


def log_header(context: "RunContext", position: Position) -> None:
    """Logs what is about to run."""
    run, config, task = context.run, context.config, context.task
    run.log("-" * 80)
    run.log(f"{task.description(config, context.dataset)}; seed {config.run.seed}; run directory {run.path}")
    task.log_header(run, context.dataset)
    if ops := config.metadata().get("ops"):
        run.log("ops: " + ", ".join(f"{id} {op}" for id, op in enumerate(ops)))
    if run.resumed:
        inside = f", inside epoch {position.epoch + 1}" if position.phase or position.unit else ""
        run.log(f"resuming after epoch {position.epoch} of {config.run.num_epochs}{inside}")
    run.log("-" * 80)
