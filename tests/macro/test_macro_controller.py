"""The macro controller against a float64 NumPy walk, its penalty by hand, and rewards it has to learn."""

import dataclasses

import numpy as np
import pytest
from controllers import Built, Walk

from enas.graph import gumbel
from enas.macro import arc as arcs
from enas.macro import controller
from enas.macro.config import ChildConfig, ControllerConfig

OPS = len(arcs.OPS)
SMALL = ControllerConfig(
    lstm_size=8,
    skip_target=0.3,
    skip_weight=0.7,
    entropy_weight=0.02,
    temperature=0.8,
    baseline="moving",
    normalize_advantage=False,
)
WHOLE = ChildConfig(num_layers=4)
CHANNELS = ChildConfig(num_layers=3, out_filters=5, controller_search_whole_channels=False)


@pytest.fixture(scope="module", params=[WHOLE, CHANNELS], ids=["whole", "channels"])
def built(request):
    return Built(controller, SMALL, request.param)


@pytest.fixture(scope="module")
def whole():
    return Built(controller, SMALL, WHOLE)


def sampling_noise(count, child, purpose="test", seed=0):
    return gumbel.noise(seed, purpose, range(count), controller.choices(child))


def numpy_walk(w, config, arc):
    """(log-probabilities, entropies, skip probabilities of each layer) of an `arcs.Arc`'s decisions, in float64: softmax
    over ops; a skip bit is 1 with a probability from attention, the anchor of an output being the state after its op was
    chosen; the next input is the mean of the joined anchors."""
    walk, skips = Walk(w), []

    def decide(logits, choice):
        return walk.decide(config.tanh_constant * np.tanh(logits / config.temperature), choice)

    first = w["first_input"][0]
    anchors, x = [walk.step(first)], first
    for layer in arc.layers:
        decisions = [("op", layer.op, OPS)]
        if layer.channels:
            filters, decisions = len(w["first_conv_3x3_bias"]), []
            for op, (start, count) in zip(arcs.OPS, layer.channels, strict=True):
                decisions += [(f"first_{op}", start, filters), (f"count_{op}", count - 1, filters - start)]
        for name, choice, allowed in decisions:
            decide((walk.step(x) @ w[f"{name}_logits"] + w[f"{name}_bias"])[:allowed], choice)
            x = w[f"{name}_embedding"][choice]
        hidden = walk.step(x)
        probabilities = []
        for bit, anchor in zip(layer.skips, anchors, strict=False):
            score = walk.attention(hidden, anchor) + w["skip_bias"][0]
            probabilities.append(decide(np.array([-score, score]), bit)[1])
        joined = [anchor for bit, anchor in zip(layer.skips, anchors, strict=False) if bit]
        x = sum(joined) / (1 + len(joined)) if joined else first * 0 if layer.skips else first
        if layer.skips:
            skips.append(probabilities)
        anchors.append(hidden)
    return np.array(walk.log_p), np.array(walk.entropy), skips


def value_of(built, values):
    return arcs.for_child(values, built.child)


def test_log_probability_and_entropy_are_those_of_a_numpy_walk(built):
    w = built.shake()
    sampled, log_prob, entropy = built.sample(sampling_noise(6, built.child))
    assert len({str(arc) for arc in sampled}) == 6
    for i, values in enumerate(sampled):
        log_p, entropies, _ = numpy_walk(w, SMALL, value_of(built, values))
        assert len(log_p) == len(values)
        assert log_prob[i] == pytest.approx(log_p.sum(), abs=1e-4)
        assert entropy[i] == pytest.approx(entropies.sum(), abs=1e-4)


def test_every_sampled_arc_is_valid(built):
    """Also at noise that no generator would draw, and each value turns up."""
    built.shake(3.0)
    shape = gumbel.shape(controller.choices(built.child))
    rng = np.random.default_rng(0)
    extremes = [np.full(shape, value) for value in (-1e30, 0.0, 1e30)]
    extremes += [np.where(rng.random(shape) < 0.5, -1e30, 1e30) for _ in range(20)]
    extremes += [np.where(np.arange(shape[1]) == i, 1e30, 0.0) * np.ones(shape) for i in range(shape[1])]
    sampled, log_prob, entropy = built.sample(np.concatenate([sampling_noise(300, built.child), np.array(extremes)]))
    found = [value_of(built, values) for values in sampled]
    assert [arc.to_list() for arc in found] == sampled.tolist()
    assert np.isfinite(log_prob).all() and np.isfinite(entropy).all() and (entropy > 0).all()
    for i in range(built.child.num_layers):
        if built.child is WHOLE:
            assert {arc.layers[i].op for arc in found} == set(range(OPS))
        else:
            pairs = {(first, first + n) for first in range(5) for n in range(1, 6 - first)}
            assert {(a, a + n) for arc in found for a, n in arc.layers[i].channels} == pairs
        assert {bit for arc in found for bit in arc.layers[i].skips} == ({0, 1} if i else set())


