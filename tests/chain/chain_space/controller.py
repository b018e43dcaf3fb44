"""The controller of the chain space: an LSTM that chooses the ops one after the other."""

from typing import Any

import tensorflow.compat.v1 as tf

from chain_space.arc import OPS
from chain_space.config import ChildConfig
from enas.graph import gumbel, policy
from enas.options.config import ControllerConfig


def choices(child: ChildConfig) -> list[int]:
    """How many choices each decision of an arc has."""
    return [len(OPS)] * child.num_layers


def build(config: ControllerConfig, child: ChildConfig, seed: int) -> Any:
    """Builds the controller and its training step; its arcs are int32 `[A, num_layers]`."""
    noise = tf.placeholder(tf.float32, [None, *gumbel.shape(choices(child))], "noise")
    size, count = config.lstm_size, len(OPS)
    shapes = {"lstm": [2 * size, 4 * size], "first_input": [1, size]}
    shapes |= {"op_embedding": [count, size], "op_logits": [size, count], "op_bias": [count]}
    with tf.variable_scope("controller"):
        weights = policy.variables(shapes, seed, zeros=("op_bias",))
        sampled, chooser = _walk(config, child, weights, noise)
    log_prob, entropy = tf.add_n(chooser.log_probs), tf.add_n(chooser.entropies)
    return policy.trained(config, noise, sampled, log_prob, entropy, list(weights.values()))


def _walk(config, child, weights, noise):
    """Walks through all decisions; returns the arcs and the `policy.Chooser`."""
    chooser = policy.Chooser(noise)
    x = tf.tile(weights["first_input"], [tf.shape(noise)[0], 1])
    state, chosen = (tf.zeros_like(x), tf.zeros_like(x)), []
    for _ in range(child.num_layers):
        state = policy.lstm(x, state, weights["lstm"])
        logits = state[1] @ weights["op_logits"] + weights["op_bias"]
        chosen.append(chooser.choose(policy.squash(logits, config, config.tanh_constant)))
        x = tf.gather(weights["op_embedding"], chosen[-1])
    return tf.stack(chosen, axis=1), chooser
