"""Losses and counts against NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.classification import objective

pytestmark = pytest.mark.usefixtures("graph")

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (6, 4)).astype(np.float32)
LABELS = np.array([0, 1, 2, 3, 3, 0], np.int32)


def np_cross_entropy(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(6), LABELS]).mean()


def np_hinge(logits):
    total = 0.0
    for row, label in zip(logits, LABELS, strict=True):
        for k, value in enumerate(row):
            total += max(0.0, 1 - (value if k == label else -value)) ** 2
    return total / logits.size


@pytest.mark.parametrize("kind, expected", [("cross_entropy", np_cross_entropy), ("hinge", np_hinge)])
def test_the_loss_and_its_gradient(start, kind, expected):
    x = tf.constant(LOGITS)
    loss = objective.loss(x, tf.constant(LABELS), kind)
    value, gradient = start().run([loss, tf.gradients(loss, [x])[0]])
    exact = LOGITS.astype(np.float64)
    assert value == pytest.approx(expected(exact), rel=1e-5)
    for at in np.ndindex(exact.shape):
        step = np.zeros_like(exact)
        step[at] = 1e-5
        slope = (expected(exact + step) - expected(exact - step)) / 2e-5
        assert gradient[at] == pytest.approx(slope, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("kind", ["cross_entropy", "hinge"])
def test_with_balanced_weights_every_class_counts_alike(start, kind):
    """The mean of the classes' mean losses, however many images each has."""
    training = np.repeat([0, 1, 3], [50, 30, 20])
    weights = objective.balanced_weights(training, 4)
    assert weights == pytest.approx([100 / 150, 100 / 90, 0.0, 100 / 60])
    assert np.mean(np.array(weights)[training]) == pytest.approx(1.0)
    rows = RNG.normal(0, 3, (100, 4)).astype(np.float32)
    single = [
        objective.loss(tf.constant(rows[i : i + 1]), tf.constant(training[i : i + 1], tf.int32), kind)
        for i in range(100)
    ]
    whole = objective.loss(tf.constant(rows), tf.constant(training, tf.int32), kind, weights)
    *losses, found = start().run([*single, whole])
    means = [np.mean(np.array(losses)[training == label]) for label in (0, 1, 3)]
    assert found == pytest.approx(sum(means) / 3, rel=1e-5)


def test_tallies_give_recalls_and_balanced_accuracy(start):
    labels = np.array([0, 0, 0, 1, 3, 3], np.int32)
    logits = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 0, 0]]
    weights = np.array([1, 1, 1, 1, 1, 0], np.float32)
    tallied = start().run(objective.tallies(tf.constant(logits), tf.constant(labels), tf.constant(weights)))
    assert tallied.tolist() == [[2, 3], [1, 1], [0, 0], [0, 1]]
    np.testing.assert_array_equal(objective.recalls(tallied), [2 / 3, 1, np.nan, 0])
    assert objective.accuracies(tallied) == {"accuracy": 3 / 5, "balanced_accuracy": pytest.approx((2 / 3 + 1 + 0) / 3)}


def test_hinge_is_zero_beyond_the_margin(start):
    labels = tf.constant([1], tf.int32)
    zero, one = (objective.loss(tf.constant(v), labels, "hinge") for v in ([[-1.0, 1.0, -7.0]], [[-1.0, 0.0, -7.0]]))
    assert start().run([zero, one]) == [0.0, pytest.approx(1 / 3)]


def test_correct_counts_the_images_that_count(start):
    predicted = LOGITS.argmax(axis=1)
    labels = np.where(np.arange(6) < 4, predicted, (predicted + 1) % 4).astype(np.int32)
    for weights in ([1] * 6, [1, 0, 1, 0, 1, 0], [0] * 6):
        expected = sum(w for w, p, t in zip(weights, predicted, labels, strict=True) if p == t)
        got = objective.correct(tf.constant(LOGITS), tf.constant(labels), tf.constant(weights, tf.float32))
        assert start().run(got) == expected