def test_a_new_controller_has_no_preference_and_its_entropy_lies_in_the_stated_range(whole):
    whole.session.run(whole.initialize)
    entropy = whole.sample(sampling_noise(200, WHOLE))[2]
    low, high = whole.controller.entropy_range
    assert high == pytest.approx(4 * np.log(6) + 6 * np.log(2))
    assert (entropy <= high + 1e-3).all() and entropy.min() > 0.99 * high
    whole.shake(30.0)
    decided = whole.sample(sampling_noise(200, WHOLE))[2]
    assert (decided >= low - 1e-3).all() and decided.min() < low + 0.35 * (high - low)


def test_noise_is_keyed_by_seed_purpose_and_step():
    noise = sampling_noise(3, WHOLE)
    np.testing.assert_array_equal(gumbel.noise(0, "test", [2], controller.choices(WHOLE))[0], noise[2])
    for other in (sampling_noise(3, WHOLE, seed=1), sampling_noise(3, WHOLE, "other"), noise[::-1]):
        assert not np.any(other[0] == noise[0])


def divergence(p, target):
    return p * np.log(p / target) + (1 - p) * np.log((1 - p) / (1 - target))


def test_the_loss_is_reinforce_entropy_and_the_penalty_of_the_skip_connections(whole):
    """Worked out from the NumPy walk: the first reward is its own baseline, so advantages are those within the update."""
    whole.session.run(whole.initialize)
    w = whole.shake()
    noise, rewards = sampling_noise(3, WHOLE), np.array([0.2, 0.9, 0.4])
    made, expected = whole.controller, 0.0
    sampled = whole.session.run(made.arcs, {made.noise: noise})
    for values, reward in zip(sampled, rewards, strict=True):
        log_p, entropies, skips = numpy_walk(w, SMALL, value_of(whole, values))
        penalty = np.mean([divergence(np.array(p), 0.3).sum() for p in skips])
        expected += (-(reward - rewards.mean()) * log_p.sum() - 0.02 * entropies.sum() + 0.7 * penalty) / 3
    assert whole.session.run(made.loss, {made.noise: noise, made.rewards: rewards}) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("target", [0.2, 0.8])
def test_the_penalty_pulls_the_share_of_skip_connections_to_its_target(target):
    config = dataclasses.replace(SMALL, skip_target=target, skip_weight=1.0, entropy_weight=0.0, lr=0.02)
    built = Built(controller, config, WHOLE)
    for step in range(150):
        made, noise = built.controller, sampling_noise(5, WHOLE, f"train {step}")
        built.session.run(made.train, {made.noise: noise, made.rewards: np.zeros(5)})
    arcs_found = built.sample(sampling_noise(300, WHOLE))[0]
    bits = np.concatenate([value_of(built, values).layers[i].skips for values in arcs_found for i in (1, 2, 3)])
    assert abs(bits.mean() - target) < 0.06  # 1,800 bits: three standard errors are 0.03


def test_the_controller_learns_ops_and_skip_connections_that_are_rewarded():
    """Reward: the share of layers with op 3, plus the share of skip bits that are 1 where the layer is the last."""
    config = dataclasses.replace(
        SMALL, skip_weight=0.0, entropy_weight=1e-4, lr=0.01, tanh_constant=2.5, temperature=1.0
    )
    built = Built(controller, config, WHOLE)

    def reward(values):
        found = value_of(built, values)
        return np.mean([layer.op == 3 for layer in found.layers]) + np.mean(found.layers[-1].skips)

    def mean_reward():
        return np.mean([reward(values) for values in built.sample(sampling_noise(200, WHOLE, "score"))[0]])

    before = mean_reward()
    for step in range(200):
        made, noise = built.controller, sampling_noise(10, WHOLE, f"train {step}")
        sampled = built.session.run(made.arcs, {made.noise: noise})
        rewards = np.array([reward(values) for values in sampled])
        built.session.run(made.train, {made.noise: noise, made.rewards: rewards})
    assert before < 0.9 and mean_reward() > 1.5
