"""Calls of kernels that are run by one call into the library."""

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from quantize.runtime.codes import Array
from quantize.runtime.memory import Recycled, address, align
from quantize.runtime.structures import Feed, Kernel


class Recording:
    """A fixed sequence of calls on memory of its own.

    Attributes:
      inputs: where the inputs are copied to.
      memory: of everything between them and the output.
      calls: (kernel, its arguments, its rows) of each call.
      kept: what the arguments point into besides the memory.
    """

    def __init__(self, run: Callable[..., None], run_images: Callable[..., None], inputs: Sequence[Array]) -> None:
        self._run, self._run_images = run, run_images
        self.inputs = [align(array) for array in inputs]
        self.memory = Recycled()
        self.calls: list[tuple[Kernel, ctypes.Structure, int]] = []
        self.kept: list[Any] = []

    def append(self, kernel: Kernel, arguments: ctypes.Structure, rows: int, kept: Sequence[Any]) -> None:
        """Adds a call of a kernel; `kept` is what its arguments point into besides the recording's memory."""
        self.calls.append((kernel, arguments, rows))
        self.kept.append(kept)

    def finish(self, output: Array) -> None:
        """Fixes the calls, and what they result in."""
        count = len(self.calls)
        self.output = output
        ids = (ctypes.c_int32 * count)(*(kernel for kernel, _, _ in self.calls))
        arguments = (ctypes.c_void_p * count)(*(ctypes.addressof(call) for _, call, _ in self.calls))
        rows = (ctypes.c_int64 * count)(*(rows for _, _, rows in self.calls))
        self._whole = count, ids, arguments, rows

    def replay(self) -> None:
        """Runs the calls again."""
        self._run(*self._whole)

    def run_images(self, arrays: Sequence[Array], output: Array, images: range) -> None:
        """Runs the calls for images of the arrays, and puts what they result in into those of `output`."""
        pairs = [*zip(arrays, self.inputs, strict=True), (output, self.output)]
        feeds = (Feed * len(pairs))(*(Feed(address(whole), address(mine), mine.nbytes) for whole, mine in pairs))
        numbers = map(ctypes.c_int64, (images.start, images.stop, images.step))
        self._run_images(*self._whole, ctypes.c_int64(len(arrays)), feeds, *numbers)


class Program:
    """A function of images that is recorded for one image, and run for one after the other; see `Kernels.program`.

    One image's tensors stay in the cache from kernel to kernel; those of 32 do not, and take three times as long. Several
    threads share a single image's kernels, but of several images each runs whole ones, on memory of its own.
    """

    def __init__(self, record: Callable[[int], Recording], threads: int) -> None:
        """Records the first image's calls.

        Args:
          record: of a number of threads, returns a recording whose kernels they share.
        """
        self._record, self._threads = record, threads
        self.shared = record(threads)
        self._own: list[Recording] = []

    def __call__(self, *arrays: Array) -> Array:
        """Runs the function.

        Args:
          *arrays: any number of images, the same of each array, each of the shape it was recorded for.

        Raises:
          ValueError: images have another shape.
        """
        count, expected = len(arrays[0]), self.shared.inputs
        for mine, array in zip(expected, arrays, strict=True):
            if mine.shape[1:] != array.shape[1:] or len(array) != count:
                raise ValueError(f"the program takes {count} images of shape {mine.shape[1:]}, not {array.shape}")
        arrays = tuple(np.ascontiguousarray(array, mine.dtype) for array, mine in zip(arrays, expected, strict=True))
        output = np.empty((count, *self.shared.output.shape[1:]), self.shared.output.dtype)
        workers = min(self._threads, count)
        if workers <= 1:
            self.shared.run_images(arrays, output, range(count))
            return output
        while len(self._own) < workers:
            self._own.append(self._record(1))
        parts = [range(i, count, workers) for i in range(workers)]
        threads = [
            threading.Thread(target=self._own[i].run_images, args=(arrays, output, parts[i])) for i in range(1, workers)
        ]
        for thread in threads:
            thread.start()
        self._own[0].run_images(arrays, output, parts[0])
        for thread in threads:
            thread.join()
        return output
