"""The native kernels of floats, and how any native kernel is called."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from quantize.runtime import structures
from quantize.runtime.codes import Array, Kind, arithmetic
from quantize.runtime.layers import check_float_conv
from quantize.runtime.memory import Fresh, Recycled, address
from quantize.runtime.program import Recording
from quantize.runtime.structures import Activation, Kernel


class NativeFloats:
    """What `native.NativeKernels` is built on.

    Attributes:
      _recording: the program that is being recorded, if any.
      _memory: gives memory for results.
    """

    _recording: Recording | None
    _memory: Fresh | Recycled

    def _run(self, count: int, ids: Any, arguments: Any, rows: Any) -> None:
        raise NotImplementedError

    def _call(self, kernel: Kernel, arguments: ctypes.Structure, rows: int, *kept: Any) -> None:
        """Runs a kernel, or notes it where a program is being recorded."""
        if self._recording is not None:
            self._recording.append(kernel, arguments, rows, kept)
            return
        pointer = ctypes.c_void_p(ctypes.addressof(arguments))
        one = ctypes.byref
        self._run(1, one(ctypes.c_int32(kernel)), one(pointer), one(ctypes.c_int64(rows)))

    def _floats(self, x: Array) -> Array:
        """x as the kernels take it: contiguous float32; x itself if it is.

        Raises:
          ValueError: x would have to be copied, which a program would not repeat.
        """
        if self._recording is not None and not (x.flags.c_contiguous and x.dtype == np.float32):
            raise ValueError("a program takes contiguous float32 arrays only, and slices of channels")
        return np.ascontiguousarray(x, np.float32)

    def _pixels(self, x: Array) -> tuple[Array, int]:
        """Images as the kernels take them, and the floats from pixel to pixel; a slice of channels stays what it is."""
        pixel = x.strides[2] // 4
        steps = (x.shape[1] * x.shape[2] * pixel * 4, x.shape[2] * pixel * 4, pixel * 4, 4)
        if x.dtype == np.float32 and x.strides == steps and pixel >= x.shape[3]:
            return x, pixel
        x = self._floats(x)
        return x, x.shape[3]

    def _float_call(
        self, kernel: Kernel, x: Array, y: Array, size: Sequence[int], rows: int, constants: Sequence[Array] = (),
        side: int = 0, relu: bool = False,
    ) -> Array:  # fmt: skip
        """Calls one of the kernels that take `struct floats`: constants w, scale, offset.

        Args:
          size: N, H, W, C, outputs, and the floats from pixel to pixel of x.
        """
        kept = [np.ascontiguousarray(array, np.float32) for array in constants]
        pointers = [address(x), *map(address, kept or (None, None, None)), address(y)]
        arguments = structures.Floats(*pointers, *size, side, int(relu))
        self._call(kernel, arguments, rows, kept)
        return y

    def average_pool(self, x: Array) -> Array:
        """See `Kernels`."""
        return self._pool(Kernel.AVERAGE_POOL, x)

    def max_pool(self, x: Array) -> Array:
        """See `Kernels`."""
        return self._pool(Kernel.MAX_POOL, x)

    def _pool(self, kernel: Kernel, x: Array) -> Array:
        x, pixel = self._pixels(x)
        y = self._memory.take(x.shape, np.float32)
        return self._float_call(kernel, x, y, (*x.shape, x.shape[3], pixel), x.shape[0] * x.shape[1])

    def global_pool(self, x: Array, relu: bool = False) -> Array:
        """See `Kernels`."""
        y = self._memory.take((x.shape[0], x.shape[3]), np.float32)
        x = self._floats(x)
        return self._float_call(Kernel.GLOBAL_POOL, x, y, (*x.shape, x.shape[3], x.shape[3]), x.shape[0], relu=relu)

    def float_conv(self, x: Array, w: Array, scale: Array, offset: Array) -> Array:
        """See `Kernels`."""
        check_float_conv(x, w)
        y = self._memory.take((*x.shape[:3], w.shape[3]), np.float32)
        size, rows, constants = (*x.shape, w.shape[3], x.shape[3]), x.shape[0] * x.shape[1], (w, scale, offset)
        return self._float_call(Kernel.FLOAT_CONV, self._floats(x), y, size, rows, constants, w.shape[0])

    def dense(self, x: Array, w: Array, b: Array) -> Array:
        """See `Kernels`."""
        y = self._memory.take((x.shape[0], w.shape[1]), np.float32)
        size = (1, 1, x.shape[0], *w.shape, w.shape[0])  # the images are a row of pixels
        constants = w, np.ones(len(b), np.float32), b
        return self._float_call(Kernel.FLOAT_CONV, self._floats(x), y, size, 1, constants, side=1)

    def add(self, x: Array, y: Array, factor: float = 1.0) -> Array:
        """See `Kernels`."""
        if x.shape != y.shape:
            raise ValueError(f"the arrays to be added have shapes {x.shape} and {y.shape}")
        total, rows = self._memory.take(x.shape, np.float32), x.shape[0] * x.shape[1]
        x, y, row = self._floats(x), self._floats(y), x.size // max(rows, 1)
        scale = np.array([factor], np.float32)
        pointers = map(address, (x, y, scale, None, total))
        self._call(Kernel.ADD, structures.Floats(*pointers, 1, rows, 1, row, row, row), rows, scale)
        return total

    def float_depthwise(self, x: Array, w: Array) -> Array:
        """See `Kernels`."""
        y, x = self._memory.take(x.shape, np.float32), self._floats(x)
        size, rows = (*x.shape, x.shape[3], x.shape[3]), x.shape[0] * x.shape[1]
        kept = np.ascontiguousarray(w, np.float32)
        pointers = address(x), address(kept), None, None, address(y)
        self._call(Kernel.FLOAT_DEPTHWISE, structures.Floats(*pointers, *size, w.shape[0], 0), rows, kept)
        return y

    def _activation(self, x: Array, kind: Activation, factor: float, unit: float, levels: int = 0) -> Array:
        y, x = self._memory.take(x.shape, np.float32), self._floats(x)
        rows = x.shape[0] * x.shape[1]
        arguments = structures.Activate(address(x), address(y), x.size // max(rows, 1), factor, unit, kind, levels)
        self._call(Kernel.ACTIVATE, arguments, rows)
        return y

    def activate(self, x: Array, scheme: str, factor: float, unit: float) -> Array:
        """See `Kernels`."""
        of = arithmetic(scheme)
        kinds = {Kind.BINARY: Activation.BINARY, Kind.TERNARY: Activation.TERNARY}
        return self._activation(x, kinds.get(of.kind, Activation.LEVELS), factor, unit, of.levels)

    def relu(self, x: Array, factor: float = 1.0) -> Array:
        """See `Kernels`."""
        return self._activation(x, Activation.RELU, factor, 1.0)

    def quantize_image(self, x: Array) -> Array:
        """See `Kernels`."""
        return self._activation(x, Activation.IMAGE, 32.0, 1 / 32)

    def _copy(self, x: Array, y: Array) -> None:
        """Copies images into y; both may have any steps."""
        steps = [stride // 4 for array in (x, y) for stride in array.strides[:3]]
        arguments = structures.Copy(address(x), address(y), *x.shape[1:], *steps)
        self._call(Kernel.COPY, arguments, x.shape[0] * x.shape[1])

    def concat(self, xs: Sequence[Array]) -> Array:
        """See `Kernels`."""
        y, at = self._memory.take((*xs[0].shape[:3], sum(x.shape[3] for x in xs)), np.float32), 0
        for x in xs:
            self._copy(x, y[..., at : at + x.shape[3]])
            at += x.shape[3]
        return y

    def channels(self, x: Array, first: int, count: int) -> Array:
        """See `Kernels`."""
        return self.concat([x[..., first : first + count]])

    def subsample(self, x: Array, start: int) -> Array:
        """See `Kernels`."""
        n, h, w, channels = x.shape
        part = x[:, start::2, start::2]
        y = self._memory.take((n, -(-h // 2), -(-w // 2), channels), np.float32, ("subsample", h, w, start))
        self._copy(part, y[:, : part.shape[1], : part.shape[2]])
        return y

    def pad_even(self, x: Array) -> Array:
        """See `Kernels`."""
        n, h, w, channels = x.shape
        y = self._memory.take((n, h + h % 2, w + w % 2, channels), np.float32, ("pad", h, w))
        self._copy(x, y[:, :h, :w])
        return y
