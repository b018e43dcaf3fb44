"""The task of the recurrent space, language modelling: text, training step, reward and perplexity (see
`enas/classification/task.py` for what a task is)."""

import dataclasses
import math
import zlib

import numpy as np
import tensorflow.compat.v1 as tf

from enas import signals
from enas.costs.cost import Cost
from enas.data.readers import text as texts
from enas.graph import layers
from enas.metric import Metric
from enas.randomness import generator
from enas.rnn import averaging, sgd
from enas.rnn.sgd import learning_rate
from enas.rnn.windows import Windows, of_training

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
METRIC = Metric("perplexity", "ppl", "rw", higher_is_better=False)
# Time steps of one call while scoring a single stream: longer ones save calls, the result is the same.
_STEPS = 200
# exp of a little more is no double.
_MOST_NATS = 700.0


def load(config):
    """The `enas.data.readers.text.Text` of a config."""
    return texts.load(config.data)


def metadata(text):
    """What the text is, as JSON values: a run goes on with the same metadata only."""
    splits = (text.train, text.valid, text.test)
    return {"words": list(text.words), "crc32": [zlib.crc32(tokens.tobytes()) for tokens in splits]}


def description(config, text):
    """The data in a few words."""
    sizes = "/".join(str(len(tokens)) for tokens in (text.train, text.valid, text.test))
    return f"{config.data.dataset}: {sizes} train/valid/test tokens, vocabulary of {len(text.words)} words"


def log_header(_run, _text):
    """Logs nothing: `description` says all there is to say of a text."""


def report_errors(_context):
    """Writes nothing: the perplexities are the report."""


@dataclasses.dataclass(frozen=True)
class TrainStep:
    """One training step of a child, on the next window of the training text.

    Attributes:
      rate: placeholder float32, the learning rate.
      step: int64 variable, steps done.
      update: `optim.Update`.
      loss: float32 scalar, nats of a window, mean over its sequences, without the regularisers.
      perplexity: float32 scalar, of the window.
      inputs, targets: placeholders int32 `[B, T]`.
      windows: the `Windows` of the training text.
    """

    rate: object
    step: object
    update: object
    loss: object
    perplexity: object
    inputs: object
    targets: object
    windows: object

    @property
    def per_epoch(self):
        """Steps of an epoch."""
        return self.windows.count

    @property
    def batch_metric(self):
        """What `figures` takes, to be fetched with the step."""
        return self.perplexity

    def figures(self, perplexity):
        """({name: float} for the records, words for the log) of the step's `batch_metric`."""
        return {"train_perplexity": float(perplexity)}, f"tr_ppl = {perplexity:<8.2f}"

    def start(self, _session):
        """Nothing to do: `feeds` hands in the window of a step."""

    def feeds(self, step):
        """What a step (from 0, over the whole run) has to be fed."""
        inputs, targets, _ = self.windows[step % self.windows.count]
        return {self.inputs: inputs, self.targets: targets}


def train_step(config, text, child, arc, shared):
    """Builds the training step; back-propagation is truncated to a window, and the state carried on to the next.

    Args:
      config: a `SearchConfig` or `TrainConfig`.
      text: the `enas.data.readers.text.Text`.
      child: the space's child module.
      arc: what `child.language_model` takes.
      shared: the child's weights are those of all arcs; the type of `arc` says so too.
    """
    del shared
    run, settings = config.run, config.child
    windows = of_training(text.train, text.eos, run.batch_size, settings.bptt_steps)
    inputs, targets = (tf.placeholder(tf.int32, [run.batch_size, settings.bptt_steps]) for _ in range(2))
    step = tf.get_variable("global_step", [], tf.int64, tf.zeros_initializer(), trainable=False)
    shape = [run.batch_size, child.state_size(settings, len(text.words), arc)]
    carried = tf.get_variable("carried_state", shape, tf.float32, tf.zeros_initializer(), trainable=False)
    # An epoch starts at the text's beginning, where there is nothing to carry on.
    state = tf.where(tf.equal(step % windows.count, 0), tf.zeros(shape), carried)
    build = layers.BuildContext(settings, len(text.words), run.seed, training=True, step=step)
    predicted = child.language_model(build, inputs, targets, state, arc)
    loss = tf.reduce_sum(predicted.nats) / run.batch_size
    rate = tf.placeholder(tf.float32, [], "learning_rate")

    def after():
        return tf.group(carried.assign(predicted.state), averaging.update(build, windows.count))

    update = sgd.update(build, loss + _regularisers(settings, predicted, run.batch_size), rate, step, after)
    perplexity = tf.exp(tf.reduce_mean(predicted.nats))
    return TrainStep(rate, step, update, loss, perplexity, inputs, targets, windows)


