"""The nodes of a network in ONNX, for the formats `onnx` and `qonnx`, which differ in how they say that numbers are
quantized.

Images are `[N, H, W, C]` bytes; inside, values are `[N, C, H, W]`. Codes are floats that hold whole numbers, so sums of them
are exact; their units are parts of the scales that follow.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from quantize.runtime.codes import Array, Kind, arithmetic
from quantize.runtime.layers import Thresholds, affine_of
from quantize.runtime.model.network import Network
from quantize.runtime.model.operations import Operation, Tensor, Value

METADATA = "enas"  # the key of what a model says of its images and classes
INPUT, OUTPUT = "images", "logits"


class Nodes(ABC):
    """The nodes so far. Names of values are texts."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    @abstractmethod
    def codes(self, x: str, scheme: str) -> str:
        """The values of quantized activations, of x, to which the activation is applied."""

    @abstractmethod
    def quantized(self, tensor: Tensor, values: Array) -> str:
        """The weights of a scheme.

        Args:
          tensor: as they are stored.
          values: the same in the order that a node takes.
        """

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Appends a node; returns its output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, domain=domain, **attributes))
        return name

    def constant(self, array: Array) -> str:
        """A constant; equal ones are stored once."""
        key = str(array.dtype), array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = f"constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def scalar(self, value: float) -> str:
        """A float."""
        return self.constant(np.array(value, np.float32))

    def times(self, x: str, factor: float) -> str:
        """x times a number."""
        return x if factor == 1.0 else self.node("Mul", x, self.scalar(factor))

    def weights(self, tensor: Tensor, values: Array) -> str:
        """Weights of any dtype; see `quantized`."""
        if tensor.dtype == "float32":
            return self.constant(values)
        if tensor.dtype == "float16":
            return self.node("Cast", self.constant(values), to=TensorProto.FLOAT)
        return self.quantized(tensor, values)

    def affine(self, x: str, scale: Array | None, offset: Array | None) -> str:
        """x `[N, C, H, W]` times a scale plus an offset `[C]`."""
        for kind, array in (("Mul", scale), ("Add", offset)):
            if array is not None:
                x = self.node(kind, x, self.constant(array.astype(np.float32)[:, None, None]))
        return x

    def conv(self, x: str, tensor: Tensor, values: Array, **attributes: Any) -> str:
        """A convolution with weights `[D, C, k, k]`, zero padding."""
        side = values.shape[2]
        pads = [side // 2] * 4
        return self.node("Conv", x, self.weights(tensor, values), kernel_shape=[side, side], pads=pads, **attributes)

    def graph(self) -> Any:
        """The whole graph of the network."""
        form = self.network.preprocessing
        x = self.node("Cast", INPUT, to=TensorProto.FLOAT)
        x = self.node("Div", x, self.scalar(255.0))
        for kind, numbers in (("Sub", form.mean), ("Div", form.std)):
            x = self.node(kind, x, self.constant(np.array(numbers, np.float32)))
        names = [self.node("Transpose", x, perm=[0, 3, 1, 2])]
        values = self.network.values()
        for operation in self.network.operations:
            inputs = [(names[i], values[i]) for i in operation.inputs]
            names.append(getattr(self, f"_{operation.kind}")(operation, inputs))
        self.nodes.append(helper.make_node("Identity", [names[-1]], [OUTPUT], OUTPUT))
        shapes = [form.height, form.width, form.channels]
        image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", *shapes])
        logits = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", len(self.network.class_names)])
        return helper.make_graph(self.nodes, "child", [image], [logits], self.constants)

    def _quantize_image(self, _operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        x = self.times(inputs[0][0], 32.0)
        return self.times(self.node("Round", self.node("Clip", x, self.scalar(-128), self.scalar(127))), 1 / 32)

    def _quantize(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self._coded(self._concat(operation, inputs), operation.attributes)

    def _coded(self, x: str, attributes: Any) -> str:
        of, x = arithmetic(attributes["scheme"]), self.times(x, attributes["factor"])
        return self.codes(self.times(x, of.levels), of.name)

    def _activate(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self.times(self._coded(inputs[0][0], operation.attributes), operation.attributes["unit"])

    def _relu(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self.node("Relu", self.times(inputs[0][0], operation.attributes["factor"]))

    def _depthwise(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        tensors = operation.tensors
        of = arithmetic(tensors["weights"].dtype)
        x = self._grouped(inputs[0][0], tensors["weights"])
        if "thresholds" in tensors:
            found = Thresholds(tensors["thresholds"].array.astype(np.int32), tensors["flip"].array)
            scale, offset = affine_of(found, of.name)
        else:
            scale, offset = (tensors[name].array * np.float32(of.levels) for name in ("scale", "offset"))
        return self.codes(self.affine(x, scale, offset), of.name)

    def _grouped(self, x: str, tensor: Tensor) -> str:
        values = tensor.array.transpose(2, 0, 1)[:, None]
        return self.conv(x, tensor, values, group=len(values))

    def _conv(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        y = self._float_conv(operation, inputs)
        return y if len(inputs) == 1 else self.node("Add", y, inputs[1][0])

    def _reduction(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        halves = []
        for start, name in enumerate(("first", "second")):
            x, tensor = self._every_second(*inputs[0], start), operation.tensors[name]
            halves.append(self.conv(x, tensor, tensor.array.T[:, :, None, None]))
        return self._scaled(self.node("Concat", *halves, axis=1), operation)

    def _scaled(self, x: str, operation: Operation) -> str:
        arrays = [operation.tensors[name].array if name in operation.tensors else None for name in ("scale", "offset")]
        return self.affine(x, *arrays)

    def _float_depthwise(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self._scaled(self._grouped(inputs[0][0], operation.tensors["weights"]), operation)

    def _float_conv(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        tensor = operation.tensors["weights"]
        return self._scaled(self.conv(inputs[0][0], tensor, tensor.array.transpose(3, 2, 0, 1)), operation)

    def _average_pool(self, _operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self.node("AveragePool", inputs[0][0], kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])

    def _max_pool(self, _operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self.node("MaxPool", inputs[0][0], kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])

    def _add(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self.times(self.node("Add", inputs[0][0], inputs[1][0]), operation.attributes["factor"])

    def _concat(self, _operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        names = [name for name, _ in inputs]
        return names[0] if len(names) == 1 else self.node("Concat", *names, axis=1)

    def _channels(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        first = operation.attributes["first"]
        return self._slice(inputs[0][0], [first], [first + operation.attributes["count"]], [1], [1])

    def _slice(self, x: str, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> str:
        return self.node("Slice", x, *(self.constant(np.array(each, np.int64)) for each in (starts, ends, axes, steps)))

    def _subsample(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self._every_second(*inputs[0], operation.attributes["start"])

    def _every_second(self, x: str, value: Value, start: int) -> str:
        return self._slice(self._even(x, value), [start, start], [2**31 - 1] * 2, [2, 3], [2, 2])

    def _pad_even(self, _operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self._even(*inputs[0])

    def _even(self, x: str, value: Value) -> str:
        height, width = value.shape[:2]
        if height % 2 == width % 2 == 0:
            return x
        pads = np.array([0, 0, 0, 0, 0, 0, height % 2, width % 2], np.int64)
        return self.node("Pad", x, self.constant(pads), self.scalar(0.0))

    def _global_pool(self, _operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        return self.node("Flatten", self.node("GlobalAveragePool", self.node("Relu", inputs[0][0])), axis=1)

    def _dense(self, operation: Operation, inputs: Sequence[tuple[str, Value]]) -> str:
        tensor = operation.tensors["weights"]
        x = self.node("MatMul", inputs[0][0], self.weights(tensor, tensor.array))
        for kind, name in (("Mul", "scale"), ("Add", "offset")):
            if name in operation.tensors:
                x = self.node(kind, x, self.constant(operation.tensors[name].array))
        return x


def model(network: Network, graph: Any, opsets: Sequence[Any], ir_version: int) -> Any:
    """A checked model of a graph, with what its images and classes are."""
    made = helper.make_model(graph, producer_name="enas-quantized", opset_imports=opsets, ir_version=ir_version)
    helper.set_model_props(made, {METADATA: json.dumps(network.metadata())})
    onnx.checker.check_model(made)
    return made


def is_bipolar(scheme: str) -> bool:
    """Whether activations of a scheme are -1 and +1."""
    return arithmetic(scheme).kind == Kind.BINARY
