"""The controller of the micro space: an LSTM that chooses an arc decision by decision (ENAS, sections 2.4 and 3.2).

For each cell and each node it chooses two source nodes, by attention over the earlier nodes, and then two ops. The
reduction cell continues the normal cell's LSTM state. Sampling is the Gumbel-max trick: the caller hands in Gumbel noise
(`noise`), each choice is the argmax of logits plus noise, so that the graph holds no random state, the same noise gives
the same arcs, and noise that is huge at one choice replays any given arc.
"""

import dataclasses

import numpy as np
import tensorflow.compat.v1 as tf

from enas.errors import UserError
from enas.micro import arc as arcs
from enas.randomness import generator, stateless_seed

INITIAL_RANGE = 0.1
# Of Adam (arXiv 1412.6980). The large epsilon, as in the ENAS authors' code, keeps the first steps small.
ADAM_BETA1, ADAM_EPSILON = 0.0, 1e-3


@dataclasses.dataclass(frozen=True)
class Controller:
    """The tensors of a built controller; A is the number of arcs, fed.

    Attributes:
      noise: placeholder float32 `[A, decisions, width]`, see `gumbel_noise`.
      rewards: placeholder float32 `[A]`.
      arcs: int32 `[A, 2, num_cells, 4]`.
      log_prob, entropy: float32 `[A]`, nats, sums over the arc's decisions.
      train: runs one REINFORCE update.
      loss, grad_norm, baseline: float32 scalars of that update.
      step: int64 variable, updates done.
    """

    noise: object
    rewards: object
    arcs: object
    log_prob: object
    entropy: object
    train: object
    loss: object
    grad_norm: object
    baseline: object
    step: object


def noise_shape(num_cells, num_ops=len(arcs.OPS)):
    """(decisions, width): decisions of one arc, and the most choices any of them has."""
    return 8 * num_cells, max(num_cells + 1, num_ops)


def gumbel_noise(seed, purpose, steps, num_cells):
    """Returns standard Gumbel noise, float32 `[len(steps), decisions, width]`, one key (seed, purpose, step) per arc."""
    shape = noise_shape(num_cells)
    return np.stack([generator(seed, purpose, step).gumbel(size=shape).astype(np.float32) for step in steps])


def build(config, num_cells, seed):
    """Builds the controller and its training step.

    Args:
      config: a `ControllerConfig`.
      num_cells: nodes a cell.
      seed: the run's seed.

    Returns:
      `Controller`.

    Raises:
      UserError: --controller_op_prior is not one number for each op.
    """
    noise = tf.placeholder(tf.float32, [None, *noise_shape(num_cells)], "noise")
    rewards = tf.placeholder(tf.float32, [None], "rewards")
    with tf.variable_scope("controller"):
        variables = _variables(config.lstm_size, seed)
        sampled, log_prob, entropy = _walk(config, num_cells, variables, noise)
        baseline = tf.get_variable("baseline", [], tf.float32, tf.zeros_initializer(), trainable=False)
        step = tf.get_variable("step", [], tf.int64, tf.zeros_initializer(), trainable=False)
    mean_reward = tf.reduce_mean(rewards)
    # The moving average starts at the first reward: an average that starts at 0 calls every early arc a good one.
    before = tf.where(tf.equal(step, 0), mean_reward, baseline)
    loss = reinforce_loss(rewards - before, log_prob, entropy, config.entropy_weight)
    weights = list(variables.values())
    # Dense, so that the norm is of the gradient and not of the rows it was gathered from.
    gradients = [tf.convert_to_tensor(gradient) for gradient in tf.gradients(loss, weights)]
    optimizer = tf.train.AdamOptimizer(config.lr, beta1=ADAM_BETA1, epsilon=ADAM_EPSILON)
    after = config.bl_dec * before + (1 - config.bl_dec) * mean_reward
    with tf.variable_scope("controller"), tf.control_dependencies([after, *gradients]):
        train = tf.group(baseline.assign(after), optimizer.apply_gradients(zip(gradients, weights, strict=True), step))
    return Controller(noise, rewards, sampled, log_prob, entropy, train, loss, tf.global_norm(gradients), after, step)


def reinforce_loss(advantage, log_prob, entropy, entropy_weight):
    """REINFORCE (Williams 1992) with an entropy bonus, averaged over the arcs of an update: a scalar to minimise.

    loss = mean(-advantage * log_prob) - entropy_weight * mean(entropy); the advantage is a constant to the gradient.
    The entropy stands in the loss itself, so its own gradient keeps the distribution broad.

    Args:
      advantage, log_prob, entropy: float32 `[A]`.
    """
    return tf.reduce_mean(-tf.stop_gradient(advantage) * log_prob) - entropy_weight * tf.reduce_mean(entropy)


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


