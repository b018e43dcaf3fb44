"""What the controllers of all search spaces share: decisions by the Gumbel-max trick, an LSTM, attention, REINFORCE.

The caller of a controller hands in Gumbel noise (enas/graph/gumbel.py). Each choice is the argmax of logits plus noise, so
the graph holds no random state, and the same noise gives the same arcs. Noise that is huge at one choice replays any given
arc.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import finite_check, functions, layers
from enas.options.config import ControllerConfig
from enas.types import Operation, Tensor

INITIAL_RANGE = 0.1
# Of Adam (arXiv 1412.6980). The large epsilon, as in the ENAS authors' code, keeps the first steps small.
ADAM_BETA1, ADAM_EPSILON = 0.0, 1e-3
# Of advantages: below it they are not scaled up to 1, so that the rounding of equal rewards teaches nothing.
SMALLEST_SPREAD = 1e-6
# Logit of a choice that does not exist: its probability comes out as exactly 0.
NEVER = -1e9


@dataclasses.dataclass(frozen=True)
class Controller:
    """The tensors of a built controller; A is the number of arcs, fed.

    Attributes:
      noise: placeholder float32 `[A, decisions, width]`, see `gumbel.noise`.
      rewards: placeholder float32 `[A]`.
      arcs: int32 `[A, ...]`, each in the shape the space's child takes.
      log_prob, entropy: float32 `[A]`, nats, sums over the arc's decisions.
      train: runs one REINFORCE update; one that `finite_check` finds bad changes nothing but `step`.
      loss, grad_norm, baseline: float32 scalars of that update.
      step: int64 variable, updates done.
      lr: the learning rate of the update.
      finite_check: the `finite_check.FiniteCheck` of the update.
      entropy_range: (lowest, highest) entropy of an arc that the logits' bounds allow, nats; None where unknown.
    """

    noise: Tensor
    rewards: Tensor
    arcs: Tensor
    log_prob: Tensor
    entropy: Tensor
    train: Operation
    loss: Tensor
    grad_norm: Tensor
    baseline: Tensor
    step: Tensor
    lr: float
    finite_check: finite_check.FiniteCheck
    entropy_range: tuple[float, float] | None = None

    def normalized(self, entropy: float) -> float:
        """An entropy, nats, on a scale from 0 (lowest) to 1 (highest the logits' bounds allow); NaN where unknown."""
        low, high = self.entropy_range or (0.0, 0.0)
        return (entropy - low) / (high - low) if high > low else math.nan


def variables(shapes: Mapping[str, Sequence[int]], seed: int, zeros: Sequence[str] = ()) -> dict[str, Tensor]:
    """Makes a controller's float32 variables in the current scope.

    Args:
      shapes: {name: shape}.
      seed: the run's seed.
      zeros: names of those that start at 0; the others start uniform in +-`INITIAL_RANGE`.

    Returns:
      {name: variable}.
    """

    def initial(name: str) -> Any:
        return tf.zeros_initializer() if name in zeros else layers.uniform(seed, f"controller/{name}", INITIAL_RANGE)

    return {
        name: tf.get_variable(name, shape, tf.float32, initial(name), use_resource=True)
        for name, shape in shapes.items()
    }


def trained(
    config: ControllerConfig,
    noise: Tensor,
    sampled: Tensor,
    log_prob: Tensor,
    entropy: Tensor,
    weights: list[Tensor],
    penalty: Tensor | float = 0.0,
    entropy_range: tuple[float, float] | None = None,
) -> Controller:
    """Adds the training step to sampled arcs.

    Args:
      config: a `ControllerConfig`.
      noise, sampled, log_prob, entropy: see `Controller`.
      weights: list of the variables to train.
      penalty: float32 scalar, a space's own addition to the loss.
      entropy_range: see `Controller`.

    Returns:
      `Controller`.
    """
    rewards = tf.placeholder(tf.float32, [None], "rewards")
    with tf.variable_scope("controller"):
        baseline = tf.get_variable("baseline", [], tf.float32, tf.zeros_initializer(), trainable=False)
        square = tf.get_variable("advantage_square", [], tf.float32, tf.zeros_initializer(), trainable=False)
        step = layers.counter("step")
    entropy_weight = config.entropy_weight * tf.pow(config.entropy_decay, tf.cast(step, tf.float32))
    reward = rewards + entropy_weight * tf.stop_gradient(entropy) if config.entropy_in_reward else rewards
    mean_reward = tf.reduce_mean(reward)
    before = baseline if config.baseline_from_zero else tf.where(tf.equal(step, 0), mean_reward, baseline)
    advantage = _advantage(config, reward, mean_reward, before)
    mean_square = tf.reduce_mean(tf.square(advantage))
    mean_square = tf.where(tf.equal(step, 0), mean_square, _moved(config, square, mean_square))
    if config.normalize_advantage:
        advantage /= tf.sqrt(mean_square) + SMALLEST_SPREAD
    loss = reinforce_loss(advantage, log_prob, entropy, 0.0 if config.entropy_in_reward else entropy_weight) + penalty
    # Dense, so that the norm is of the gradient and not of the rows it was gathered from.
    gradients = [tf.convert_to_tensor(gradient) for gradient in functions.gradients(loss, weights)]
    optimizer = tf.train.AdamOptimizer(config.lr, beta1=ADAM_BETA1, epsilon=ADAM_EPSILON)
    after = _moved(config, before, mean_reward)
    squares = finite_check.squares(gradients)
    check = finite_check.build_check(loss, squares, weights)

    def update():
        # Within the condition, so that the optimizer's own variables keep their values too.
        averages = [baseline.assign(after), square.assign(mean_square)]
        return tf.group(*averages, optimizer.apply_gradients(zip(gradients, weights, strict=True)))

    with tf.variable_scope("controller"):
        train = finite_check.when(check.all, update)
        with tf.control_dependencies([train]):
            train = tf.group(step.assign_add(1))
    norm = finite_check.global_norm(squares)
    return Controller(
        noise, rewards, sampled, log_prob, entropy, train, loss, norm, after, step, config.lr, check, entropy_range
    )


def _advantage(config, reward, mean_reward, before):
    """What each arc's reward exceeds: the mean of the update's other arcs (Kool et al. 2019, "Buy 4 REINFORCE samples, get
    a baseline for free!"), or the moving average `before`, which is also what there is for an arc alone."""
    moving = reward - before
    if config.baseline == "moving":
        return moving
    count = tf.cast(tf.shape(reward)[0], tf.float32)
    return tf.where(count > 1, (reward - mean_reward) * count / tf.maximum(count - 1, 1), moving)


def _moved(config, average, value):
    return config.bl_dec * average + (1 - config.bl_dec) * value


def reinforce_loss(advantage: Tensor, log_prob: Tensor, entropy: Tensor, entropy_weight: Tensor | float) -> Tensor:
    """REINFORCE (Williams 1992) with an entropy bonus, averaged over the arcs of an update: a scalar to minimise.

    loss = mean(-advantage * log_prob) - entropy_weight * mean(entropy); the advantage is a constant to the gradient.
    The entropy stands in the loss itself, so its own gradient keeps the distribution broad.

    Args:
      advantage, log_prob, entropy: float32 `[A]`.
    """
    return tf.reduce_mean(-tf.stop_gradient(advantage) * log_prob) - entropy_weight * tf.reduce_mean(entropy)


def choose(logits: Tensor, noise: Tensor, exists: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Samples from `softmax(logits)`, logits `[A, choices]`, among the choices that exist, bool `[choices]` or
    `[A, choices]`; returns int32 `[A]`, log-probability and entropy `[A]`."""
    noisy = logits + noise[:, : logits.shape[1]]
    if exists is not None:
        logits, noisy = (tf.where_v2(exists, x, low) for x, low in ((logits, NEVER), (noisy, -float("inf"))))
    choice = tf.argmax(noisy, axis=1, output_type=tf.int32)
    log_p = tf.nn.log_softmax(logits)
    log_prob = tf.reduce_sum(log_p * tf.one_hot(choice, logits.shape[1]), axis=1)
    return choice, log_prob, -tf.reduce_sum(tf.exp(log_p) * log_p, axis=1)


class Chooser:
    """Makes decisions from logits and noise, and adds up their log-probabilities and entropies."""

    def __init__(self, noise: Tensor) -> None:
        self.noise = tf.unstack(noise, axis=1)
        self.log_probs: list[Tensor] = []
        self.entropies: list[Tensor] = []

    def choose(self, logits: Tensor, exists: Tensor | None = None) -> Tensor:
        """Samples from `softmax(logits)`, logits `[A, choices]`, as `choose` does; returns int32 `[A]`."""
        choice, log_prob, entropy = choose(logits, self.noise[len(self.log_probs)], exists)
        self.log_probs.append(log_prob)
        self.entropies.append(entropy)
        return choice


def lowest_entropy(offsets: Any, bound: float) -> float:
    """The lowest entropy, nats, of a softmax over logits within +-`bound` of given offsets; 0 for bound 0, which is none.

    A logit's rise lowers the entropy if its probability is above exp(-entropy), and raises it otherwise, so at the lowest
    entropy each logit is at its bound, the likelier ones at the upper.
    """
    if not bound:
        return 0.0
    offsets = np.sort(np.asarray(offsets, np.float64))[::-1]
    lowest = math.inf
    for raised in range(1, len(offsets) + 1):
        logits = offsets + np.where(np.arange(len(offsets)) < raised, bound, -bound)
        p = np.exp(logits - logits.max())
        p /= p.sum()
        lowest = min(lowest, -float(np.sum(p * np.log(p))))
    return lowest


def highest_entropy(offsets: Any, bound: float) -> float:
    """The highest entropy, nats, of a softmax over logits within +-`bound` of given offsets; bound 0 is none.

    There the logits are as alike as their bounds let them be: all at one level, which a grid finds, or at the bound next to
    it.
    """
    offsets = np.asarray(offsets, np.float64)
    if not bound:
        return math.log(len(offsets))
    levels = np.linspace(offsets.min() - bound, offsets.max() + bound, 1001)
    logits = np.clip(levels[:, None], offsets - bound, offsets + bound)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return float(np.max(-np.sum(p * np.log(p), axis=1)))


def lstm(x: Tensor, state: tuple[Tensor, Tensor], weights: Tensor) -> tuple[Tensor, Tensor]:
    """One step of an LSTM without biases; x and both states `[A, size]`."""
    cell, hidden = state
    i, f, o, g = tf.split(tf.concat([x, hidden], axis=1) @ weights, 4, axis=1)
    cell = tf.sigmoid(i) * tf.tanh(g) + tf.sigmoid(f) * cell
    return cell, tf.sigmoid(o) * tf.tanh(cell)


def attention(variables: Mapping[str, Tensor] | Any, hidden: Tensor, keys: list[Tensor]) -> Tensor:
    """Scores `[A, len(keys)]` of the earlier nodes: v . tanh(W_q h + W_k anchor)."""
    query = hidden @ variables["attention_query"]
    stacked = tf.tanh(tf.stack(keys, axis=1) + query[:, None])
    return tf.tensordot(stacked, variables["attention_score"][:, 0], 1)


def squash(logits: Tensor, config: ControllerConfig, constant: float) -> Tensor:
    """Temperature and tanh constant, which keep the controller from premature convergence (arXiv 1611.09940, A.1)."""
    logits = logits / config.temperature
    return constant * tf.tanh(logits) if constant else logits


def pick(anchors: list[Tensor], index: Tensor) -> Tensor:
    """Row `index[a]` of the anchors for each arc a; `[A, size]`."""
    return tf.gather(tf.stack(anchors, axis=1), index, batch_dims=1)
