"""Training one arc from scratch, and evaluating what was stored."""

import dataclasses
import json

from enas.errors import UserError
from enas.metric import recordable
from enas.options import arc_input
from enas.options.config import with_arc
from enas.runs import session
from enas.runs.loop import EVALUATED, Loop, announce, child_epoch, evaluation, log_evaluation


@dataclasses.dataclass(frozen=True)
class Graph:
    """All that the training of one arc runs: what the task's `training` and `Scorer` built."""

    training: object
    scorer: object


def build(config, arc, space, dataset):
    """Builds the graph that trains and evaluates `arc`."""
    config = dataclasses.replace(config, child=config.arc.trained_child(config.child))
    training = space.task.training(config, dataset, space.child, arc, shared=False)
    return Graph(training, space.task.Scorer(config, dataset, space.child, arc, shared=False))


class Training:
    """A running training. Use `run_training`."""

    def __init__(self, opened, loop):
        self.opened, self.loop = opened, loop
        self.run, self.config, self.graph = opened.run, opened.config, opened.graph
        self.graph.training.start(opened.session)
        self.graph.scorer.start(opened.session)

    def train_child(self, epoch, unit):
        """A phase: one epoch of training."""
        yield from child_epoch(self.loop, self.graph.training, epoch, unit)

    def evaluate(self, epoch, _unit):
        """A phase: scores on the validation and test sets; the best child so far is kept as a checkpoint."""
        if (epoch + 1) % self.config.run.eval_every_epochs and epoch + 1 != self.config.run.num_epochs:
            return

        metric, scorer = self.opened.task.METRIC, self.graph.scorer

        def finished(figures):
            goodness = metric.goodness(figures[f"valid_{metric.name}"])
            if goodness >= self.loop.position.best_goodness:
                self.loop.position.best_goodness = goodness
                self.opened.best.save(self.opened.session, {"epoch": epoch + 1})
            log_evaluation(self.run, epoch, figures)

        yield from evaluation(self.loop, lambda name: scorer.score(self.opened.session, name), finished)


def run_training(config, space):
    """Trains an arc to the last epoch, resuming where an earlier process stopped, and logs the best epoch's figures.

    Args:
      config: a `TrainConfig`.
      space: the search space's package.

    Raises:
      UserError: see `arc_input.given`, `session.opened` and `Checkpoints`.
      signals.Stopped: a signal came; a checkpoint was saved.
    """
    arc = arc_input.given(config, space.arc)
    config = with_arc(config, arc)
    with session.opened(config, "training", space.task, lambda dataset: build(config, arc, space, dataset)) as opened:
        loop = Loop(opened)
        training = Training(opened, loop)
        announce(opened, loop.position)
        opened.run.log(f"arc: {arc}")
        opened.run.log(f"cost: {opened.graph.scorer.cost()}")
        loop.epochs([training.train_child, training.evaluate])
        _finish(opened)


def _finish(opened, detailed=False):
    """Evaluates the best checkpoint and logs and stores the final figures; `detailed`: and what the child gets wrong."""
    run = opened.run
    restored = opened.best.restore(opened.session)
    if restored is None:
        raise UserError(f"--output_dir={run.path}: the run has no best checkpoint yet")
    path, facts = restored
    scorer = opened.graph.scorer
    scorer.start(opened.session)
    if detailed:
        opened.task.report_errors(opened)
    figures = {f"{name}_{opened.task.METRIC.name}": scorer.score(opened.session, name) for name in EVALUATED}
    measured = dataclasses.asdict(scorer.cost())
    run.log("-" * 80)
    run.log(f"best checkpoint: {path} (epoch {facts['epoch']})")
    for name, value in measured.items():
        run.log(f"{name}: {value}")
    for name, value in figures.items():
        run.log(f"{name}: {value:.4f}")
    run.write("results.json", json.dumps({"epoch": facts["epoch"], **measured, **recordable(figures)}, indent=2) + "\n")


def run_evaluation(config, space):
    """Evaluates the best checkpoint of a training run and says what the child gets wrong.

    Args:
      config: the run's `TrainConfig`, see `stored_settings.evaluation_settings`.
      space: the search space's package.

    Raises:
      UserError: it has no checkpoint yet.
    """
    arc = arc_input.given(config, space.arc)
    with session.opened(config, "training", space.task, lambda dataset: build(config, arc, space, dataset)) as opened:
        _finish(opened, detailed=True)
