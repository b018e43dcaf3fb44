"""The controller's updates: REINFORCE by finite differences, baselines, and rewards it has to learn."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from numpy_walk import OPS, SMALL, built, numpy_walk, sampling_noise, shared

from enas.graph import gumbel
from enas.micro import arc as arcs
from enas.micro import controller, cost
from enas.micro.config import PRESETS, ChildConfig, ControllerConfig, SearchConfig
from enas.options.budget import BudgetConfig
from enas.options.config import from_values
from scripts.experiments import planted

one_cell = shared(dataclasses.replace(SMALL, entropy_weight=0.0, bl_dec=0.9), 1)
default = shared(ControllerConfig(), 5, 3)


def test_the_first_update_has_no_advantage_and_the_baseline_follows(one_cell):
    """The baseline starts at the first reward, so with equal rewards and no entropy bonus nothing moves; then it is a
    moving average with decay bl_dec (here 0.9)."""
    one_cell.reset()
    before, noise = one_cell.values(), sampling_noise(4, 1)
    loss, norm, after = one_cell.train(noise, [0.6] * 4)
    assert loss == norm == 0 and after == pytest.approx(0.6)
    for name, value in one_cell.values().items():
        np.testing.assert_array_equal(value, before[name])
    for rewards in ([0.2, 0.4, 0.6, 0.8], [1.0, 0.0, 1.0, 1.0]):
        expected = 0.9 * after + 0.1 * np.mean(rewards)
        _, _, after = one_cell.train(noise, rewards)
        assert after == pytest.approx(expected)
    assert one_cell.session.run(one_cell.controller.step) == 3
    assert any(np.any(value != before[name]) for name, value in one_cell.values().items())


def test_the_first_advantage_is_over_the_mean_reward(one_cell):
    """Rewards that differ already teach in the first update: loss = mean(-(r - mean r) log p)."""
    one_cell.reset()
    noise, rewards = sampling_noise(4, 1), np.array([0.2, 0.4, 0.6, 0.9])
    log_prob = one_cell.sample(noise)[1].astype(np.float64)
    loss, norm, _ = one_cell.train(noise, rewards)
    assert loss == pytest.approx(np.mean(-(rewards - rewards.mean()) * log_prob), abs=1e-6)
    assert norm > 0


@pytest.fixture(scope="module")
def by_sgd():
    """A controller that learns by plain gradient descent with rate 1, so that a step shows the gradient."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.train, "AdamOptimizer", lambda *_, **__: tf.train.GradientDescentOptimizer(1.0))
        return built(dataclasses.replace(SMALL, entropy_weight=0.3), 2)


def test_an_update_follows_the_gradient_of_reinforce(by_sgd):
    """loss = mean(-advantage log p) - entropy_weight mean(entropy), with the advantage over the old baseline held
    fixed: the gradient against central differences of the NumPy walk along random directions."""
    by_sgd.reset()
    noise, rewards = sampling_noise(4, 2), np.array([0.9, 0.1, 0.5, 0.7])
    by_sgd.train(noise, [0.3] * 4)  # the baseline is now 0.3
    w = by_sgd.shake(0.7)
    sampled = by_sgd.sample(noise)[0]

    def loss_at(values):
        walks = [numpy_walk(values, by_sgd.config, arc) for arc in sampled]
        log_p = np.array([walk[0].sum() for walk in walks])
        entropy = np.array([walk[1].sum() for walk in walks])
        return np.mean(-(rewards - 0.3) * log_p) - 0.3 * np.mean(entropy)

    loss, norm, _ = by_sgd.train(noise, rewards)
    gradient = {name: w[name] - value for name, value in by_sgd.values().items()}
    assert loss == pytest.approx(loss_at(w), rel=1e-4)
    assert norm == pytest.approx(np.sqrt(sum((g**2).sum() for g in gradient.values())), rel=1e-4)
    rng = np.random.default_rng(1)
    for name in w:
        direction = rng.normal(size=w[name].shape)
        slope = np.diff([loss_at({**w, name: w[name] + t * direction}) for t in (-1e-5, 1e-5)])[0] / 2e-5
        assert (gradient[name] * direction).sum() == pytest.approx(slope, rel=2e-3, abs=2e-4), name


