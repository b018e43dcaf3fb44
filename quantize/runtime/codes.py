"""Arithmetic of the schemes in integers, and codes: quantized activations as the kernels store them.

An activation's value is an integer: -1 or +1 (binary), -1, 0 or +1 (ternary), j = 0 ... 2^k - 1 (k bits, where it stands
for j / (2^k - 1)). A weight's value is -1 or +1 (binary, k1), -1, 0 or +1 (ternary), or k-bit two's complement, where it
stands for itself over 2^(k-1). `quantize/schemes.py` has the formulas, and says what they are taken from.
"""

import dataclasses
import enum
import functools
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Kind(enum.IntEnum):
    """How codes are stored, numbered as in kernels/runtime.h."""

    BINARY = 0
    ONE_BIT = 1
    TERNARY = 2
    TWO_BITS = 3
    BYTES = 4


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """What a scheme's integers are.

    Attributes:
      name: of the scheme.
      bits: k; 1 for binary, 2 for ternary.
      kind: how activations are stored.
      levels: the largest value of an activation.
      weight_range: the least and the largest value of a weight.
    """

    name: str
    bits: int
    kind: Kind
    levels: int
    weight_range: tuple[int, int]

    @property
    def planes(self) -> int:
        """How many bit planes there are, or 1 for bytes."""
        return 2 if self.kind in (Kind.TERNARY, Kind.TWO_BITS) else 1

    @property
    def activation_unit(self) -> float:
        """What an activation of value 1 stands for."""
        return 1.0 / self.levels

    @property
    def weight_unit(self) -> float:
        """What a weight of value 1 stands for."""
        return 1.0 if self.weight_range[1] == 1 and self.weight_range[0] == -1 else 2.0 ** (1 - self.bits)


def _k_bits(bits: int) -> Arithmetic:
    kind = {1: Kind.ONE_BIT, 2: Kind.TWO_BITS}.get(bits, Kind.BYTES)
    weights = (-1, 1) if bits == 1 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return Arithmetic(f"k{bits}", bits, kind, 2**bits - 1, weights)


SCHEMES = {
    "binary": Arithmetic("binary", 1, Kind.BINARY, 1, (-1, 1)),
    "ternary": Arithmetic("ternary", 2, Kind.TERNARY, 1, (-1, 1)),
    **{f"k{bits}": _k_bits(bits) for bits in range(1, 9)},
}


def arithmetic(scheme: str) -> Arithmetic:
    """Returns the arithmetic of a scheme.

    Raises:
      ValueError: the scheme has none (it is not quantized), or there is no such scheme.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme {scheme!r} has no integer arithmetic; those that have are {', '.join(SCHEMES)}")
    return SCHEMES[scheme]


def weight_values(w: Array, scheme: str) -> Array:
    """Quantizes latent weights: int8 values, shape of w, as `Scheme.weights` of quantize/schemes.py rounds them."""
    w, of = np.asarray(w, np.float32), arithmetic(scheme)
    if scheme in ("binary", "k1"):
        return np.where(w >= 0, 1, -1).astype(np.int8)
    if scheme == "ternary":
        return (w > 0.5).astype(np.int8) - (w < -0.5).astype(np.int8)
    steps = np.float32(2 ** (of.bits - 1))
    return np.rint(np.clip(w, np.float32(-1), np.float32(1) - 1 / steps) * steps).astype(np.int8)


def activation_values(x: Array, scheme: str) -> Array:
    """Quantizes activations: int32 values, shape of x. What is not a number becomes the least of -1 and 0."""
    x, of = np.asarray(x, np.float32), arithmetic(scheme)
    if of.kind == Kind.BINARY:
        return np.where(x >= 0, 1, -1).astype(np.int32)
    if of.kind == Kind.TERNARY:
        return (x > np.float32(0.5)).astype(np.int32) - (x < np.float32(-0.5)).astype(np.int32)
    levels = np.float32(of.levels)
    scaled = x * levels
    return np.rint(np.minimum(np.where(scaled > 0, scaled, np.float32(0)), levels)).astype(np.int32)


def round_up(count: int, multiple: int) -> int:
    """The next multiple that is not less than count."""
    return -(-count // multiple) * multiple


def pack_words(bits: Array) -> Array:
    """Packs bools `[..., C]` into words uint32 `[..., ceil(C / 32)]`: channel c in bit c % 32 of word c // 32."""
    padding = [(0, 0)] * (bits.ndim - 1) + [(0, -bits.shape[-1] % 32)]
    packed = np.packbits(np.pad(bits, padding), axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").astype(np.uint32, copy=False)


def unpack_words(words: Array, channels: int) -> Array:
    """Inverts `pack_words`: bits uint8 `[..., channels]`."""
    octets = np.ascontiguousarray(words.astype("<u4", copy=False)).view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=channels, bitorder="little")


