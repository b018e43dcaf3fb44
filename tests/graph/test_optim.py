"""The child's optimizer against NumPy: schedule, clipping, weight decay, momentum, latent weights."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from optimizer_problem import PLAIN, RATE, Problem, variable

from enas.graph import functions, layers, optim
from enas.options.config import ChildConfig

SGD = {"latent_optimizer": "sgd"}


# The schedule.


def test_the_rate_restarts_at_the_end_of_each_period():
    """Periods of 10, 20 and 40 epochs: restarts at 10, 30 and 70."""
    config = ChildConfig(lr_max=0.05, lr_min=0.0005, lr_T_0=10, lr_T_mul=2)
    for restart in (0, 10, 30, 70):
        assert optim.learning_rate(config, restart) == 0.05
    for restart in (10, 30, 70):
        assert optim.learning_rate(config, restart - 1e-4) == pytest.approx(0.0005, abs=1e-9)
    assert optim.learning_rate(config, 20) == pytest.approx((0.05 + 0.0005) / 2)
    assert optim.learning_rate(config, 5) == pytest.approx((0.05 + 0.0005) / 2)
    assert optim.learning_rate(config, 2.5) == pytest.approx(0.0005 + 0.0495 * (1 + math.sqrt(0.5)) / 2)
    assert optim.learning_rate(config, 30 + 40 / 3) == pytest.approx(0.0005 + 0.0495 * 0.75)


def test_periods_may_stay_equal_and_the_rate_falls_within_each():
    config = ChildConfig(lr_max=1.0, lr_min=0.0, lr_T_0=3, lr_T_mul=1)
    rates = [optim.learning_rate(config, epoch) for epoch in range(9)]
    assert rates == pytest.approx([1, 0.75, 0.25] * 3)


def test_without_cosine_the_rate_is_constant():
    config = ChildConfig(lr_cosine=False, lr_max=0.07)
    assert {optim.learning_rate(config, epoch) for epoch in (0, 3.3, 10, 500)} == {0.07}


# The step.


def test_steps_are_those_of_nesterov_momentum(start):
    """v = 0.9 v + g; w -= rate (g + 0.9 v): the first step is 1.9 g."""
    w = np.array([1.0, -2.0])
    problem = Problem(start, {"w": w})
    rng, momentum = np.random.default_rng(0), 0
    for step in range(4):
        g = rng.normal(size=2)
        momentum = 0.9 * momentum + g
        w = w - RATE * (g + 0.9 * momentum)
        np.testing.assert_allclose(problem.step(w=g)["w"], w, rtol=1e-5)
        if step == 0:
            np.testing.assert_allclose(w, [1.0, -2.0] - RATE * 1.9 * g)
        assert problem.norm == pytest.approx(np.sqrt((g**2).sum()), rel=1e-5)
        assert problem.of("step") == step + 1
    assert problem.of("skipped_steps") == 0


def test_weight_decay_is_twice_l2_reg_times_the_weight(start):
    """Of latent weights too, whose own gradients are scaled; grad_norm is the norm before decay."""
    problem = Problem(start, {"w": [1.0, -0.5], "v": [0.25]}, {"l2_reg": 0.02, **SGD}, {"v": 50})
    after = problem.step(w=0.0, v=0.0)
    shrunk = 1 - RATE * 1.9 * 2 * 0.02
    np.testing.assert_allclose(after["w"], shrunk * np.array([1.0, -0.5]), rtol=1e-6)
    np.testing.assert_allclose(after["v"], [shrunk * 0.25], rtol=1e-6)
    assert problem.norm == 0


@pytest.mark.parametrize("factor", [0.5, 3.0])
@pytest.mark.parametrize("mode", ["none", "norm", "global"])
def test_gradients_are_clipped_to_the_bound(start, mode, factor):
    """Gradients below and above the bound; weight decay comes after and is not clipped."""
    bound = 2.0
    gradients = {"a": factor * np.array([1.2, -1.6]), "b": factor * np.array([[1.5]])}  # norms 2 and 1.5, together 2.5
    values = {"a": np.array([5.0, -3.0]), "b": np.array([[4.0]])}
    problem = Problem(start, values, {"l2_reg": 0.1, "clip_mode": mode, "grad_bound": bound})
    after = problem.step(**gradients)
    norms = {"a": 2.0 * factor, "b": 1.5 * factor}
    for name, g in gradients.items():
        norm = {"none": 0.0, "norm": norms[name], "global": 2.5 * factor}[mode]
        g = g * min(1.0, bound / norm) if norm else g
        expected = values[name] - RATE * 1.9 * (g + 0.2 * values[name])
        np.testing.assert_allclose(after[name], expected, rtol=1e-5)
    assert problem.norm == pytest.approx(2.5 * factor, rel=1e-5)


def test_latent_weights_stay_in_their_range_and_others_do_not(start):
    values = {"latent": [0.9, -0.9, 0.0], "plain": [0.9, -0.9, 0.0]}
    problem = Problem(start, values, {**PLAIN, **SGD}, latent={"latent": 2})
    after = problem.step(latent=[-1.0, 1.0, 0.1], plain=[-1.0, 1.0, 0.1])
    moved = np.array([0.9, -0.9, 0.0]) - RATE * 1.9 * np.array([-1.0, 1.0, 0.1])
    np.testing.assert_allclose(after["latent"], np.clip(moved, -1, 1), rtol=1e-6)
    np.testing.assert_allclose(after["plain"], moved, rtol=1e-6)
    assert after["latent"].tolist()[:2] == [1, -1]


def test_gradients_of_latent_weights_grow_with_half_the_fan_in(start):
    """Never shrink, and clip before they grow."""
    fan_in = {"wide": 30, "two": 2, "one": 1}
    config = {"l2_reg": 0.0, "clip_mode": "norm", "grad_bound": 0.001, **SGD}
    problem = Problem(start, {name: [0.0] for name in (*fan_in, "plain")}, config, fan_in)
    after = problem.step(wide=0.01, two=0.01, one=0.01, plain=0.0005)
    step = RATE * 1.9 * 0.001
    expected = {"wide": -15 * step, "two": -step, "one": -step, "plain": -0.5 * step}
    for name, value in expected.items():
        assert after[name] == pytest.approx([value], rel=1e-5), name


def test_rows_that_a_step_does_not_use_move_on_by_their_momentum(start):
    """A gathered bank: the gradient of the rows not gathered is zero, and their momentum, decay and clipping dense."""
    build = layers.BuildContext(ChildConfig(l2_reg=0.01), 2, 0)
    with tf.variable_scope("child"):
        bank = variable("bank", [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        step = variable("step", 0, False, tf.int64)
    rows = tf.placeholder(tf.int32, [2])
    objective = tf.reduce_sum(functions.gather_rows(bank, rows) * [[1.0, -1.0], [2.0, 3.0]])
    update = optim.update(build, objective, [bank], tf.constant(RATE), step)
    session = start()
    w, momentum = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), 0
    for chosen in ([0, 2], [1, 0], [2, 0]):
        g = np.zeros((3, 2))
        np.add.at(g, chosen, [[1.0, -1.0], [2.0, 3.0]])
        norm = np.sqrt((g**2).sum())
        g += 0.02 * w
        momentum = 0.9 * momentum + g
        w = w - RATE * (g + 0.9 * momentum)
        found, _ = session.run([update.grad_norm, update.op], {rows: chosen})
        assert found == pytest.approx(norm, rel=1e-6)
        np.testing.assert_allclose(session.run(bank), w, rtol=1e-5)


class Adam:
    """Adam in NumPy, on a bank whose rows have moments and step counts of their own (arXiv 1412.6980, algorithm 1)."""

    def __init__(self, w):
        self.w, self.m, self.v, self.steps = w.copy(), np.zeros_like(w), np.zeros_like(w), np.zeros(len(w), int)

    def step(self, rows, gradients, rate):
        for row, g in zip(rows, gradients, strict=True):
            self.steps[row] += 1
            self.m[row] = 0.9 * self.m[row] + 0.1 * g
            self.v[row] = 0.99 * self.v[row] + 0.01 * g**2
            m, v = self.m[row] / (1 - 0.9 ** self.steps[row]), self.v[row] / (1 - 0.99 ** self.steps[row])
            self.w[row] = np.clip(self.w[row] - rate * m / (np.sqrt(v) + 1e-7), -1, 1)


LATENT_RATE = RATE * 0.02 / 0.05  # --child_latent_lr over --child_lr_max


def test_latent_weights_take_the_steps_of_adam_without_weight_decay(start):
    """Whatever the fan-in, at a rate of their own, and clipped; all others take those of momentum."""
    w = np.array([[0.98, -0.98], [0.1, -0.2]])
    problem, expected = Problem(start, {"latent": w, "plain": w}, {"l2_reg": 0.1}, {"latent": 2}), Adam(w)
    rng, momentum, plain = np.random.default_rng(0), 0, w
    for step in range(5):
        g = rng.normal(size=w.shape) + [-2.0, 2.0]
        after = problem.step(latent=g, plain=g)
        expected.step(range(2), g, LATENT_RATE)
        momentum = 0.9 * momentum + g + 0.2 * plain
        plain = plain - RATE * (g + 0.2 * plain + 0.9 * momentum)
        np.testing.assert_allclose(after["latent"], expected.w, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(after["plain"], plain, rtol=1e-4)
        if step == 0:
            np.testing.assert_allclose(after["latent"], np.clip(w - LATENT_RATE * np.sign(g), -1, 1), rtol=1e-5)
    assert np.abs(after["latent"]).max() == 1.0


def test_rows_that_a_step_does_not_use_stand_still_under_adam(start):
    """A gathered bank of latent weights: moments and step counts are each row's own."""
    build, w = layers.BuildContext(ChildConfig(l2_reg=0.01), 2, 0), np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    with tf.variable_scope("child"):
        bank, plain, step = variable("bank", w), variable("plain", 1.0), variable("step", 0, False, tf.int64)
    build.latent[bank.name] = 2
    rows, g = tf.placeholder(tf.int32, [2]), tf.placeholder(tf.float32, [2, 2])
    objective = tf.reduce_sum(functions.gather_rows(bank, rows) * g) + plain
    update = optim.update(build, objective, [bank, plain], tf.constant(RATE), step)
    session, expected, rng = start(), Adam(w), np.random.default_rng(1)
    for chosen in ([0, 2], [2, 0], [0, 1], [2, 0]):
        gradients, before = rng.normal(size=(2, 2)), session.run(bank)
        session.run(update.op, {rows: chosen, g: gradients})
        expected.step(chosen, gradients, LATENT_RATE)
        after = session.run(bank)
        np.testing.assert_allclose(after, expected.w, rtol=1e-4, atol=1e-6)
        [still] = {0, 1, 2} - set(chosen)
        np.testing.assert_array_equal(after[still], before[still])


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("optimizer, state", [("sgd", "v/Momentum:0"), ("adam", "v/m:0")])
def test_a_step_with_a_gradient_that_is_not_finite_changes_nothing(start, bad, optimizer, state):
    """Under fp32 as well: weights, moments and moving averages stay; the step counts, and as skipped."""
    config = {"l2_reg": 0.1, "clip_mode": "global", "latent_optimizer": optimizer}
    problem = Problem(start, {"w": [0.5, 0.5], "v": [0.5]}, config, {"v": 10})
    problem.step(w=0.1, v=0.1)
    before = problem.state()
    assert any("w/Momentum" in name for name in before) and any(name.endswith(state) for name in before)
    np.testing.assert_allclose(problem.of("average"), [1.2, 1.7])  # 0.9 * [1, 2] + 0.1 * [3, -1]
    problem.step(w=[bad, 0.1], v=0.1)
    for name, value in problem.state().items():
        np.testing.assert_array_equal(value, before[name])
    assert not np.isfinite(problem.norm)
    assert (problem.of("step"), problem.of("skipped_steps")) == (2, 1)
    problem.step(w=0.1, v=0.1)
    assert np.isfinite(problem.state()["child/w:0"]).all()
    assert np.any(problem.state()["child/w:0"] != before["child/w:0"])


