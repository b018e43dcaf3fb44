"""LiteRT (TensorFlow Lite), by TensorFlow's converter. Convolutions of codes are products of int8 matrices with int32 sums.

What the images and classes are lies in a ZIP archive behind the model, where LiteRT's own tools keep such files.
"""

import json
import os
import zipfile
from typing import Any

import numpy as np

from enas.errors import UserError
from enas.export import extras
from enas.export.formats import OpenedModel
from enas.files import write_bytes_atomically
from quantize.runtime.codes import Array
from quantize.runtime.model.network import Network, described

SLOW = False
_METADATA = "enas.json"


def write(network: Network, path: str, floats: bool = False) -> None:
    """Writes a .tflite file, which takes one image, uint8 `[1, H, W, C]`.

    Args:
      floats: convolutions compute in floats, for comparison.
    """
    import tensorflow as tf2
    import tensorflow.compat.v1 as tf

    from enas.export import tf_network
    from enas.runs import session

    session.graph_mode()
    form = network.preprocessing
    with tf.Graph().as_default() as graph, session.open_session(graph) as sess:
        images = tf.placeholder(tf.uint8, [1, form.height, form.width, form.channels], "images")
        logits = tf_network.logits(network, images, integers=not floats)
        converter = tf2.compat.v1.lite.TFLiteConverter.from_session(sess, [images], [logits])
        data = converter.convert()
    write_bytes_atomically(path, data)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(_METADATA, json.dumps(network.metadata()))


def recognises(path: str) -> bool:
    """Whether a file begins as a LiteRT model."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(8)[4:] == b"TFL3"


def open_model(path: str) -> OpenedModel:
    """Opens a .tflite file with `ai-edge-litert`."""
    extras.need("ai_edge_litert", "tflite")
    from ai_edge_litert.interpreter import Interpreter

    try:
        with zipfile.ZipFile(path) as archive:
            form, names, _ = described(json.loads(archive.read(_METADATA)))
        interpreter: Any = Interpreter(path, num_threads=1)
        interpreter.allocate_tensors()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        words = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a LiteRT file of export_child.py ({words})") from None
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def logits(images: Array) -> Array:
        found = np.empty((len(images), len(names)), np.float32)
        for image, row in zip(images, found, strict=True):
            interpreter.set_tensor(taken, image[None])
            interpreter.invoke()
            row[:] = interpreter.get_tensor(given)[0]
        return found

    return OpenedModel(form, names, logits)
