"""What searches and trainings do in a phase: an epoch of child training, an evaluation."""

from collections.abc import Callable, Iterator

from tqdm import tqdm

from enas.interfaces import Feeds, TrainStep
from enas.runs.loop import Loop
from enas.runs.records import child_line, record

EVALUATED = ("valid", "test")


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