def test_the_watch_names_what_was_not_finite(start):
    problem = Problem(start, {"w": [0.5, 0.5], "v": [0.5]})
    check = problem.update.finite_check

    def bad(**gradients):
        feeds = {problem.feeds[name]: np.broadcast_to(g, problem.feeds[name].shape) for name, g in gradients.items()}
        finite, _ = problem.session.run([check.finite, problem.update.op], feeds)
        return {name for name, good in zip(check.names, finite, strict=True) if not good}

    assert bad(w=0.1, v=0.1) == set()
    assert bad(w=0.1, v=np.nan) == {"the loss", "the gradient of child/v", "norm of all gradients"}
    assert bad(w=1e30, v=0.1) == {"the gradient of child/w", "norm of all gradients"}
    assert bad(w=0.1, v=0.1) == set()


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_loss_or_a_statistic_that_is_not_finite_skips_the_step_too(bad):
    """Where every gradient is finite."""
    for culprit in ("the loss", "batch statistics"):
        with tf.Graph().as_default() as graph, tf.variable_scope("child"):
            build = layers.BuildContext(ChildConfig(), 2, 0, training=True)
            w, average = variable("w", [1.0]), variable("average", [1.0], trainable=False)
            value = tf.placeholder(tf.float32, [1])
            build.moving_updates.append((average, value if culprit == "batch statistics" else tf.constant([3.0])))
            objective = tf.reduce_sum(w)
            if culprit == "the loss":
                objective += tf.stop_gradient(tf.reduce_sum(value))
            update = optim.update(build, objective, [w], tf.constant(RATE), variable("step", 0, False, tf.int64))
            with tf.Session(graph=graph) as session:
                session.run(tf.global_variables_initializer())
                before = session.run([w, average])
                finite, skipped, _ = session.run(
                    [update.finite_check.finite, update.skipped, update.op], {value: [bad]}
                )
                names = [name for name, good in zip(update.finite_check.names, finite, strict=True) if not good]
                assert (names, skipped) == ([culprit], 1)
                assert session.run([w, average]) == before
                session.run(update.op, {value: [0.0]})
                assert session.run(w) != before[0]


def test_a_weight_that_only_decays_can_not_overflow(start):
    """A row that no arc uses has no gradient but its decay; a rate for which that explodes stops before infinity."""
    build = layers.BuildContext(ChildConfig(l2_reg=1.0), 2, 0)
    with tf.variable_scope("child"):
        w = variable("w", [1.0])
    update = optim.update(build, tf.reduce_sum(0.0 * w), [w], tf.constant(1000.0), variable("step", 0, False, tf.int64))
    session = start()
    for _ in range(40):
        session.run(update.op)
        assert np.isfinite(session.run(w))
    assert session.run(update.skipped) > 10


pytestmark = pytest.mark.usefixtures("graph")
