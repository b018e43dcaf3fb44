"""Calls of kernels that are run by one call into the library."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from quantize.runtime.codes import Array
from quantize.runtime.memory import Recycled, align
from quantize.runtime.structures import Kernel


class Program:
    """A fixed sequence of calls; see `Kernels.program`.

    Attributes:
      inputs: where the inputs are copied to.
      memory: of everything between them and the output.
    """

    def __init__(self, run: Callable[..., None], inputs: Sequence[Array]) -> None:
        self._run = run
        self.inputs = [align(array) for array in inputs]
        self.memory = Recycled()
        self._calls: list[tuple[Kernel, ctypes.Structure, int]] = []
        self._kept: list[Any] = []

    def append(self, kernel: Kernel, arguments: ctypes.Structure, rows: int, kept: Sequence[Any]) -> None:
        """Adds a call of a kernel; `kept` is what its arguments point into besides the program's memory."""
        self._calls.append((kernel, arguments, rows))
        self._kept.append(kept)

    def finish(self, output: Any) -> None:
        """Fixes the calls, and what they result in."""
        count = len(self._calls)
        self._output = output
        ids = (ctypes.c_int32 * count)(*(kernel for kernel, _, _ in self._calls))
        arguments = (ctypes.c_void_p * count)(*(ctypes.addressof(call) for _, call, _ in self._calls))
        rows = (ctypes.c_int64 * count)(*(rows for _, _, rows in self._calls))
        self._whole = count, ids, arguments, rows

    def __call__(self, *arrays: Array) -> Any:
        """Runs the calls on arrays of the inputs' shapes. Returns the output, which the next call overwrites.

        Raises:
          ValueError: an array has another shape.
        """
        for mine, array in zip(self.inputs, arrays, strict=True):
            if mine.shape != array.shape:
                raise ValueError(f"the program takes an array of shape {mine.shape}, not {array.shape}")
            mine[...] = array
        self._run(*self._whole)
        return self._output
