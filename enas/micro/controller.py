"""The controller of the micro space: an LSTM that chooses an arc decision by decision (ENAS, sections 2.4 and 3.2).

For each cell and each node it chooses two source nodes, by attention over the earlier nodes, and then two ops. The
reduction cell continues the normal cell's LSTM state. What the controllers of all spaces share is in `enas/graph/policy.py`.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from enas.graph import gumbel, policy
from enas.graph.functions import out_of_line
from enas.micro import arc as arcs
from enas.micro.config import ChildConfig, ControllerConfig, op_prior
from enas.micro.op_table import op_table
from enas.types import Tensor


def choices(child: ChildConfig) -> list[int]:
    """How many choices each decision of an arc has: for each node of each cell two sources, then two ops."""
    num_ops = len(op_table(child))
    cell = [count for node in range(child.num_cells) for count in (node + 2, node + 2, num_ops, num_ops)]
    return cell * len(arcs.CELLS)


def build(config: ControllerConfig, child: ChildConfig, seed: int) -> policy.Controller:
    """Builds the controller and its training step.

    Args:
      config: a `ControllerConfig`.
      child: the `ChildConfig`.
      seed: the run's seed.

    Returns:
      `policy.Controller`; its arcs are int32 `[A, 2, num_cells, 4]`.
    """
    num_ops, num_cells = len(op_table(child)), child.num_cells
    shape = gumbel.shape(choices(child))
    noise = tf.placeholder(tf.float32, [None, *shape], "noise")
    priors = _op_priors(config, num_ops)
    with tf.variable_scope("controller"):
        shapes = _shapes(config.lstm_size, num_ops)
        if config.decision_bias:
            shapes["decision_bias"] = list(shape)
        variables = policy.variables(shapes, seed, zeros=("op_bias", "decision_bias"))
        weights = list(variables.values())
        if config.op_bias_init:
            variables["op_bias"] = variables["op_bias"] + config.op_bias_init * _first_two(num_ops)
        own = config.decision_bias * variables.get("decision_bias", tf.zeros(shape))
        steps = _Steps(config, num_cells, variables)
        sampled, log_prob, entropy = _walk(steps, num_cells, variables["first_input"], noise, own, priors)
    return policy.trained(
        config, noise, sampled, log_prob, entropy, weights, entropy_range=_entropy_range(config, num_cells, priors)
    )


def _op_priors(config, num_ops):
    """Fixed logits of the ops, for the normal and the reduction cell: two arrays float32 `[num_ops]`."""
    normal = reduction = np.array(op_prior(config, num_ops), np.float32)
    if config.normal_op_prior:
        normal = normal + np.float32(config.normal_op_prior) * (2 * _first_two(num_ops) - 1)
    return normal, reduction


def _first_two(num_ops):
    """1 for ops 0 and 1, 0 for the others; float32 `[num_ops]`."""
    return (np.arange(num_ops) < 2).astype(np.float32)


def _entropy_range(config, num_cells, priors):
    """(lowest, highest) entropy of an arc, nats: two sources and two ops for each node of each cell."""
    bound = config.tanh_constant
    sources = [np.zeros(node + 2) for node in range(num_cells)]
    lowest = sum(4 * policy.lowest_entropy(choices, bound) for choices in sources)
    lowest += sum(2 * num_cells * policy.lowest_entropy(prior, bound / config.op_tanh_reduce) for prior in priors)
    highest = sum(4 * np.log(len(choices)) for choices in sources) + 4 * num_cells * np.log(len(priors[0]))
    return float(lowest), float(highest)


def _shapes(size, num_ops):
    return {
        "lstm": [2 * size, 4 * size],
        "first_input": [1, size],
        "op_embedding": [num_ops, size],
        "op_logits": [size, num_ops],
        "op_bias": [num_ops],
        "attention_anchor": [size, size],
        "attention_query": [size, size],
        "attention_score": [size, 1],
    }


class _Steps:
    """The steps of the walk, each a function that the graph holds once.

    Arguments are `[A, size]` or the LSTM's state, two of them, but for the noise `[A, width]`, the decision's own biases
    `[width]` and the ops' fixed logits `[ops]`.
    """

    def __init__(self, config, num_cells, variables):
        self.config, self.most_sources = config, num_cells + 1
        self.lstm, self.reach = variables["lstm"], variables["attention_anchor"]
        self.attention = variables["attention_query"], variables["attention_score"]
        self.ops = variables["op_logits"], variables["op_bias"], variables["op_embedding"]
        self._node, self._source = out_of_line(_node), out_of_line(self._choose_source)
        self._op = out_of_line(self._choose_op)

    def node(self, x, state):
        """Adds a node: returns the state, the node's anchor and its key for the attention."""
        *state, key = self._node(x, *state, self.lstm, self.reach)
        return state, state[1], key

    def source(self, x, state, noise, own, anchors, keys):
        """Chooses one of the nodes: returns the state, the next input and (choice, log-probability, entropy)."""
        count, padding = len(anchors), [tf.zeros_like(x)] * (self.most_sources - len(anchors))
        anchors, keys = tf.stack(anchors + padding, axis=1), tf.stack(keys + padding, axis=1)
        cell, hidden, x, *chosen = self._source(
            x, *state, noise, own, tf.constant(count), anchors, keys, self.lstm, *self.attention
        )
        return (cell, hidden), x, chosen

    def op(self, x, state, noise, own, prior):
        """Chooses an op: returns what `source` does."""
        cell, hidden, x, *chosen = self._op(x, *state, noise, own, tf.constant(prior), self.lstm, *self.ops)
        return (cell, hidden), x, chosen

    def _choose_source(self, x, cell, hidden, noise, own, count, anchors, keys, lstm, query, score):
        cell, hidden = policy.lstm(x, (cell, hidden), lstm)
        scores = tf.reduce_sum(tf.tanh(keys + (hidden @ query)[:, None]) * score[:, 0], axis=2)
        logits = policy.squash(scores + own[: self.most_sources], self.config, self.config.tanh_constant)
        chosen = policy.choose(logits, noise, tf.range(self.most_sources) < count)
        return cell, hidden, tf.gather(anchors, chosen[0], batch_dims=1), *chosen

    def _choose_op(self, x, cell, hidden, noise, own, prior, lstm, weights, bias, embedding):
        cell, hidden = policy.lstm(x, (cell, hidden), lstm)
        scores = hidden @ weights + bias
        constant = self.config.tanh_constant / self.config.op_tanh_reduce
        chosen = policy.choose(policy.squash(scores + own[: scores.shape[1]], self.config, constant) + prior, noise)
        return cell, hidden, tf.gather(embedding, chosen[0]), *chosen


def _node(x, cell, hidden, lstm, reach):
    cell, hidden = policy.lstm(x, (cell, hidden), lstm)
    return cell, hidden, hidden @ reach


def _walk(steps, num_cells, first_input, noise, own, priors):
    """Walks through all decisions of both cells; returns arcs, log-probabilities and entropies (see `policy.Controller`)."""
    first = tf.tile(first_input, [tf.shape(noise)[0], 1])
    noise, decisions, cells = zip(tf.unstack(noise, axis=1), tf.unstack(own), strict=True), [], []
    state = (tf.zeros_like(first), tf.zeros_like(first))
    for _, prior in zip(arcs.CELLS, priors, strict=True):
        x, nodes = first, []
        anchors: list[Tensor] = []
        keys: list[Tensor] = []
        for node in range(num_cells + 2):
            if node >= 2:
                chosen = []
                for _ in range(2):
                    state, x, decision = steps.source(x, state, *next(noise), anchors, keys)
                    chosen.append(decision)
                for _ in range(2):
                    state, x, decision = steps.op(x, state, *next(noise), prior)
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
