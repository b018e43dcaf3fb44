"""QONNX: ONNX whose Quant and BipolarQuant nodes say the width of every activation and weight, which FINN and hls4ml read.

Files end in .qonnx.onnx. Nothing here imports TensorFlow.
"""

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from enas.errors import UserError
from enas.export import extras
from enas.export.formats import OpenedModel
from enas.files import write_bytes_atomically
from quantize.runtime.codes import Array, Kind, arithmetic
from quantize.runtime.model.network import Network, described
from quantize.runtime.model.operations import Tensor

_OPSET, _IR_VERSION = 17, 8
_DOMAIN = "qonnx.custom_op.general"
SLOW = True  # a session of onnxruntime is opened for each node and batch
_MOST_PIXELS = 2**17  # of a batch: the executor keeps all values


def write(network: Network, path: str) -> None:
    """Writes a .qonnx.onnx file."""
    extras.need("onnx", "qonnx")
    from onnx import helper

    from enas.export import onnx_nodes

    if not path.endswith(".qonnx.onnx"):
        raise UserError(f"--output={os.path.basename(path)}: expected a name that ends in .qonnx.onnx")

    class Quantized(onnx_nodes.Nodes):
        def _bipolar(self, x: str) -> str:
            return self.node("BipolarQuant", x, self.scalar(1.0), domain=_DOMAIN)

        def _quant(self, x: str, bits: int, signed: bool, narrow: bool = False) -> str:
            numbers = [self.scalar(value) for value in (1.0, 0.0, float(bits))]
            flags = {"signed": int(signed), "narrow": int(narrow), "rounding_mode": "ROUND"}
            return self.node("Quant", x, *numbers, domain=_DOMAIN, **flags)

        def codes(self, x: str, scheme: str) -> str:
            of = arithmetic(scheme)
            if of.kind == Kind.BINARY:
                return self._bipolar(x)
            ternary = of.kind == Kind.TERNARY
            return self._quant(x, of.bits, ternary, ternary)

        def quantized(self, tensor: Tensor, values: Array) -> str:
            w = self.constant(values.astype(np.float32))
            if tensor.bits == 1:
                return self._bipolar(w)
            return self._quant(w, tensor.bits, True, tensor.dtype == "ternary")

    graph = Quantized(network).graph()
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_DOMAIN, 1)]
    made = onnx_nodes.model(network, graph, opsets, _IR_VERSION)
    write_bytes_atomically(path, made.SerializeToString())


def recognises(path: str) -> bool:
    """Whether a file's name ends in .qonnx.onnx."""
    return path.endswith(".qonnx.onnx") and os.path.isfile(path)


def open_model(path: str) -> OpenedModel:
    """Opens a .qonnx.onnx file with the executor of the `qonnx` package."""
    extras.need("qonnx", "qonnx")
    from qonnx.core.modelwrapper import ModelWrapper

    try:
        model: Any = ModelWrapper(path)
        stored = {entry.key: entry.value for entry in model.model.metadata_props}
        form, names, _ = described(json.loads(stored["enas"]))
    # The package checks nothing by itself: what a damaged file ends in depends on the damage.
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a QONNX file of export_child.py ({words})") from None
    batch = max(1, min(1000, _MOST_PIXELS // (form.height * form.width)))
    shape = [batch, form.height, form.width, form.channels]
    model.set_tensor_shape(model.graph.input[0].name, shape)
    model.set_tensor_shape(model.graph.output[0].name, [batch, len(names)])
    return OpenedModel(form, names, _runner(model, batch))


def _runner(model: Any, batch: int) -> Callable[[Array], Array]:
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    model = model.transform(InferShapes())

    def logits(images: Array) -> Array:
        padded = np.concatenate([images, np.repeat(images[-1:], -len(images) % batch, axis=0)])
        parts = [padded[i : i + batch] for i in range(0, len(padded), batch)]
        return np.concatenate([execute_onnx(model, {"images": part})["logits"] for part in parts])[: len(images)]

    return logits
