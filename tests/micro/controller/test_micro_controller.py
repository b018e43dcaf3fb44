"""The controller's distribution over arcs, against a float64 NumPy walk."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from numpy_walk import OPS, SMALL, built, numpy_walk, sampling_noise, shared

from enas.errors import UserError
from enas.graph import gumbel, policy
from enas.micro import arc as arcs
from enas.micro import controller
from enas.micro.config import ChildConfig, ControllerConfig
from enas.runs import session

one_cell = shared(dataclasses.replace(SMALL, entropy_weight=0.0, bl_dec=0.9), 1)
two_cells = shared(SMALL, 2)
default = shared(ControllerConfig(), 5, 3)


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
