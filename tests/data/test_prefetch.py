"""Batches that wait on another device: the same ones, and none of the work of making them on a GPU.

A second CPU of TensorFlow's takes the place of a GPU where batches are run. What a GPU would be given is built for one.
"""

import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from gpu_kernels import on_gpu

from enas.data import DataSet, Split, pipeline, prefetch
from enas.data.dataset import Streamed
from enas.options.config import DataConfig
from enas.runs import session

pytestmark = pytest.mark.usefixtures("graph")

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 3), np.uint8)


def streams(streamed):
    """A training stream with everything that there is, and two that are fed by handle."""
    images = Streamed(PIXELS.shape, lambda index: PIXELS[index]) if streamed else PIXELS
    part = Split(images, np.arange(20, dtype=np.int32))
    data = DataSet(part, part, part, ("a", "b"), np.full(3, 0.4, np.float32), np.full(3, 0.2, np.float32))
    training = pipeline.training_batches(data, part, 6, 1, "train", DataConfig(cutout_size=2), repeats=2)
    return training, pipeline.evaluation_batches(data, part, 6, 1), pipeline.evaluation_batches(data, part, 6, 1, 2)


def two_cpus():
    return tf.Session(config=tf.ConfigProto(device_count={"CPU": 2}))


def batches_on(device, streamed):
    """Batches of all streams, with restarts, as arrays."""
    found = []
    with tf.Graph().as_default(), tf.device(device):
        training, *fed = streams(streamed)
        batch, handle = pipeline.next_batch(training), tf.placeholder(tf.string, [])
        next_fed = pipeline.next_of(handle, fed[0])
        with two_cpus() as sess:
            for step in (0, 3, 17):
                training.restart(sess, step)
                found += [value for _ in range(5) for value in sess.run(batch)]
            handles = session.start(sess, dict(enumerate(fed)), {1: 2})
            found += [value for number in (0, 1, 0) for value in sess.run(next_fed, {handle: handles[number]})]
    return found


@pytest.mark.parametrize("streamed", [False, True])
def test_batches_that_were_copied_are_the_batches(streamed):
    plain, copied = batches_on("", streamed), batches_on("/cpu:1", streamed)
    assert len(plain) == len(copied) == 3 * (3 * 5 + 3)
    for expected, found in zip(plain, copied, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def read_ahead(device, wanted=0):
    """How many batches are read when one is asked for, after a second or as soon as there are as many as wanted."""
    read = []

    def reading(index):
        read.append(len(index))
        return PIXELS[index]

    part = Split(Streamed(PIXELS.shape, reading), np.zeros(20, np.int32))
    data = DataSet(part, part, part, ("a", "b"), np.zeros(3, np.float32), np.ones(3, np.float32))
    with tf.Graph().as_default(), tf.device(device):
        stream = pipeline.training_batches(data, part, 2, 0, "train")
        batch = pipeline.next_batch(stream)
        with two_cpus() as sess:
            stream.restart(sess)
            sess.run(batch)
            ends = time.monotonic() + (60 if wanted else 1)
            while time.monotonic() < ends and not 0 < wanted <= len(read):
                time.sleep(0.01)
    return len(read)


def test_batches_lie_on_the_device_before_they_are_asked_for():
    """Two wait on the device beside those that wait where they are made."""
    more = read_ahead("") + 2
    assert read_ahead("/cpu:1", more) >= more


def nodes():
    return tf.get_default_graph().as_graph_def().node


def test_for_a_gpu_only_whole_batches_are_on_it_and_each_op_there_has_a_kernel():
    with tf.device("/gpu:0"):
        training, *fed = streams(True)
    with tf.device(training.iterator.initializer.device):
        pipeline.next_batch(training)
    pipeline.next_of(tf.placeholder(tf.string, [], "fed"), fed[0])
    there = [node for node in nodes() if "GPU" in node.device]
    # For each of three streams; the one that is fed is read through a resource of its own.
    kinds = [node.op for node in there]
    assert {op: kinds.count(op) for op in kinds if "Dataset" in op} == {"GeneratorDataset": 3, "PrefetchDataset": 3}
    assert kinds.count("IteratorV2") == kinds.count("MakeIterator") == 3 and kinds.count("IteratorGetNext") == 2
    assert [node.name for node in there if not on_gpu(node)] == []
    made = [
        node for node in nodes() if node.op in ("MapDataset", "ParallelMapDatasetV2", "RangeDataset", "OptionsDataset")
    ]
    assert len(made) == 3 * 3 and all("CPU:0" in node.device for node in made)


@pytest.mark.parametrize(
    "scope, gpus, expected",
    [
        ("", 0, ""),
        ("/cpu:0", 1, ""),
        ("", 1, "/device:GPU:0"),
        ("/gpu:1", 2, "/device:GPU:1"),
        ("/job:worker/task:1", 0, ""),
        ("/job:worker/task:1", 2, "/job:worker/task:1/device:GPU:0"),
        ("/job:worker/task:1/gpu:1", 2, "/job:worker/task:1/device:GPU:1"),
    ],
)
def test_batches_go_where_they_are_read(monkeypatch, scope, gpus, expected):
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: ["a GPU"] * gpus if kind == "GPU" else ["a CPU"]
    )
    with tf.device(scope):
        assert prefetch.target() == expected


def test_without_a_gpu_nothing_is_copied():
    streams(False)
    assert "GeneratorDataset" not in {node.op for node in nodes()}


def test_where_there_is_a_gpu_all_streams_wait_on_it(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: ["a device"])
    for stream in streams(False):
        assert stream.iterator.initializer.device == "/device:GPU:0"
