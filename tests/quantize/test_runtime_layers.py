"""Folding into thresholds, codes, and weights at their true widths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_cases import F, values

from quantize.runtime import codes, kernels, layers, packing

SCHEMES = tuple(codes.SCHEMES)
FEW_LEVELS = ("binary", "ternary", "k1", "k2")
FLOATS = st.floats(-1e6, 1e6, width=32)


@given(scale=FLOATS, offset=FLOATS, scheme=st.sampled_from(FEW_LEVELS), side=st.sampled_from((3, 5)))
@settings(max_examples=300, deadline=None)
def test_thresholds_decide_every_sum_as_the_float_formula_does(scale, offset, scheme, side):
    layer = layers.depthwise(values(np.random.default_rng(0), scheme, side, side, 1), scheme, [scale], [offset])
    least, largest = layers.sum_range(scheme, side * side)
    for total in range(least, largest + 1):
        value = codes.activation_values(np.array([F(total) * F(scale) + F(offset)]), scheme)[0]
        reached = (total >= layer.thresholds.values[:, 0]).sum()
        highest = len(layer.thresholds.values)
        level = highest - reached if layer.thresholds.flip[0] else reached
        assert value == {"binary": 2 * level - 1, "ternary": level - 1}.get(scheme, level), total


def test_thresholds_of_what_is_not_monotone_are_refused():
    with pytest.raises(ValueError, match="monotone"):
        layers.thresholds(np.array([[0], [1], [0]]), 1, -1)


def test_layers_refuse_kernels_that_they_do_not_compute():
    with pytest.raises(ValueError, match="7x7"):
        layers.depthwise(np.ones((7, 7, 2), np.int8), "binary", [1, 1], [0, 0])
    with pytest.raises(ValueError, match="2x2"):
        layers.conv(np.ones((2, 2, 2, 2), np.int8), "binary", [1, 1], [0, 0])
    with pytest.raises(ValueError, match="fp32"):
        layers.conv(np.ones((1, 1, 2, 2), np.int8), "fp32", [1, 1], [0, 0])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("channels", (1, 16, 31, 32, 33, 100))
def test_values_come_back_out_of_codes(scheme, channels):
    of, random = codes.arithmetic(scheme), np.random.default_rng(channels)
    low = {"binary": -1, "ternary": -1}.get(scheme, 0)
    wanted = random.integers(low, of.levels + 1, (2, 3, 4, channels))
    wanted = np.where(wanted >= 0, 1, -1) if scheme == "binary" else wanted
    for margin in (0, 2):
        stored = codes.from_values(wanted, scheme, margin)
        assert stored.size == (2, 3, 4)
        np.testing.assert_array_equal(stored.values(), wanted)
        inside = np.ones((2, 3, 4, channels), np.int32)
        # Nothing is set but what belongs to a channel of a pixel.
        assert np.count_nonzero(stored.array) <= np.count_nonzero(codes.from_values(inside, scheme).array) * of.planes


def test_not_a_number_is_the_lowest_of_minus_one_and_zero_at_every_level():
    x = np.full((1, 1, 2, 17), np.nan, F)
    for level in kernels.levels():
        for scheme in SCHEMES:
            found = kernels.get(level).quantize(x, scheme).values()
            np.testing.assert_array_equal(found, -1 if scheme == "binary" else 0)


@given(st.sampled_from(SCHEMES), st.lists(st.integers(0, 7), min_size=1, max_size=4), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_packed_weights_come_back_and_take_their_true_width(scheme, shape, seed):
    wanted = values(np.random.default_rng(seed), scheme, *shape)
    data = packing.pack(wanted, scheme)
    assert len(data) == -(-wanted.size * codes.arithmetic(scheme).bits // 8) == packing.packed_size(wanted.size, scheme)
    found = packing.unpack(data, scheme, shape)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, wanted)
    assert packing.pack(found, scheme) == data


@pytest.mark.parametrize(
    ("scheme", "weights", "data"),
    [
        ("binary", [1, -1, -1, 1, 1, 1, 1, 1, -1, 1], [0b11111001, 0b10]),
        ("ternary", [1, 0, -1, 1, -1], [0b01110001, 0b11]),
        ("k2", [1, 0, -1, -2], [0b10110001]),
        ("k3", [3, -4, -1], [0b11100011, 0b1]),
        ("k8", [-128, 127, -1], [128, 127, 255]),
    ],
)
def test_the_packed_format_is_as_documented(scheme, weights, data):
    assert packing.pack(np.array(weights, np.int8), scheme) == bytes(data)


def test_what_is_no_packed_weights_is_refused():
    with pytest.raises(ValueError, match="take 2 bytes, not 1"):
        packing.unpack(b"\0", "k4", [3])
    with pytest.raises(ValueError, match="after the last weight"):
        packing.unpack(b"\x80", "binary", [7])
    with pytest.raises(ValueError, match="-2 is no weight of ternary"):
        packing.unpack(b"\x02", "ternary", [4])
    for scheme, weight in (("binary", 0), ("k1", 2), ("ternary", -2), ("k2", 2), ("k8", 200)):
        with pytest.raises(ValueError, match=f"{weight} is no weight of {scheme}"):
            packing.pack(np.array([weight], np.int16), scheme)
