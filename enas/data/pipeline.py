"""Batches for the graph: `tf.data` over arrays that are fed once, or over files that are read as they are needed.

A step gives indices, the indices give images (gathered from an array, or read in parallel), and these are augmented.
Arrays enter through placeholders when the iterators are initialised, so the GraphDef never holds them. Every batch is a
pure function of (seed, step), so that a pipeline can start at any step.
"""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow.compat.v1 as tf

from enas.data import prefetch
from enas.data.dataset import DataSet, Split, Streamed
from enas.errors import UserError
from enas.options.data import DataConfig
from enas.randomness import of_rank, stateless_seed
from enas.types import Session, Tensor

# (images float32 `[N, H, W, C]`, normalised; labels int32 `[N]`; weights float32 `[N]`).
Batch = tuple[Tensor, Tensor, Tensor]
# Maps indices int64 `[N]` to (images uint8 `[N, H, W, C]`, labels int32 `[N]`).
Gather = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclasses.dataclass(frozen=True)
class Stream:
    """An endless stream of batches of N images.

    Attributes:
      iterator: yields (images float32 `[N, H, W, C]`, normalised; labels int32 `[N]`; weights float32 `[N]`). A weight is 1,
        or 0 for an image that fills up the last batch of an evaluation.
      shapes: the shapes of the three.
      per_epoch: how many batches go once through the split.
      start: placeholder int64, the batch that the stream starts at.
      feeds: the arrays, `{placeholder: array}`; only labels if images are streamed.
    """

    iterator: tf.data.Iterator
    shapes: tuple[list[int], list[int], list[int]]
    per_epoch: int
    start: Tensor
    feeds: dict[Tensor, np.ndarray]

    def restart(self, session: Session, step: int = 0) -> None:
        """Lets the stream start at batch `step`."""
        session.run(self.iterator.initializer, {**self.feeds, self.start: step})


def next_batch(stream: Stream) -> Batch:
    """Returns the tensors (images, labels, weights) of a stream's next batch."""
    return _shaped(stream.iterator.get_next(), stream)


def next_of(handle: Tensor, stream: Stream) -> Batch:
    """Returns the next batch of whichever stream is fed.

    Args:
      handle: placeholder string, fed the value of a `Stream.iterator.string_handle()`.
      stream: any of the streams that may be fed; all of them have the same shapes.
    """
    types = tf.data.get_output_types(stream.iterator)
    with tf.device(stream.iterator.initializer.device):
        batch = tf.data.Iterator.from_string_handle(handle, types).get_next()
    return _shaped(batch, stream)


def _shaped(tensors: Batch, stream: Stream) -> Batch:
    images, labels, weights = map(tf.ensure_shape, tensors, stream.shapes)
    return images, labels, weights


