"""Layers of a network in integers: values of weights, and what batch norm and quantizer became after them."""

import dataclasses
from typing import Any

import numpy as np

from quantize.runtime.codes import Array, Codes, Kind, activation_values, arithmetic

_WINDOW_CHANNELS = 256  # as in kernels/runtime.h


def affine(sums: Array, scale: Array, offset: Array) -> Array:
    """float32(sums) * scale + offset, both operations rounded to float32; sums are integers below 2^31."""
    return sums.astype(np.int32).astype(np.float32) * scale + offset


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Batch norm and a quantizer of few levels, as comparisons of integers.

    The levels are counted from the lowest, or where `flip`, from the highest. A sum has reached level i + 1 if it is at
    least values[i].

    Attributes:
      values: int32 `[levels - 1, C]`, ascending.
      flip: bool `[C]`, of channels whose batch norm has a negative scale.
    """

    values: Array
    flip: Array


def thresholds(levels: Array, highest: int, least: int) -> Thresholds:
    """Finds the thresholds of a function of an integer.

    Args:
      levels: int `[S, C]`, the level, 0 ... highest, of every possible sum least, least + 1, ...; monotone in each
        channel. Rounding is monotone, so a batch norm computed in floats is, whatever the order of its operations.
      highest: the highest level that there is.
      least: the least sum.

    Raises:
      ValueError: a channel is not monotone.
    """
    flip = levels[0] > levels[-1]
    ascending = np.where(flip, highest - levels, levels)
    if (np.diff(ascending, axis=0) < 0).any():
        raise ValueError("the levels of a channel are not monotone in the sum")
    return Thresholds(np.stack([least + (ascending < i).sum(0) for i in range(1, highest + 1)]).astype(np.int32), flip)


def affine_of(found: Thresholds, scheme: str) -> tuple[Array, Array]:
    """A scale and an offset of integer sums that, before the scheme's activation, do what thresholds do.

    Each threshold lies between two integers, so that no rounding of floats matters.

    Args:
      scheme: "binary", "ternary" or "k1".

    Returns:
      float32 `[C]` each.
    """
    sign = np.where(found.flip, -1.0, 1.0)
    if scheme != "ternary":
        middle = found.values[0] - 0.5
        return sign.astype(np.float32), (-sign * middle + (0.5 if scheme == "k1" else 0.0)).astype(np.float32)
    low, high = found.values - 0.5
    low, high = np.where(low == high, low - 0.25, low), np.where(low == high, high + 0.25, high)
    scale = sign / (high - low)
    return scale.astype(np.float32), (-scale * (low + high) / 2).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Depthwise:
    """Depthwise convolution, stride 1, zero padding, then batch norm and the scheme's activation.

    Attributes:
      scheme: of weights, of the activations convolved, and of the result.
      weights: int8 `[k, k, C]`, values as in `codes.weight_values`; k is 3 or 5.
      scale, offset: float32 `[C]`, of the sums of values.
      thresholds: the same and the quantizer, where activations are bit planes; else None.
      layouts: what the native kernels made of the layer, by the size of the images.
    """

    scheme: str
    weights: Array
    scale: Array
    offset: Array
    thresholds: Thresholds | None
    layouts: dict[Any, Any] = dataclasses.field(default_factory=dict, repr=False)


def _from_zero(values: Array, scheme: str) -> tuple[Array, int]:
    """Levels counted from 0, of activations' values, and the highest."""
    of = arithmetic(scheme)
    if of.kind == Kind.BINARY:
        return (values + 1) // 2, 1
    return (values + 1, 2) if of.kind == Kind.TERNARY else (values, of.levels)


def sum_range(scheme: str, taps: int) -> tuple[int, int]:
    """The least and the largest sum of so many products of weights and activations."""
    of = arithmetic(scheme)
    return taps * of.weight_range[0] * of.levels, taps * of.weight_range[1] * of.levels


