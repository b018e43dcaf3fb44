"""The controller of the micro space: an LSTM that chooses an arc decision by decision (ENAS, sections 2.4 and 3.2).

For each cell and each node it chooses two source nodes, by attention over the earlier nodes, and then two ops. The
reduction cell continues the normal cell's LSTM state. What the controllers of all spaces share is in `enas/policy.py`.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from enas import policy
from enas.errors import UserError
from enas.micro import arc as arcs


def noise_shape(num_cells, num_ops=len(arcs.OPS)):
    """(decisions, width): decisions of one arc, and the most choices any of them has."""
    return 8 * num_cells, max(num_cells + 1, num_ops)


def gumbel_noise(seed, purpose, steps, child):
    """Returns standard Gumbel noise, float32 `[len(steps), decisions, width]`, one key (seed, purpose, step) per arc.

    `child` is the `ChildConfig`.
    """
    return policy.gumbel_noise(seed, purpose, steps, noise_shape(child.num_cells))


def build(config, child, seed):
    """Builds the controller and its training step.

    Args:
      config: a `ControllerConfig`.
      child: the `ChildConfig`.
      seed: the run's seed.

    Returns:
      `policy.Controller`; its arcs are int32 `[A, 2, num_cells, 4]`.

    Raises:
      UserError: --controller_op_prior is not one number for each op.
    """
    noise = tf.placeholder(tf.float32, [None, *noise_shape(child.num_cells)], "noise")
    with tf.variable_scope("controller"):
        variables = policy.variables(_shapes(config.lstm_size), seed, zeros=("op_bias",))
        sampled, log_prob, entropy = _walk(config, child.num_cells, variables, noise)
    return policy.trained(config, noise, sampled, log_prob, entropy, list(variables.values()))


def op_prior(config, num_ops=len(arcs.OPS)):
    """Parses --controller_op_prior: a list of `num_ops` floats, zeros for none."""
    if config.op_prior == "none":
        return [0.0] * num_ops
    try:
        prior = [float(word) for word in config.op_prior.split(",")]
    except ValueError:
        prior = []
    if len(prior) != num_ops or not np.all(np.isfinite(prior)):
        raise UserError(f"--controller_op_prior={config.op_prior}: expected none or {num_ops} numbers apart by commas")
    return prior


def _shapes(size):
    return {
        "lstm": [2 * size, 4 * size],
        "first_input": [1, size],
        "op_embedding": [len(arcs.OPS), size],
        "op_logits": [size, len(arcs.OPS)],
        "op_bias": [len(arcs.OPS)],
        "attention_anchor": [size, size],
        "attention_query": [size, size],
        "attention_score": [size, 1],
    }


def _walk(config, num_cells, variables, noise):
    """Walks through all decisions of both cells; returns arcs, log-probabilities and entropies (see `policy.Controller`)."""
    num_arcs, size = tf.shape(noise)[0], config.lstm_size
    chooser = policy.Chooser(noise)
    state = (tf.zeros([num_arcs, size]), tf.zeros([num_arcs, size]))
    first = tf.tile(variables["first_input"], [num_arcs, 1])
    prior = tf.constant(op_prior(config))
    cells = []
    for _ in arcs.CELLS:
        x, anchors, keys = first, [], []
        for _ in range(2):
            state = policy.lstm(x, state, variables["lstm"])
            anchors.append(state[1])
            keys.append(state[1] @ variables["attention_anchor"])
        nodes = []
        for _ in range(num_cells):
            index = []
            for _ in range(2):
                state = policy.lstm(x, state, variables["lstm"])
                scores = policy.attention(variables, state[1], keys)
                index.append(chooser.choose(policy.squash(scores, config, config.tanh_constant)))
                x = policy.pick(anchors, index[-1])
            op = []
            for _ in range(2):
                state = policy.lstm(x, state, variables["lstm"])
                logits = state[1] @ variables["op_logits"] + variables["op_bias"]
                logits = policy.squash(logits, config, config.tanh_constant / config.op_tanh_reduce) + prior
                op.append(chooser.choose(logits))
                x = tf.gather(variables["op_embedding"], op[-1])
            state = policy.lstm(x, state, variables["lstm"])
            anchors.append(state[1])
            keys.append(state[1] @ variables["attention_anchor"])
            x = first
            nodes.append(tf.stack([index[0], op[0], index[1], op[1]], axis=1))
        cells.append(tf.stack(nodes, axis=1))
    return tf.stack(cells, axis=1), tf.add_n(chooser.log_probs), tf.add_n(chooser.entropies)