def value_planes(values: Array, scheme: str) -> list[Array]:
    """The bit planes of activations' values, bools of their shape; see `enum scheme` in kernels/runtime.h."""
    kind = arithmetic(scheme).kind
    if kind in (Kind.BINARY, Kind.ONE_BIT):
        return [values > 0]
    if kind == Kind.TERNARY:
        return [values != 0, values < 0]
    return [(values & 1) != 0, (values & 2) != 0]


@dataclasses.dataclass(frozen=True, eq=False)
class Codes:
    """Quantized activations of images.

    Attributes:
      array: words uint32 `[N, H + 2 margin, planes, W + 2 margin, ceil(C / 32)]`, or bytes uint8
        `[N, H + 2 margin, W + 2 margin, C rounded up to 16]`. Zero in the margin and in channels beyond C.
      scheme: says how to read them.
      channels: C.
      margin: pixels around every image.
    """

    array: Array
    scheme: str
    channels: int
    margin: int = 0

    @property
    def size(self) -> tuple[int, int, int]:
        """N, H, W."""
        columns = self.array.shape[2 if self.arithmetic.kind == Kind.BYTES else 3]
        return self.array.shape[0], self.array.shape[1] - 2 * self.margin, columns - 2 * self.margin

    @functools.cached_property
    def arithmetic(self) -> Arithmetic:
        """The scheme's."""
        return arithmetic(self.scheme)

    def values(self) -> Array:
        """The values of the activations, int32 `[N, H, W, C]`."""
        n, h, w = self.size
        rows, columns = slice(self.margin, self.margin + h), slice(self.margin, self.margin + w)
        if self.arithmetic.kind == Kind.BYTES:
            return self.array[:, rows, columns, : self.channels].astype(np.int32)
        bits = unpack_words(self.array[:, rows, :, columns], self.channels).astype(np.int32)
        first, last = bits[:, :, 0], bits[:, :, -1]
        if self.arithmetic.kind == Kind.TERNARY:
            return first - 2 * last
        return {Kind.BINARY: 2 * first - 1, Kind.ONE_BIT: first}.get(self.arithmetic.kind, first + 2 * last)


def shape_of(scheme: str, size: tuple[int, int, int], channels: int, margin: int) -> tuple[int, ...]:
    """The shape of `Codes.array` for images of size (N, H, W)."""
    n, h, w = size[0], size[1] + 2 * margin, size[2] + 2 * margin
    if arithmetic(scheme).kind == Kind.BYTES:
        return n, h, w, round_up(channels, 16)
    return n, h, arithmetic(scheme).planes, w, round_up(channels, 32) // 32


def from_values(values: Array, scheme: str, margin: int = 0) -> Codes:
    """Stores values int `[N, H, W, C]` as codes."""
    n, h, w, channels = values.shape
    shape = shape_of(scheme, (n, h, w), channels, margin)
    rows, columns = slice(margin, margin + h), slice(margin, margin + w)
    if arithmetic(scheme).kind == Kind.BYTES:
        array = np.zeros(shape, np.uint8)
        array[:, rows, columns, :channels] = values
    else:
        array = np.zeros(shape, np.uint32)
        for plane, bits in enumerate(value_planes(values, scheme)):
            array[:, rows, plane, columns] = pack_words(bits)
    return Codes(array, scheme, channels, margin)