def _regularisers(settings, predicted, batch_size):
    """Weight decay of the weights in use, and what large and what quickly changing outputs cost (arXiv 1708.01009)."""
    total = 2.0 * settings.l2_reg * tf.add_n([tf.nn.l2_loss(weights) for weights in predicted.weights])
    if settings.rnn_l2_reg:
        total += settings.rnn_l2_reg * tf.reduce_sum(tf.square(predicted.outputs)) / batch_size
    if settings.rnn_slowness_reg:
        changes = predicted.outputs[1:] - predicted.outputs[:-1]
        total += settings.rnn_slowness_reg * tf.reduce_sum(tf.square(changes)) / batch_size
    return total


@dataclasses.dataclass(frozen=True)
class EvalGraph:
    """A child without dropout, on windows of the caller's choice.

    Attributes:
      inputs, targets: placeholders int32 `[B, T]`; weights: placeholder float32 `[B, T]`; state: placeholder float32
        `[B, S]`; all B and T.
      nats: float32 scalar, weighted sum over the window.
      next_state: float32 `[B, S]`.
    """

    inputs: object
    targets: object
    weights: object
    state: object
    nats: object
    next_state: object


def eval_graph(config, text, child, arc):
    """Builds the child for scoring, on the weights of `training`."""
    inputs, targets = (tf.placeholder(tf.int32, [None, None]) for _ in range(2))
    weights = tf.placeholder(tf.float32, [None, None])
    state = tf.placeholder(tf.float32, [None, child.state_size(config.child, len(text.words), arc)])
    build = layers.BuildContext(config.child, len(text.words), config.run.seed)
    predicted = child.language_model(build, inputs, targets, state, arc)
    nats = tf.reduce_sum(predicted.nats * tf.transpose(weights))
    return EvalGraph(inputs, targets, weights, state, nats, predicted.state)


def perplexity(session, graph, windows, first=0, limit=0, feeds=None):
    """exp(mean nats of a token) over windows one after the other, inf where that is no number, because the model has
    diverged; the state is carried from each window to the next.

    Args:
      session: the session.
      graph: the `EvalGraph`.
      windows: the `Windows`.
      first: the window to start at, with no state.
      limit: windows to go through; 0: all from `first` on.
      feeds: more to feed, e.g. the arc.

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
    """Rewards and perplexities of a child. Making one builds its graph.

    The perplexity of a whole split, "valid" or "test", is that of one stream of text from its first token to its last. The
    quicker figures that arcs are compared by in a search, `reward` and "arcs", use as many streams as training.

    Args:
      config: a `SearchConfig` or `TrainConfig`.
      text: the `enas.data.readers.text.Text`.
      child: the space's child module.
      arc: what `child.language_model` takes.
      shared: the child's weights are those of all arcs.
    """

    def __init__(self, config, text, child, arc, shared):
        self.config, self.graph = config, eval_graph(config, text, child, arc)
        self.whole = {name: Windows(getattr(text, name), text.eos, 1, _STEPS, whole=True) for name in ("valid", "test")}
        if shared:
            size = config.controller.batch_size or config.run.batch_size
            self.parallel = of_training(text.valid, text.eos, size, config.child.bptt_steps, "validation")

    def start(self, _session, _updates=0):
        """Nothing to do: each window is handed in when it is scored."""

    def score(self, session, name, feeds=None):
        """Perplexity on the split "valid" or "test", or on the windows of the validation text that arcs are scored on."""
        if name == "arcs":
            return perplexity(session, self.graph, self.parallel, limit=self.config.score.eval_arc_batches, feeds=feeds)
        return perplexity(session, self.graph, self.whole[name], feeds=feeds)

    def reward(self, session, update, feeds):
        """The reward of an arc in a controller update: --controller_reward_constant over the perplexity on one window of
        the validation text, the same window for all arcs of the update."""
        window = int(generator(self.config.run.seed, "reward", update).integers(self.parallel.count))
        found = perplexity(session, self.graph, self.parallel, window, 1, feeds)
        return self.config.controller.reward_constant / found

    def cost(self):
        """The `enas.costs.cost.Cost` of predicting one token. Each weight is used once; the embedding's in the softmax."""
        counts = [(v.shape.num_elements(), len(v.shape)) for v in tf.trainable_variables("child/")]
        parameters = sum(count for count, _ in counts)
        macs = sum(count for count, rank in counts if rank > 1)
        return Cost(parameters, macs, 32 * 32 * macs, 4 * parameters)
