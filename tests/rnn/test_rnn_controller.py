"""The recurrent controller against a float64 NumPy walk, and a reward it has to learn."""

import numpy as np
import pytest
from controllers import Built, Walk

from enas.graph import gumbel
from enas.rnn import arc, controller
from enas.rnn.config import ChildConfig, ControllerConfig

NODES = 4
CHILD = ChildConfig(rhn_depth=NODES)
CONFIG = ControllerConfig(lstm_size=6, temperature=2.0, tanh_constant=2.5, lr=0.1, entropy_weight=0.01)


@pytest.fixture(scope="module")
def built():
    """Small, and never put back: no test depends on its state."""
    made = Built(controller, CONFIG, CHILD)
    with made.session:
        yield made


def by_hand(w, noise):
    """One arc: (integers, log-probability, entropy)."""
    walk, chosen, anchors = Walk(w), [], []

    def choose(logits):
        chosen.append(int(np.argmax(logits + noise[len(chosen)][: len(logits)])))
        walk.decide(logits, chosen[-1])
        return chosen[-1]

    def squash(x):
        return CONFIG.tanh_constant * np.tanh(x / CONFIG.temperature)

    x = w["first_input"][0]
    for node in range(NODES):
        anchor, x = walk.step(x), w["first_input"][0]
        if node:
            scores = np.array([walk.attention(anchor, other) for other in anchors])
            source = choose(squash(scores) - (node - np.arange(node)) ** 2 / 12)
            x = anchors[source] / (0.1 + node - source)
        anchors.append(anchor)
        hidden = walk.step(x)
        x = w["activation_embedding"][choose(squash(hidden @ w["activation_logits"] + w["activation_bias"]))]
    return chosen, sum(walk.log_p), sum(walk.entropy)


def test_arcs_probabilities_and_entropies_are_those_of_the_walk(built):
    w = built.shake()
    noise = gumbel.noise(0, "test", range(20), controller.choices(CHILD))
    arcs, log_p, entropy = built.sample(noise)
    low, high = built.controller.entropy_range
    assert (low <= entropy).all() and (entropy <= high).all() and 0 < low < 0.5 * high
    for row, found in enumerate(zip(arcs, log_p, entropy, strict=True)):
        expected = by_hand(w, noise[row])
        assert found[0].tolist() == expected[0]
        np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-4)
        assert arc.from_list(found[0], NODES).to_list() == expected[0]


def test_huge_noise_replays_any_arc(built):
    wanted = [3, 0, 1, 1, 2, 0, 0]
    noise = np.zeros([1, *gumbel.shape(controller.choices(CHILD))], np.float32)
    noise[0, np.arange(7), wanted] = 1e6
    assert built.sample(noise)[0].tolist() == [wanted]


def test_the_controller_learns_which_activation_is_rewarded(built):
    built.reset()

    def share():
        arcs = built.sample(gumbel.noise(1, "share", range(200), controller.choices(CHILD)))[0]
        return (arcs[:, ::2] == 1).mean()

    before = share()
    for step in range(60):
        noise = gumbel.noise(0, "train", range(10 * step, 10 * step + 10), controller.choices(CHILD))
        built.train(noise, (built.sample(noise)[0][:, ::2] == 1).mean(axis=1))
    assert before < 0.4 and share() > 0.7


def test_arcs_are_keyed_by_seed_purpose_and_step():
    noise = gumbel.noise(3, "a", range(4), controller.choices(CHILD))
    assert np.array_equal(noise[2:], gumbel.noise(3, "a", range(2, 4), controller.choices(CHILD)))
    assert not np.array_equal(noise, gumbel.noise(4, "a", range(4), controller.choices(CHILD)))
    assert not np.array_equal(noise, gumbel.noise(3, "b", range(4), controller.choices(CHILD)))
