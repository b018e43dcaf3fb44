"""Made-up images and the batches of streams over them."""

import numpy as np

from enas.data import DataSet, Split, pipeline

RNG = np.random.default_rng(0)


def split(count, shape=(2, 2, 1)):
    """Random images; an image's label is its place, so that a batch's labels say which images it is made of."""
    return Split(RNG.integers(0, 256, (count, *shape), np.uint8), np.arange(count, dtype=np.int32))


def dataset(part, mean=0.4, std=0.2):
    channels = part.images.shape[-1]
    of_channels = [np.float32(value) * np.linspace(1, 1.5, channels, dtype=np.float32) for value in (mean, std)]
    return DataSet(part, part, part, ("a", "b"), *of_channels)


def training(part, batch_size, seed=0, purpose="train", augment=None, repeats=1):
    return pipeline.training_batches(dataset(part), part, batch_size, seed, purpose, augment, repeats)


def batches(session, stream, count, step=0):
    """`count` batches from `step` on: a list of (images, labels, weights)."""
    if not hasattr(stream, "tensors"):
        object.__setattr__(stream, "tensors", pipeline.next_batch(stream))
    stream.restart(session, step)
    return [session.run(stream.tensors) for _ in range(count)]


def normalised(part, data=None):
    data = data or dataset(part)
    return (part.images / 255.0 - data.mean) / data.std
