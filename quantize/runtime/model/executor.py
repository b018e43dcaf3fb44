"""Runs a network: images in, logits out."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from quantize.runtime import layers
from quantize.runtime.codes import Array, activation_values, arithmetic
from quantize.runtime.kernels import Kernels
from quantize.runtime.layers import Thresholds
from quantize.runtime.model.network import Network
from quantize.runtime.model.operations import Operation, Tensor, Value
from quantize.runtime.native import NativeKernels

BATCH = 32  # images at a time, where operations run one by one
# What the native kernels compute, in a program or one by one; the others are NumPy's.
_NATIVE = {
    "quantize",
    "depthwise",
    "conv",
    "reduction",
    "average_pool",
    "max_pool",
    "add",
    "float_conv",
    "global_pool",
} | {"dense"}
Step = Callable[..., Any]  # of kernels and the values an operation reads


def logits_of(network: Network, kernels: Kernels) -> Callable[[Array], Array]:
    """Returns a function of images uint8 `[N, H, W, C]`, of the network's size, that computes logits float32
    `[N, classes]`. One thread may call it at a time."""
    values = network.values()
    steps = [
        _STEPS[operation.kind](operation, values, _margin(network, number + 1))
        for number, operation in enumerate(network.operations)
    ]
    last_reader = {value: number for number, operation in enumerate(network.operations) for value in operation.inputs}

    def run(kernels: Kernels, x: Array) -> Array:
        kept: dict[int, Any] = {0: x}
        for number, (operation, step) in enumerate(zip(network.operations, steps, strict=True)):
            kept[number + 1] = step(kernels, *(kept[i] for i in operation.inputs))
            for value in set(operation.inputs):
                if last_reader[value] == number:
                    del kept[value]
        return kept[len(steps)]

    if isinstance(kernels, NativeKernels) and _recordable(network, values):
        shape = values[0].shape
        program = kernels.program(run, np.zeros((1, *shape), np.float32))
        return lambda images: program(network.preprocessing.normalise(images))

    def one_by_one(images: Array) -> Array:
        parts = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
        found = [run(kernels, network.preprocessing.normalise(part)) for part in parts]
        return np.concatenate(found) if found else np.zeros((0, len(network.class_names)), np.float32)

    return one_by_one


def _recordable(network: Network, values: Sequence[Value]) -> bool:
    """Whether native kernels compute all of a network; they join bit planes in multiples of 32 channels only."""
    return all(
        operation.kind in _NATIVE
        and (
            operation.kind != "quantize"
            or arithmetic(operation.attributes["scheme"]).bits > 2
            or not any(values[i].shape[2] % 32 for i in operation.inputs[:-1])
        )
        for operation in network.operations
    )


def _margin(network: Network, value: int) -> int:
    """Pixels around the codes of a value that operations read."""
    margin = 0
    for operation in network.operations:
        if value in operation.inputs[:1] and operation.kind in ("depthwise", "conv", "reduction"):
            side = 3 if operation.kind == "reduction" else operation.tensors["weights"].array.shape[0]
            margin = max(margin, side // 2)
    return margin


def _floats(operation: Operation, name: str, count: int, default: float) -> Array:
    """A scale or an offset that may be missing."""
    tensor = operation.tensors.get(name)
    return np.full(count, default, np.float32) if tensor is None else tensor.floats


def _affine(operation: Operation, count: int) -> tuple[Array, Array]:
    return _floats(operation, "scale", count, 1.0), _floats(operation, "offset", count, 0.0)


def _quantize(operation: Operation, _values: Sequence[Value], margin: int) -> Step:
    scheme, factor = operation.attributes["scheme"], operation.attributes["factor"]
    return lambda kernels, *xs: kernels.quantize(xs if len(xs) > 1 else xs[0], scheme, factor, margin)


def _depthwise(operation: Operation, _values: Sequence[Value], margin: int) -> Step:
    weights = operation.tensors["weights"]
    channels = weights.array.shape[2]
    scale, offset = _affine(operation, channels)
    if "thresholds" in operation.tensors:
        found = operation.tensors["thresholds"].array.astype(np.int32), operation.tensors["flip"].array
        layer = layers.Depthwise(weights.dtype, weights.array, scale, offset, Thresholds(*found))
    else:
        layer = layers.depthwise(weights.array, weights.dtype, scale, offset)
    return lambda kernels, x: kernels.depthwise(x, layer, margin)


def _conv(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    weights = operation.tensors["weights"]
    layer = layers.conv(weights.array, weights.dtype, *_affine(operation, weights.array.shape[3]))
    return lambda kernels, x, residual=None: kernels.conv(x, layer, residual)


def _reduction(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    pair: list[Tensor] = [operation.tensors[name] for name in ("first", "second")]
    widths = [tensor.array.shape[1] for tensor in pair]
    scale, offset = _affine(operation, sum(widths))
    parts = [slice(0, widths[0]), slice(widths[0], None)]
    both = [
        layers.conv(tensor.array[None, None], tensor.dtype, scale[part], offset[part])
        for tensor, part in zip(pair, parts, strict=True)
    ]
    return lambda kernels, x: kernels.factorized_reduction(x, *both)


def _activate(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    scheme = operation.attributes["scheme"]
    factor, unit = (np.float32(operation.attributes[name]) for name in ("factor", "unit"))
    return lambda _, x: activation_values(x * factor, scheme).astype(np.float32) * unit


def _float_depthwise(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    weights = operation.tensors["weights"].floats * _floats(operation, "scale", 1, 1.0)
    side = weights.shape[0]

    def step(_kernels: Kernels, x: Array) -> Array:
        height, width = x.shape[1:3]
        padded = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2, (0, 0)))
        y = np.zeros_like(x)
        for i in range(side):
            for j in range(side):
                y += padded[:, i : i + height, j : j + width] * weights[i, j]
        return y

    return step


_WINDOW = 256  # channels of the kernels' windows


def _float_conv(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    weights = operation.tensors["weights"].floats
    channels, outputs = weights.shape[2:]
    scale, offset = _affine(operation, outputs)
    if len(weights) == 1 or channels <= _WINDOW:
        return lambda kernels, x: kernels.float_conv(x, weights, scale, offset)
    none = np.zeros(outputs, np.float32)

    def step(kernels: Kernels, x: Array) -> Array:
        y = np.zeros((*x.shape[:3], outputs), np.float32)
        for first in range(0, channels, _WINDOW):
            part = slice(first, first + _WINDOW)
            y += kernels.float_conv(np.ascontiguousarray(x[..., part]), weights[:, :, part], none + 1, none)
        return y * scale + offset

    return step


def _dense(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    weights = operation.tensors["weights"].floats
    scale, offset = _affine(operation, weights.shape[1])
    scaled = weights * scale
    return lambda kernels, x: kernels.dense(x, scaled, offset)


def _channels(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    first, count = operation.attributes["first"], operation.attributes["count"]
    return lambda _, x: x[..., first : first + count]


def _subsampled(x: Array, start: int) -> Array:
    _, height, width, _ = x.shape
    padded = np.pad(x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    return np.ascontiguousarray(padded[:, start::2, start::2])


def quantized_images(x: Array) -> Array:
    """8 bits fixed point on [-4, 4), halves to the even neighbour; see `quantize.schemes.quantized_image`."""
    return np.rint(np.clip(x, np.float32(-4), np.float32(4 - 1 / 32)) * np.float32(32)) / np.float32(32)


def _simple(function: Callable[..., Any]) -> Callable[..., Step]:
    """Of operations without weights: function(kernels, attributes, *values)."""
    return lambda operation, _values, _margin: lambda kernels, *xs: function(kernels, operation.attributes, *xs)


_STEPS: dict[str, Callable[[Operation, Sequence[Value], int], Step]] = {
    "quantize_image": _simple(lambda _, __, x: quantized_images(x)),
    "quantize": _quantize,
    "activate": _activate,
    "relu": _simple(lambda _, found, x: np.maximum(x, np.float32(0)) * np.float32(found["factor"])),
    "depthwise": _depthwise,
    "conv": _conv,
    "reduction": _reduction,
    "float_depthwise": _float_depthwise,
    "float_conv": _float_conv,
    "average_pool": _simple(lambda kernels, _, x: kernels.average_pool(x)),
    "max_pool": _simple(lambda kernels, _, x: kernels.max_pool(x)),
    "add": _simple(lambda kernels, found, x, y: kernels.add(x, y, found["factor"])),
    "concat": _simple(lambda _, __, *xs: np.concatenate(xs, axis=3)),
    "channels": _channels,
    "subsample": _simple(lambda _, found, x: _subsampled(x, found["start"])),
    "pad_even": _simple(lambda _, __, x: np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))),
    "global_pool": _simple(lambda kernels, _, x: kernels.global_pool(x, relu=True)),
    "dense": _dense,
}


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The classes of one image, likeliest first.

    Attributes:
      classes: numbers of classes.
      probabilities: of these, by the softmax of all logits.
    """

    classes: tuple[int, ...]
    probabilities: tuple[float, ...]


def predictions(logits: Array, top: int) -> list[Prediction]:
    """The `top` likeliest classes of each image, of logits `[N, classes]`."""
    shifted = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
    shares = shifted / shifted.sum(axis=1, keepdims=True)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    return [
        Prediction(tuple(map(int, row)), tuple(map(float, share[row])))
        for row, share in zip(order, shares, strict=True)
    ]
