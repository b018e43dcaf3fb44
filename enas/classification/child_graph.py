"""The graph of a child network and its optimizer, for a search and for the training of one arc."""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from enas import signals
from enas.classification import objective
from enas.data import pipeline
from enas.data.dataset import DataSet
from enas.data.pipeline import Stream
from enas.distributed import collectives, towers
from enas.graph import layers, optim
from enas.graph.layers import BuildContext
from enas.graph.optim import Update
from enas.interfaces import Feeds
from enas.options.config import SearchConfig, TrainConfig
from enas.side_by_side import side_by_side
from enas.types import Session, Tensor


class ImageClassifier(Protocol):
    """The child module of a space of image classifiers.

    Attributes:
      AUX_WEIGHT: the share of the auxiliary head's loss in the objective. A child without auxiliary heads needs none.
    """

    @property
    def AUX_WEIGHT(self) -> float: ...

    def logits(self, build: Any, images: Tensor, arc: Any, /) -> tuple[Tensor, Tensor | None]:
        """Builds the network.

        Args:
          build: the `BuildContext`, with the settings of the space's own child.
          images: float32 `[N, H, W, C]`, of a static shape.
          arc: an arc, or a placeholder for the integers of one.

        Returns:
          (logits, those of the auxiliary head or None), float32 `[N, num_classes]`.
        """
        ...


@dataclasses.dataclass(frozen=True)
class TrainStep:
    """One training step of a child.

    Attributes:
      rate: placeholder float32, the learning rate.
      step: int64 variable, steps done.
      streams: the training images of each tower.
      update: the step's operation and figures.
      loss: float32 scalar, the batch's loss without the auxiliary head and weight decay.
      correct: float32 scalar, how many images of a batch are classified right, the mean of all towers and workers.
      replicas: how many batches a step has in all, one of each tower of each worker.
      more_arcs: in a search, placeholders of the arcs of the towers but the first.
    """

    rate: Tensor
    step: Tensor
    streams: list[Stream]
    update: Update
    loss: Tensor
    correct: Tensor
    replicas: int = 1
    more_arcs: Sequence[Tensor] = ()

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return self.streams[0].per_epoch

    @property
    def batch_metric(self) -> Tensor:
        """The tensor whose value `figures` takes; it is fetched with the step."""
        return self.correct

    def figures(self, correct: float) -> tuple[dict[str, float], str]:
        """Turns the value of a step's `batch_metric` into ({name: figure} for the records, words for the log)."""
        batch = self.streams[0].shapes[1][0]
        return {"train_accuracy": float(correct) / batch}, f"tr_acc = {int(correct):<3d}/{batch:>3d}"

    def start(self, session: Session) -> None:
        """Lets the training images start at the step that the variables are at."""
        step = session.run(self.step)
        for stream in self.streams:
            stream.restart(session, step)

    def go_to(self, session: Session, step: int) -> None:
        """Sets the number of steps done."""
        self.step.load(step, session)

    def feeds(self, _step: int) -> Feeds:
        """Returns nothing: a step takes its images from the stream."""
        return {}


@dataclasses.dataclass(frozen=True)
class EvalGraph:
    """A child without dropout and drop path, on images of a stream of the caller's choice.

    Attributes:
      handle: placeholder string, the stream that the next batch comes from.
      build: what the child was built with.
      correct: float32 scalar, how many images of the batch are classified right.
      tallies: float32 `[num_classes, 2]`, see `objective.tallies`.
      logits, labels, weights: float32 `[N, num_classes]`, int32 `[N]` and float32 `[N]` of the batch.
    """

    handle: Tensor
    build: BuildContext
    correct: Tensor
    tallies: Tensor
    logits: Tensor = None
    labels: Tensor = None
    weights: Tensor = None


def train_step(
    config: SearchConfig | TrainConfig, data: DataSet, child: ImageClassifier, arc: Any, moving_averages: bool
) -> TrainStep:
    """Builds the training step.

    Args:
      config: the run's settings.
      data: the data set.
      child: the search space's child module.
      arc: what `child.logits` takes.
      moving_averages: see `layers.BuildContext`.
    """
    step = layers.counter("global_step")
    devices = towers.devices(config.workers)
    arcs, count = towers.arcs(arc, len(devices)), config.workers.count * len(devices)
    built = []
    for place, device in enumerate(devices):
        shard = (config.workers.task_index * len(devices) + place, count)
        shared = tf.variable_scope(tf.get_variable_scope(), reuse=True) if place else contextlib.nullcontext()
        with tf.device(device), shared:
            built.append(_tower(config, data, child, arcs[place], step, moving_averages, shard))
    build = built[0].build
    build.towers = len(built)
    # All towers have the same variables: what they take from their batches is averaged.
    values = [[value for _, value in tower.build.moving_updates] for tower in built]
    averages = [variable for variable, _ in build.moving_updates]
    build.moving_updates = list(zip(averages, map(_mean, zip(*values, strict=True)), strict=True))
    rate = tf.placeholder(tf.float32, [], "learning_rate")
    objective, loss, correct = (
        _mean([getattr(tower, name) for tower in built]) for name in ("objective", "loss", "correct")
    )
    update = optim.update(build, objective, tf.trainable_variables("child/"), rate, step)
    loss, correct = collectives.means([loss, correct], config.workers.count)
    return TrainStep(rate, step, [tower.stream for tower in built], update, loss, correct, count, arcs[1:])


