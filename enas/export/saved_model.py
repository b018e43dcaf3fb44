"""TensorFlow's SavedModel: a folder whose serving signature takes raw images."""

import json
import os

import numpy as np

from enas.errors import UserError
from enas.export.formats import OpenedModel
from enas.files import write_atomically
from quantize.runtime.codes import Array
from quantize.runtime.model.network import Network, described

SLOW = False
_METADATA = os.path.join("assets.extra", "enas.json")
_BATCH = 100


def write(network: Network, path: str) -> None:
    """Writes a SavedModel; "serving_default" maps images uint8 `[N, H, W, C]` to logits and probabilities."""
    import tensorflow.compat.v1 as tf

    from enas.export import tf_network
    from enas.runs import session

    session.graph_mode()
    form = network.preprocessing
    with tf.Graph().as_default() as graph, session.open_session(graph) as sess:
        images = tf.placeholder(tf.uint8, [None, form.height, form.width, form.channels], "images")
        logits = tf.identity(tf_network.logits(network, images, integers=False), "logits")
        outputs = {"logits": logits, "probabilities": tf.nn.softmax(logits)}
        tf.saved_model.simple_save(sess, path, {"images": images}, outputs)
    os.makedirs(os.path.join(path, "assets.extra"), exist_ok=True)
    write_atomically(os.path.join(path, _METADATA), json.dumps(network.metadata()))


def recognises(path: str) -> bool:
    """Whether a folder is a SavedModel."""
    return os.path.isfile(os.path.join(path, "saved_model.pb"))


def open_model(path: str) -> OpenedModel:
    """Opens a SavedModel with TensorFlow."""
    import tensorflow.compat.v1 as tf

    from enas.runs import session

    session.graph_mode()
    sess = session.open_session(tf.Graph())
    try:
        with open(os.path.join(path, _METADATA), encoding="utf-8") as file:
            form, names, _ = described(json.load(file))
        with sess.graph.as_default():
            tf.saved_model.load(sess, ["serve"], path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, tf.errors.OpError) as error:
        words = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a SavedModel of export_child.py ({words})") from None

    def logits(images: Array) -> Array:
        parts = [images[i : i + _BATCH] for i in range(0, len(images), _BATCH)]
        return np.concatenate([sess.run("logits:0", {"images:0": part}) for part in parts])

    return OpenedModel(form, names, logits)
