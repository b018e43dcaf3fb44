"""The ONNX files: what onnxruntime, and the executor of the qonnx package, compute from them, and their widths."""

import json

import numpy as np
import pytest
from made_up_networks import network

from enas.errors import UserError
from enas.export import formats
from quantize.runtime.model import executor
from quantize.runtime.numpy_kernels import NumpyKernels

onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed: no onnx")
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 3), np.uint8)
NAMES = {"onnx": "child.onnx", "qonnx": "child.qonnx.onnx"}
SLOW = [pytest.param(scheme, marks=pytest.mark.slow) for scheme in ("k1", "k3", "k5", "k8")]


def same(found, expected):
    """Logits agree to rounding; a value that lies on the edge of a level may differ, in few images."""
    near = np.abs(found - expected).max(axis=1) <= 1e-4 * np.abs(expected).max()
    assert near.mean() >= 0.9, np.abs(found - expected).max(axis=1)


@pytest.mark.parametrize("scheme", ["binary", "ternary", "k2", "k4", *SLOW])
def test_onnxruntime_computes_the_networks_logits(scheme, tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed: no onnxruntime")
    made = network(scheme)
    formats.get("onnx").write(made, str(tmp_path / "child.onnx"))
    found = formats.open_model(str(tmp_path / "child.onnx"))
    assert (found.preprocessing, found.class_names) == (made.preprocessing, made.class_names)
    same(found.logits(IMAGES), executor.logits_of(made, NumpyKernels())(IMAGES))


@pytest.mark.parametrize("scheme", ["binary", "ternary", "k4", *SLOW])
def test_the_qonnx_packages_executor_computes_the_networks_logits(scheme, tmp_path):
    pytest.importorskip("qonnx", reason="the extra `export` is not installed: no qonnx")
    made = network(scheme)
    formats.get("qonnx").write(made, str(tmp_path / "child.qonnx.onnx"))
    found = formats.open_model(str(tmp_path / "child.qonnx.onnx"))
    assert (found.preprocessing, found.class_names) == (made.preprocessing, made.class_names)
    same(found.logits(IMAGES), executor.logits_of(made, NumpyKernels())(IMAGES))


@pytest.mark.parametrize("scheme, width", [("binary", "INT2"), ("ternary", "INT2"), ("k3", "INT4"), ("k8", "INT8")])
def test_weights_have_the_narrowest_type_of_the_opset_and_are_those_of_the_network(scheme, width, tmp_path):
    made = network(scheme)
    formats.get("onnx").write(made, str(tmp_path / "child.onnx"))
    model = onnx.load(tmp_path / "child.onnx")
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    kind = getattr(onnx.TensorProto, width)
    weights = [
        stored[node.input[0]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in stored
    ]
    [expected] = [op.tensors["first"].array for op in made.operations if op.kind == "reduction"]
    [found] = [w for w in weights if w.data_type == kind and list(w.dims) == [*expected.T.shape, 1, 1]][:1]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(found).astype(int)[:, :, 0, 0], expected.T)
    assert {node.domain for node in model.graph.node} == {""}


def test_qonnx_says_every_width(tmp_path):
    formats.get("qonnx").write(network("k3"), str(tmp_path / "child.qonnx.onnx"))
    model = onnx.load(tmp_path / "child.qonnx.onnx")
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    quants = [node for node in model.graph.node if node.op_type == "Quant"]
    assert {float(stored[node.input[3]]) for node in quants} == {3.0, 4.0}  # k3, and k4 of a float layer's weights
    assert json.loads({entry.key: entry.value for entry in model.metadata_props}["enas"])["class_names"]


@pytest.mark.parametrize("name", NAMES.values())
def test_a_damaged_file_gets_one_line(name, tmp_path):
    pytest.importorskip("qonnx", reason="the extra `export` is not installed: no qonnx")
    (tmp_path / name).write_bytes(b"no model")
    with pytest.raises(UserError, match="not an? Q?ONNX file of export_child.py") as error:
        formats.open_model(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_name_that_does_not_say_qonnx_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected a name that ends in .qonnx.onnx"):
        formats.get("qonnx").write(network("k2"), str(tmp_path / "child.onnx"))
