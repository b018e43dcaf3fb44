"""The kernels in NumPy: exact, slow, and the definition of what the native ones compute, bit by bit.

Sums of integers are computed in floats that hold them exactly. In what is computed in float32, every operation is
rounded by itself, in the order written here.
"""

from collections.abc import Callable, Sequence

import numpy as np

from quantize.runtime import codes as coding
from quantize.runtime.codes import Array, Codes, Kind, activation_values, arithmetic
from quantize.runtime.layers import Conv, Depthwise, affine, check_conv, check_depthwise, check_float_conv

_EXACT = 2**24  # float32 holds all integers up to here


def _window(x: Array, side: int) -> list[tuple[int, int, Array]]:
    """The taps (row, column, x moved by them) of a window over x `[N, H, W, C]`, which is zero beyond its sides."""
    _, h, w, _ = x.shape
    padded = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2, (0, 0)))
    return [(i, j, padded[:, i : i + h, j : j + w]) for i in range(side) for j in range(side)]


def _neighbours(x: Array, axis: int, join: Callable[[Array, Array], Array]) -> Array:
    """x joined with its neighbour before, then with the one behind, along an axis."""
    y = x.copy()
    ahead, behind = [slice(None)] * x.ndim, [slice(None)] * x.ndim
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    y[tuple(ahead)] = join(y[tuple(ahead)], x[tuple(behind)])
    y[tuple(behind)] = join(y[tuple(behind)], x[tuple(ahead)])
    return y


def _larger(a: Array, b: Array) -> Array:
    return np.where(b > a, b, a)


class NumpyKernels:
    """`kernels.Kernels` in NumPy."""

    level = "numpy"

    def quantize(self, xs: Array | Sequence[Array], scheme: str, factor: float = 1.0, margin: int = 0) -> Codes:
        x = xs if isinstance(xs, np.ndarray) else np.concatenate(xs, axis=3)
        return coding.from_values(activation_values(x * np.float32(factor), scheme), scheme, margin)

    def depthwise(self, x: Codes, layer: Depthwise, margin: int = 0) -> Codes:
        check_depthwise(x, layer)
        values, of = x.values(), arithmetic(layer.scheme)
        sums = sum(tap * layer.weights[i, j].astype(np.int32) for i, j, tap in _window(values, layer.weights.shape[0]))
        sums = np.asarray(sums)
        if layer.thresholds is None:
            levels = np.float32(of.levels)
            y = affine(sums, layer.scale * levels, layer.offset * levels)
            return coding.from_values(np.rint(np.clip(y, np.float32(0), levels)).astype(np.int32), x.scheme, margin)
        reached = sum((sums >= threshold).astype(np.int32) for threshold in layer.thresholds.values)
        highest = len(layer.thresholds.values)
        level = np.where(layer.thresholds.flip, highest - reached, reached)
        values = {Kind.BINARY: 2 * level - 1, Kind.TERNARY: level - 1}.get(of.kind, level)
        return coding.from_values(values, x.scheme, margin)

    def conv_sums(self, x: Codes, layer: Conv, stride: int = 1, start: int = 0) -> Array:
        check_conv(x, layer, stride, start)
        values, (side, _, channels, outputs) = x.values(), layer.weights.shape
        n, h, w = x.size
        largest = side * side * channels * arithmetic(layer.scheme).levels * -int(layer.weights.min(initial=-1))
        dtype = np.float32 if largest < _EXACT else np.float64
        weights, sums = layer.weights.astype(dtype), np.zeros((n, h, w, outputs), dtype)
        for i, j, tap in _window(values, side):
            sums += (tap.reshape(-1, channels).astype(dtype) @ weights[i, j]).reshape(sums.shape)
        return _every(sums, stride, start).astype(np.int32)

    def conv(self, x: Codes, layer: Conv, residual: Array | None = None, stride: int = 1, start: int = 0) -> Array:
        y = affine(self.conv_sums(x, layer, stride, start), layer.scale, layer.offset)
        return y if residual is None else y + residual

    def factorized_reduction(self, x: Codes, first: Conv, second: Conv) -> Array:
        return np.concatenate([self.conv(x, layer, None, 2, start) for start, layer in enumerate((first, second))], 3)

    def average_pool(self, x: Array) -> Array:
        y = _neighbours(_neighbours(x, 1, np.add), 2, np.add)
        rows, columns = (_neighbours(np.ones(side, np.float32), 0, np.add) for side in x.shape[1:3])
        return y * (np.float32(1) / (rows[:, None] * columns))[..., None]

    def max_pool(self, x: Array) -> Array:
        return _neighbours(_neighbours(x, 1, _larger), 2, _larger)

    def global_pool(self, x: Array, relu: bool = False) -> Array:
        n, h, w, channels = x.shape
        pixels = (np.maximum(x, np.float32(0)) if relu else x).reshape(n, h * w, channels)
        y = np.zeros((n, channels), np.float32)
        for i in range(h * w):
            y += pixels[:, i]
        return y * (np.float32(1) / np.float32(h * w))

    def float_conv(self, x: Array, w: Array, scale: Array, offset: Array) -> Array:
        check_float_conv(x, w)
        y = np.zeros((*x.shape[:3], w.shape[3]), np.float32)
        for i, j, tap in _window(x, w.shape[0]):
            for channel in range(x.shape[3]):
                y += tap[..., channel, None] * w[i, j, channel]
        return y * scale + offset

    def float_depthwise(self, x: Array, w: Array) -> Array:
        y = np.zeros_like(x)
        for i, j, tap in _window(x, w.shape[0]):
            y += tap * w[i, j]
        return y

    def activate(self, x: Array, scheme: str, factor: float, unit: float) -> Array:
        return activation_values(x * np.float32(factor), scheme).astype(np.float32) * np.float32(unit)

    def relu(self, x: Array, factor: float = 1.0) -> Array:
        scaled = x * np.float32(factor)
        return np.where(scaled > 0, scaled, np.float32(0))

    def quantize_image(self, x: Array) -> Array:
        clipped = np.clip(x * np.float32(32), np.float32(-128), np.float32(127))
        return (np.rint(clipped) + np.float32(0)) * np.float32(1 / 32)

    def concat(self, xs: Sequence[Array]) -> Array:
        return np.concatenate(xs, axis=3)

    def channels(self, x: Array, first: int, count: int) -> Array:
        return x[..., first : first + count].copy()

    def subsample(self, x: Array, start: int) -> Array:
        return self.pad_even(x)[:, start::2, start::2].copy()

    def pad_even(self, x: Array) -> Array:
        return np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))

    def dense(self, x: Array, w: Array, b: Array) -> Array:
        ones = np.ones(len(b), np.float32)
        return self.float_conv(x[:, None, None], w[None, None], ones, b)[:, 0, 0]

    def add(self, x: Array, y: Array, factor: float = 1.0) -> Array:
        return (x + y) * np.float32(factor)

    def program(self, function: Callable[..., Array], *_inputs: Array) -> Callable[..., Array]:
        return lambda *arrays: function(self, *arrays)


def _every(y: Array, stride: int, start: int) -> Array:
    """Every stride-th row and column of y `[N, H, W, C]` from `start` on, ceil(H / stride) of them; zero beyond y."""
    _, h, w, _ = y.shape
    rows, columns = (-(-side // stride) for side in (h, w))
    padded = np.pad(y, ((0, 0), (0, stride + start), (0, stride + start), (0, 0)))
    return padded[:, start::stride, start::stride][:, :rows, :columns]
