"""Quantizers against NumPy: values bit for bit, gradients, level sets; the table of schemes."""

import dataclasses
import functools

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from enas.options import config
from quantize import schemes

tf.disable_v2_behavior()
tf.enable_control_flow_v2()
tf.enable_resource_variables()

F = np.float32
TINY = np.finfo(F).tiny  # smallest normal float32


def np_binary(x):
    return np.where(x >= 0, F(1), F(-1))


def np_ternary(x):
    return (x > 0.5).astype(F) - (x < -0.5).astype(F)


def np_linear(x, bits):
    steps = 2.0 ** (bits - 1)  # float64, in which every float32 times a power of two is exact
    return (np.clip(np.rint(x.astype(np.float64) * steps), -steps, steps - 1) / steps).astype(F)


def np_relu(x, bits, clip=F(1)):
    n, clip = F(2**bits - 1), F(clip)
    return np.rint(np.clip(x, F(0), clip) * (n / clip)) * (clip / n)


def np_image(x):
    return (np.clip(np.rint(x.astype(np.float64) * 32), -128, 127) / 32).astype(F)


def bound(function, bits, **settings):
    return functools.partial(function, bits=bits, **settings)


# name: (quantizer, NumPy's, range its gradient passes in, number of levels)
CASES = {
    "binary": (schemes.binary, np_binary, (-1, 1), 2),
    "ternary": (schemes.ternary, np_ternary, (-1, 1), 3),
    "image": (schemes.quantized_image, np_image, (-4, 4), 256),
    "tanh1": (bound(schemes.quantized_tanh, 1), np_binary, (-1, 1), 2),
}
for k in range(2, 9):
    CASES[f"linear{k}"] = (bound(schemes.linear_quant, k), bound(np_linear, k), (-1, 1), 2**k)
    CASES[f"tanh{k}"] = (bound(schemes.quantized_tanh, k), bound(np_linear, k), (-1, 1), 2**k)
for k in range(1, 9):
    CASES[f"relu{k}"] = (bound(schemes.quantized_relu, k), bound(np_relu, k), (0, 1), 2**k)
CASES["linear16"] = (bound(schemes.linear_quant, 16), bound(np_linear, 16), (-1, 1), 2**16)
for k, c in schemes.UNIT_CLIPS.items():
    CASES[f"relu{k} to {c}"] = (bound(schemes.quantized_relu, k, clip=c), bound(np_relu, k, clip=c), (0, c), 2**k)
CASES["relu16"] = (bound(schemes.quantized_relu, 16), bound(np_relu, 16), (0, 1), 2**16)


def grid():
    edges = [0.0, 0.5, 1.0, 1 / 3, 2 / 3, 4.0, 4.0 - 1 / 32, 4.0 - 1 / 64, TINY, 1e-30, 1e30, 3e38, np.inf]
    ties = [(j + 0.5) / 2.0**e for e in range(8) for j in range(2**e)] + [(j + 0.5) / 15 for j in range(15)]
    positive = np.array(edges + ties, F)
    near = [positive, np.nextafter(positive, F(np.inf)), np.nextafter(positive, F(0))]
    values = np.concatenate([*near, np.linspace(0, 1.2, 6000, dtype=F), np.linspace(1, 5, 1500, dtype=F)])
    values = values[(values == 0) | (values >= TINY)]
    return np.concatenate([values, -values])  # holds +0.0 and -0.0


@functools.cache
def runner(name):
    """The case's graph: returns a function (x, output gradient) -> (output, gradient in x)."""
    with tf.Graph().as_default() as graph:
        x, upstream = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
        output = CASES[name][0](x)
        fetches = [output, tf.gradients(output, x, upstream)[0]]
        session = tf.Session(graph=graph)
    return lambda value, gradient: session.run(fetches, {x: value, upstream: gradient})


def check(name, x):
    _, reference, (low, high), _ = CASES[name]
    upstream = np.random.default_rng(0).normal(size=x.shape).astype(F)
    output, gradient = runner(name)(x, upstream)
    assert output.dtype == F
    np.testing.assert_array_equal(output, reference(x))
    np.testing.assert_array_equal(gradient, np.where((x >= low) & (x <= high), upstream, 0))


@pytest.mark.parametrize("name", CASES)
def test_quantizers_and_their_gradients_are_numpys_on_a_grid(name):
    check(name, grid())


