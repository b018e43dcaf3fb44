"""How inputs are damaged, and what a target of the fuzzing is."""

import dataclasses
import random
import struct
from collections.abc import Callable, Sequence


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader to be fuzzed.

    Attributes:
      make: returns the target.
      share: its part of all inputs, relative to the others'.
      limited: its memory is limited (TensorFlow maps more than it uses).
    """

    make: Callable
    share: float
    limited: bool = True


INTERESTING = (0, 1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Returns bytes with one to eight changes: bits, bytes, numbers, cuts, copies, and pieces of other inputs."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 2, 4, 16, 256)))
        kind = rng.randrange(8)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:end] = bytes(rng.randrange(256) for _ in range(rng.randrange(5)))
        elif kind == 2:
            del data[at:end]
        elif kind == 3:
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        elif kind == 4:
            value = rng.choice(INTERESTING)
            data[at : at + 4] = struct.pack(rng.choice("<>") + "I", value)
        elif kind == 5:
            del data[at:]
        elif kind == 6 and others:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            data[at:end] = other[start : start + rng.choice((4, 16, 256))]
        else:
            value = rng.choice(INTERESTING) & 0xFFFF
            data[at : at + 2] = struct.pack(rng.choice("<>") + "H", value)
    return bytes(data)
