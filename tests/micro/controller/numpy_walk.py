"""The micro space's controller, built for tests, and its walk in NumPy."""

import numpy as np
import pytest
from controllers import Built, Walk

from enas.graph import gumbel
from enas.micro import arc as arcs
from enas.micro import controller
from enas.micro.config import ChildConfig, ControllerConfig

OPS = len(arcs.OPS)
SMALL = ControllerConfig(
    lstm_size=8, tanh_constant=1.1, op_tanh_reduce=2.5, decision_bias=1.5, baseline="moving", normalize_advantage=False
)


def built(config, num_cells, seed=0):
    return Built(controller, config, ChildConfig(num_cells=num_cells), seed)


def shared(*arguments):
    """A fixture that builds once for all tests of this file and hands out a fresh state."""

    @pytest.fixture(scope="module")
    def build():
        made = built(*arguments)
        with made.session:
            yield made

    return build


def sampling_noise(count, num_cells, purpose="test", seed=0):
    return gumbel.noise(seed, purpose, range(count), controller.choices(ChildConfig(num_cells=num_cells)))


def numpy_walk(w, config, arc):
    """Log-probabilities and entropies of the 8 * num_cells decisions of one arc `[2, num_cells, 4]`, in float64, from
    the papers: attention over the earlier nodes' states, softmax over op logits; the anchor of a node is the state after
    reading its last op."""
    walk = Walk(w)
    prior = np.zeros(OPS) if config.op_prior == "none" else np.array(config.op_prior.split(","), float)

    def decide(scores, choice, constant, prior=0.0):
        own = w["decision_bias"][len(walk.log_p)][: len(scores)] * config.decision_bias if config.decision_bias else 0.0
        walk.decide(squash(scores + own, constant) + prior, choice)

    def squash(logits, constant):
        logits = logits / config.temperature
        return logits if config.tanh_constant == 0 else constant * np.tanh(logits)

    for cell in arc:
        first = w["first_input"][0]
        anchors = [walk.step(first), walk.step(first)]
        for source_1, op_1, source_2, op_2 in cell:
            x = first
            for source in (source_1, source_2):
                hidden = walk.step(x)
                decide(np.array([walk.attention(hidden, a) for a in anchors]), source, config.tanh_constant)
                x = anchors[source]
            for op in (op_1, op_2):
                logits = walk.step(x) @ w["op_logits"] + w["op_bias"]
                decide(logits, op, config.tanh_constant / config.op_tanh_reduce, prior)
                x = w["op_embedding"][op]
            anchors.append(walk.step(x))
    return np.array(walk.log_p), np.array(walk.entropy)
