"""The loss scale of float16: how it moves, and that a step does not depend on it."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from optimizer_problem import RATE, Problem, variable

from enas.graph import layers, optim
from enas.options.config import ChildConfig


def ancestors(op):
    """All operations that an operation takes its inputs from, directly or not."""
    seen, waiting = set(), [op]
    while waiting:
        op = waiting.pop()
        if op not in seen:
            seen.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    return seen


def test_a_dynamic_loss_scale_halves_at_an_overflow_and_grows_after_good_steps(start, monkeypatch):
    monkeypatch.setattr(optim, "GOOD_STEPS_TO_GROW", 3)
    monkeypatch.setattr(optim, "LARGEST_LOSS_SCALE", 2.0**16)
    problem = Problem(start, {"w": [1.0]}, {"l2_reg": 0.0, "scheme": "fp16"})
    # 1e36 overflows float32 once it is scaled by 2^15, so what is skipped is an overflow of the scaled gradient.
    good, bad = 0.001, 1e36
    seen, expected, scale = [], [], 15
    for gradient, change in [
        (good, 0),
        (good, 0),
        (bad, -1),  # two good steps do not count any more
        (bad, -1),
        (good, 0),
        (good, 0),
        (good, 1),
        (good, 0),
        (good, 0),
        (good, 1),
        (good, 0),
        (good, 0),
        (good, 1),
        (good, 0),
        (good, 0),
        (good, 0),  # the largest is reached
    ]:
        problem.step(w=gradient)
        expected.append(2.0**scale)
        scale += change
        seen.append(problem.scale)
        assert problem.of("loss_scale") == 2.0**scale
    assert seen == expected  # the figure is the scale that the step used
    # A variable's own value would now and then be read after the step; what the gradients come from can not be.
    assert problem.update.loss_scale.op in ancestors(problem.update.grad_norm.op)
    assert (problem.of("step"), problem.of("skipped_steps")) == (16, 2)


def test_a_dynamic_loss_scale_does_not_fall_below_one(start):
    problem = Problem(start, {"w": [1.0]}, {"l2_reg": 0.0, "scheme": "fp16"})
    for _ in range(17):
        problem.step(w=np.inf)
    assert problem.of("loss_scale") == 1.0
    assert problem.of("skipped_steps") == 17


@pytest.mark.parametrize("config", [{"scheme": "fp16"}, {"scheme": "fp16", "loss_scale": "1024"}, {"loss_scale": "8"}])
def test_gradients_are_unscaled_before_they_are_measured_and_clipped(start, config):
    """The step is that of no loss scale at all; only fp16 has one."""
    problem = Problem(start, {"w": [1.0, 1.0]}, {"l2_reg": 0.0, "clip_mode": "global", "grad_bound": 5.0, **config})
    after = problem.step(w=[6.0, 8.0])
    np.testing.assert_allclose(after["w"], 1.0 - RATE * 1.9 * np.array([3.0, 4.0]), rtol=1e-6)
    assert problem.norm == pytest.approx(10.0)
    assert problem.scale == (1.0 if "scheme" not in config else float(config.get("loss_scale", 2**15)))


def test_the_loss_is_scaled_before_float16_could_lose_the_gradient(start):
    """A gradient below float16's smallest number comes through at 2^15, and not at 1."""
    build = layers.BuildContext(ChildConfig(scheme="fp16", l2_reg=0.0, loss_scale="32768"), 2, 0)
    with tf.variable_scope("child"):
        w = variable("w", [1.0])
    half = tf.cast(tf.cast(w, tf.float16), tf.float32)
    update = optim.update(
        build, tf.reduce_sum(half) * 2.0**-30, [w], tf.constant(RATE), variable("step", 0, False, tf.int64)
    )
    unscaled = tf.gradients(tf.reduce_sum(half) * 2.0**-30, [w])[0]
    norm, lost = start().run([update.grad_norm, unscaled])
    assert norm == 2.0**-30
    assert lost == 0


pytestmark = pytest.mark.usefixtures("graph")