@dataclasses.dataclass(frozen=True)
class _Tower:
    """A child on a batch of its own, for training."""

    build: BuildContext
    stream: Stream
    objective: Tensor
    loss: Tensor
    correct: Tensor


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else tf.add_n(tensors) / len(tensors)


def _tower(config, data, child, arc, step, moving_averages, shard):
    """Builds a tower; `shard` is its place among all towers of all workers, and their number."""
    run = config.run
    stream = pipeline.training_batches(data, data.train, run.batch_size, run.seed, "train", config.data, shard=shard)
    images, labels, weights = pipeline.next_batch(stream)
    progress = tf.minimum(1.0, tf.cast(step + 1, tf.float32) / float(stream.per_epoch * run.num_epochs))
    build = layers.BuildContext(
        config.child,
        data.num_classes,
        run.seed,
        training=True,
        step=step,
        progress=progress,
        moving_averages=moving_averages,
        worker=shard[0],
        workers=config.workers.count,
        sync_batch_norm=config.workers.sync_batch_norm,
    )
    logits, aux_logits = child.logits(build, images, arc)
    balanced = config.child.class_weights == "balanced"
    weights_of = objective.balanced_weights(data.train.labels, data.num_classes) if balanced else None
    loss = objective.loss(logits, labels, config.child.loss, weights_of)
    total = loss
    if aux_logits is not None:
        total += child.AUX_WEIGHT * objective.loss(aux_logits, labels, config.child.loss, weights_of)
    return _Tower(build, stream, total, loss, objective.correct(logits, labels, weights))


def eval_graph(
    config: SearchConfig | TrainConfig,
    data: DataSet,
    child: ImageClassifier,
    arc: Any,
    stream: Stream,
    moving_averages: bool,
) -> EvalGraph:
    """Builds the child for scoring, on the weights of the training step.

    Args:
      config, data, child, arc, moving_averages: as in `train_step`.
      stream: one of the streams that will be fed.
    """
    handle = tf.placeholder(tf.string, [], "stream")
    images, labels, weights = pipeline.next_of(handle, stream)
    build = layers.BuildContext(
        config.child,
        data.num_classes,
        config.run.seed,
        batch_statistics=not moving_averages,
        moving_averages=moving_averages,
    )
    logits, _ = child.logits(build, images, arc)
    correct = objective.correct(logits, labels, weights)
    tallies = objective.tallies(logits, labels, weights)
    return EvalGraph(handle, build, correct, tallies, logits, labels, weights)


def tallied(
    session: Session, graph: EvalGraph, stream: Stream, handle: bytes, feeds: Feeds | None = None
) -> np.ndarray:
    """Counts the images of each class that the child classifies right, and all of them: float64 `[num_classes, 2]`.

    One round of the stream is run; each image counts once.

    Args:
      graph: the child.
      stream: the images.
      handle: the value of the stream's string handle.
      feeds: what else is fed, e.g. the arc.

    Raises:
      signals.Stopped: a signal came; no variable has changed since the call.
    """
    fed = {graph.handle: handle, **(feeds or {})}
    # Counts, so that it does not matter which call gets which batch.
    tallies = side_by_side(lambda _: session.run(graph.tallies, fed), range(stream.per_epoch))
    total: np.ndarray = np.sum(np.asarray(tallies, np.float64), axis=0)
    return total


def all_logits(session: Session, graph: EvalGraph, stream: Stream, handle: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Computes a child's logits of each image of a stream. One round is run; each image comes once, in the stream's order.

    Args:
      graph, stream, handle: as in `tallied`.

    Returns:
      (logits, labels): float32 `[N, num_classes]` and int32 `[N]`.

    Raises:
      signals.Stopped: a signal came; no variable has changed since the call.
    """
    rounds = []
    for _ in tqdm(range(stream.per_epoch), "classifying", disable=None, leave=False):
        signals.check()
        logits, labels, weights = session.run([graph.logits, graph.labels, graph.weights], {graph.handle: handle})
        rounds.append((logits[weights > 0], labels[weights > 0]))
    logits, labels = (np.concatenate(column) for column in zip(*rounds, strict=True))
    return logits, labels
