"""The SavedModel and the LiteRT file: what TensorFlow and ai-edge-litert compute from them, in which arithmetic."""

import numpy as np
import pytest
from made_up_networks import network
from test_onnx import IMAGES, same

from enas.errors import UserError
from enas.export import formats
from quantize.runtime.model import executor
from quantize.runtime.numpy_kernels import NumpyKernels


def written(made, name, folder):
    path = str(folder / f"child.{name}")
    formats.get(name).write(made, path)
    return path


@pytest.mark.parametrize("scheme", ["binary", pytest.param("k4", marks=pytest.mark.slow)])
def test_a_saved_model_computes_the_networks_logits(scheme, tmp_path):
    made = network(scheme)
    found = formats.open_model(written(made, "saved_model", tmp_path))
    assert (found.preprocessing, found.class_names) == (made.preprocessing, made.class_names)
    same(found.logits(IMAGES), executor.logits_of(made, NumpyKernels())(IMAGES))


def test_the_serving_signature_takes_raw_images_and_gives_probabilities(tmp_path):
    import tensorflow as tf

    made = network("ternary")
    path = written(made, "saved_model", tmp_path)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], path)
        signature = loaded.signature_def["serving_default"]
        assert signature.inputs["images"].dtype == tf.uint8.as_datatype_enum
        names = signature.outputs["probabilities"].name, signature.inputs["images"].name
        shares = session.run(names[0], {names[1]: IMAGES})
    logits = executor.logits_of(made, NumpyKernels())(IMAGES)
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    same(shares, expected / expected.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    "scheme", ["binary", "k8", *(pytest.param(s, marks=pytest.mark.slow) for s in ("ternary", "k2", "k4"))]
)
def test_litert_computes_the_networks_logits_in_integers(scheme, tmp_path):
    interpreters = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="the extra `export` is not installed: no ai-edge-litert"
    )
    made = network(scheme)
    path = written(made, "tflite", tmp_path)
    found = formats.open_model(path)
    assert (found.preprocessing, found.class_names) == (made.preprocessing, made.class_names)
    same(found.logits(IMAGES), executor.logits_of(made, NumpyKernels())(IMAGES))
    interpreter = interpreters.Interpreter(path)
    interpreter.allocate_tensors()
    types = {tensor["index"]: tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    products = [op for op in interpreter._get_ops_details() if op["op_name"] == "BATCH_MATMUL"]
    assert len(products) == 3  # the 1x1 convolution, and the two of the reduction
    for product in products:
        assert [types[i] for i in (*product["inputs"], *product["outputs"])] == [np.int8, np.int8, np.int32]


def test_a_file_without_its_metadata_gets_one_line(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="the extra `export` is not installed: no ai-edge-litert")
    (tmp_path / "child.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    with pytest.raises(UserError, match="not a LiteRT file of export_child.py"):
        formats.open_model(str(tmp_path / "child.tflite"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UserError, match="not a SavedModel of export_child.py"):
        formats.open_model(str(tmp_path / "model"))
