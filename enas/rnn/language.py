"""The task of the recurrent space, language modelling: text, training step, reward and perplexity.

What a task is: `interfaces.Task`.
"""

import dataclasses
import math
import zlib
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from enas import signals
from enas.costs.cost import Cost
from enas.data.readers import text as texts
from enas.distributed import collectives
from enas.graph import layers
from enas.graph.optim import Update
from enas.interfaces import Feeds
from enas.metric import PERPLEXITY
from enas.randomness import generator
from enas.rnn import averaging, sgd
from enas.rnn.child import Chosen, Prediction
from enas.rnn.config import ChildConfig, SearchConfig, TrainConfig
from enas.rnn.sgd import learning_rate
from enas.rnn.windows import Windows, of_training
from enas.types import Operation, Session, Tensor

__all__ = [
    "ADVICE",
    "METRIC",
    "Scorer",
    "log_header",
    "description",
    "metadata",
    "learning_rate",
    "load",
    "report_errors",
    "train_step",
]

# To a user whose child's numbers are not finite.
ADVICE = "a lower --child_lr or --child_grad_bound"
METRIC = PERPLEXITY
# Time steps of one window while scoring a single stream. Longer windows save calls and give the same result.
_STEPS = 200
# exp of a little more does not fit into a double.
_MOST_NATS = 700.0


def load(config: SearchConfig | TrainConfig) -> texts.Text:
    """Reads the text of a config; see `texts.load`."""
    return texts.load(config.data)


def metadata(text: texts.Text) -> dict[str, Any]:
    """Says what the text is, as JSON values. A run goes on with the same metadata only."""
    splits = (text.train, text.valid, text.test)
    return {"words": list(text.words), "crc32": [zlib.crc32(tokens.tobytes()) for tokens in splits]}


def description(config: SearchConfig | TrainConfig, text: texts.Text) -> str:
    """Describes the text in a few words."""
    sizes = "/".join(str(len(tokens)) for tokens in (text.train, text.valid, text.test))
    return f"{config.data.dataset}: {sizes} train/valid/test tokens, vocabulary of {len(text.words)} words"


def log_header(_run: Any, _text: texts.Text) -> None:
    """Logs nothing: `description` says all there is to say of a text."""


def report_errors(_context: Any) -> None:
    """Writes nothing: the perplexities are the report."""


@dataclasses.dataclass(frozen=True)
class TrainStep:
    """One training step of a child, on the next window of the training text.

    Attributes:
      rate: placeholder float32, the learning rate.
      step: int64 variable, steps done.
      update: what the step does, and its figures.
      loss: float32 scalar, nats of a window, mean over its sequences, without the regularisers.
      perplexity: float32 scalar, of the window.
      inputs, targets: placeholders int32 `[B, T]`.
      windows: of the training text, with the streams of all workers.
      rows: which of these streams this worker trains on, B of them.
      replicas: how many workers there are; each has a batch of its own.
    """

    rate: Tensor
    step: Tensor
    update: Update
    loss: Tensor
    perplexity: Tensor
    inputs: Tensor
    targets: Tensor
    windows: Windows
    rows: slice
    replicas: int = 1
    more_arcs = ()

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return self.windows.count

    @property
    def batch_metric(self) -> Tensor:
        """What `figures` takes, fetched with the step."""
        return self.perplexity

    def figures(self, perplexity: Any) -> tuple[dict[str, float], str]:
        """Returns the step's fetched `batch_metric` as {name: float} for the records, and in words for the log."""
        return {"train_perplexity": float(perplexity)}, f"tr_ppl = {perplexity:<8.2f}"

    def start(self, _session: Session) -> None:
        """Does nothing, because `feeds` hands in the window of a step."""

    def go_to(self, session: Session, step: int) -> None:
        """Sets the number of steps done."""
        self.step.load(step, session)

    def feeds(self, step: int) -> Feeds:
        """Returns what a step (from 0, over the whole run) has to be fed."""
        inputs, targets, _ = self.windows[step % self.windows.count]
        return {self.inputs: inputs[self.rows], self.targets: targets[self.rows]}


