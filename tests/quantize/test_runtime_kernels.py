"""The native kernels against NumPy's, bit by bit, at every level that this machine has."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_cases import F, affine, conv, depthwise, images

from quantize.runtime import codes, kernels

CHANNELS = (1, 3, 8, 31, 32, 33, 64, 100, 130)
SIZES = (1, 2, 7, 28)
SCHEMES = tuple(codes.SCHEMES)
NUMPY = kernels.get("numpy")
LEVELS = tuple(kernels.levels()[1:])


def agree(native, expected):
    """Native results, by level, are the expected one to the last bit (zeros with their signs)."""
    for level, result in native.items():
        assert result.dtype == expected.dtype, level
        np.testing.assert_array_equal(result.view(np.uint8), expected.view(np.uint8), err_msg=level)


def at_every_level(function, threads=1):
    return {level: function(kernels.get(level, threads)) for level in LEVELS}


def shapes(size):
    """All channels for a size, with one image and with five. Of the largest images only a few, for NumPy's sake."""
    wanted = [(n, channels) for n in (1, 5) for channels in CHANNELS]
    return wanted if size < 28 else [(n, channels) for n, channels in wanted if n == 1 or channels in (3, 33)]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_quantized_images_are_those_of_numpy(scheme, size):
    random = np.random.default_rng(size)
    for (n, channels), margin in itertools.product(shapes(size), (0, 2)):
        x = images(random, n, size, size + 1, channels)
        expected = NUMPY.quantize(x, scheme, 0.7, margin).array
        agree(at_every_level(lambda run, x=x, margin=margin: run.quantize(x, scheme, 0.7, margin).array), expected)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_no_number_or_infinite_is_quantized_as_numpy_does(scheme):
    special = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, -0.0], F)
    x = np.random.default_rng(0).choice(special, (1, 3, 5, 80)).astype(F)
    expected = NUMPY.quantize(x, scheme).array
    agree(at_every_level(lambda run: run.quantize(x, scheme).array), expected)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("side", (3, 5))
