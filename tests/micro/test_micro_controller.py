"""The controller against a float64 NumPy walk, REINFORCE by finite differences, and a reward it has to learn."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from controllers import Built, Walk

from enas.errors import UserError
from enas.graph import gumbel, policy
from enas.micro import arc as arcs
from enas.micro import controller, cost
from enas.micro.config import PRESETS, ChildConfig, ControllerConfig, SearchConfig
from enas.options.budget import BudgetConfig
from enas.options.config import from_values
from enas.runs import session
from scripts.experiments import planted

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


one_cell = shared(dataclasses.replace(SMALL, entropy_weight=0.0, bl_dec=0.9), 1)
two_cells = shared(SMALL, 2)
default = shared(ControllerConfig(), 5, 3)


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


def check_against_numpy(made):
    """Of sampled arcs, one by one: so the arcs of a batch do not see each other either."""
    w = made.shake()
    sampled, log_prob, entropy = made.sample(sampling_noise(6, made.child.num_cells))
    assert len({str(arc) for arc in sampled}) == 6
    for i, arc in enumerate(sampled):
        log_p, entropies = numpy_walk(w, made.config, arc)
        assert len(log_p) == 8 * made.child.num_cells
        assert log_prob[i] == pytest.approx(log_p.sum(), abs=1e-4)
        assert entropy[i] == pytest.approx(entropies.sum(), abs=1e-4)


def test_log_probability_and_entropy_are_those_of_a_numpy_walk(two_cells):
    check_against_numpy(two_cells)


@pytest.mark.parametrize(
    "changes, num_cells",
    [
        ({"tanh_constant": 0.0, "temperature": 3.0}, 1),
        ({"tanh_constant": 2.5, "op_tanh_reduce": 1.5, "temperature": 5.0, "op_prior": "0.5,0,-1,2,0"}, 3),
    ],
)
def test_settings_shape_the_distribution_as_in_the_numpy_walk(changes, num_cells):
    check_against_numpy(built(dataclasses.replace(SMALL, **changes), num_cells))


def test_arcs_are_drawn_as_often_as_their_probability_says(one_cell):
    """The share of arcs whose first decisions are (sources, op) against the probabilities of the walk."""
    w = one_cell.shake(1.5)
    count = 20000
    noise = (
        np.random.default_rng(0)
        .gumbel(size=(count, *gumbel.shape(controller.choices(ChildConfig(num_cells=1)))))
        .astype(np.float32)
    )
    chosen = one_cell.sample(noise)[0][:, 0, 0]
    probabilities = []
    for source_1, source_2, op in [(s, t, op) for s in (0, 1) for t in (0, 1) for op in range(OPS)]:
        arc = np.array([[[source_1, op, source_2, 0]]] * 2)
        p = np.exp(numpy_walk(w, SMALL, arc)[0][:3].sum())
        seen = np.mean((chosen[:, 0] == source_1) & (chosen[:, 2] == source_2) & (chosen[:, 1] == op))
        assert abs(seen - p) < 4.5 * np.sqrt(p * (1 - p) / count)
        probabilities.append(p)
    assert sum(probabilities) == pytest.approx(1)
    assert max(probabilities) > 2 * min(probabilities)


@pytest.mark.parametrize("built", ["one_cell", "two_cells", "default"])
def test_every_sampled_arc_is_valid(built, request):
    """Also at noise that no generator would draw, and each source and op turns up."""
    made = request.getfixturevalue(built)
    num_cells = made.child.num_cells
    made.shake(3.0)
    shape = gumbel.shape(controller.choices(ChildConfig(num_cells=num_cells)))
    assert shape == (8 * num_cells, max(num_cells + 1, OPS))
    rng = np.random.default_rng(0)
    extremes = [np.full(shape, value) for value in (-1e30, 0.0, 1e30)]
    extremes += [np.where(rng.random(shape) < 0.5, -1e30, 1e30) for _ in range(20)]
    extremes += [np.where(np.arange(shape[1]) == i, 1e30, 0.0) * np.ones(shape) for i in range(shape[1])]
    noise = np.concatenate([sampling_noise(300, num_cells), np.array(extremes, np.float32)])
    sampled, log_prob, entropy = made.sample(noise)
    assert sampled.shape == (len(noise), 2, num_cells, 4)
    for arc in sampled:
        assert arcs.from_list(arc.reshape(-1), num_cells).to_list() == arc.reshape(-1).tolist()
    assert np.isfinite(log_prob).all() and np.isfinite(entropy).all()
    assert (log_prob < 0).all() and (entropy > 0).all()
    for node in range(num_cells):
        for column in (0, 2):
            assert set(sampled[:, :, node, column].flat) == set(range(node + 2))
            assert set(sampled[:, :, node, column + 1].flat) == set(range(OPS))


def replay(arc):
    """Noise that makes the controller draw the arc `[2, num_cells, 4]`."""
    noise = np.zeros(gumbel.shape(controller.choices(ChildConfig(num_cells=arc.shape[1]))), np.float32)
    order = [choice for cell in arc for node in cell for choice in (node[0], node[2], node[1], node[3])]
    noise[np.arange(len(order)), order] = 1e6
    return noise


def test_huge_noise_replays_any_arc_with_its_log_probability(two_cells):
    w = two_cells.shake()
    rng = np.random.default_rng(0)
    node = [[rng.integers(0, [k, OPS, k, OPS], (8, 2, 4)) for k in (2, 3)]]
    wanted = np.moveaxis(np.array(node)[0], 0, 2)
    assert wanted.shape == (8, 2, 2, 4)
    found, log_prob, _ = two_cells.sample(np.stack([replay(a) for a in wanted]))
    np.testing.assert_array_equal(found, wanted)
    expected = [numpy_walk(w, SMALL, arc)[0].sum() for arc in wanted]
    np.testing.assert_allclose(log_prob, expected, atol=1e-4)


def test_noise_is_keyed_by_seed_purpose_and_step():
    noise = sampling_noise(3, 2)
    np.testing.assert_array_equal(
        gumbel.noise(0, "test", [2], controller.choices(ChildConfig(num_cells=2)))[0], noise[2]
    )
    for other in (sampling_noise(3, 2, seed=1), sampling_noise(3, 2, "other"), noise[::-1]):
        assert not np.any(other[0] == noise[0])


def test_a_new_controller_has_no_preference(default):
    """Entropy within 0.5% of its maximum, the sum of log(number of choices); no op is favoured by its place."""
    default.reset()
    num_cells = default.child.num_cells
    sampled, _, entropy = default.sample(sampling_noise(1500, num_cells))
    highest = 4 * sum(np.log(node + 2) for node in range(num_cells)) + 4 * num_cells * np.log(OPS)
    assert (entropy <= highest + 1e-3).all()
    assert entropy.min() > 0.995 * highest
    # 30,000 ops for each side: three standard errors are 0.007, the rest is the random weights' preference.
    for column in (1, 3):
        shares = np.bincount(sampled[..., column].reshape(-1), minlength=OPS) / sampled[..., column].size
        np.testing.assert_allclose(shares, 1 / OPS, atol=0.02)
    assert not np.any(default.values()["op_bias"])


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


def test_noise_that_drowns_the_logits_samples_uniformly(one_cell):
    one_cell.shake(3.0)
    made, noise = one_cell.controller, sampling_noise(4000, 1)
    sampled = one_cell.session.run(made.arcs, {made.noise: noise * gumbel.UNIFORM})
    for column in (1, 3):
        shares = np.bincount(sampled[..., column].reshape(-1), minlength=OPS) / sampled[..., column].size
        np.testing.assert_allclose(shares, 1 / OPS, atol=0.025)
    np.testing.assert_allclose(sampled[..., 0::2].mean(), 0.5, atol=0.025)
    assert np.any(one_cell.sample(noise)[0] != sampled)


def test_a_fair_warm_up_takes_every_choice_equally_often(one_cell):
    """In any block of as many steps as a decision has choices, each comes once, in another order the next time; whatever
    the controller prefers, and for a step asked for alone as for all of them."""
    one_cell.shake(3.0)
    made, child = one_cell.controller, ChildConfig(num_cells=1)
    config = dataclasses.replace(SMALL, fair_warmup=True)
    noise = gumbel.warmup_noise(config, 0, "test", range(200), controller.choices(child))
    sampled = one_cell.session.run(made.arcs, {made.noise: noise}).reshape(200, 8)
    for position, values in enumerate(sampled.T):
        choices = OPS if position % 2 else 2
        blocks = values.reshape(-1, choices)
        np.testing.assert_array_equal(np.sort(blocks, axis=1), np.tile(np.arange(choices), (len(blocks), 1)))
        assert len({tuple(block) for block in blocks}) > 1
    columns = {tuple(column) for column in sampled.T}
    assert len(columns) == 8
    np.testing.assert_array_equal(
        gumbel.warmup_noise(config, 0, "test", [7, 123], controller.choices(child)), noise[[7, 123]]
    )
    assert np.any(gumbel.warmup_noise(config, 1, "test", range(200), controller.choices(child)) != noise)


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


def test_the_lowest_and_highest_entropy_are_those_that_bounded_logits_can_reach():
    rng = np.random.default_rng(0)

    def entropy(logits):
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        return -(p * np.log(p)).sum(-1)

    for offsets, bound in (([0.0] * 5, 2.5), ([0.0, 0.0], 0.4), ([0.3, -1.0, 0.2, 0.0], 0.7)):
        lowest = policy.lowest_entropy(offsets, bound)
        corners = np.array(list(itertools.product([-bound, bound], repeat=len(offsets))))
        inside = rng.uniform(-bound, bound, (2000, len(offsets)))
        assert lowest == pytest.approx(entropy(corners + offsets).min())
        assert (entropy(inside + offsets) >= lowest).all()
    assert policy.lowest_entropy([0.0] * 5, 0.0) == 0.0
    for offsets, bound in (([0.0] * 5, 2.5), ([-3.0, 0.0], 0.4), ([0.3, -2.0, 0.2, 0.0], 0.7), ([-12, -5, 0], 2.5)):
        highest = policy.highest_entropy(offsets, bound)
        inside = rng.uniform(-bound, bound, (100_000, len(offsets)))
        found = entropy(np.clip(inside * 2, -bound, bound) + offsets)
        assert highest - 0.01 < found.max() <= highest + 1e-4
    assert policy.highest_entropy([0.0, -9.0], 0.0) == pytest.approx(np.log(2))


def test_more_ops_make_a_controller_of_more_ops():
    child = ChildConfig(num_cells=1, search_precision="k4,k8,fp16")
    session.graph_mode()
    with tf.Graph().as_default(), tf.Session() as sess:
        made = controller.build(SMALL, child, 0)
        sess.run(tf.global_variables_initializer())
        sampled = sess.run(made.arcs, {made.noise: gumbel.noise(0, "test", range(300), controller.choices(child))})
    assert set(sampled[..., 1::2].flat) == set(range(9))
    assert all(arcs.for_child(arc.reshape(-1), child).to_list() == arc.reshape(-1).tolist() for arc in sampled)


@pytest.mark.parametrize("prior", ["1,2,3", "1,2,3,4,x", "1,2,3,4,5,6", "", "nan,0,0,0,0", "0,0,inf,0,0"])
def test_an_op_prior_that_is_not_a_number_for_each_op_is_refused(prior):
    with pytest.raises(UserError, match="--controller_op_prior="):
        controller.op_prior(ControllerConfig(op_prior=prior))


def test_an_op_prior_is_added_to_the_logits():
    assert controller.op_prior(ControllerConfig()) == [0.0] * OPS
    assert controller.op_prior(ControllerConfig(op_prior="1, 2,3,-4,5e-1")) == [1, 2, 3, -4, 0.5]
    sampled, _, _ = built(dataclasses.replace(SMALL, op_prior="0,0,30,0,0"), 1).sample(sampling_noise(50, 1))
    assert (sampled[..., 1::2] == 2).all()
