"""ONNX in standard operators: codes and weights stand behind QuantizeLinear and DequantizeLinear, weights at 2, 4 or 8 bits.

Nothing here imports TensorFlow.
"""

import json
import os
from typing import Any

import numpy as np

from enas.errors import UserError
from enas.export import extras
from enas.export.formats import OpenedModel
from enas.files import write_bytes_atomically
from quantize.runtime.codes import Array, Kind, arithmetic
from quantize.runtime.model.network import Network, described
from quantize.runtime.model.operations import Tensor

SLOW = False
# The first opset that has INT2; runtimes read the IR version that came with it.
_OPSET, _IR_VERSION = 25, 13


def write(network: Network, path: str, floats: bool = False, narrowest: int = 2) -> None:
    """Writes an .onnx file.

    Args:
      floats: codes and weights are floats that hold whole numbers, for comparison.
      narrowest: least bits of a stored weight, 2, 4 or 8; runtimes that don't know INT2 want more.
    """
    extras.need("onnx", "onnx")
    from onnx import TensorProto, helper, numpy_helper

    from enas.export import onnx_nodes

    class Standard(onnx_nodes.Nodes):
        def codes(self, x: str, scheme: str) -> str:
            of, one = arithmetic(scheme), self.scalar(1.0)
            if of.kind == Kind.BINARY:
                x = self.node("Where", self.node("GreaterOrEqual", x, self.scalar(0.0)), one, self.scalar(-1.0))
            else:
                least = -1.0 if of.kind == Kind.TERNARY else 0.0
                x = self.node("Clip", x, self.scalar(least), self.scalar(of.levels))
            if floats:
                return x if of.kind == Kind.BINARY else self.node("Round", x)
            # Unsigned throughout: onnxruntime 1.32 mistakes the type of signed ones that a Slice reads.
            zero = self.constant(np.array(of.kind in (Kind.BINARY, Kind.TERNARY), np.uint8))
            return self.node("DequantizeLinear", self.node("QuantizeLinear", x, one, zero), one, zero)

        def quantized(self, tensor: Tensor, values: Array) -> str:
            if floats:
                return self.constant(values.astype(np.float32))
            width = max(narrowest, 2 if tensor.bits <= 2 else 4 if tensor.bits <= 4 else 8)
            # Packed: `make_tensor` would write each byte of a negative number as ten.
            dtype = helper.tensor_dtype_to_np_dtype(getattr(TensorProto, f"INT{width}"))
            name, stored = f"weights_{len(self.constants)}", values.astype(dtype)
            self.constants.append(numpy_helper.from_array(stored, name))
            return self.node("DequantizeLinear", name, self.scalar(1.0))

    graph = Standard(network).graph()
    made = onnx_nodes.model(network, graph, [helper.make_opsetid("", _OPSET)], _IR_VERSION)
    write_bytes_atomically(path, made.SerializeToString())


def recognises(path: str) -> bool:
    """Whether a file's name ends in .onnx, but not in .qonnx.onnx."""
    return path.endswith(".onnx") and not path.endswith(".qonnx.onnx") and os.path.isfile(path)


def open_model(path: str) -> OpenedModel:
    """Opens an .onnx file with onnxruntime."""
    extras.need("onnxruntime", "onnx")
    import onnxruntime

    try:
        session: Any = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        form, names, _ = described(json.loads(session.get_modelmeta().custom_metadata_map["enas"]))
    # onnxruntime has an exception of its own for each way in which a file is damaged.
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not an ONNX file of export_child.py ({words})") from None
    parts = lambda images: [images[i : i + 100] for i in range(0, len(images), 100)]  # noqa: E731
    return OpenedModel(
        form, names, lambda images: np.concatenate([session.run(None, {"images": part})[0] for part in parts(images)])
    )
