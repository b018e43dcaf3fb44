"""Runs a network: images in, logits out."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from quantize.runtime import layers
from quantize.runtime.codes import Array
from quantize.runtime.kernels import Kernels
from quantize.runtime.layers import Thresholds
from quantize.runtime.model.network import Network
from quantize.runtime.model.operations import Operation, Tensor, Value
from quantize.runtime.numpy_kernels import NumpyKernels

BATCH = 32  # images at a time, where operations run one by one
Step = Callable[..., Any]  # of kernels and the values an operation reads


def logits_of(network: Network, kernels: Kernels) -> Callable[[Array], Array]:
    """Returns a function of images uint8 `[N, H, W, C]`, of the network's size, that computes logits float32
    `[N, classes]`. One thread may call it at a time."""
    run = function_of(network)
    if isinstance(kernels, NumpyKernels):
        return lambda images: _in_batches(lambda x: run(kernels, x), network, images)
    program = kernels.program(run, np.zeros((1, *network.values()[0].shape), np.float32))
    return lambda images: program(network.preprocessing.normalise(images))


def function_of(network: Network) -> Callable[[Kernels, Array], Array]:
    """Returns a function of kernels and normalised images that computes logits."""
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

    return run


def _in_batches(run: Callable[[Array], Array], network: Network, images: Array) -> Array:
    parts = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
    found = [run(network.preprocessing.normalise(part)) for part in parts]
    return np.concatenate(found) if found else np.zeros((0, len(network.class_names)), np.float32)


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


def _float_depthwise(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    weights = operation.tensors["weights"].floats * _floats(operation, "scale", 1, 1.0)
    return lambda kernels, x: kernels.float_depthwise(x, weights)


_WINDOW = 256  # channels of the kernels' windows


def _float_conv(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    weights = operation.tensors["weights"].floats
    channels, outputs = weights.shape[2:]
    scale, offset = _affine(operation, outputs)
    if len(weights) == 1 or channels <= _WINDOW:
        return lambda kernels, x: kernels.float_conv(x, weights, scale, offset)
    parts = [(first, min(_WINDOW, channels - first)) for first in range(0, channels, _WINDOW)]

    def step(kernels: Kernels, x: Array) -> Array:
        ys = [
            kernels.float_conv(kernels.channels(x, first, count), weights[:, :, first : first + count], scale, added)
            for (first, count), added in zip(parts, [offset, *[0 * offset] * len(parts)], strict=False)
        ]
        return functools.reduce(kernels.add, ys)

    return step


def _dense(operation: Operation, _values: Sequence[Value], _margin: int) -> Step:
    weights = operation.tensors["weights"].floats
    scale, offset = _affine(operation, weights.shape[1])
    scaled = weights * scale
    return lambda kernels, x: kernels.dense(x, scaled, offset)


def _simple(function: Callable[..., Any]) -> Callable[..., Step]:
    """Of operations without weights: function(kernels, attributes, *values)."""
    return lambda operation, _values, _margin: lambda kernels, *xs: function(kernels, operation.attributes, *xs)


_STEPS: dict[str, Callable[[Operation, Sequence[Value], int], Step]] = {
    "quantize_image": _simple(lambda kernels, _, x: kernels.quantize_image(x)),
    "quantize": _quantize,
    "activate": _simple(lambda kernels, found, x: kernels.activate(x, found["scheme"], found["factor"], found["unit"])),
    "relu": _simple(lambda kernels, found, x: kernels.relu(x, found["factor"])),
    "depthwise": _depthwise,
    "conv": _conv,
    "reduction": _reduction,
    "float_depthwise": _float_depthwise,
    "float_conv": _float_conv,
    "average_pool": _simple(lambda kernels, _, x: kernels.average_pool(x)),
    "max_pool": _simple(lambda kernels, _, x: kernels.max_pool(x)),
    "add": _simple(lambda kernels, found, x, y: kernels.add(x, y, found["factor"])),
    "concat": _simple(lambda kernels, _, *xs: kernels.concat(xs)),
    "channels": _simple(lambda kernels, found, x: kernels.channels(x, found["first"], found["count"])),
    "subsample": _simple(lambda kernels, found, x: kernels.subsample(x, found["start"])),
    "pad_even": _simple(lambda kernels, _, x: kernels.pad_even(x)),
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