@pytest.mark.parametrize("name", CASES)
def test_a_quantizer_has_exactly_its_levels(name):
    """Exactly the levels, bit for bit (the sign of zero apart), and all of them."""
    limit, count = CASES[name][2][1], CASES[name][3]
    x = np.linspace(-2 * limit, 2 * limit, 600_001, dtype=F)
    output, _ = runner(name)(x, x)
    bits = count.bit_length() - 1
    if name.startswith("relu") and limit != 1:
        levels = np.arange(count, dtype=F) * (F(limit) / F(count - 1))
    elif name.startswith("relu"):
        n = 2**bits - 1
        levels = np.arange(n + 1, dtype=F) * (F(1) / F(n))
        ulps = np.abs(levels.view(np.int32) - (np.arange(n + 1) / n).astype(F).view(np.int32))
        assert levels[0] == 0 and levels[-1] == 1 and ulps.max() <= (0 if bits <= 2 else 1)
    elif count == 2:
        levels = np.array([-1, 1], F)
    elif name == "ternary":
        levels = np.array([-1, 0, 1], F)
    else:
        half = count // 2
        levels = np.arange(-half, half, dtype=F) * F(limit / half)
    found = np.unique(output + F(0))
    assert len(levels) == count
    np.testing.assert_array_equal(found.view(np.int32), levels.view(np.int32))


SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, max_side=5)
WIDE = hnp.arrays(F, SHAPES, elements=st.floats(width=32, allow_nan=False, allow_subnormal=False))
NARROW = hnp.arrays(F, SHAPES, elements=st.floats(-1.5, 1.5, width=32, allow_subnormal=False))


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("tanh")])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(x=WIDE | NARROW)
def test_quantizers_and_their_gradients_are_numpys_on_random_arrays(name, x):
    check(name, x)


@pytest.mark.parametrize("name", CASES)
def test_denormals_are_zeros_or_themselves(name):
    tiny = np.array([1e-45, 1e-40, 1.17e-38], F)
    x = np.concatenate([tiny, -tiny])
    output, gradient = runner(name)(x, np.ones_like(x))
    _, reference, (low, _), _ = CASES[name]
    assert np.all((output == reference(x)) | (output == reference(np.zeros_like(x))))
    np.testing.assert_array_equal(gradient[:3], 1)
    if low < 0:
        np.testing.assert_array_equal(gradient[3:], 1)


def test_ties_and_limits_are_rounded_as_the_formulas_say():
    after, before = np.nextafter(F(0.5), F(1)), np.nextafter(F(0.5), F(0))
    x = np.array([0.5, -0.5, after, -after, before, -before, 0.0, -0.0], F)
    np.testing.assert_array_equal(runner("ternary")(x, x)[0], [0, 0, 1, -1, 0, 0, 0, 0])
    np.testing.assert_array_equal(runner("binary")(x, x)[0], [1, -1, 1, -1, 1, -1, 1, 1])
    np.testing.assert_array_equal(runner("relu1")(x, x)[0], [0, 0, 1, 0, 0, 0, 0, 0])
    quarters = np.array([0.125, 0.375, -0.125, -0.375], F)  # halves of linear_quant's step go to even
    np.testing.assert_array_equal(runner("linear3")(quarters, quarters)[0], [0, 0.5, 0, -0.5])


@pytest.mark.parametrize("name", ["linear4", "relu4", "relu7", "tanh8"])
def test_a_value_goes_to_its_nearest_level(name):
    x = np.linspace(CASES[name][2][0], CASES[name][2][1] - 0.13, 5000, dtype=F)
    levels = np.unique(runner(name)(grid(), grid())[0])
    nearest = np.abs(x[:, None] - levels[None]).min(1)
    np.testing.assert_allclose(np.abs(x - runner(name)(x, x)[0]), nearest, atol=1e-7)


def test_a_number_of_bits_out_of_range_is_refused():
    for function, bits in (
        (schemes.linear_quant, 1),
        (schemes.linear_quant, 17),
        (schemes.quantized_relu, 0),
        (schemes.quantized_relu, 17),
        (schemes.quantized_tanh, 0),
    ):
        with pytest.raises(ValueError, match="bits"):
            function(tf.zeros([2]), bits)


def test_gradients_pass_straight_through_in_functions_and_switch_cases():
    """Straight-through gradients hold in branches of a switch_case in a tf.function, with respect to weights too."""
    names = ["binary", "ternary", "linear3", "relu2", "image"]
    x0 = grid()[::7]
    w0 = np.linspace(-1.4, 1.4, x0.size, dtype=F)
    x0 = np.where(np.isfinite(x0) & (np.abs(x0) < 1e9), x0, F(2))
    with tf.Graph().as_default(), tf.Session() as session:
        index, x, w = tf.placeholder(tf.int32, []), tf.constant(x0), tf.Variable(w0)

        @tf.function
        def layer(index, x, w):
            branches = [lambda q=CASES[name][0]: q(x) * q(w) for name in names]
            return tf.switch_case(index, branches)

        output = layer(index, x, w)
        inline = tf.switch_case(index, [lambda q=CASES[name][0]: q(w) * 3.0 for name in names])
        gradients = tf.gradients(output, [x, w]) + tf.gradients(inline, [w])
        session.run(tf.global_variables_initializer())
        for i, name in enumerate(names):
            _, q, (low, high), _ = CASES[name]
            got, in_x, in_w, in_inline = session.run([output, *gradients], {index: i})
            inside_x, inside_w = (x0 >= low) & (x0 <= high), (w0 >= low) & (w0 <= high)
            np.testing.assert_array_equal(got, q(x0) * q(w0))
            np.testing.assert_array_equal(in_x, q(w0) * inside_x)
            np.testing.assert_array_equal(in_w, q(x0) * inside_w)
            np.testing.assert_array_equal(in_inline, 3 * inside_w)


