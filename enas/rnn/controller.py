"""The controller of the recurrent space: an LSTM that chooses a cell decision by decision (ENAS, section 2.1).

For node 0 it chooses an activation. For each later node it chooses first the node that it reads, by attention over the
earlier nodes, and then an activation. What the controllers of all spaces share is in `enas/graph/policy.py`.
"""

import tensorflow.compat.v1 as tf

from enas.graph import gumbel, policy
from enas.rnn.arc import ACTIVATIONS
from enas.rnn.config import ChildConfig, ControllerConfig
from enas.types import Tensor


def choices(child: ChildConfig) -> list[int]:
    """How many choices each decision of an arc has: an activation for node 0, a source and an activation for the
    others."""
    later = [count for node in range(1, child.rhn_depth) for count in (node, len(ACTIVATIONS))]
    return [len(ACTIVATIONS), *later]


def build(config: ControllerConfig, child: ChildConfig, seed: int) -> policy.Controller:
    """Builds the controller and its training step. The controller's arcs are int32 `[A, 2N - 1]`."""
    noise = tf.placeholder(tf.float32, [None, *gumbel.shape(choices(child))], "noise")
    with tf.variable_scope("controller"):
        variables = policy.variables(_shapes(config.lstm_size), seed, zeros=("activation_bias",))
        sampled, log_prob, entropy = _walk(config, child.rhn_depth, variables, noise)
    weights, entropy_range = list(variables.values()), _entropy_range(config, child.rhn_depth)
    return policy.trained(config, noise, sampled, log_prob, entropy, weights, entropy_range=entropy_range)


def _entropy_range(config: ControllerConfig, num_nodes: int) -> tuple[float, float]:
    """(lowest, highest) entropy of an arc, nats: an activation for each node, a source for each but node 0."""
    offsets = [[0.0] * len(ACTIVATIONS)] * num_nodes + [source_offsets(node) for node in range(1, num_nodes)]
    low = sum(policy.lowest_entropy(choices, config.tanh_constant) for choices in offsets)
    return low, sum(policy.highest_entropy(choices, config.tanh_constant) for choices in offsets)


def _shapes(size: int) -> dict[str, list[int]]:
    return {
        "lstm": [2 * size, 4 * size],
        "first_input": [1, size],
        "activation_embedding": [len(ACTIVATIONS), size],
        "activation_logits": [size, len(ACTIVATIONS)],
        "activation_bias": [len(ACTIVATIONS)],
        "attention_anchor": [size, size],
        "attention_query": [size, size],
        "attention_score": [size, 1],
    }


def _walk(
    config: ControllerConfig, num_nodes: int, variables: dict[str, Tensor], noise: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Walks through all decisions; returns arcs, log-probabilities and entropies (see `policy.Controller`)."""
    num_arcs, size = tf.shape(noise)[0], config.lstm_size
    chooser = policy.Chooser(noise)
    state = (tf.zeros([num_arcs, size]), tf.zeros([num_arcs, size]))
    first = x = tf.tile(variables["first_input"], [num_arcs, 1])
    choices: list[Tensor] = []
    anchors: list[Tensor] = []
    keys: list[Tensor] = []
    for node in range(num_nodes):
        state = policy.lstm(x, state, variables["lstm"])
        anchor, x = state[1], first
        if node:
            scores = policy.squash(policy.attention(variables, anchor, keys), config, config.tanh_constant)
            source = chooser.choose(scores + tf.constant(source_offsets(node), tf.float32))
            choices.append(source)
            # Divided by the distance, as in the ENAS authors' code.
            x = policy.pick(anchors, source) / (0.1 + tf.cast(node - source, tf.float32))[:, None]
        anchors.append(anchor)
        keys.append(anchor @ variables["attention_anchor"])
        state = policy.lstm(x, state, variables["lstm"])
        logits = state[1] @ variables["activation_logits"] + variables["activation_bias"]
        choices.append(chooser.choose(policy.squash(logits, config, config.tanh_constant)))
        x = tf.gather(variables["activation_embedding"], choices[-1])
    return tf.stack(choices, axis=1), tf.add_n(chooser.log_probs), tf.add_n(chooser.entropies)


def source_offsets(node: int) -> list[float]:
    """What is added to the logits of the nodes before `node`: -(their distance)^2 / 12, as in the ENAS authors' code.
    It makes cells deep rather than wide from the start."""
    return [-((node - source) ** 2) / 12.0 for source in range(node)]
