"""Pools and reductions against what they are meant to be, gradients included."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas.graph import blocks

pytestmark = pytest.mark.usefixtures("graph")
SIZES = [(1, 1), (2, 2), (3, 2), (2, 5), (7, 6)]


def drawn(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["avg_pool_3x3", "max_pool_3x3"])
def test_pools_and_their_gradients_are_those_of_the_definition(name, size, start):
    x, grad_y = drawn(2, *size, 4), drawn(*size, 4, 2).transpose(3, 0, 1, 2)
    y = np.zeros_like(x)
    grad_x = np.zeros_like(x)
    for i, j in np.ndindex(*size):
        rows, columns = (slice(max(0, at - 1), at + 2) for at in (i, j))
        window = x[:, rows, columns]
        if name == "avg_pool_3x3":
            y[:, i, j] = window.mean((1, 2))
            grad_x[:, rows, columns] += grad_y[:, i : i + 1, j : j + 1] / (window.shape[1] * window.shape[2])
        else:
            y[:, i, j] = window.max((1, 2))
            grad_x[:, rows, columns] += (window == y[:, i : i + 1, j : j + 1]) * grad_y[:, i : i + 1, j : j + 1]
    tensor = tf.constant(x)
    pooled = blocks.pool_3x3(name, tensor)
    [gradient] = tf.gradients(pooled, [tensor], tf.constant(grad_y))
    got = start().run([pooled, gradient])
    np.testing.assert_allclose(got[0], y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], grad_x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_reductions_read_every_second_pixel(size, start):
    x = drawn(2, *size, 3)
    even = [side + side % 2 for side in size]
    padded = np.zeros([2, *even, 3], np.float32)
    padded[:, : size[0], : size[1]] = x
    tensor = tf.constant(x)
    halves = blocks.reduction_inputs(tensor)
    grad_halves = [drawn(*half.shape, seed=seed) for seed, half in enumerate(halves, 1)]
    [gradient] = tf.gradients(halves, [tensor], [tf.constant(of_half) for of_half in grad_halves])
    (first, second), gradient = start().run([halves, gradient])
    np.testing.assert_array_equal(first, padded[:, ::2, ::2])
    np.testing.assert_array_equal(second, padded[:, 1::2, 1::2])
    expected = np.zeros_like(padded)
    expected[:, ::2, ::2], expected[:, 1::2, 1::2] = grad_halves
    np.testing.assert_array_equal(gradient, expected[:, : size[0], : size[1]])
