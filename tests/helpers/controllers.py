"""What the tests of all spaces' controllers share: a controller to try things on, and what a walk by hand is made of."""

import numpy as np
import tensorflow.compat.v1 as tf

from enas.runs import session


class Built:
    """A controller in a graph and a session of its own; building one takes seconds, so tests share some.

    Args:
      controller: the space's controller module.
      config, child, seed: what its `build` takes.
    """

    def __init__(self, controller, config, child, seed=0):
        session.graph_mode()
        with tf.Graph().as_default() as graph:
            self.controller = controller.build(config, child, seed)
            weights = tf.trainable_variables("controller/")
            self.initialize = tf.global_variables_initializer()
        self.weights = {v.name.removeprefix("controller/").removesuffix(":0"): v for v in weights}
        self.session = session.open_session(graph)
        self.config, self.child = config, child
        self.reset()

    def reset(self):
        """Back to the first step."""
        self.session.run(self.initialize)

    def shake(self, scale=1.0):
        """Gives every weight, biases included, a larger random value, so that no term hides; returns them in float64."""
        rng = np.random.default_rng(0)
        values = {name: rng.normal(0, scale, v.shape.as_list()).astype(np.float32) for name, v in self.weights.items()}
        self.session.run(
            [v.initializer for v in self.weights.values()],
            {v.initializer.inputs[1]: values[name] for name, v in self.weights.items()},
        )
        return {name: value.astype(np.float64) for name, value in values.items()}

    def sample(self, noise):
        """(arcs, log-probabilities, entropies)"""
        made = self.controller
        return self.session.run([made.arcs, made.log_prob, made.entropy], {made.noise: noise})

    def train(self, noise, rewards):
        """One update; returns (loss, norm of the gradient, baseline after it)."""
        made = self.controller
        fetches = [made.loss, made.grad_norm, made.baseline, made.train]
        return self.session.run(fetches, {made.noise: noise, made.rewards: rewards})[:3]

    def values(self):
        """{name: value} of the weights."""
        return self.session.run(self.weights)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Walk:
    """An LSTM without biases and the decisions made from it, in float64.

    Attributes:
      w: {name: array}, a controller's weights.
      log_p, entropy: of the decisions so far.
    """

    def __init__(self, w):
        self.w, self.log_p, self.entropy = w, [], []
        self.c = self.h = np.zeros(len(w["attention_anchor"]))

    def step(self, x):
        """The hidden state after reading x."""
        i, f, o, g = np.split(np.concatenate([x, self.h]) @ self.w["lstm"], 4)
        self.c = sigmoid(f) * self.c + sigmoid(i) * np.tanh(g)
        self.h = sigmoid(o) * np.tanh(self.c)
        return self.h

    def attention(self, hidden, anchor):
        """v . tanh(W_q h + W_k anchor)"""
        w = self.w
        return np.tanh(hidden @ w["attention_query"] + anchor @ w["attention_anchor"]) @ w["attention_score"][:, 0]

    def decide(self, logits, choice):
        """Counts a choice from softmax(logits); returns the probabilities."""
        p = np.exp(logits - logits.max())
        p /= p.sum()
        self.log_p.append(np.log(p[choice]))
        self.entropy.append(-(p * np.log(p)).sum())
        return p
