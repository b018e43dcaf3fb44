"""The runtime's kernels against TensorFlow's graph of quantize/ops.py and quantize/schemes.py."""

import numpy as np
import pytest
from runtime_cases import F, images

from quantize.runtime import codes, kernels, layers

SCHEMES = tuple(codes.SCHEMES)
LEVELS = ("numpy", kernels.levels()[-1])


def values_from(levels, scheme):
    """TensorFlow's levels of an activation as integers."""
    return np.rint(levels.astype(np.float64) * codes.arithmetic(scheme).levels).astype(int)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_and_activations_have_the_levels_of_the_scheme(scheme, start):
    from quantize import schemes

    random, of = np.random.default_rng(0), codes.arithmetic(scheme)
    # Multiples of 2^-9 hold all thresholds and halves.
    x = np.concatenate([np.arange(-1024, 1025) / 512, random.normal(0, 1, 2047)]).astype(F).reshape(1, 16, 16, 16)
    weights, activations = start().run([schemes.get(scheme).weights(x), schemes.get(scheme).activation(x)])
    np.testing.assert_array_equal(codes.weight_values(x, scheme) * F(of.weight_unit), weights)
    for level in LEVELS:
        found = kernels.get(level).quantize(x, scheme).values()
        np.testing.assert_array_equal(found, values_from(activations, scheme))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("side", (1, 3, 5))
def test_sums_of_convolutions_are_tensorflows_at_borders_too(scheme, side, start):
    from quantize import ops, schemes

    random, of = np.random.default_rng(side), codes.arithmetic(scheme)
    for h, w in ((1, 1), (2, 7), (7, 4)):
        x = images(random, 2, h, w, 33)
        latent = random.uniform(-1, 1, (side, side, 33, 18)).astype(F)
        y = ops.conv2d(ops.activate(x, schemes.get(scheme)), latent, schemes.get(scheme))
        expected = start().run(y).astype(np.float64) / (of.activation_unit * of.weight_unit)
        layer = layers.conv(codes.weight_values(latent, scheme), scheme, np.ones(18), np.zeros(18))
        for level in LEVELS:
            run = kernels.get(level)
            sums = run.conv_sums(run.quantize(x, scheme, 1.0, side // 2), layer)
            np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=0.2)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("side", (3, 5))
def test_a_convolution_op_applied_twice_is_tensorflows(scheme, side, start):
    """x + BN(conv1x1(q(BN(depthwise(q(a x)))))), with batch norms of the graph's own kernel."""
    import tensorflow.compat.v1 as tf

    from quantize import ops, schemes

    random, of, a, channels = np.random.default_rng(7), codes.arithmetic(scheme), 0.5, 36
    x = random.normal(0, 1, (2, 9, 10, channels)).astype(F)
    y, runtime_layers = tf.constant(x), []
    for _ in range(2):
        latents = [
            random.uniform(-1, 1, shape).astype(F) for shape in ((side, side, channels, 1), (1, 1, channels, channels))
        ]
        norms = [norm(random, fan_in, channels) for fan_in in (side**2, channels)]
        z = ops.depthwise_conv2d(ops.activate(a * y, schemes.get(scheme)), latents[0], schemes.get(scheme))
        z = ops.activate(batch_norm(z, norms[0]), schemes.get(scheme))
        y = y + batch_norm(ops.conv2d(z, latents[1], schemes.get(scheme)), norms[1])
        weights = [codes.weight_values(latent, scheme) for latent in latents]
        folded = [fold(values, of.activation_unit * of.weight_unit) for values in norms]
        runtime_layers.append(
            (layers.depthwise(weights[0][..., 0], scheme, *folded[0]), layers.conv(weights[1], scheme, *folded[1]))
        )
    expected = start().run(y)
    assert np.std(expected - x) > 0.3
    for level in LEVELS:
        run, result = kernels.get(level), x
        for first, last in runtime_layers:
            result = run.conv(run.depthwise(run.quantize(result, scheme, a, side // 2), first), last, result)
        # Where TensorFlow's rounding puts a value on the other side of a threshold, a level differs.
        near = np.isclose(result, expected, rtol=1e-4, atol=1e-4)
        assert near.mean() > 0.995, near.mean()


def norm(random, fan_in, channels):
    """Scale, offset, mean and variance of a batch norm; some scales are negative."""
    scale, offset, mean = (random.normal(0, size, channels) for size in (1, 0.3, 0.1))
    return [values.astype(F) for values in (scale, offset + 0.3, mean, random.uniform(0.5, 1.5, channels) * fan_in / 3)]


def batch_norm(x, values):
    import tensorflow.compat.v1 as tf

    return tf.nn.fused_batch_norm(x, *values, epsilon=1e-5, is_training=False)[0]


def fold(values, unit):
    """Scale and offset of sums, of a batch norm."""
    scale, offset, mean, variance = (value.astype(np.float64) for value in values)
    scale = scale / np.sqrt(variance + 1e-5)
    return scale * unit, offset - mean * scale


@pytest.mark.parametrize(("h", "w", "channels"), [(1, 1, 3), (2, 7, 16), (9, 8, 33)])
def test_float_layers_are_tensorflows(h, w, channels, start):
    import tensorflow.compat.v1 as tf

    random = np.random.default_rng(h)
    x = random.normal(0, 1, (3, h, w, channels)).astype(F)
    kernel, dense = (random.normal(0, 1, shape).astype(F) for shape in ((3, 3, channels, 12), (channels, 10)))
    scale, offset, b = (random.normal(0, 1, count).astype(F) for count in (12, 12, 10))
    expected = start().run(
        [
            tf.nn.avg_pool2d(x, 3, 1, "SAME"),
            tf.nn.max_pool2d(x, 3, 1, "SAME"),
            tf.reduce_mean(tf.nn.relu(x), [1, 2]),
            tf.nn.conv2d(x, kernel, 1, "SAME") * scale + offset,
            tf.matmul(x[:, 0, 0], dense) + b,
        ]
    )
    for level in LEVELS:
        run = kernels.get(level)
        results = [
            run.average_pool(x),
            run.max_pool(x),
            run.global_pool(x, relu=True),
            run.float_conv(x, kernel, scale, offset),
            run.dense(np.ascontiguousarray(x[:, 0, 0]), dense, b),
        ]
        for result, wanted in zip(results, expected, strict=True):
            np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-4)


def test_a_factorized_reduction_reads_what_tensorflows_does(start):
    import tensorflow.compat.v1 as tf

    from enas.graph import blocks
    from quantize import ops, schemes

    random, scheme, of = np.random.default_rng(1), schemes.get("k8"), codes.arithmetic("k8")
    latent = random.uniform(-1, 1, (1, 1, 20, 8)).astype(F)
    layer = layers.conv(
        codes.weight_values(latent, "k8"), "k8", np.full(8, of.activation_unit * of.weight_unit), np.zeros(8)
    )
    for h, w in ((6, 8), (7, 5)):
        x = random.normal(0, 1, (2, h, w, 20)).astype(F)
        paths = blocks.reduction_inputs(tf.constant(x))
        expected = start().run([ops.conv2d(ops.activate(path, scheme), latent, scheme) for path in paths])
        for level in LEVELS:
            run = kernels.get(level)
            q = run.quantize(x, "k8", 1.0, 1)
            for first, wanted in enumerate(expected):
                np.testing.assert_allclose(run.conv(q, layer, None, 2, first), wanted, rtol=1e-4, atol=1e-4)