def train_step(
    config: SearchConfig | TrainConfig, text: texts.Text, child: Any, arc: Chosen, shared: bool
) -> TrainStep:
    """Builds the training step. Back-propagation is truncated to a window, and the state is carried on to the next
    window. The text is cut into as many streams as all workers train on, and each worker has B of them.

    Args:
      child: the space's child module.
      arc: what `child.language_model` takes.
      shared: the child's weights are those of all arcs; the type of `arc` says so too.
    """
    del shared
    run, settings, workers = config.run, config.child, config.workers.count
    streams = workers * run.batch_size
    windows = of_training(text.train, text.eos, streams, settings.bptt_steps, workers=workers)
    rows = slice(config.workers.task_index * run.batch_size, (config.workers.task_index + 1) * run.batch_size)
    inputs, targets = (tf.placeholder(tf.int32, [run.batch_size, settings.bptt_steps]) for _ in range(2))
    step = layers.counter("global_step")
    size = child.state_size(settings, len(text.words), arc)
    # Each worker holds the state of all, so that any of them could go on from the chief's checkpoint.
    carried = tf.get_variable("carried_state", [streams, size], tf.float32, tf.zeros_initializer(), trainable=False)
    tf.add_to_collection(layers.PER_STREAM, carried)
    # An epoch starts at the beginning of the text, where there is no state to carry on.
    state = tf.where(tf.equal(step % windows.count, 0), tf.zeros([run.batch_size, size]), carried[rows])
    build = layers.BuildContext(
        settings,
        len(text.words),
        run.seed,
        training=True,
        step=step,
        worker=config.workers.task_index,
        workers=workers,
    )
    predicted = child.language_model(build, inputs, targets, state, arc)
    loss = tf.reduce_sum(predicted.nats) / run.batch_size
    rate = tf.placeholder(tf.float32, [], "learning_rate")

    others = [[rows.start, streams - rows.stop], [0, 0]]
    states = predicted.state if workers == 1 else collectives.total(tf.pad(predicted.state, others), workers)

    def after() -> Operation:
        return tf.group(carried.assign(states), averaging.update(build, windows.count))

    update = sgd.update(build, loss + _regularisers(settings, predicted, run.batch_size), rate, step, after)
    loss, nats = collectives.means([loss, tf.reduce_mean(predicted.nats)], workers)
    return TrainStep(rate, step, update, loss, tf.exp(nats), inputs, targets, windows, rows, workers)


def _regularisers(settings: ChildConfig, predicted: Prediction, batch_size: int) -> Tensor:
    """Adds up the weight decay of the weights in use, and penalties on large and on quickly changing outputs (arXiv
    1708.01009)."""
    total = 2.0 * settings.l2_reg * tf.add_n([tf.nn.l2_loss(weights) for weights in predicted.weights])
    if settings.rnn_l2_reg:
        total += settings.rnn_l2_reg * tf.reduce_sum(tf.square(predicted.outputs)) / batch_size
    if settings.rnn_slowness_reg:
        changes = predicted.outputs[1:] - predicted.outputs[:-1]
        total += settings.rnn_slowness_reg * tf.reduce_sum(tf.square(changes)) / batch_size
    return total