def training_batches(
    data: DataSet,
    split: Split,
    batch_size: int,
    seed: int,
    purpose: str,
    augment: DataConfig | None = None,
    repeats: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Stream:
    """Makes an endless stream of shuffled batches. Each epoch sees every image at most once, in an order of its own.

    The images that do not fill a batch at the end of an epoch are left out of that epoch.

    Args:
      data: the data set whose mean and std normalise the images.
      split: the images to draw from.
      batch_size: images of a batch.
      seed, purpose: key of the order and the augmentation.
      augment: how the images are augmented; None: not at all.
      repeats: how often each batch comes in a row. All arcs of an update of the controller see the same images.
      shard: (worker, workers): this is one of several workers, whose batches together make up a step's.

    Raises:
      UserError: the split has fewer images than the batch of a step.
    """
    count = len(split.labels)
    worker, workers = shard
    if count < batch_size * workers:
        flag = "--controller_batch_size" if purpose == "reward" else "--batch_size"
        of_all = f" on each of {workers} workers" if workers > 1 else ""
        raise UserError(
            f"{flag}={batch_size}{of_all}: more than the {count} images there are for {purpose}; expected at most "
            f"{count // workers}, e.g. {flag}={max(1, count // (4 * workers))}"
        )
    per_epoch = count // (batch_size * workers)

    def batch(step: Tensor, gather: Gather) -> Batch:
        position = (step % per_epoch * workers + worker) * batch_size + tf.range(batch_size, dtype=tf.int64)
        key = stateless_seed(seed, f"order/{purpose}", step // per_epoch)
        index = tf.random.experimental.index_shuffle(position, key, tf.cast(count - 1, tf.int64))
        x, y = gather(index)
        x = _normalised(data, x)
        if augment is not None:
            x = _augmented(x, augment, lambda what: stateless_seed(seed, of_rank(f"{what}/{purpose}", worker), step))
        return x, y, tf.ones([batch_size])

    return _stream(split, batch_size, per_epoch, batch, repeats)


def evaluation_batches(data: DataSet, split: Split, batch_size: int, seed: int, limit: int = 0) -> Stream:
    """Makes an endless stream that goes through a split again and again. Each round has each image once.

    The order is the same in every round, but it is not that of the files, which may be sorted by class. Images from the
    front of the round, with weight 0, fill up its last batch. So batch statistics stay those of real images, and no image
    counts twice.

    Args:
      data, split, batch_size, seed: as in `training_batches`, but the split may be smaller than a batch.
      limit: how many batches a round has at most; 0: the whole split.
    """
    count = len(split.labels)
    per_epoch = -(-count // batch_size)
    if limit:
        per_epoch = min(limit, per_epoch)

    def batch(step: Tensor, gather: Gather) -> Batch:
        position = step % per_epoch * batch_size + tf.range(batch_size, dtype=tf.int64)
        x, y = gather(_evaluation_index(position % count, count, seed))
        return _normalised(data, x), y, tf.cast(position < count, tf.float32)

    return _stream(split, batch_size, per_epoch, batch)


def evaluation_order(count: int, seed: int) -> Tensor:
    """Returns the order, int64 `[count]`, in which `evaluation_batches` goes through a split of `count` images."""
    return _evaluation_index(tf.range(count, dtype=tf.int64), count, seed)


def _evaluation_index(position: Tensor, count: int, seed: int) -> Tensor:
    key = stateless_seed(seed, "order/evaluation", 0)
    return tf.random.experimental.index_shuffle(position, key, tf.cast(count - 1, tf.int64))


@contextlib.contextmanager
def unreadable_files_told() -> Iterator[None]:
    """Raises the reader's own error in the place of TensorFlow's, if a file becomes unreadable while a stream runs.

    Raises:
      UserError: see `enas.data.dataset.Streamed.read`.
    """
    try:
        yield
    except tf.errors.OpError as error:
        reason = re.search(r"^.*\bUserError: (.*)", error.message or "", re.MULTILINE)
        if reason is None:
            raise
        raise UserError(reason[1]) from None


def _stream(
    split: Split, batch_size: int, per_epoch: int, batch: Callable[[Tensor, Gather], Batch], repeats: int = 1
) -> Stream:
    """Makes the stream of `batch(step, gather)`, for the device that it is built for (`prefetch.target`)."""
    shape, device = [batch_size, *split.images.shape[1:]], prefetch.target()
    # TensorFlow has no kernels that make batches on a GPU.
    with tf.device("/cpu:0"):
        start, feeds, dataset = _dataset(split, shape, batch, repeats)
        iterator = prefetch.iterator(dataset, device)
    return Stream(iterator, (shape, [batch_size], [batch_size]), per_epoch, start, feeds)


def _dataset(split, shape, batch, repeats):
    """Returns (placeholder of the first batch's number, arrays to feed, `tf.data.Dataset` of batches)."""
    start = tf.placeholder(tf.int64, [])
    labels = tf.placeholder(tf.int32, split.labels.shape)
    feeds = {labels: split.labels}
    if isinstance(split.images, Streamed):
        # Two batches at a time: while one is augmented, the files of the next are read.
        parallel = {"num_parallel_calls": 2, "deterministic": True}
        read = split.images.read

        def images_at(index: Tensor) -> Tensor:
            return tf.numpy_function(read, [index], tf.uint8)
    else:
        parallel, images = {}, tf.placeholder(tf.uint8, split.images.shape)
        feeds[images] = split.images

        def images_at(index: Tensor) -> Tensor:
            return tf.gather(images, index)

    def gather(index: Tensor) -> tuple[Tensor, Tensor]:
        return tf.ensure_shape(images_at(index), shape), tf.gather(labels, index)

    steps = tf.data.Dataset.range(start // repeats, tf.int64.max)
    dataset = steps.map(tf.autograph.experimental.do_not_convert(lambda step: batch(step, gather)), **parallel)
    if repeats > 1:
        again = dataset.flat_map(lambda *tensors: tf.data.Dataset.from_tensors(tensors).repeat(repeats))
        dataset = again.skip(start % repeats)
    return start, feeds, dataset


def _normalised(data: DataSet, images: Tensor) -> Tensor:
    return (tf.cast(images, tf.float32) / 255.0 - tf.constant(data.mean)) / tf.constant(data.std)


def _augmented(x: Tensor, config: DataConfig, seed_for: Callable[[str], Tensor]) -> Tensor:
    """Pads and crops images, flips colour ones, then cuts squares out. x `[N, H, W, C]` is normalised, so padding is the
    mean colour."""
    channels = x.shape[-1]
    if padding := config.padding(channels):
        x = _cropped(x, padding, seed_for("crop"))
    if config.augment and channels == 3:
        x = _flipped(x, seed_for("flip"))
    if config.cutout_size:
        x = _cutout(x, config.cutout_size, seed_for("cutout"))
    return x


def _cropped(x: Tensor, padding: int, seed: Tensor) -> Tensor:
    count, height, width = x.shape[:3]
    padded = tf.pad(x, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    offset = tf.random.stateless_uniform([2, count, 1], seed, 0, 2 * padding + 1, tf.int32)
    x = tf.gather(padded, offset[0] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(x, offset[1] + tf.range(width), axis=2, batch_dims=1)


def _flipped(x: Tensor, seed: Tensor) -> Tensor:
    flip = tf.random.stateless_uniform([x.shape[0], 1, 1, 1], seed) < 0.5
    return tf.where_v2(flip, tf.reverse(x, [2]), x)


def _cutout(x: Tensor, size: int, seed: Tensor) -> Tensor:
    """Sets a square of `size` x `size` to the mean colour. Its centre is anywhere in the image (arXiv 1708.04552, 3.1)."""
    count, height, width = x.shape[:3]
    draw = tf.random.stateless_uniform([2, count, 1], seed)

    def covered(draw: Tensor, side: Tensor) -> Tensor:
        low = tf.cast(tf.floor(draw * int(side)), tf.int32) - size // 2
        position = tf.range(side)
        return tf.logical_and(position >= low, position < low + size)

    rows, columns = covered(draw[0], height), covered(draw[1], width)
    keep = tf.logical_not(tf.logical_and(rows[:, :, None], columns[:, None, :]))
    return x * tf.cast(keep, x.dtype)[..., None]