def test_the_entropy_bonus_alone_moves_towards_more_entropy(by_sgd):
    """Without an advantage a step raises the entropy of the arcs it was taken on."""
    by_sgd.reset()
    w = by_sgd.shake(0.7)
    noise = sampling_noise(8, 2)
    sampled, _, before = by_sgd.sample(noise)
    by_sgd.train(noise, [0.5] * 8)
    # A tenth of the step: the full one, at weight 0.3, could go too far.
    moved = {name: w[name] + 0.1 * (value - w[name]) for name, value in by_sgd.values().items()}
    after = np.mean([numpy_walk(moved, by_sgd.config, arc)[1].sum() for arc in sampled])
    assert after > before.mean() + 1e-3


def test_the_defaults_find_a_planted_arc(default):
    """The mean reward of sampled arcs gets to where the best of a thousand random arcs are, and entropy falls; ops 0 and
    1, which the authors' controller cannot tell apart, are learned like the others."""
    default.reset()
    planted_arc = planted.planted_arc(0, 5, OPS)
    random_mean, random_top = planted.random_levels(planted_arc, OPS)
    fresh = sampling_noise(300, 5, "evaluation", 9)
    before, _, entropy_before = default.sample(fresh)
    assert planted.rewards(before, planted_arc).mean() == pytest.approx(random_mean, abs=0.01)
    for step in range(150):
        noise = gumbel.noise(0, "planted", range(10 * step, 10 * step + 10), controller.choices(ChildConfig()))
        rewards = planted.rewards(default.sample(noise)[0], planted_arc)
        default.train(noise, rewards + planted.noise(0, step, 10))
    after, _, entropy_after = default.sample(fresh)
    assert planted.rewards(after, planted_arc).mean() > random_top > random_mean + 0.08
    made = default.controller
    assert made.normalized(entropy_before.mean()) > 0.99 and made.normalized(entropy_after.mean()) < 0.8
    for op in (0, 1):
        here = planted_arc[..., 1::2] == op
        assert (after[..., 1::2][:, here] == op).mean() > 1.3 / OPS


@pytest.mark.parametrize("updates, share", [(200, 0.45), pytest.param(600, 0.8, marks=pytest.mark.slow)])
def test_arcs_come_to_cost_what_they_should(default, updates, share):
    """Under a budget that asks for less than the average arc costs, more and more arcs are within 10% of the target."""
    default.reset()
    child = ChildConfig()

    def bitops(sampled):
        return np.array([cost.cost(arcs.for_child(a.reshape(-1), child), child, (8, 8, 1), 10).bitops for a in sampled])

    fresh = sampling_noise(100, 5, "evaluation", 9)
    before = bitops(default.sample(fresh)[0])
    target = 0.8 * before.mean()
    planted_arc = planted.planted_arc(0, 5, OPS)
    for step in range(updates):
        noise = gumbel.noise(0, "budget", range(10 * step, 10 * step + 10), controller.choices(child))
        sampled = default.sample(noise)[0]
        accuracy = planted.rewards(sampled, planted_arc) + planted.noise(0, step, 10)
        default.train(noise, accuracy - BudgetConfig().cost_weight * np.abs(bitops(sampled) / target - 1))
    after = bitops(default.sample(fresh)[0])
    assert np.mean(np.abs(before / target - 1) <= 0.1) < 0.35
    assert np.mean(np.abs(after / target - 1) <= 0.1) > share