@dataclasses.dataclass(frozen=True)
class EvalGraph:
    """A child without dropout, on windows of the caller's choice, of any B and T.

    Attributes:
      inputs, targets: placeholders int32 `[B, T]`.
      weights: placeholder float32 `[B, T]`, of the targets.
      state: placeholder float32 `[B, S]`.
      nats: float32 scalar, weighted sum over the window.
      next_state: float32 `[B, S]`.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor
    state: Tensor
    nats: Tensor
    next_state: Tensor


def eval_graph(config: SearchConfig | TrainConfig, text: texts.Text, child: Any, arc: Chosen) -> EvalGraph:
    """Builds the child for scoring, on the weights of `train_step`; see there for the arguments."""
    inputs, targets = (tf.placeholder(tf.int32, [None, None]) for _ in range(2))
    weights = tf.placeholder(tf.float32, [None, None])
    state = tf.placeholder(tf.float32, [None, child.state_size(config.child, len(text.words), arc)])
    build = layers.BuildContext(config.child, len(text.words), config.run.seed)
    predicted = child.language_model(build, inputs, targets, state, arc)
    nats = tf.reduce_sum(predicted.nats * tf.transpose(weights))
    return EvalGraph(inputs, targets, weights, state, nats, predicted.state)


def perplexity(
    session: Session, graph: EvalGraph, windows: Windows, first: int = 0, limit: int = 0, feeds: Feeds | None = None
) -> float:
    """Computes exp(mean nats of a token) over windows one after the other. The state is carried from window to window.

    Args:
      first: the window to start at, with a state of zeros.
      limit: how many windows to go through; 0: all from `first` on.
      feeds: more to feed, e.g. the arc.

    Returns:
      The perplexity; inf if the model has diverged, so that it is no finite number.

    Raises:
      signals.Stopped: a signal came; no variable has changed since the call.
    """
    state = np.zeros([windows.streams, int(graph.state.shape[1])], np.float32)
    nats, counted = 0.0, 0.0
    for number in range(first, min(windows.count, first + limit) if limit else windows.count):
        signals.check()
        inputs, targets, weights = windows[number]
        window = {graph.inputs: inputs, graph.targets: targets, graph.weights: weights, graph.state: state}
        more, state = session.run([graph.nats, graph.next_state], {**window, **(feeds or {})})
        nats, counted = nats + float(more), counted + float(weights.sum())
    mean = nats / counted
    return math.exp(mean) if mean < _MOST_NATS else math.inf


class Scorer:
    """Rewards and perplexities of a child. Making one builds its graph; see `train_step` for the arguments.

    The perplexity of a whole split, "valid" or "test", is that of one stream of text from its first token to its last.
    In a search, arcs are compared by quicker figures, `reward` and the score "arcs". These use as many streams as
    training.
    """

    def __init__(
        self, config: SearchConfig | TrainConfig, text: texts.Text, child: Any, arc: Chosen, shared: bool
    ) -> None:
        self.seed, self.graph, self.merit = config.run.seed, eval_graph(config, text, child, arc), METRIC.name
        self.whole = {name: Windows(getattr(text, name), text.eos, 1, _STEPS, whole=True) for name in ("valid", "test")}
        if shared:
            assert isinstance(config, SearchConfig)
            self.arc_windows, self.reward_constant = config.score.eval_arc_batches, config.controller.reward_constant
            size = config.controller.batch_size or config.run.batch_size
            self.parallel = of_training(text.valid, text.eos, size, config.child.bptt_steps, "validation")

    def start(self, _session: Session, _updates: int = 0) -> None:
        """Does nothing, because each window is handed in when it is scored."""

    def score(self, session: Session, name: str, feeds: Feeds | None = None) -> float:
        """Computes the perplexity on the split "valid" or "test", or, for "arcs", on the windows of the validation text
        that arcs are scored on."""
        if name == "arcs":
            return perplexity(session, self.graph, self.parallel, limit=self.arc_windows, feeds=feeds)
        return perplexity(session, self.graph, self.whole[name], feeds=feeds)

    def figures(self, session: Session, name: str, feeds: Feeds | None = None) -> dict[str, float]:
        """Computes the perplexity, in a dict; see `score`."""
        return {METRIC.name: self.score(session, name, feeds)}

    def reward(self, session: Session, update: int, feeds: Feeds) -> float:
        """Computes the reward of an arc in a controller update: --controller_reward_constant divided by the perplexity
        on one window of the validation text, which is the same window for all arcs of the update."""
        window = int(generator(self.seed, "reward", update).integers(self.parallel.count))
        return self.reward_constant / perplexity(session, self.graph, self.parallel, window, 1, feeds)

    def cost(self) -> Cost:
        """Counts the cost of predicting one token. Each weight is used once, the embedding's in the softmax."""
        counts = [(v.shape.num_elements(), len(v.shape)) for v in tf.trainable_variables("child/")]
        parameters = sum(count for count, _ in counts)
        macs = sum(count for count, rank in counts if rank > 1)
        return Cost(parameters, macs, 32 * 32 * macs, 4 * parameters)
