"""Training one arc from scratch, and evaluating what was stored."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

from enas.errors import UserError
from enas.interfaces import Scorer, SearchSpace, TrainStep
from enas.metric import recordable
from enas.options import arc_input
from enas.options.config import with_arc
from enas.runs import session, warm_start
from enas.runs.loop import Loop, OutOfTime
from enas.runs.phases import EVALUATED, child_epoch, evaluation
from enas.runs.records import log_evaluation, log_header
from enas.runs.session import RunContext


@dataclasses.dataclass(frozen=True)
class Graph:
    """All that the training of one arc runs: what the task's `training` and `Scorer` built."""

    training: TrainStep
    scorer: Scorer


def build(config: Any, arc: Any, space: SearchSpace, dataset: Any) -> Graph:
    """Builds the graph that trains and evaluates `arc`."""
    config = dataclasses.replace(config, child=config.arc.trained_child(config.child))
    training = space.task.train_step(config, dataset, space.child, arc, shared=False)
    return Graph(training, space.task.Scorer(config, dataset, space.child, arc, shared=False))


class Training:
    """A running training. Use `run_training`."""

    def __init__(self, context: RunContext, loop: Loop, arc: Any, space: SearchSpace) -> None:
        self.context, self.loop, self.arc, self.space = context, loop, arc, space
        self.run, self.config, self.graph = context.run, context.config, context.graph
        self.graph.training.start(context.session)
        self.graph.scorer.start(context.session)

    def train_child(self, epoch: int, unit: int) -> Iterator[None]:
        """A phase: one epoch of training."""
        yield from child_epoch(self.loop, self.graph.training, epoch, unit)

    def evaluate(self, epoch: int, _unit: int) -> Iterator[None]:
        """A phase: scores on the validation and test sets; the best child so far is kept as a checkpoint."""
        if (epoch + 1) % self.config.run.eval_every_epochs and epoch + 1 != self.config.run.num_epochs:
            return

        metric, scorer = self.context.task.METRIC, self.graph.scorer

        def finished(figures):
            goodness = metric.goodness(figures[f"valid_{metric.name}"])
            if goodness >= self.loop.position.best_goodness:
                self.loop.position.best_goodness = goodness
                self.context.best.save(self.context.session, {"epoch": epoch + 1})
            if self.config.arc.child_fixed_arc and not any(r["kind"] == "eval" for r in self.run.read("metrics.jsonl")):
                self.run.events.picture(epoch + 1, self.space, self.arc, self.config.child)
            log_evaluation(self.run, epoch, figures)

        yield from evaluation(self.loop, lambda name: scorer.score(self.context.session, name), finished)

    def keep_at_limit(self) -> None:
        """Keeps the child as it is when the time is over, if it is better than the best so far."""
        position, run = self.loop.position, self.run
        score = self.graph.scorer.score(self.context.session, "valid")
        run.log(f"valid_{self.context.task.METRIC.name} when the time was over: {score:.4f}")
        if self.context.task.METRIC.goodness(score) > position.best_goodness:
            self.context.limit.save(self.context.session, {"epoch": position.epoch + 1})


def run_training(config: Any, space: SearchSpace, out_of_time: Callable[[], bool] | None = None) -> None:
    """Trains an arc to the last epoch, resuming where an earlier process stopped, and logs the best epoch's figures.

    Args:
      config: a `TrainConfig`.
      space: the `SearchSpace`.
      out_of_time: function that says whether the time of what the training is a part of is over; None: it is on its own.

    Raises:
      UserError: see `arc_input.given`, `session.run_context` and `Checkpoints`.
      signals.Stopped: a signal came; a checkpoint was saved.
      OutOfTime: see `out_of_time`; a checkpoint was saved.
    """
    arc = arc_input.given(config, space)
    config = with_arc(config, arc)
    with session.run_context(
        config, "training", space.task, lambda dataset: build(config, arc, space, dataset)
    ) as context:
        loop = Loop(context, out_of_time)
        if config.arc.init_from and loop.fresh:
            if context.workers.is_chief:
                warm_start.take(context, space, arc)
            context.workers.share_variables()
        training = Training(context, loop, arc, space)
        if context.workers.is_chief:
            # A training that goes on is no longer where its time was over.
            context.limit.clear()
        log_header(context, loop.position)
        context.run.log(f"arc: {arc}")
        context.run.log(f"cost: {context.graph.scorer.cost()}")
        try:
            loop.epochs([training.train_child, loop.by_chief(training.evaluate)])
        except OutOfTime:
            if out_of_time:
                raise
            loop.log_out_of_time()
            if context.workers.is_chief:
                training.keep_at_limit()
        if context.workers.is_chief:
            _finish(context)


def _finish(context, detailed=False):
    """Evaluates the best child and logs and stores the final figures; `detailed`: and what the child gets wrong."""
    run = context.run
    restored = context.limit.restore(context.session) or context.best.restore(context.session)
    if restored is None:
        raise UserError(f"--output_dir={run.path}: the run has no best checkpoint yet")
    path, metadata = restored
    scorer = context.graph.scorer
    scorer.start(context.session)
    if detailed:
        context.task.report_errors(context)
    found = {name: scorer.figures(context.session, name) for name in EVALUATED}
    figures = {f"{split}_{name}": value for split in EVALUATED for name, value in found[split].items()}
    measured = dataclasses.asdict(scorer.cost())
    run.log("-" * 80)
    run.log(f"best checkpoint: {path} (epoch {metadata['epoch']})")
    for name, value in measured.items():
        run.log(f"{name}: {value}")
    for name in EVALUATED:
        run.log(f"{name}_{context.task.METRIC.name}: {found[name][context.task.METRIC.name]:.4f}")
    run.write(
        "results.json", json.dumps({"epoch": metadata["epoch"], **measured, **recordable(figures)}, indent=2) + "\n"
    )


def run_evaluation(config: Any, space: SearchSpace) -> None:
    """Evaluates the best checkpoint of a training run and says what the child gets wrong.

    Args:
      config: the run's `TrainConfig`, see `stored_settings.evaluation_settings`.
      space: the `SearchSpace`.

    Raises:
      UserError: it has no checkpoint yet.
    """
    arc = arc_input.given(config, space)
    with session.run_context(
        config, "training", space.task, lambda dataset: build(config, arc, space, dataset)
    ) as context:
        _finish(context, detailed=True)
