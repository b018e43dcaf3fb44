"""The graph of a child network and its optimizer, for a search and for the training of one arc."""

import dataclasses

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from enas import signals
from enas.classification import objective
from enas.data import pipeline
from enas.graph import layers, optim


@dataclasses.dataclass(frozen=True)
class TrainStep:
    """One training step of a child.

    Attributes:
      rate: placeholder float32, the learning rate.
      step: int64 variable, steps done.
      stream: the training images.
      update: `optim.Update`.
      loss: float32 scalar, of the batch, without the auxiliary head's and weight decay's shares.
      correct: float32 scalar, images of the batch classified right.
    """

    rate: object
    step: object
    stream: object
    update: object
    loss: object
    correct: object

    @property
    def per_epoch(self):
        """Steps of an epoch."""
        return self.stream.per_epoch

    @property
    def batch_metric(self):
        """What `figures` takes, to be fetched with the step."""
        return self.correct

    def figures(self, correct):
        """({name: float} for the records, words for the log) of the step's `batch_metric`."""
        batch = self.stream.shapes[1][0]
        return {"train_accuracy": float(correct) / batch}, f"tr_acc = {int(correct):<3d}/{batch:>3d}"

    def start(self, session):
        """Lets the training images start at the step the variables are at."""
        self.stream.restart(session, session.run(self.step))

    def feeds(self, _step):
        """What a step has to be fed: nothing, the images come from the stream."""
        return {}


@dataclasses.dataclass(frozen=True)
class EvalGraph:
    """A child without dropout and drop path, on images of a stream of the caller's choice.

    Attributes:
      handle: placeholder string, the stream to take the next batch from.
      build: the `layers.BuildContext`.
      correct, counted: float32 scalars, images of the batch classified right, and images that count.
      logits, labels, weights: float32 `[N, num_classes]`, int32 `[N]` and float32 `[N]` of the batch.
    """

    handle: object
    build: object
    correct: object
    counted: object
    logits: object = None
    labels: object = None
    weights: object = None


def train_step(config, data, child, arc, moving_averages):
    """Builds the training step.

    Args:
      config: a `SearchConfig` or `TrainConfig`.
      data: the `DataSet`.
      child: the search space's child module; its `logits(build, images, arc)` is the network.
      arc: what `child.logits` takes.
      moving_averages: see `layers.BuildContext`.
    """
    run = config.run
    stream = pipeline.training_batches(data, data.train, run.batch_size, run.seed, "train", config.data)
    images, labels, weights = pipeline.next_batch(stream)
    step = tf.get_variable("global_step", [], tf.int64, tf.zeros_initializer(), trainable=False)
    progress = tf.minimum(1.0, tf.cast(step + 1, tf.float32) / float(stream.per_epoch * run.num_epochs))
    build = layers.BuildContext(
        config.child,
        data.num_classes,
        run.seed,
        training=True,
        step=step,
        progress=progress,
        moving_averages=moving_averages,
    )
    logits, aux_logits = child.logits(build, images, arc)
    loss = objective.loss(logits, labels, config.child.loss)
    total = loss
    if aux_logits is not None:
        total += child.AUX_WEIGHT * objective.loss(aux_logits, labels, config.child.loss)
    rate = tf.placeholder(tf.float32, [], "learning_rate")
    update = optim.update(build, total, tf.trainable_variables("child/"), rate, step)
    return TrainStep(rate, step, stream, update, loss, objective.correct(logits, labels, weights))


def eval_graph(config, data, child, arc, stream, moving_averages):
    """Builds the child for scoring, on the weights of `training`; `stream` is one of those that will be fed."""
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
    return EvalGraph(handle, build, correct, tf.reduce_sum(weights), logits, labels, weights)


def accuracy(session, graph, stream, handle, feeds=None):
    """Share of a stream's images, one round of it, that the child classifies right; each image counts once.

    Args:
      graph: the `EvalGraph`.
      stream, handle: the `pipeline.Stream` and its evaluated string handle.
      feeds: more to feed, e.g. the arc.

    Raises:
      signals.Stopped: a signal came; no variable has changed since the call.
    """
    totals = []
    for _ in range(stream.per_epoch):
        signals.check()
        totals.append(session.run([graph.correct, graph.counted], {graph.handle: handle, **(feeds or {})}))
    correct, counted = (sum(column) for column in zip(*totals, strict=True))
    return float(correct / counted)


def all_logits(session, graph, stream, handle):
    """What a child makes of each image of a stream, one round of it, each once, in the stream's order.

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
    return tuple(np.concatenate(column) for column in zip(*rounds, strict=True))
