"""Parts that the image spaces share, against NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas import blocks

pytestmark = pytest.mark.usefixtures("graph")


def every_second(x):
    """Every second pixel of x `[N, H, W, C]` from the first one on, and from the second one on, zeros beyond its end."""
    padded = np.pad(x, [(0, 0), (0, 1), (0, 1), (0, 0)])
    half = np.s_[: -(-x.shape[1] // 2), : -(-x.shape[2] // 2)]
    return [padded[:, start::2, start::2][:, *half] for start in (0, 1)]


@pytest.mark.parametrize("height, width", [(4, 6), (5, 6), (4, 7), (5, 5), (1, 1)])
def test_a_reduction_reads_every_second_pixel_and_its_diagonal_neighbour(height, width):
    x = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
    given = tf.constant(x)
    parts = blocks.reduction_inputs(given)
    factors = [
        tf.constant(np.random.default_rng(i).normal(size=part.shape), tf.float32) for i, part in enumerate(parts)
    ]
    gradient = tf.gradients(parts, given, factors)[0]
    with tf.Session() as session:
        found, gradient, factors = session.run([parts, gradient, factors])
    for part, expected in zip(found, every_second(x), strict=True):
        np.testing.assert_array_equal(part, expected)
    # A pixel's gradient is that of where it went.
    position = np.arange(x.size, dtype=np.float32).reshape(x.shape) + 1
    expected = np.zeros(x.size + 1, np.float32)
    for places, factor in zip(every_second(position), factors, strict=True):
        expected[places.astype(int).ravel()] = factor.ravel()
    np.testing.assert_array_equal(gradient.ravel(), expected[1:])