@pytest.mark.parametrize("size", SIZES)
def test_depthwise_convolutions_are_those_of_numpy(scheme, side, size):
    random = np.random.default_rng(side + size)
    for n, channels in shapes(size):
        layer, margin = depthwise(random, scheme, side, channels), channels % 2
        x = NUMPY.quantize(images(random, n, size, max(size - 1, 1), channels), scheme, 1.0, side // 2)
        expected = NUMPY.depthwise(x, layer, margin).array
        agree(at_every_level(lambda run, x=x, m=margin, layer=layer: run.depthwise(x, layer, m).array), expected)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("side", (1, 3, 5))
@pytest.mark.parametrize("size", SIZES)
def test_convolutions_are_those_of_numpy(scheme, side, size):
    random = np.random.default_rng(side + size)
    for n, channels in shapes(size):
        outputs = int(random.choice(CHANNELS if side == 1 else CHANNELS[:6]))
        layer = conv(random, scheme, side, channels, outputs)
        x = NUMPY.quantize(images(random, n, size, max(size - 1, 1), channels), scheme, 1.0, side // 2)
        residual = images(random, *x.size, outputs)
        expected = NUMPY.conv(x, layer, residual)
        agree(at_every_level(lambda run, x=x, layer=layer, y=residual: run.conv(x, layer, y)), expected)
        agree(at_every_level(lambda run, x=x, layer=layer: run.conv_sums(x, layer)), NUMPY.conv_sums(x, layer))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("side", "channels", "outputs"), [(1, 160, 176), (1, 1000, 40), (3, 130, 190), (5, 256, 17)])
def test_wide_convolutions_are_those_of_numpy(scheme, side, channels, outputs):
    random = np.random.default_rng(channels)
    layer = conv(random, scheme, side, channels, outputs)
    x = NUMPY.quantize(images(random, 2, 7, 5, channels), scheme, 1.0, side // 2)
    residual = images(random, *x.size, outputs)
    expected = NUMPY.conv(x, layer, residual)
    for threads in (1, 3):
        agree(at_every_level(lambda run: run.conv(x, layer, residual), threads), expected)
    agree(at_every_level(lambda run: run.conv_sums(x, layer)), NUMPY.conv_sums(x, layer))


# Binary codes have no zero that could lie beyond an odd side.
REDUCTIONS = [
    case for case in itertools.product(SCHEMES, (0, 1), (1, 6, 7)) if case not in [("binary", 1, 1), ("binary", 1, 7)]
]


@pytest.mark.parametrize(("scheme", "start", "size"), REDUCTIONS)
def test_factorized_reductions_are_those_of_numpy(scheme, start, size):
    random = np.random.default_rng(size)
    layer = conv(random, scheme, 1, 33, 20)
    x = NUMPY.quantize(images(random, 2, size, size + 2, 33), scheme, 1.0, 1)
    expected = NUMPY.conv(x, layer, None, 2, start)
    assert expected.shape == (2, -(-size // 2), -(-(size + 2) // 2), 20)
    agree(at_every_level(lambda run: run.conv(x, layer, None, 2, start)), expected)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_concatenated_images_are_quantized_as_one(scheme):
    random = np.random.default_rng(0)
    parts = [images(random, 2, 5, 4, channels) for channels in (32, 7, 64, 1)]
    expected = NUMPY.quantize(np.concatenate(parts, axis=3), scheme, 0.5, 1).array
    agree(at_every_level(lambda run: run.quantize(parts, scheme, 0.5, 1).array), expected)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("size", SIZES)
def test_float_layers_are_those_of_numpy(channels, size):
    random = np.random.default_rng(channels)
    x, y = (images(random, 2, size, size + 1, channels) for _ in range(2))
    few = x[..., :3].copy()
    w, dense = (random.normal(0, 1, shape).astype(F) for shape in ((3, 3, few.shape[3], 20), (channels, 10)))
    kernel = random.normal(0, 1, (3 + channels % 2 * 2,) * 2 + (channels,)).astype(F)
    scale, offset, b = (random.normal(0, 1, count).astype(F) for count in (20, 20, 10))
    calls = {
        "average pool": lambda run: run.average_pool(x),
        "max pool": lambda run: run.max_pool(x),
        "global pool": lambda run: run.global_pool(x),
        "global pool of the positive part": lambda run: run.global_pool(x, relu=True),
        "stem": lambda run: run.float_conv(few, w, scale, offset),
        "dense": lambda run: run.dense(x[:, 0, 0].copy(), dense, b),
        "sum": lambda run: run.add(x, y),
        "half the sum": lambda run: run.add(x, y, 0.5),
        "depthwise of floats": lambda run: run.float_depthwise(x, kernel),
        "ReLU": lambda run: run.relu(x, 4.0),
        "images in 8 bits": lambda run: run.quantize_image(x),
        "all side by side": lambda run: run.concat([x, few, y]),
        "some channels": lambda run: run.channels(x, channels // 3, (channels + 2) // 3),
        "every second pixel": lambda run: run.subsample(x, 0),
        "those in between": lambda run: run.subsample(x, 1),
        "even sides": lambda run: run.pad_even(x),
        **{f"levels of {s}": lambda run, s=s: run.activate(x, s, 0.7, 0.3) for s in SCHEMES},
    }
    for call in calls.values():
        agree(at_every_level(call), call(NUMPY))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_separable_op_of_any_shape_is_that_of_numpy_with_any_number_of_threads(data):
    scheme, side = data.draw(st.sampled_from(SCHEMES)), data.draw(st.sampled_from((3, 5)))
    n, h, w = (data.draw(st.integers(1, most)) for most in (3, 9, 12))
    channels, outputs = (data.draw(st.integers(1, 140)) for _ in range(2))
    threads, factor = data.draw(st.integers(1, 4)), data.draw(st.sampled_from((0.25, 1.0, 3.0)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x = images(random, n, h, w, channels)
    first, last = depthwise(random, scheme, side, channels), conv(random, scheme, 1, channels, outputs)

    def op(run, x):
        return run.conv(run.depthwise(run.quantize(x, scheme, factor, side // 2), first), last)

    agree(at_every_level(lambda run: op(run, x), threads), op(NUMPY, x))
    agree(at_every_level(lambda run: run.program(op, x)(x), threads), op(NUMPY, x))


def cell(run, x, parts):
    """A little network with all kinds of calls, in which memory is free again while others hold theirs."""
    first, last, glue, (scale, offset) = parts
    ops = [run.conv(run.depthwise(run.quantize(x, "ternary", 1.0, 2), first), last, x) for _ in range(3)]
    pooled = run.add(run.average_pool(ops[0]), run.max_pool(ops[1]))
    mixed = run.conv(run.quantize([pooled, ops[2], x], "k8"), glue)
    codes = run.quantize([mixed, x[..., 2:11], run.average_pool(pooled[..., :11]), pooled], "k8", 1.0, 1)
    reduced = run.factorized_reduction(codes, glue, glue)
    return run.float_conv(run.add(reduced, reduced), np.ones((1, 1, 40, 20), F), scale, offset)


def test_a_program_computes_what_its_calls_did_for_every_input():
    random = np.random.default_rng(3)
    parts = (
        depthwise(random, "ternary", 5, 20),
        conv(random, "ternary", 1, 20, 20),
        conv(random, "k8", 1, 60, 20),
        affine(random, "k8", 20, 20),
    )
    xs = [images(random, 2, 7, 9, 20) for _ in range(3)]
    for level in LEVELS:
        program = kernels.get(level).program(lambda run, x: cell(run, x, parts), xs[0])
        for x in xs:
            np.testing.assert_array_equal(program(x), cell(NUMPY, x, parts))


def test_a_program_of_many_ops_takes_no_more_memory_than_one_of_three():
    random, x = np.random.default_rng(3), np.zeros((1, 5, 6, 33), F)
    first, last = depthwise(random, "k4", 3, 33), conv(random, "k4", 1, 33, 33)

    def chain(run, x, count):
        for _ in range(count):
            x = run.conv(run.depthwise(run.quantize(x, "k4", 1.0, 1), first), last, x)
        return x

    few, many = (kernels.get(LEVELS[-1]).program(lambda run, x, n=n: chain(run, x, n), x) for n in (3, 30))
    assert few.shared.memory.nbytes == many.shared.memory.nbytes > 2 * x.nbytes


def test_a_program_takes_any_number_of_images_on_any_number_of_threads():
    random = np.random.default_rng(3)
    first, last = depthwise(random, "k4", 3, 33), conv(random, "k4", 1, 33, 33)

    def op(run, x):
        return run.conv(run.depthwise(run.quantize(x, "k4", 1.0, 1), first), last, x)

    for threads in (1, 2, 3):
        program = kernels.get(LEVELS[-1], threads).program(op, np.zeros((1, 5, 6, 33), F))
        for count in (1, 2, 7, 0):
            x = images(random, count, 5, 6, 33)
            agree({LEVELS[-1]: program(x)}, op(NUMPY, x))


def test_slices_of_channels_are_pooled_and_quantized_as_copies_are():
    random = np.random.default_rng(0)
    whole = [images(random, *size, 70) for size in ((2, 5, 6), (2, 5, 1), (1, 1, 1))]
    for x, (first, last) in itertools.product(whole, ((0, 33), (3, 36), (69, 70))):
        piece, copy = x[..., first:last], x[..., first:last].copy()
        agree(at_every_level(lambda run, x=piece: run.average_pool(x)), NUMPY.average_pool(copy))
        agree(at_every_level(lambda run, x=piece: run.max_pool(x)), NUMPY.max_pool(copy))
        for scheme in ("ternary", "k4"):
            expected = NUMPY.quantize(copy, scheme).array
            agree(at_every_level(lambda run, x=piece, s=scheme: run.quantize(x, s).array), expected)


def test_a_program_refuses_other_shapes_and_arrays_that_would_have_to_be_copied():
    run, x = kernels.get(LEVELS[-1]), np.zeros((1, 4, 4, 8), F)
    program = run.program(lambda run, x: run.max_pool(x), x)
    with pytest.raises(ValueError, match="shape"):
        program(np.zeros((1, 4, 5, 8), F))
    with pytest.raises(ValueError, match="contiguous"):
        run.program(lambda run, x: run.max_pool(x[:, ::2]), x)


@pytest.mark.parametrize("level", ("numpy", *LEVELS))
def test_codes_that_do_not_fit_a_layer_are_refused(level):
    run, random = kernels.get(level), np.random.default_rng(0)
    x = run.quantize(np.zeros((1, 5, 5, 8), F), "binary", 1.0, 1)
    with pytest.raises(ValueError, match="7 channels of binary"):
        run.depthwise(x, depthwise(random, "binary", 3, 7))
    with pytest.raises(ValueError, match="of k1"):
        run.conv(x, conv(random, "k1", 1, 8, 8))
    with pytest.raises(ValueError, match="margin"):
        run.depthwise(x, depthwise(random, "binary", 5, 8))
    with pytest.raises(ValueError, match="odd side"):
        run.conv(x, conv(random, "binary", 1, 8, 8), None, 2, 1)
    with pytest.raises(ValueError, match="stride"):
        run.conv(x, conv(random, "binary", 3, 8, 8), None, 2)
    with pytest.raises(ValueError, match="257"):
        run.float_conv(np.zeros((1, 2, 2, 257), F), np.zeros((3, 3, 257, 4), F), np.ones(4, F), np.ones(4, F))