@pytest.mark.parametrize("shape", [(3, 3, 4, 5), (6, 5)])
def test_xnor_weights_and_their_gradient_are_numpys(shape):
    w = np.random.default_rng(1).uniform(-1.4, 1.4, shape).astype(F)
    w.flat[:3] = [0.0, 1.0, -1.0]
    upstream = np.random.default_rng(2).normal(size=shape).astype(F)
    with tf.Graph().as_default(), tf.Session() as session:
        latent = tf.constant(w)
        scale, weights = schemes.xnor_scale(latent), schemes.xnor_binary(latent)
        fetches = [scale, weights, tf.gradients(weights, latent, upstream)[0]]
        got_scale, got, gradient = session.run(fetches)
        assert tf.gradients(scale, latent) == [None]
    alpha = np.abs(w.astype(np.float64)).reshape(-1, shape[-1]).mean(0)
    np.testing.assert_allclose(got_scale, alpha, rtol=1e-6)
    np.testing.assert_array_equal(got, got_scale * np_binary(w))
    np.testing.assert_allclose(gradient, alpha * upstream * (np.abs(w) <= 1), rtol=1e-6)


def test_the_table_of_schemes_is_complete_and_frozen():
    assert set(schemes.SCHEMES) == set(config.SCHEMES)
    for name, scheme in schemes.SCHEMES.items():
        assert schemes.get(name) is scheme and scheme.name == name
        assert scheme.dtype == ("float16" if name == "fp16" else "float32")
        assert scheme.latent == (not name.startswith("fp"))
        assert scheme.scaled == (name in ("binary", "ternary", "k1"))

        with pytest.raises(dataclasses.FrozenInstanceError):
            scheme.name = "other"
    bits = {name: s.bits for name, s in schemes.SCHEMES.items()}
    expected = {"fp32": 32, "fp16": 16, "binary": 1, "ternary": 2}
    assert bits == expected | {f"k{k}": k for k in range(1, 9)}


def test_of_zero_is_what_the_activation_makes_of_zero():
    with tf.Graph().as_default(), tf.Session() as session:
        for scheme in schemes.SCHEMES.values():
            assert session.run(scheme.activation(tf.zeros([], scheme.dtype))) == scheme.of_zero


def test_values_of_unit_variance_are_clipped_where_a_half_wave_gaussian_loses_least():
    """The squared error at the clip is not above that at clips around it."""
    z = np.maximum(np.random.default_rng(0).normal(size=1_000_000), 0).astype(F)
    assert set(schemes.UNIT_CLIPS) == set(range(1, 9))
    for bits, clip in schemes.UNIT_CLIPS.items():
        here, below, above = (np.mean((z - np_relu(z, bits, c)) ** 2) for c in (clip, 0.95 * clip, 1.05 * clip))
        assert here < min(below, above), bits


def test_only_k_bit_schemes_have_another_activation_of_values_of_unit_variance():
    assert {name for name, scheme in schemes.SCHEMES.items() if scheme.unit_activation} == {
        f"k{bits}" for bits in range(1, 9)
    }


def test_an_unknown_scheme_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="k9.*fp32.*binary.*k8"):
        schemes.get("k9")


@pytest.mark.parametrize("name", config.SCHEMES)
def test_levels_fit_the_bits(name):
    """A scheme's weights and activations have no more than 2^bits levels, and the expected function."""
    scheme = schemes.get(name)
    x = grid()
    with tf.Graph().as_default(), tf.Session() as session:
        weights, activations = session.run([scheme.weights(tf.constant(x)), scheme.activation(tf.constant(x))])
    if not scheme.latent:
        np.testing.assert_array_equal(activations, np.maximum(x, 0))
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(weights, x.astype(scheme.dtype))
        return
    assert len(np.unique(weights)) == len(np.unique(activations))
    assert len(np.unique(weights)) == (3 if name == "ternary" else 2**scheme.bits)
    fixed = {"binary": np_binary, "ternary": np_ternary}
    np.testing.assert_array_equal(activations, fixed[name](x) if name in fixed else np_relu(x, scheme.bits))
    fixed["k1"] = np_binary
    np.testing.assert_array_equal(weights, fixed[name](x) if name in fixed else np_linear(x, scheme.bits))
