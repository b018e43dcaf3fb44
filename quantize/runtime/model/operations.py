"""The operations of a network, their weights, and which of them fit each other. `docs/packed_format.md` says what each
computes."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from quantize.runtime.codes import SCHEMES, Array, arithmetic

# Bits of a stored number that is no weight of a scheme.
NUMBER_BITS = {"float32": 32, "float16": 16, "int16": 16, "int8": 8, "bool": 1}
MOST_VALUES = 2**28  # of a tensor, or of a value of one image: a gigabyte of floats
# {kind: ({tensor: its possible dtypes}, attributes)}; "?" ends the names of tensors that may be missing.
_WEIGHTS = ("float32", "float16", *SCHEMES)
_AFFINE = {"scale?": ("float32",), "offset?": ("float32",)}
_KINDS: dict[str, tuple[dict[str, Sequence[str]], tuple[str, ...]]] = {
    "quantize_image": ({}, ()),
    "quantize": ({}, ("scheme", "factor")),
    "activate": ({}, ("scheme", "factor", "unit")),
    "relu": ({}, ("factor",)),
    "depthwise": (
        {
            "weights": tuple(SCHEMES),
            "thresholds?": ("int8", "int16"),
            "flip?": ("bool",),
            "scale?": ("float32",),
            "offset?": ("float32",),
        },
        (),
    ),
    "conv": ({"weights": tuple(SCHEMES), **_AFFINE}, ()),
    "reduction": ({"first": tuple(SCHEMES), "second": tuple(SCHEMES), **_AFFINE}, ()),
    "float_depthwise": ({"weights": _WEIGHTS, "scale?": ("float32",)}, ()),
    "float_conv": ({"weights": _WEIGHTS, **_AFFINE}, ()),
    "average_pool": ({}, ()),
    "max_pool": ({}, ()),
    "add": ({}, ("factor",)),
    "concat": ({}, ()),
    "channels": ({}, ("first", "count")),
    "subsample": ({}, ("start",)),
    "pad_even": ({}, ()),
    "global_pool": ({}, ()),
    "dense": ({"weights": _WEIGHTS, "scale?": ("float32",), "offset": ("float32",)}, ()),
}
# How many values an operation reads; others read one.
_READS = {"quantize": (1, 1000), "concat": (1, 1000), "add": (2, 2), "conv": (1, 2)}


class NetworkError(ValueError):
    """The operations do not make a network. The message is one line."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """Numbers with the width at which they are stored.

    Attributes:
      dtype: a scheme, whose weights the values are (see `codes.weight_values`), or one of `NUMBER_BITS`.
      array: int8 of a scheme, else of that dtype.
    """

    dtype: str
    array: Array

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tensor) and self.dtype == other.dtype and np.array_equal(self.array, other.array)

    @property
    def bits(self) -> int:
        """Bits of a stored number."""
        return NUMBER_BITS[self.dtype] if self.dtype in NUMBER_BITS else arithmetic(self.dtype).bits

    @property
    def floats(self) -> Array:
        """The numbers as float32; those of a scheme are whole, not in their unit."""
        return self.array.astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Operation:
    """One step of a network.

    Attributes:
      kind: what it computes.
      inputs: the values that it reads.
      tensors: its weights by name.
      attributes: numbers and texts by name.
    """

    kind: str
    inputs: tuple[int, ...]
    tensors: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Value:
    """What an operation makes of one image.

    Attributes:
      shape: `[H, W, C]`, or `[C]`.
      scheme: of quantized activations; "": float32.
    """

    shape: tuple[int, ...]
    scheme: str = ""

    def __str__(self) -> str:
        return f"{self.scheme or 'float'} values {list(self.shape)}"


def value_of(operation: Operation, values: Sequence[Value]) -> Value:
    """What an operation makes of the values before it.

    Raises:
      NetworkError: the operation is none, or does not fit them.
    """
    if operation.kind not in _KINDS:
        raise NetworkError("there is no such operation")
    _check_parts(operation)
    least, most = _READS.get(operation.kind, (1, 1))
    if not least <= len(operation.inputs) <= most or any(not 0 <= i < len(values) for i in operation.inputs):
        raise NetworkError(f"reads the values {list(operation.inputs)[:9]}")
    made = _RULES.get(operation.kind, _same)(operation, [values[i] for i in operation.inputs])
    if math.prod(made.shape) > MOST_VALUES or 0 in made.shape:
        raise NetworkError(f"makes {made}")
    return made


def _check_parts(operation: Operation) -> None:
    tensors, attributes = _KINDS[operation.kind]
    known = {name.rstrip("?"): dtypes for name, dtypes in tensors.items()}
    needed = {name for name in tensors if not name.endswith("?")}
    found = set(operation.tensors)
    if not needed <= found <= set(known) or set(operation.attributes) != set(attributes):
        raise NetworkError(f"has tensors {sorted(found)} and attributes {sorted(operation.attributes)}")
    for name, tensor in operation.tensors.items():
        if tensor.dtype not in known[name]:
            raise NetworkError(f"{name} is {tensor.dtype}")
        if tensor.dtype.startswith("float") and not np.isfinite(tensor.array).all():
            raise NetworkError(f"{name} is not finite")
    for name, value in operation.attributes.items():
        if name == "scheme":
            _check(value in SCHEMES, f"scheme is {value!r}")
        elif name in ("first", "count", "start"):
            _check(type(value) is int and 0 <= value < 2**31, f"{name} is {value!r}")
        else:
            _check(type(value) in (int, float) and 0 < value < math.inf, f"{name} is {value!r}")


def _check(fits: bool, found: str) -> None:
    if not fits:
        raise NetworkError(found)


def _shape(operation: Operation, name: str, *shape: int | None) -> tuple[int, ...]:
    """The shape of a tensor that may be missing; None stands for any number from 1 on."""
    if name not in operation.tensors:
        return ()
    found = operation.tensors[name].array.shape
    fits = len(found) == len(shape) and all(a == b or (b is None and a > 0) for a, b in zip(found, shape, strict=True))
    _check(fits, f"{name} has shape {list(found)}, expected {['any' if side is None else side for side in shape]}")
    return found


def _square(operation: Operation, sides: Sequence[int], *channels: int | None) -> tuple[int, ...]:
    shape = _shape(operation, "weights", None, None, *channels)
    _check(shape[0] == shape[1] and shape[0] in sides, f"weights have shape {list(shape)}")
    return shape


def _is(value: Value, scheme: str, rank: int = 3) -> tuple[int, ...]:
    _check(value.scheme == scheme and len(value.shape) == rank, f"reads {value}")
    return value.shape


def _affine(operation: Operation, channels: int) -> None:
    for name in ("scale", "offset"):
        _shape(operation, name, channels)


def _same(_operation: Operation, inputs: Sequence[Value]) -> Value:
    """Of operations on floats whose result has their shape."""
    return Value(_is(inputs[0], ""))


def _quantize(operation: Operation, inputs: Sequence[Value]) -> Value:
    height, width, channels = _joined(inputs)
    return Value((height, width, channels), operation.attributes["scheme"])


def _joined(inputs: Sequence[Value]) -> tuple[int, int, int]:
    shapes = [_is(value, "") for value in inputs]
    _check(len({shape[:2] for shape in shapes}) == 1, f"joins {[list(shape) for shape in shapes]}")
    return shapes[0][0], shapes[0][1], sum(shape[2] for shape in shapes)


def _depthwise(operation: Operation, inputs: Sequence[Value]) -> Value:
    scheme = operation.tensors["weights"].dtype
    height, width, channels = _is(inputs[0], scheme)
    side = _square(operation, (3, 5), channels)[0]
    _affine(operation, channels)
    if scheme in ("binary", "ternary", "k1"):
        _check({"thresholds", "flip"} == set(operation.tensors) - {"weights"}, "has no thresholds")
        levels = _shape(operation, "thresholds", 2 if scheme == "ternary" else 1, channels)[0]
        values = operation.tensors["thresholds"].array.astype(np.int32)
        ascending = levels == 1 or bool((values[0] <= values[1]).all())
        _check(ascending and int(np.abs(values).max()) <= side * side + 1, "thresholds are not those of sums")
        _shape(operation, "flip", channels)
    else:
        _check({"scale", "offset"} == set(operation.tensors) - {"weights"}, "has no scale and offset")
    return Value((height, width, channels), scheme)


def _conv(operation: Operation, inputs: Sequence[Value]) -> Value:
    scheme = operation.tensors["weights"].dtype
    height, width, channels = _is(inputs[0], scheme)
    outputs = _square(operation, (1, 3, 5), channels, None)[3]
    _affine(operation, outputs)
    made = Value((height, width, outputs))
    _check(len(inputs) == 1 or inputs[1] == made, f"adds {inputs[-1]} to {made}")
    return made


def _reduction(operation: Operation, inputs: Sequence[Value]) -> Value:
    scheme = operation.tensors["first"].dtype
    height, width, channels = _is(inputs[0], scheme)
    _check(operation.tensors["second"].dtype == scheme, "has weights of two schemes")
    _check(scheme != "binary" or not (height % 2 or width % 2), "binary codes have no zero beyond an odd side")
    outputs = sum(_shape(operation, name, channels, None)[1] for name in ("first", "second"))
    _affine(operation, outputs)
    return Value((-(-height // 2), -(-width // 2), outputs))


def _float_depthwise(operation: Operation, inputs: Sequence[Value]) -> Value:
    shape = _is(inputs[0], "")
    _square(operation, (3, 5), shape[2])
    _affine(operation, shape[2])
    return Value(shape)


def _float_conv(operation: Operation, inputs: Sequence[Value]) -> Value:
    height, width, channels = _is(inputs[0], "")
    outputs = _square(operation, (1, 3, 5), channels, None)[3]
    _affine(operation, outputs)
    return Value((height, width, outputs))


def _add(_operation: Operation, inputs: Sequence[Value]) -> Value:
    _is(inputs[0], "")
    _check(inputs[0] == inputs[1], f"adds {inputs[0]} and {inputs[1]}")
    return inputs[0]


def _channels(operation: Operation, inputs: Sequence[Value]) -> Value:
    height, width, channels = _is(inputs[0], "")
    first, count = (operation.attributes[name] for name in ("first", "count"))
    _check(first + count <= channels, f"takes channels {first} to {first + count} of {channels}")
    return Value((height, width, count))


def _subsample(operation: Operation, inputs: Sequence[Value]) -> Value:
    height, width, channels = _is(inputs[0], "")
    _check(operation.attributes["start"] in (0, 1), f"starts at {operation.attributes['start']}")
    return Value((-(-height // 2), -(-width // 2), channels))


def _pad_even(_operation: Operation, inputs: Sequence[Value]) -> Value:
    height, width, channels = _is(inputs[0], "")
    return Value((height + height % 2, width + width % 2, channels))


def _dense(operation: Operation, inputs: Sequence[Value]) -> Value:
    (channels,) = _is(inputs[0], "", rank=1)
    _, outputs = _shape(operation, "weights", channels, None)
    _affine(operation, outputs)
    return Value((outputs,))


_RULES = {
    "quantize": _quantize,
    "depthwise": _depthwise,
    "conv": _conv,
    "reduction": _reduction,
    "float_depthwise": _float_depthwise,
    "float_conv": _float_conv,
    "add": _add,
    "concat": lambda _, inputs: Value(_joined(inputs)),
    "channels": _channels,
    "subsample": _subsample,
    "pad_even": _pad_even,
    "global_pool": lambda _, inputs: Value(_is(inputs[0], "")[2:]),
    "dense": _dense,
}
