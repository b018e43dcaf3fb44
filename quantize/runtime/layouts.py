"""Layers as the native kernels read them: weights, thresholds and corrections in the order of kernels/runtime.h."""

import dataclasses

import numpy as np

from quantize.runtime.codes import Array, Kind, arithmetic, pack_words
from quantize.runtime.layers import Conv, Depthwise

GROUP = 16  # outputs of a convolution that lie side by side, whatever the vectors


def _bits(values: Array, kind: Kind) -> list[Array]:
    """The planes of weights' values: bools of their shape. Of two bits, a value is the low bit less twice the high."""
    if kind in (Kind.BINARY, Kind.ONE_BIT):
        return [values > 0]
    if kind == Kind.TERNARY:
        return [values != 0, values < 0]
    return [(values & 1) != 0, (values & 2) != 0]


def missing_taps(size: int, side: int) -> Array:
    """Which taps of a row (or column) of a window lie in the padding: bool `[classes, side]`, by `row_class`."""
    classes = min(size, 2 * (side // 2) + 1)
    middle = np.arange(classes)
    # The classes are those of the rows of a smaller image.
    taps = middle[:, None] + np.arange(side) - side // 2
    return (taps < 0) | (taps >= classes)


def classes_of(size: int, side: int) -> Array:
    """The class of each row of an image of that size, int `[size]`; `row_class` of kernels/runtime.h."""
    before, classes = side // 2, min(size, 2 * (side // 2) + 1)
    y = np.arange(size)
    return np.where(y < before, y, np.maximum(classes - (size - y), before))


@dataclasses.dataclass(frozen=True)
class BitDepthwise:
    """Arrays and numbers of `struct bit_depthwise`."""

    weights: Array
    thresholds: Array
    flip: Array
    classes: int
    columns: int


def bit_depthwise(layer: Depthwise, height: int, width: int, compact: bool = False) -> BitDepthwise:
    """Lays out a depthwise layer of bit planes for images of a size.

    Args:
      compact: for plain C: what repeats from pixel to pixel is stored once.
    """
    if layer.thresholds is None:
        raise ValueError(f"{layer.scheme} has no bit planes")
    kind, (side, _, channels) = arithmetic(layer.scheme).kind, layer.weights.shape
    planes = [plane ^ (kind == Kind.BINARY) for plane in _bits(layer.weights, kind)]
    weights = np.stack([pack_words(plane) for plane in planes], axis=2).reshape(side * side, len(planes), -1)
    totals = _binary_totals(layer, height, width) if kind == Kind.BINARY else _shifted_totals(layer)
    bits = {Kind.BINARY: (4, 5), Kind.TWO_BITS: (7, 8)}.get(kind, (5, 6))[side == 5]
    # A channel that isn't there must give zero, so no total reaches its threshold but the one "not below" of TERNARY.
    absent = np.full(totals.shape[:-1] + (-channels % 32,), 2**bits - 1)
    if kind == Kind.TERNARY:
        absent[:, :, 0] = 0
    totals = np.concatenate([totals, absent], axis=-1)
    thresholds = np.stack([pack_words((totals >> bit & 1) != 0) for bit in range(bits)], axis=3)
    flip, (classes, columns, *_) = pack_words(layer.thresholds.flip), thresholds.shape
    if compact:
        return BitDepthwise(weights, thresholds, flip, classes, columns)
    of_pixels = thresholds[:, classes_of(width, side) if columns > 1 else [0] * width]
    of_rows = of_pixels.transpose(0, 2, 3, 1, 4).reshape(classes, len(layer.thresholds.values), bits, -1)
    return BitDepthwise(np.tile(weights, width), of_rows, np.tile(flip, width), classes, 0)


def _shifted_totals(layer: Depthwise) -> Array:
    """Thresholds of what the kernel counts, sums that a constant keeps from being negative: `[1, 1, thresholds, C]`."""
    assert layer.thresholds is not None
    shift = layer.weights.shape[0] ** 2 * (6 if layer.scheme == "k2" else 1)
    return (layer.thresholds.values + shift)[None, None]


def _binary_totals(layer: Depthwise, height: int, width: int) -> Array:
    """Thresholds of what the kernel counts, the products that are +1: `[row classes, column classes, 1, C]`.

    Codes in the margin are zero, which means -1. The thresholds make up for that: a tap in the padding counts where
    its weight is -1, and is not among the taps whose products sum to twice the count less their number.
    """
    assert layer.thresholds is not None
    side = layer.weights.shape[0]
    missing = missing_taps(height, side)[:, None, :, None] | missing_taps(width, side)[None, :, None, :]
    present = (~missing).sum((2, 3))[..., None]
    counted = np.einsum("rxij,ijc->rxc", missing.astype(np.int32), (layer.weights < 0).astype(np.int32))
    totals = -((-layer.thresholds.values[0] - present) // 2) + counted
    return np.clip(totals, 0, side * side + 1)[:, :, None]


@dataclasses.dataclass(frozen=True)
class ByteDepthwise:
    """Arrays of `struct byte_depthwise`."""

    weights: Array
    scale: Array
    offset: Array


def byte_depthwise(layer: Depthwise) -> ByteDepthwise:
    """Lays out a depthwise layer of bytes."""
    side, _, channels = layer.weights.shape
    padding = -channels % 16
    taps = np.pad(layer.weights.astype(np.int16), ((0, 1), (0, 0), (0, padding)))  # an even number of rows
    pairs = taps.reshape(side // 2 + 1, 2, side, channels + padding).transpose(2, 0, 3, 1)
    levels = np.float32(arithmetic(layer.scheme).levels)
    scale, offset = (np.pad(values * levels, (0, padding)) for values in (layer.scale, layer.offset))
    return ByteDepthwise(np.ascontiguousarray(pairs), scale, offset)


@dataclasses.dataclass(frozen=True)
class ConvLayout:
    """Arrays of `struct conv`."""

    weights: Array
    scale: Array
    offset: Array
    base: Array | None = None
    border: Array | None = None


def conv(layer: Conv, height: int, width: int, tiles: bool = False) -> ConvLayout:
    """Lays out a convolution for outputs of a size.

    Args:
      tiles: for the kernel of AMX's tiles, to which all codes are bytes.
    """
    kind, (side, _, channels, outputs) = arithmetic(layer.scheme).kind, layer.weights.shape
    padding = -outputs % GROUP
    values = np.pad(layer.weights, ((0, 0), (0, 0), (0, 0), (0, padding)))
    scale, offset = (np.pad(array, (0, padding)) for array in (layer.scale, layer.offset))
    groups = (outputs + padding) // GROUP
    if kind == Kind.BYTES or tiles:
        absent = -channels % (16 if kind == Kind.BYTES else 32)
        quads = np.pad(values, ((0, 0), (0, 0), (0, absent), (0, 0))).reshape(-1, 4, groups, GROUP)
        border = _border(values, height, width) if kind == Kind.BINARY and side > 1 else None
        return ConvLayout(np.ascontiguousarray(quads.transpose(2, 0, 3, 1)), scale, offset, border=border)
    by_output = values.transpose(3, 0, 1, 2)
    planes = [pack_words(plane).reshape(groups, GROUP, -1) for plane in _bits(by_output, kind)]
    weights = np.ascontiguousarray(np.stack(planes, axis=-1).transpose(0, 2, 3, 1))
    if kind == Kind.BINARY:
        base = np.full(groups * GROUP, side * side * channels, np.int32)
        return ConvLayout(weights, scale, offset, base, _border(values, height, width) if side > 1 else None)
    counts = (by_output > 0).sum((1, 2, 3), dtype=np.int32)
    return ConvLayout(weights, scale, offset, counts if kind == Kind.ONE_BIT else None)


def _border(values: Array, height: int, width: int) -> Array:
    """What to add to binary sums, whose padding counts as -1: int32 `[row classes, column classes, outputs]`."""
    side = values.shape[0]
    missing = missing_taps(height, side)[:, None, :, None] | missing_taps(width, side)[None, :, None, :]
    return np.einsum("rxij,ijo->rxo", missing.astype(np.int32), values.sum(2, dtype=np.int32)).astype(np.int32)
