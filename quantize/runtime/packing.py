"""Weights at their true widths, to and from bytes.

Values follow each other without gaps, in C order, each in its `Arithmetic.bits` bits, the lowest bit of a byte first;
zero bits fill the last byte. Binary and k1: -1 is 0, +1 is 1. Ternary: -1, 0, +1 are 3, 0, 1, in two bits, as those of k
bits are two's complement.
"""

from collections.abc import Sequence

import numpy as np

from quantize.runtime.codes import Array, arithmetic


def packed_size(count: int, scheme: str) -> int:
    """Bytes that so many weights take."""
    return -(-count * arithmetic(scheme).bits // 8)


def pack(values: Array, scheme: str) -> bytes:
    """Packs weights.

    Args:
      values: int8, any shape; see `codes.weight_values`.

    Raises:
      ValueError: a value is not one of the scheme's.
    """
    of, flat = arithmetic(scheme), np.asarray(values).ravel()
    least, largest = of.weight_range
    wrong = flat[(flat < least) | (flat > largest) | ((flat == 0) & (of.bits == 1))]
    if wrong.size:
        raise ValueError(f"{wrong[0]} is no weight of {scheme}")
    unsigned = (flat > 0) if of.bits == 1 else flat.astype(np.int8)
    octets = unsigned.astype(np.uint8)[:, None]
    bits = np.unpackbits(octets, axis=1, count=of.bits, bitorder="little")
    return np.packbits(bits.ravel(), bitorder="little").tobytes()


def unpack(data: bytes, scheme: str, shape: Sequence[int]) -> Array:
    """Inverts `pack`.

    Returns:
      int8 of this shape.

    Raises:
      ValueError: the data has another size, bits after the last weight that are not zero, or a value that is not one of
        the scheme's.
    """
    of, count = arithmetic(scheme), int(np.prod(shape, dtype=np.int64))
    if len(data) != packed_size(count, scheme):
        raise ValueError(f"{count} weights of {scheme} take {packed_size(count, scheme)} bytes, not {len(data)}")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    if bits[count * of.bits :].any():
        raise ValueError("bits after the last weight are not zero")
    octets = np.packbits(bits[: count * of.bits].reshape(count, of.bits), axis=1, bitorder="little")
    codes = octets.reshape(count).astype(np.int16)
    values = 2 * codes - 1 if of.bits == 1 else codes - ((codes >> (of.bits - 1)) << of.bits)
    if count and values.min() < of.weight_range[0]:
        raise ValueError(f"{values.min()} is no weight of {scheme}")
    return values.astype(np.int8).reshape(shape)
