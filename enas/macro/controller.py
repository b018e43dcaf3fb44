"""The controller of the macro space: an LSTM that chooses a network layer by layer (ENAS, sections 2.3 and 3.2).

For each layer it chooses the op, or, where channels are a choice, each op's first channel and number of channels. Then
it chooses, by attention, one bit for each output that a skip connection may join. What the controllers of all spaces
share is in `enas/graph/policy.py`.
"""

import dataclasses
import math
from collections.abc import Sequence

import tensorflow.compat.v1 as tf

from enas.graph import gumbel, policy
from enas.macro import arc as arcs
from enas.macro.config import ChildConfig, ControllerConfig
from enas.types import Tensor

State = tuple[Tensor, Tensor]  # of the LSTM: memory cells and hidden units, both `[A, size]`


@dataclasses.dataclass(frozen=True)
class _Weights:
    """The controller's settings and variables."""

    config: ControllerConfig
    child: ChildConfig
    variables: dict[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.variables[name]

    def squash(self, logits: Tensor) -> Tensor:
        """Squashes logits with these settings; see `policy.squash`."""
        return policy.squash(logits, self.config, self.config.tanh_constant)


def choices(child: ChildConfig) -> list[int]:
    """How many choices each decision of an arc has: for each layer its op, or twice six channels, then its skip
    bits."""
    start = list(_choices(child).values())
    return [count for layer in range(child.num_layers) for count in (*start, *[2] * layer)]


def build(config: ControllerConfig, child: ChildConfig, seed: int) -> policy.Controller:
    """Builds the controller and its training step. The controller's arcs are int32 `[A, length]`, the integers of an
    `arcs.Arc`."""
    noise = tf.placeholder(tf.float32, [None, *gumbel.shape(choices(child))], "noise")
    with tf.variable_scope("controller"):
        shapes, zeros = _shapes(config, child)
        weights = _Weights(config, child, policy.variables(shapes, seed, zeros))
        sampled, chooser, skip_logits = _walk(weights, noise)
    penalty = config.skip_weight * skip_penalty(skip_logits, config.skip_target)
    log_prob, entropy = tf.add_n(chooser.log_probs), tf.add_n(chooser.entropies)
    variables = list(weights.variables.values())
    return policy.trained(
        config, noise, sampled, log_prob, entropy, variables, penalty, entropy_range=_entropy_range(config, child)
    )


def _entropy_range(config: ControllerConfig, child: ChildConfig) -> tuple[float, float] | None:
    """(lowest, highest) entropy of an arc, nats; None where channels are a choice, because how many there are to choose
    from then depends on other choices."""
    if not child.controller_search_whole_channels:
        return None
    counts = {len(arcs.OPS): child.num_layers, 2: child.num_layers * (child.num_layers - 1) // 2}
    low = sum(n * policy.lowest_entropy([0.0] * choices, config.tanh_constant) for choices, n in counts.items())
    return low, sum(n * math.log(choices) for choices, n in counts.items())


def skip_penalty(logits: Sequence[Tensor], target: float) -> Tensor:
    """Computes the Kullback-Leibler divergence of the probabilities of skip connections from `target` (ENAS, section
    3.2).

    KL = sum over the bits of a layer of p log(p / target) + (1 - p) log((1 - p) / (1 - target)), p =
    softmax(logits)[1], averaged over layers and arcs.

    Args:
      logits: float32 `[A, bits, 2]` for each layer that has skip bits.
      target: in (0, 1).

    Returns:
      float32 scalar.
    """
    log_target = tf.math.log(tf.constant([1 - target, target]))
    log_p = [tf.nn.log_softmax(layer) for layer in logits]
    per_layer = [tf.reduce_sum(tf.exp(p) * (p - log_target), axis=[1, 2]) for p in log_p]
    return tf.reduce_mean(tf.stack(per_layer))


def _shapes(config: ControllerConfig, child: ChildConfig) -> tuple[dict[str, list[int]], tuple[str, ...]]:
    """({name: shape} of the variables, names of those that start at zero)."""
    size = config.lstm_size
    shapes = {
        "lstm": [2 * size, 4 * size],
        "first_input": [1, size],
        "attention_anchor": [size, size],
        "attention_query": [size, size],
        "attention_score": [size, 1],
        "skip_bias": [1],
    }
    choices = _choices(child)
    for name, width in choices.items():
        shapes |= {f"{name}_embedding": [width, size], f"{name}_logits": [size, width], f"{name}_bias": [width]}
    return shapes, ("skip_bias", *(f"{name}_bias" for name in choices))


def _choices(child: ChildConfig) -> dict[str, int]:
    """{name: number of choices} of the decisions that a layer starts with."""
    if child.controller_search_whole_channels:
        return {"op": len(arcs.OPS)}
    return {f"{what}_{op}": child.out_filters for op in arcs.OPS for what in ("first", "count")}


def _walk(weights: _Weights, noise: Tensor) -> tuple[Tensor, policy.Chooser, list[Tensor]]:
    """Walks through all decisions; returns the arcs, what chose them, and the logits of each layer's skip bits."""
    num_arcs, size = tf.shape(noise)[0], weights.config.lstm_size
    chooser = policy.Chooser(noise)
    state = (tf.zeros([num_arcs, size]), tf.zeros([num_arcs, size]))
    first = tf.tile(weights["first_input"], [num_arcs, 1])
    state = policy.lstm(first, state, weights["lstm"])
    # An anchor stands for an output. The stem's is the hidden state before any decision.
    anchors, values, logits, x = [state[1]], [], [], first
    for layer in range(weights.child.num_layers):
        x, state, chosen = _choose_op(weights, chooser, x, state)
        values += chosen
        state = policy.lstm(x, state, weights["lstm"])
        x = first
        if layer:
            bits, layer_logits = _choose_skips(weights, chooser, state[1], anchors[:layer])
            values += bits
            logits.append(layer_logits)
            chosen = tf.cast(tf.stack(bits, axis=1), tf.float32)
            mean = tf.einsum("as,ash->ah", chosen, tf.stack(anchors[:layer], axis=1))
            x = mean / (1.0 + tf.reduce_sum(chosen, axis=1, keepdims=True))
        anchors.append(state[1])
    return tf.stack(values, axis=1), chooser, logits


def _choose_op(
    weights: _Weights, chooser: policy.Chooser, x: Tensor, state: State
) -> tuple[Tensor, State, list[Tensor]]:
    """Makes the decisions that a layer starts with; returns the next input, the state and the integers, each int32
    `[A]`."""
    values: list[Tensor] = []
    for name, width in _choices(weights.child).items():
        state = policy.lstm(x, state, weights["lstm"])
        logits = weights.squash(state[1] @ weights[f"{name}_logits"] + weights[f"{name}_bias"])
        # Choice c means c + 1 channels, counted from the first one on, so only as many exist as are left from there.
        exists = tf.range(width) < width - values[-1][:, None] if name.startswith("count_") else None
        choice = chooser.choose(logits, exists)
        x = tf.gather(weights[f"{name}_embedding"], choice)
        values.append(choice + 1 if name.startswith("count_") else choice)
    return x, state, values


def _choose_skips(
    weights: _Weights, chooser: policy.Chooser, hidden: Tensor, anchors: Sequence[Tensor]
) -> tuple[list[Tensor], Tensor]:
    """Chooses one bit for each anchor; returns the bits, each int32 `[A]`, and their logits `[A, bits, 2]`."""
    keys = [anchor @ weights["attention_anchor"] for anchor in anchors]
    scores = policy.attention(weights, hidden, keys) + weights["skip_bias"]
    # Symmetric, so that the squashing bounds both answers alike.
    logits = weights.squash(tf.stack([-scores, scores], axis=2))
    return [chooser.choose(logits[:, i]) for i in range(len(anchors))], logits
