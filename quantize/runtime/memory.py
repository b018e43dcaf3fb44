"""Memory of what kernels compute: arrays that begin at a cache line, and a store that recycles them."""

import weakref
from typing import Any

import numpy as np

from quantize.runtime.codes import Array

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def address(array: Array | None) -> int | None:
    """Where an array begins; None of None."""
    return None if array is None else array.__array_interface__["data"][0]


def align(array: Array) -> Array:
    """Copies an array to where it begins at a cache line."""
    copy = Fresh().take(array.shape, array.dtype.type)
    copy[...] = array
    return copy


class Fresh:
    """Gives new memory for every array."""

    def take(self, shape: tuple[int, ...], dtype: type, zero_for: Any = None) -> Array:
        """Makes an array.

        Args:
          zero_for: not None: the array is zero wherever it was never written. Memory that was given for the same
            `zero_for` and shape may come again, so whoever takes it writes the same parts.
        """
        return _shaped(np.zeros if zero_for is not None else np.empty, shape, dtype)


def _shaped(make: Any, shape: tuple[int, ...], dtype: type) -> Array:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = make(size + _ALIGNMENT, np.uint8)
    return _within(memory, shape, dtype)


def _within(memory: Array, shape: tuple[int, ...], dtype: type) -> Array:
    size, start = int(np.prod(shape)) * np.dtype(dtype).itemsize, -(address(memory) or 0) % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


class Recycled:
    """Gives memory that an earlier array had, once nothing refers to that array or a view of it. All stays alive."""

    def __init__(self) -> None:
        self._all: list[bytearray] = []
        self._free: dict[Any, list[bytearray]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of all memory given out."""
        return sum(map(len, self._all))

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """(address, bytes) of all that arrays may lie in."""
        starts = [(address(np.frombuffer(store, np.uint8)) or 0, len(store) - _ALIGNMENT) for store in self._all]
        return [(start + -start % _ALIGNMENT, size) for start, size in starts]

    def take(self, shape: tuple[int, ...], dtype: type, zero_for: Any = None) -> Array:
        """Makes an array; see `Fresh.take`."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        free = self._free.setdefault(size if zero_for is None else (zero_for, shape), [])
        if not free:
            free.append(bytearray(size + _ALIGNMENT))
            self._all.append(free[-1])
        store = free.pop()
        memory = np.frombuffer(store, np.uint8)  # what all views of it refer to
        weakref.finalize(memory, free.append, store)
        return _within(memory, shape, dtype)
