"""Batch norm against NumPy, in training and in scoring."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.graph import layers, norms, optim
from enas.micro.config import ChildConfig

pytestmark = pytest.mark.usefixtures("graph")


def build_of(training=True, **config):
    step = {"step": tf.constant(0, tf.int64), "progress": tf.constant(1.0)} if training else {}
    return layers.BuildContext(ChildConfig(**config), 2, 0, training=training, **step)


X = np.random.default_rng(0).normal(2.0, 3.0, (4, 3, 5, 2)).astype(np.float32)
SCALE, OFFSET = np.array([1.5, -0.5], np.float32), np.array([0.25, -1.0], np.float32)


def np_norm(x, mean, variance):
    return (x - mean) / np.sqrt(variance + 1e-5) * SCALE + OFFSET


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float16", 4e-3)])
def test_batch_norm_normalises_by_the_batch(start, dtype, tolerance, training):
    """Over N, H and W, and when a shared child is scored too; the variance handed to moving averages is the unbiased
    one."""
    x = X.astype(dtype)
    *outputs, _ = norms.batch_norm(build_of(training=training), *map(tf.constant, (x, SCALE, OFFSET)))
    assert [y.dtype.name for y in outputs] == [dtype, "float32", "float32"]
    y, mean, variance = start().run(outputs)
    exact = x.astype(np.float64)
    expected_mean, expected_variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    np.testing.assert_allclose(y, np_norm(exact, expected_mean, expected_variance), atol=tolerance)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-5)
    np.testing.assert_allclose(variance, expected_variance * 60 / 59, rtol=1e-5)


def test_batch_norm_normalises_by_moving_averages_where_told(start):
    build = layers.BuildContext(ChildConfig(), 2, 0, batch_statistics=False)
    mean, variance = np.array([1.0, -2.0], np.float32), np.array([4.0, 0.25], np.float32)
    y, *_ = norms.batch_norm(build, *map(tf.constant, (X, SCALE, OFFSET, mean, variance)))
    np.testing.assert_allclose(start().run(y), np_norm(X.astype(np.float64), mean, variance), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "channels, sides, wide", [(40, (4, 8), True), (36, (16, 3), True), (40, (3, 5), False), (45, (4, 4), False)]
)
def test_pixels_side_by_side_are_normalised_as_each_by_itself(start, channels, sides, wide):
    """Those whose kernel is slow, in rows of sixteen, against NumPy: each channel has statistics of its own."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, *sides, channels)).astype(np.float32)
    scale, offset, mean = rng.normal(size=(3, channels)).astype(np.float32)
    variance = rng.uniform(0.5, 2.0, channels).astype(np.float32)
    build = layers.BuildContext(ChildConfig(), 2, 0, batch_statistics=False)
    y, *_ = norms.batch_norm(build, *map(tf.constant, (x, scale, offset, mean, variance)))
    [kernel] = [op for op in tf.get_default_graph().get_operations() if op.type == "FusedBatchNormV3"]
    assert kernel.inputs[0].shape[-1] == (16 * channels if wide else channels)
    expected = (x.astype(np.float64) - mean) / np.sqrt(variance + 1e-5) * scale + offset
    np.testing.assert_allclose(start().run(y), expected, rtol=1e-5, atol=1e-5)


def test_moving_averages_follow_training_and_scoring_uses_them(start):
    """Decay 0.9 from mean 0 and variance 1, a step of the optimizer each; scoring reads them and changes nothing."""
    fed = tf.placeholder(tf.float32, X.shape)
    config = ChildConfig(l2_reg=0.0)
    training = layers.BuildContext(config, 2, 0, training=True, moving_averages=True)
    scoring = layers.BuildContext(config, 2, 0, moving_averages=True, batch_statistics=False)
    with tf.variable_scope("child", reuse=tf.AUTO_REUSE):
        y = norms.norm(training, fed)
        scored = norms.norm(scoring, fed)
    assert len(training.moving_updates) == 2 and not scoring.moving_updates
    moving = {v.name: v for v in tf.global_variables() if "moving" in v.name}
    assert set(moving) == {"child/moving_mean:0", "child/moving_variance:0"}
    step = tf.get_variable("step", [], tf.int64, tf.zeros_initializer())
    trained = tf.trainable_variables("child/")
    assert sorted(v.name for v in trained) == ["child/offset:0", "child/scale:0"]
    update = optim.update(training, tf.reduce_sum(y), trained, tf.constant(0.0), step)
    session = start()
    mean, variance = np.zeros(2), np.ones(2)
    for factor in (1.0, -2.0, 0.5):
        session.run(update.op, {fed: factor * X})
        exact = factor * X.astype(np.float64)
        mean = 0.9 * mean + 0.1 * exact.mean((0, 1, 2))
        variance = 0.9 * variance + 0.1 * exact.var((0, 1, 2)) * 60 / 59
        for _ in range(2):
            actual = session.run(scored, {fed: X})
            np.testing.assert_allclose(actual, (X - mean) / np.sqrt(variance + 1e-5), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(session.run(moving["child/moving_mean:0"]), mean, rtol=1e-4)
        np.testing.assert_allclose(session.run(moving["child/moving_variance:0"]), variance, rtol=1e-4)


def test_no_moving_averages_where_none_are_kept():
    build = build_of()
    norms.norm(build, tf.constant(X))
    assert not build.moving_updates
    assert len(tf.global_variables()) == 2


@pytest.mark.parametrize(
    "scheme, recipe, expected",
    [("fp32", "low_bit", 1.0), ("binary", "published", 1.0), ("k4", "published", 0.25), ("k4", "low_bit", 1.0)],
)
def test_scale_starts_where_the_recipe_and_the_scheme_say_and_offset_at_zero(start, scheme, recipe, expected):
    scale, offset = norms.norm_variables(build_of(scheme=scheme, recipe=recipe), [2, 3])
    scale, offset = start().run([scale, offset])
    np.testing.assert_array_equal(scale, np.full((2, 3), np.float32(expected)))
    np.testing.assert_array_equal(offset, np.zeros((2, 3)))


def test_scales_may_start_at_values_of_their_own(start):
    scale, _ = norms.norm_variables(build_of(), [3, 2, 4], np.array([[0.5], [0.25]]))
    np.testing.assert_array_equal(start().run(scale), np.broadcast_to([[0.5], [0.25]], [3, 2, 4]))
