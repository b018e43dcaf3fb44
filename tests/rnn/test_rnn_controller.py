"""The recurrent controller against a float64 NumPy walk, and a reward it has to learn."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas import session
from enas.rnn import arc, controller
from enas.rnn.config import ChildConfig, ControllerConfig

NODES = 4
CHILD = ChildConfig(rhn_depth=NODES)
CONFIG = ControllerConfig(lstm_size=6, temperature=2.0, tanh_constant=2.5, lr=0.1, entropy_weight=0.01)


@pytest.fixture(scope="module")
def built():
    """(controller, variables by name, session); small, and never put back: no test depends on its state."""
    session.graph_mode()
    with tf.Graph().as_default():
        made = controller.build(CONFIG, CHILD, 0)
        weights = {v.op.name.removeprefix("controller/"): v for v in tf.trainable_variables("controller/")}
        options = tf.ConfigProto()
        options.graph_options.rewrite_options.disable_meta_optimizer = True
        with tf.Session(config=options) as opened:
            opened.run(tf.global_variables_initializer())
            yield made, weights, opened


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def walk(w, noise):
    """One arc by hand: (integers, log-probability, entropy)."""
    cell = hidden = np.zeros(CONFIG.lstm_size)
    chosen, log_p, entropy, anchors = [], 0.0, 0.0, []

    def lstm(x):
        nonlocal cell, hidden
        i, f, o, g = np.split(np.concatenate([x, hidden]) @ w["lstm"], 4)
        cell = sigmoid(i) * np.tanh(g) + sigmoid(f) * cell
        hidden = sigmoid(o) * np.tanh(cell)

    def choose(logits):
        nonlocal log_p, entropy
        p = np.exp(logits) / np.exp(logits).sum()
        choice = int(np.argmax(logits + noise[len(chosen)][: len(logits)]))
        chosen.append(choice)
        log_p, entropy = log_p + np.log(p[choice]), entropy - np.sum(p * np.log(p))
        return choice

    def squash(x):
        return CONFIG.tanh_constant * np.tanh(x / CONFIG.temperature)

    x = w["first_input"][0]
    for node in range(NODES):
        lstm(x)
        anchor, x = hidden, w["first_input"][0]
        if node:
            scores = [
                np.tanh(anchor @ w["attention_query"] + other @ w["attention_anchor"]) @ w["attention_score"][:, 0]
                for other in anchors
            ]
            source = choose(squash(np.array(scores)) - (node - np.arange(node)) ** 2 / 12)
            x = anchors[source] / (0.1 + node - source)
        anchors.append(anchor)
        lstm(x)
        x = w["activation_embedding"][choose(squash(hidden @ w["activation_logits"] + w["activation_bias"]))]
    return chosen, log_p, entropy


def test_arcs_probabilities_and_entropies_are_those_of_the_walk(built):
    made, weights, opened = built
    draw = np.random.default_rng(0)
    values = {name: draw.normal(0, 1, v.shape.as_list()) for name, v in weights.items()}
    for name, v in weights.items():
        v.load(values[name], opened)
    noise = controller.gumbel_noise(0, "test", range(20), CHILD)
    arcs, log_p, entropy = opened.run([made.arcs, made.log_prob, made.entropy], {made.noise: noise})
    low, high = made.entropy_range
    assert (low <= entropy).all() and (entropy <= high).all() and 0 < low < 0.5 * high
    for row, found in enumerate(zip(arcs, log_p, entropy, strict=True)):
        expected = walk(values, noise[row])
        assert found[0].tolist() == expected[0]
        np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-4)
        assert arc.from_list(found[0], NODES).to_list() == expected[0]


def test_huge_noise_replays_any_arc(built):
    made, _, opened = built
    wanted = [3, 0, 1, 1, 2, 0, 0]
    noise = np.zeros([1, *controller.noise_shape(NODES)], np.float32)
    noise[0, np.arange(7), wanted] = 1e6
    assert opened.run(made.arcs, {made.noise: noise}).tolist() == [wanted]


def test_the_controller_learns_which_activation_is_rewarded(built):
    made, weights, opened = built
    draw = np.random.default_rng(1)
    for v in weights.values():
        v.load(draw.uniform(-0.1, 0.1, v.shape.as_list()), opened)

    def share():
        arcs = opened.run(made.arcs, {made.noise: controller.gumbel_noise(1, "share", range(200), CHILD)})
        return (arcs[:, ::2] == 1).mean()

    before = share()
    for step in range(60):
        noise = controller.gumbel_noise(0, "train", range(10 * step, 10 * step + 10), CHILD)
        arcs = opened.run(made.arcs, {made.noise: noise})
        rewards = (arcs[:, ::2] == 1).mean(axis=1)
        opened.run(made.train, {made.noise: noise, made.rewards: rewards})
    assert before < 0.4 and share() > 0.7


def test_arcs_are_keyed_by_seed_purpose_and_step():
    noise = controller.gumbel_noise(3, "a", range(4), CHILD)
    assert np.array_equal(noise[2:], controller.gumbel_noise(3, "a", range(2, 4), CHILD))
    assert not np.array_equal(noise, controller.gumbel_noise(4, "a", range(4), CHILD))
    assert not np.array_equal(noise, controller.gumbel_noise(3, "b", range(4), CHILD))