def test_the_baseline_of_an_arc_is_the_mean_of_the_others():
    """Two updates: advantages over the other arcs, divided by the moving root mean square (decay 0.9)."""
    made = built(dataclasses.replace(SMALL, baseline="leave_one_out", normalize_advantage=True, bl_dec=0.9), 1)
    entropy_weight, square = made.config.entropy_weight, None
    noise = sampling_noise(4, 1)
    for rewards in (np.array([0.2, 0.4, 0.6, 0.9]), np.array([0.5, 0.5, 0.6, 0.1])):
        advantage = np.array([r - np.delete(rewards, i).mean() for i, r in enumerate(rewards)])
        here = np.mean(advantage**2)
        square = here if square is None else 0.9 * square + 0.1 * here
        _, log_prob, entropy = made.sample(noise)
        loss, _, _ = made.train(noise, rewards)
        expected = np.mean(-advantage / np.sqrt(square) * log_prob) - entropy_weight * entropy.mean()
        assert loss == pytest.approx(expected, rel=1e-4, abs=1e-6)
    # Equal rewards teach nothing, and an arc alone is compared with the moving average.
    entropy = made.sample(noise)[2]
    loss, _, baseline = made.train(noise, [0.5] * 4)
    assert loss == pytest.approx(-entropy_weight * entropy.mean(), abs=1e-4)
    _, log_prob, entropy = made.sample(noise[:1])
    square = 0.9 * 0.9 * square + 0.1 * (1 - baseline) ** 2
    loss, _, _ = made.train(noise[:1], [1.0])
    expected = -(1 - baseline) / np.sqrt(square) * log_prob[0] - entropy_weight * entropy[0]
    assert loss == pytest.approx(expected, rel=1e-4)


def test_the_entropy_weight_decays_with_every_update():
    """Equal rewards leave the entropy alone in the loss: its weight is 0.1, then 0.1 x 0.5, then 0.1 x 0.25."""
    config = dataclasses.replace(SMALL, baseline="leave_one_out", entropy_weight=0.1, entropy_decay=0.5)
    made, noise = built(config, 1), sampling_noise(4, 1)
    for step in range(3):
        entropy = made.sample(noise)[2].mean()
        assert made.train(noise, [0.5] * 4)[0] == pytest.approx(-0.1 * 0.5**step * entropy, rel=1e-4)


def test_the_help_of_the_preset_holds_each_number_that_it_sets():
    [words] = [field.metadata["help"] for field in dataclasses.fields(ControllerConfig) if field.name == "preset"]
    numbers = [value for value in PRESETS["authors"].values() if type(value) is float and value]
    assert numbers == [0.0035, 1.1, 2.5, 0.25, 10.0]
    assert all(f"{number:g}" in words for number in numbers)


def test_the_authors_preset_is_theirs():
    """Op bias 10 for ops 0 and 1, where tanh is flat; their prior in the normal cell; the baseline starts at 0; entropy is
    rewarded and has no gradient of its own."""
    values = {**PRESETS["authors"], "controller_preset": "authors", "controller_lstm_size": 8}
    config = from_values(SearchConfig, {**values, "controller_entropy_weight": 0.01}).controller
    made = built(config, 1)
    noise = sampling_noise(3000, 1)
    sampled, log_prob, entropy = made.sample(noise)
    bound = 1.10 / 2.5
    for cell, prior in enumerate(([0.25, 0.25, -0.25, -0.25, -0.25], [0.0] * 5)):
        logits = np.array([bound, bound, 0, 0, 0]) + prior
        expected = np.exp(logits) / np.exp(logits).sum()
        shares = np.bincount(sampled[:, cell, 0, 1], minlength=OPS) / len(sampled)
        np.testing.assert_allclose(shares, expected, atol=0.035)
    loss, _, baseline = made.train(noise[:4], [0.5] * 4)
    reward = 0.5 + 0.01 * entropy[:4]
    assert loss == pytest.approx(np.mean(-reward * log_prob[:4]), rel=1e-4)
    assert baseline == pytest.approx(0.01 * reward.mean(), rel=1e-4)
    assert not np.any(made.values()["op_bias"][:2])  # tanh(10) has no gradient in float32
