"""The native kernels behind the face of `kernels.Kernels`."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from quantize.runtime import codes as coding
from quantize.runtime import layouts, structures
from quantize.runtime.codes import Array, Codes, Kind, arithmetic
from quantize.runtime.layers import Conv, Depthwise, check_conv, check_depthwise, check_float_conv
from quantize.runtime.memory import Fresh, Recycled, address, align
from quantize.runtime.program import Program, Recording
from quantize.runtime.structures import Kernel

LEVELS = ("plain", "neon", "avx2", "avx512")  # numbered as in kernels/dispatch.c


class NativeKernels:
    """`kernels.Kernels` in C, of one level."""

    @staticmethod
    def available(library: ctypes.CDLL) -> list[str]:
        """The levels that this processor has, slowest first."""
        return [level for i, level in enumerate(LEVELS) if library.quantize_runtime_has(i)]

    def __init__(self, library: ctypes.CDLL, level: str | None, threads: int) -> None:
        available = self.available(library)
        if level is not None and level not in available:
            raise ValueError(f"this processor has no level {level}, only {', '.join(available)}")
        self.level = level or available[-1]
        self.threads = threads
        self._library = library
        self._number = LEVELS.index(self.level)
        self._recording: Recording | None = None
        self._memory: Fresh | Recycled = Fresh()

    def _run(self, count: int, ids: Any, arguments: Any, rows: Any) -> None:
        number, threads = ctypes.c_int(self._number), ctypes.c_int(self.threads)
        self._library.quantize_runtime_run(number, ctypes.c_int64(count), ids, arguments, rows, threads)

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

    def program(self, function: Callable[..., Array], *inputs: Array) -> Callable[..., Array]:
        """See `Kernels`."""

        def record(threads: int) -> Recording:
            recorder = NativeKernels(self._library, self.level, threads)
            recording = Recording(recorder._run, [array[:1] for array in inputs])
            recorder._recording, recorder._memory = recording, recording.memory
            recording.finish(function(recorder, *recording.inputs))
            return recording

        return Program(record, self.threads)

    def _new_codes(self, scheme: str, size: tuple[int, int, int], channels: int, margin: int) -> Codes:
        padded = margin > 0 or (arithmetic(scheme).kind == Kind.BYTES and channels % 16 > 0)
        shape = coding.shape_of(scheme, size, channels, margin)
        dtype = np.uint8 if arithmetic(scheme).kind == Kind.BYTES else np.uint32
        return Codes(self._memory.take(shape, dtype, (channels, margin) if padded else None), scheme, channels, margin)

    def quantize(self, xs: Array | Sequence[Array], scheme: str, factor: float = 1.0, margin: int = 0) -> Codes:
        """See `Kernels`."""
        parts = [xs] if isinstance(xs, np.ndarray) else list(xs)
        of = arithmetic(scheme)
        if of.kind != Kind.BYTES and any(x.shape[3] % 32 for x in parts[:-1]):
            if self._recording is not None:
                raise ValueError(f"a program can't concatenate channels for {scheme} but in multiples of 32")
            parts = [np.concatenate(parts, axis=3)]
        channels = sum(x.shape[3] for x in parts)
        out = self._new_codes(scheme, parts[0].shape[:3], channels, margin)
        at, unit = 0, 1 if of.kind == Kind.BYTES else 32
        for part in parts:
            x, pixel = self._pixels(part)
            target = structures.view(out, channel=at // unit)
            arguments = structures.Quantize(address(x), *x.shape, pixel, target, factor, int(of.kind), of.levels)
            self._call(Kernel.QUANTIZE, arguments, x.shape[0] * x.shape[1])
            at += x.shape[3]
        return out

    def depthwise(self, x: Codes, layer: Depthwise, margin: int = 0) -> Codes:
        """See `Kernels`."""
        check_depthwise(x, layer)
        n, h, w = x.size
        side, of = layer.weights.shape[0], x.arithmetic
        out = self._new_codes(x.scheme, x.size, x.channels, margin)
        views = structures.view(x), structures.view(out)
        if of.kind == Kind.BYTES:
            layout = _layout(layer, None, lambda: layouts.byte_depthwise(layer))
            pointers = [address(array) for array in (layout.weights, layout.scale, layout.offset)]
            channels = out.array.shape[3]
            call = structures.ByteDepthwise(*views, n, h, w, channels, side, of.levels, *pointers)
            self._call(Kernel.BYTE_DEPTHWISE, call, n * h, layout)
            return out
        compact = self.level == "plain"
        bits = _layout(layer, (h, w, compact), lambda: layouts.bit_depthwise(layer, h, w, compact))
        pointers = [address(array) for array in (bits.weights, bits.thresholds, bits.flip)]
        numbers = n, h, w * out.array.shape[4], side, int(of.kind), bits.classes, bits.columns
        self._call(Kernel.BIT_DEPTHWISE, structures.BitDepthwise(*views, *numbers, *pointers), n * h, bits)
        return out

    def _conv(
        self, x: Codes, layer: Conv, y: Array, stride: int = 1, start: int = 0, residual: Array | None = None
    ) -> None:
        """Computes a convolution into y `[N, H, W, Cout]`, which may be a slice of channels; into int32, its sums."""
        check_conv(x, layer, stride, start)
        n, h, w, outputs = y.shape
        side = layer.weights.shape[0]
        layout = _layout(layer, (h, w), lambda: layouts.conv(layer, h, w))
        codes = structures.view(x, start - side // 2, start - side // 2)
        line, span = codes.row, side * codes.pixel // (4 if x.arithmetic.kind == Kind.BYTES else 1)
        codes.row, codes.pixel = codes.row * stride, codes.pixel * stride
        y_pixel = outputs if y.flags.c_contiguous else y.strides[2] // 4
        targets = (None, y) if y.dtype == np.int32 else (y, None)
        arrays = (layout.weights, layout.base, layout.border, layout.scale, layout.offset, residual, *targets)
        numbers = (line, span, n, h, w, outputs, -(-outputs // layouts.GROUP), y_pixel)
        kinds = (side, int(x.arithmetic.kind), x.arithmetic.bits < 8, 0)
        arguments = structures.Conv(codes, *numbers, *kinds, *map(address, arrays))
        self._call(Kernel.CONV, arguments, n * h, layout)

    def _output(self, x: Codes, channels: int, stride: int, dtype: type = np.float32) -> Array:
        n, h, w = x.size
        return self._memory.take((n, -(-h // stride), -(-w // stride), channels), dtype)

    def conv(self, x: Codes, layer: Conv, residual: Array | None = None, stride: int = 1, start: int = 0) -> Array:
        """See `Kernels`."""
        y = self._output(x, layer.weights.shape[3], stride)
        if residual is not None and residual.shape != y.shape:
            raise ValueError(f"the residual must be of shape {y.shape}, not {residual.shape}")
        self._conv(x, layer, y, stride, start, None if residual is None else self._floats(residual))
        return y

    def conv_sums(self, x: Codes, layer: Conv, stride: int = 1, start: int = 0) -> Array:
        """See `Kernels`."""
        y = self._output(x, layer.weights.shape[3], stride, np.int32)
        self._conv(x, layer, y, stride, start)
        return y

    def factorized_reduction(self, x: Codes, first: Conv, second: Conv) -> Array:
        """See `Kernels`."""
        channels = first.weights.shape[3]
        y = self._output(x, channels + second.weights.shape[3], 2)
        self._conv(x, first, y[..., :channels], 2, 0)
        self._conv(x, second, y[..., channels:], 2, 1)
        return y

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


def _layout(layer: Depthwise | Conv, key: Any, make: Callable[[], Any]) -> Any:
    """The layout of a layer for images of a size, made on first use, in aligned memory."""
    if key not in layer.layouts:
        layout = make()
        arrays = {name: value for name, value in vars(layout).items() if isinstance(value, np.ndarray)}
        changed = {name: align(value) for name, value in arrays.items()}
        layer.layouts[key] = type(layout)(**{**vars(layout), **changed})
    return layer.layouts[key]
