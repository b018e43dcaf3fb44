"""The controller of the micro space: an LSTM that chooses an arc decision by decision (ENAS, sections 2.4 and 3.2).

For each cell and each node it chooses two source nodes, by attention over the earlier nodes, and then two ops. The
reduction cell continues the normal cell's LSTM state. What the controllers of all spaces share is in `enas/policy.py`.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from enas import policy
from enas.errors import UserError
from enas.functions import out_of_line
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


class _Steps:
    """The steps of the walk, each a function that the graph holds once.

    All arguments but the noise `[A, width]` are `[A, size]` or the LSTM's state, two of them.
    """

    def __init__(self, config, num_cells, variables):
        self.config, self.prior, self.most_sources = config, op_prior(config), num_cells + 1
        self.lstm, self.reach = variables["lstm"], variables["attention_anchor"]
        self.attention = variables["attention_query"], variables["attention_score"]
        self.ops = variables["op_logits"], variables["op_bias"], variables["op_embedding"]
        self._node, self._source, self._op = map(out_of_line, (_node, self._choose_source, self._choose_op))

    def node(self, x, state):
        """Adds a node: returns the state, the node's anchor and its key for the attention."""
        *state, key = self._node(x, *state, self.lstm, self.reach)
        return state, state[1], key

    def source(self, x, state, noise, anchors, keys):
        """Chooses one of the nodes: returns the state, the next input and (choice, log-probability, entropy)."""
        count, padding = len(anchors), [tf.zeros_like(x)] * (self.most_sources - len(anchors))
        anchors, keys = tf.stack(anchors + padding, axis=1), tf.stack(keys + padding, axis=1)
        cell, hidden, x, *chosen = self._source(
            x, *state, noise, tf.constant(count), anchors, keys, self.lstm, *self.attention
        )
        return (cell, hidden), x, chosen

    def op(self, x, state, noise):
        """Chooses an op: returns what `source` does."""
        cell, hidden, x, *chosen = self._op(x, *state, noise, self.lstm, *self.ops)
        return (cell, hidden), x, chosen

    def _choose_source(self, x, cell, hidden, noise, count, anchors, keys, lstm, query, score):
        cell, hidden = policy.lstm(x, (cell, hidden), lstm)
        scores = tf.reduce_sum(tf.tanh(keys + (hidden @ query)[:, None]) * score[:, 0], axis=2)
        logits = policy.squash(scores, self.config, self.config.tanh_constant)
        chosen = policy.choose(logits, noise, tf.range(self.most_sources) < count)
        return cell, hidden, tf.gather(anchors, chosen[0], batch_dims=1), *chosen

    def _choose_op(self, x, cell, hidden, noise, lstm, weights, bias, embedding):
        cell, hidden = policy.lstm(x, (cell, hidden), lstm)
        constant = self.config.tanh_constant / self.config.op_tanh_reduce
        chosen = policy.choose(
            policy.squash(hidden @ weights + bias, self.config, constant) + tf.constant(self.prior), noise
        )
        return cell, hidden, tf.gather(embedding, chosen[0]), *chosen


def _node(x, cell, hidden, lstm, reach):
    cell, hidden = policy.lstm(x, (cell, hidden), lstm)
    return cell, hidden, hidden @ reach


def _walk(config, num_cells, variables, noise):
    """Walks through all decisions of both cells; returns arcs, log-probabilities and entropies (see `policy.Controller`)."""
    num_arcs, size = tf.shape(noise)[0], config.lstm_size
    steps, noise, decisions = _Steps(config, num_cells, variables), iter(tf.unstack(noise, axis=1)), []
    state = (tf.zeros([num_arcs, size]), tf.zeros([num_arcs, size]))
    first = tf.tile(variables["first_input"], [num_arcs, 1])
    cells = []
    for _ in arcs.CELLS:
        x, anchors, keys, nodes = first, [], [], []
        for node in range(num_cells + 2):
            if node >= 2:
                chosen = []
                for _ in range(2):
                    state, x, decision = steps.source(x, state, next(noise), anchors, keys)
                    chosen.append(decision)
                for _ in range(2):
                    state, x, decision = steps.op(x, state, next(noise))
                    chosen.append(decision)
                decisions += chosen
                nodes.append(tf.stack([chosen[i][0] for i in (0, 2, 1, 3)], axis=1))
            state, anchor, key = steps.node(x, state)
            anchors.append(anchor)
            keys.append(key)
            x = first
        cells.append(tf.stack(nodes, axis=1))
    _, log_probs, entropies = zip(*decisions, strict=True)
    return tf.stack(cells, axis=1), tf.add_n(log_probs), tf.add_n(entropies)
