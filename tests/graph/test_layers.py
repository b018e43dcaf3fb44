"""Initial weights, activations, dropout and drop path against NumPy and against what they promise."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.graph import layers
from enas.micro.config import ChildConfig
from quantize import schemes

pytestmark = pytest.mark.usefixtures("graph")


def build_of(step=0, progress=1.0, training=True, seed=0, **config):
    options = {"training": training, "seed": seed}
    if training:
        options |= {"step": tf.constant(step, tf.int64), "progress": tf.constant(progress)}
    return layers.BuildContext(ChildConfig(**config), 2, **options)


X = np.random.default_rng(0).normal(2.0, 3.0, (4, 3, 5, 2)).astype(np.float32)


@pytest.mark.parametrize("recipe, clip", [("published", 4.0), ("low_bit", schemes.UNIT_CLIPS[2])])
def test_a_scheme_reads_its_levels_of_what_a_network_under_another_scheme_gives(start, recipe, clip):
    """Whose batch norms start at 1: as published values are scaled by 1/4, else clipped where it suits unit variance."""
    build = build_of(scheme="ternary", recipe=recipe)
    levels = np.rint(np.clip(X / clip, 0, 1) * 3)
    found = start().run(layers.activate(build, schemes.get("k2"), tf.constant(X)))
    unit = 1.0 if recipe == "published" else clip
    np.testing.assert_allclose(found, levels * unit / 3, rtol=1e-6)
    assert len(np.unique(levels)) > 2


# Weights.


def test_weights_start_with_variance_two_over_fan_in_or_fill_the_latent_range(start):
    build = build_of()
    with tf.variable_scope("child"):
        plain = layers.weight(build, "plain", [100, 100], 50, schemes.get("fp32"))
        latent = layers.weight(build, "latent", [100, 100], 50, schemes.get("binary"))
    assert build.latent == {"child/latent:0": 50}
    assert build.weight_bits == {"child/plain:0": 32, "child/latent:0": 1}
    plain, latent = start().run([plain, latent])
    assert abs(plain.mean()) < 0.01 and plain.var() == pytest.approx(2 / 50, rel=0.05)
    assert abs(latent.mean()) < 0.03 and latent.min() < -0.999 and 0.999 < latent.max() <= 1.0
    assert latent.var() == pytest.approx(1 / 3, rel=0.05)


def test_initial_weights_are_keyed_by_seed_and_name(start):
    fp32 = schemes.get("fp32")

    def weight(scope, name, seed):
        with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
            return layers.weight(build_of(seed=seed), name, [4, 4], 4, fp32)

    with tf.variable_scope("a"):
        first = weight("child", "w", 0)
    variables = [first, weight("child", "w2", 0), weight("child2", "w", 0), weight("child3", "w", 1)]
    values = start().run(variables)
    assert len({value.tobytes() for value in values}) == 4
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("a"):
            again = weight("child", "w", 0)
        session.run(again.initializer)
        np.testing.assert_array_equal(session.run(again), values[0])


# Dropout and drop path.


def test_drop_path_masks_are_zero_or_one_over_keep(start):
    """Keep probability 1 - (layer + 1) / layers * progress * (1 - final); the mean is 1."""
    for layer, progress, keep in [(7, 1.0, 0.6), (3, 1.0, 0.8), (7, 0.5, 0.8), (0, 0.25, 0.9875), (5, 0.0, 1.0)]:
        build = build_of(progress=progress, drop_path_keep_prob=0.6)
        mask = layers.path_masks(build, layer, 8, [5, 2, 4000])
        mask = start().run(mask)
        kept = mask != 0
        np.testing.assert_allclose(mask[kept], 1 / keep, rtol=1e-5)
        # Five standard errors over 40,000 draws.
        assert abs(kept.mean() - keep) <= 5 * np.sqrt(keep * (1 - keep) / mask.size)
        assert abs(mask.mean() - 1) < 0.03


def test_dropout_zeroes_or_scales_and_keeps_the_mean(start):
    x = np.random.default_rng(0).uniform(1, 2, (200, 100)).astype(np.float32)
    y = start().run(layers.dropout(build_of(keep_prob=0.7), tf.constant(x), "dropout"))
    kept = y != 0
    np.testing.assert_allclose(y[kept], (x / 0.7)[kept], rtol=1e-5)
    assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.7 * 0.3 / x.size)


def test_nothing_is_dropped_outside_training_or_at_probability_one():
    x = tf.constant(X)
    for build in (build_of(training=False, keep_prob=0.5, drop_path_keep_prob=0.5), build_of(keep_prob=1.0)):
        assert layers.dropout(build, x, "dropout") is x
    assert layers.path_masks(build_of(training=False, drop_path_keep_prob=0.5), 3, 8, [5, 2, 4]) is None
    assert layers.path_masks(build_of(drop_path_keep_prob=1.0), 3, 8, [5, 2, 4]) is None


def test_draws_are_keyed_by_seed_purpose_and_step(start):
    """The same key, the same mask, in another graph too; any other step, seed, layer or purpose, another mask."""
    step, x = tf.placeholder(tf.int64, []), tf.ones([20, 20])

    def draws(seed, layer, purpose):
        build = layers.BuildContext(ChildConfig(keep_prob=0.5), 2, seed, True, step, tf.constant(1.0))
        return layers.path_masks(build, layer, 8, [5, 2, 40]), layers.dropout(build, x, purpose)

    tensors = [draws(0, 7, "dropout"), draws(0, 7, "dropout"), draws(1, 7, "dropout"), draws(0, 6, "other")]
    session = start()
    first, again, of_seed, of_purpose = session.run(tensors, {step: 3})
    later, repeated = session.run(tensors[0], {step: 4}), session.run(tensors[0], {step: 3})
    for kind in (0, 1):
        np.testing.assert_array_equal(first[kind], again[kind])
        np.testing.assert_array_equal(first[kind], repeated[kind])
        for other in (later, of_seed, of_purpose):
            agree = np.mean((first[kind] == 0) == (other[kind] == 0))
            assert 0.35 < agree < 0.65


# Weights that start around an identity.


@pytest.mark.parametrize("scheme, spread", [("fp32", 0.2 * np.sqrt(6.0 / 4)), ("k4", 0.2)])
def test_weights_start_around_an_identity(start, scheme, spread):
    """A fifth of the usual spread around it; latent weights stay in [-1, 1]."""
    build = build_of(scheme=scheme)
    w = layers.weight(build, "w", [50, 4, 4], 4, build.scheme, np.eye(4))
    noise = start().run(w) - np.eye(4)
    free = noise if scheme == "fp32" else noise[:, ~np.eye(4, dtype=bool)]
    assert 0.95 * spread < np.abs(free).max() <= spread
    assert abs(free.mean()) < 0.1 * spread
    if scheme == "k4":
        assert noise[:, np.eye(4, dtype=bool)].max() == 0.0


@pytest.mark.parametrize("scheme", ["binary", "ternary"])
def test_weights_of_few_levels_ignore_the_identity(start, scheme):
    build = build_of(scheme=scheme)
    w = layers.weight(build, "w", [50, 4, 4], 4, build.scheme, np.eye(4))
    w = start().run(w)
    assert abs(w.mean()) < 0.1
    assert 0.95 < np.abs(w).max() <= 1.0