def _variables(size, seed):
    shapes = {
        "lstm": [2 * size, 4 * size],
        "first_input": [1, size],
        "op_embedding": [len(arcs.OPS), size],
        "op_logits": [size, len(arcs.OPS)],
        "op_bias": [len(arcs.OPS)],
        "attention_anchor": [size, size],
        "attention_query": [size, size],
        "attention_score": [size, 1],
    }

    def initial(name):
        def draw(shape, dtype=tf.float32, partition_info=None):
            del partition_info
            if name == "op_bias":
                return tf.zeros(shape, dtype)
            key = stateless_seed(seed, f"initial/controller/{name}", 0)
            return tf.random.stateless_uniform(shape, key, -INITIAL_RANGE, INITIAL_RANGE, dtype)

        return draw

    return {
        name: tf.get_variable(name, shape, tf.float32, initial(name), use_resource=True)
        for name, shape in shapes.items()
    }


class _Chooser:
    """Makes decisions from logits and noise, and adds up their log-probabilities and entropies."""

    def __init__(self, noise):
        self.noise = tf.unstack(noise, axis=1)
        self.log_probs, self.entropies = [], []

    def choose(self, logits):
        """Samples from `softmax(logits)`, logits `[A, choices]`; returns int32 `[A]`."""
        noise = self.noise[len(self.log_probs)][:, : logits.shape[1]]
        choice = tf.argmax(logits + noise, axis=1, output_type=tf.int32)
        log_p = tf.nn.log_softmax(logits)
        self.log_probs.append(tf.reduce_sum(log_p * tf.one_hot(choice, logits.shape[1]), axis=1))
        self.entropies.append(-tf.reduce_sum(tf.exp(log_p) * log_p, axis=1))
        return choice


def _walk(config, num_cells, variables, noise):
    """Walks through all decisions of both cells; returns arcs, log-probabilities and entropies (see `Controller`)."""
    num_arcs, size = tf.shape(noise)[0], config.lstm_size
    chooser = _Chooser(noise)
    state = (tf.zeros([num_arcs, size]), tf.zeros([num_arcs, size]))
    first = tf.tile(variables["first_input"], [num_arcs, 1])
    prior = tf.constant(op_prior(config))
    cells = []
    for _ in arcs.CELLS:
        x, anchors, keys = first, [], []
        for _ in range(2):
            state = _lstm(x, state, variables["lstm"])
            anchors.append(state[1])
            keys.append(state[1] @ variables["attention_anchor"])
        nodes = []
        for _ in range(num_cells):
            index = []
            for _ in range(2):
                state = _lstm(x, state, variables["lstm"])
                scores = _attention(variables, state[1], keys)
                index.append(chooser.choose(_squash(scores, config, config.tanh_constant)))
                x = _pick(anchors, index[-1])
            op = []
            for _ in range(2):
                state = _lstm(x, state, variables["lstm"])
                logits = state[1] @ variables["op_logits"] + variables["op_bias"]
                logits = _squash(logits, config, config.tanh_constant / config.op_tanh_reduce) + prior
                op.append(chooser.choose(logits))
                x = tf.gather(variables["op_embedding"], op[-1])
            state = _lstm(x, state, variables["lstm"])
            anchors.append(state[1])
            keys.append(state[1] @ variables["attention_anchor"])
            x = first
            nodes.append(tf.stack([index[0], op[0], index[1], op[1]], axis=1))
        cells.append(tf.stack(nodes, axis=1))
    return tf.stack(cells, axis=1), tf.add_n(chooser.log_probs), tf.add_n(chooser.entropies)


def _lstm(x, state, weights):
    """One step of an LSTM without biases; x and both states `[A, size]`."""
    cell, hidden = state
    i, f, o, g = tf.split(tf.concat([x, hidden], axis=1) @ weights, 4, axis=1)
    cell = tf.sigmoid(i) * tf.tanh(g) + tf.sigmoid(f) * cell
    return cell, tf.sigmoid(o) * tf.tanh(cell)


def _attention(variables, hidden, keys):
    """Scores `[A, len(keys)]` of the earlier nodes: v . tanh(W_q h + W_k anchor)."""
    query = hidden @ variables["attention_query"]
    stacked = tf.tanh(tf.stack(keys, axis=1) + query[:, None])
    return tf.tensordot(stacked, variables["attention_score"][:, 0], 1)


def _squash(logits, config, constant):
    """Temperature and tanh constant, which keep the controller from premature convergence (arXiv 1611.09940, A.1)."""
    logits = logits / config.temperature
    return constant * tf.tanh(logits) if constant else logits


def _pick(anchors, index):
    """Row `index[a]` of the anchors for each arc a; `[A, size]`."""
    return tf.gather(tf.stack(anchors, axis=1), index, batch_dims=1)