def depthwise(weights: Array, scheme: str, scale: Array, offset: Array) -> Depthwise:
    """Makes a depthwise layer, whose result is quantized(float32(sum) * scale + offset).

    Args:
      weights: int8 `[k, k, C]`, values.
      scale, offset: float32 `[C]`. A batch norm of values in their own units has the scale times
        `Arithmetic.weight_unit` and `Arithmetic.activation_unit`.

    Raises:
      ValueError: k is neither 3 nor 5.
    """
    if weights.shape[:2] not in ((3, 3), (5, 5)):
        raise ValueError(f"depthwise kernels are 3x3 or 5x5, not {weights.shape[0]}x{weights.shape[1]}")
    scale, offset = np.asarray(scale, np.float32), np.asarray(offset, np.float32)
    found = None
    if arithmetic(scheme).kind != Kind.BYTES:
        least, largest = sum_range(scheme, weights.shape[0] * weights.shape[1])
        values = activation_values(affine(np.arange(least, largest + 1)[:, None], scale, offset), scheme)
        found = thresholds(*_from_zero(values, scheme), least)
    return Depthwise(scheme, np.asarray(weights, np.int8), scale, offset, found)


@dataclasses.dataclass(frozen=True, eq=False)
class Conv:
    """Convolution over all channels, then an affine map of each output.

    Attributes:
      scheme: of weights and activations.
      weights: int8 `[k, k, Cin, Cout]`, values; k is odd.
      scale, offset: float32 `[Cout]`, of the sums of values.
      layouts: what the native kernels made of the layer, by the size of the images.
    """

    scheme: str
    weights: Array
    scale: Array
    offset: Array
    layouts: dict[Any, Any] = dataclasses.field(default_factory=dict, repr=False)


def conv(weights: Array, scheme: str, scale: Array, offset: Array) -> Conv:
    """Makes a convolution, whose result is float32(sum) * scale + offset; for the arguments see `Conv`.

    Raises:
      ValueError: the kernel is not square, or k is even.
    """
    if weights.shape[0] != weights.shape[1] or weights.shape[0] % 2 == 0:
        raise ValueError(f"kernels are square with odd sides, not {weights.shape[0]}x{weights.shape[1]}")
    arithmetic(scheme)
    return Conv(scheme, np.asarray(weights, np.int8), np.asarray(scale, np.float32), np.asarray(offset, np.float32))


def _check(x: Codes, layer: Depthwise | Conv, margin: int) -> None:
    if x.scheme != layer.scheme or x.channels != layer.weights.shape[2]:
        raise ValueError(
            f"the layer takes {layer.weights.shape[2]} channels of {layer.scheme}, not {x.channels} of {x.scheme}"
        )
    if x.margin < margin:
        raise ValueError(f"the layer reads {margin} pixels beyond the sides, but the codes have a margin of {x.margin}")


def check_depthwise(x: Codes, layer: Depthwise) -> None:
    """Checks that a layer can take x.

    Raises:
      ValueError: scheme or channels are others, or the margin is less than the layer's k // 2.
    """
    _check(x, layer, layer.weights.shape[0] // 2)


def check_conv(x: Codes, layer: Conv, stride: int, start: int) -> None:
    """Checks that a layer can take x.

    Raises:
      ValueError: scheme or channels are others; the margin is less than k // 2, or than what start and stride reach
        beyond odd sides; there is a stride or start, but k is not 1; or the codes are binary, which have no zero, and
        pixels beyond the sides are read.
    """
    side = layer.weights.shape[0]
    if side > 1 and (stride > 1 or start):
        raise ValueError(f"only 1x1 convolutions have a stride, not {side}x{side}")
    beyond = max(start + (-(-size // stride) - 1) * stride - (size - 1) for size in x.size[1:])
    if beyond > 0 and x.scheme == "binary":
        raise ValueError("binary codes have no zero that could lie beyond an odd side")
    _check(x, layer, max(side // 2, beyond))


def check_float_conv(x: Array, w: Array) -> None:
    """Checks that a convolution of floats can take x.

    Raises:
      ValueError: the channels don't fit, or k is even, or more than 1 with more than 256 channels.
    """
    if x.shape[3] != w.shape[2] or w.shape[0] != w.shape[1] or w.shape[0] % 2 == 0:
        raise ValueError(f"weights {w.shape} don't fit images of {x.shape[3]} channels")
    if w.shape[0] > 1 and x.shape[3] > _WINDOW_CHANNELS:
        raise ValueError(f"a window of floats has up to {_WINDOW_CHANNELS} channels, not {x.shape[3]}")
