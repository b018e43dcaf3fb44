"""The native kernels behind the face of `kernels.Kernels`."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from quantize.runtime import codes as coding
from quantize.runtime import layouts, structures
from quantize.runtime.codes import Array, Codes, Kind, arithmetic
from quantize.runtime.layers import Conv, Depthwise, check_conv, check_depthwise
from quantize.runtime.memory import Fresh, Recycled, address, align
from quantize.runtime.native_floats import NativeFloats
from quantize.runtime.program import Program, Recording
from quantize.runtime.structures import Kernel

LEVELS = ("plain", "neon", "avx2", "avx512", "amx")  # numbered as in kernels/dispatch.c


class NativeKernels(NativeFloats):
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

    def _run_images(self, count: int, ids: Any, arguments: Any, rows: Any, *feeds: Any) -> None:
        number, threads = ctypes.c_int(self._number), ctypes.c_int(self.threads)
        run = self._library.quantize_runtime_run_images
        run(number, ctypes.c_int64(count), ids, arguments, rows, threads, *feeds)

    def program(self, function: Callable[..., Array], *inputs: Array) -> Callable[..., Array]:
        """See `Kernels`."""

        def record(threads: int) -> Recording:
            recorder = NativeKernels(self._library, self.level, threads)
            recording = Recording(recorder._run, recorder._run_images, [array[:1] for array in inputs])
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
            parts = [self.concat(parts)]
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
        tiles = self.level == "amx" and _fits_tiles(layer)
        layout = _layout(layer, (h, w, tiles), lambda: layouts.conv(layer, h, w, tiles))
        codes = structures.view(x, start - side // 2, start - side // 2)
        line, span = codes.row, side * codes.pixel // (4 if x.arithmetic.kind == Kind.BYTES else 1)
        codes.row, codes.pixel = codes.row * stride, codes.pixel * stride
        y_pixel = outputs if y.flags.c_contiguous else y.strides[2] // 4
        targets = (None, y) if y.dtype == np.int32 else (y, None)
        arrays = (layout.weights, layout.base, layout.border, layout.scale, layout.offset, residual, *targets)
        numbers = (line, span, n, h, w, outputs, -(-outputs // layouts.GROUP), y_pixel)
        kinds = (side, int(x.arithmetic.kind), x.arithmetic.bits < 8, tiles)
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


# From how many channels times outputs on the tiles of AMX were faster than what AVX-512 has, on a core whose neighbour was
# busy as well as on one with a quiet one. Bits have to be made bytes of for them, which many outputs are worth.
_TILES_FROM = {Kind.BINARY: 60_000, Kind.ONE_BIT: 60_000, Kind.TERNARY: 6_000, Kind.TWO_BITS: 1_500, Kind.BYTES: 0}
_WINDOW_BYTES = 4096  # MOST_WINDOW_BYTES of kernels/runtime.h


def _fits_tiles(layer: Conv) -> bool:
    """Whether the kernel of AMX's tiles computes a convolution."""
    side, _, channels, outputs = layer.weights.shape
    window = side * side * coding.round_up(channels, 32)
    return window <= _WINDOW_BYTES and channels * outputs >= _TILES_FROM[arithmetic(layer.scheme).kind]


def _layout(layer: Depthwise | Conv, key: Any, make: Callable[[], Any]) -> Any:
    """The layout of a layer for images of a size, made on first use, in aligned memory."""
    if key not in layer.layouts:
        layout = make()
        arrays = {name: value for name, value in vars(layout).items() if isinstance(value, np.ndarray)}
        changed = {name: align(value) for name, value in arrays.items()}
        layer.layouts[key] = type(layout)(**{**vars(layout), **changed})
    return layer.layouts[key]
