"""Batches for the graph: `tf.data` over arrays that are fed once, or over files that are read as they are needed.

A step gives indices, the indices give images (gathered from an array, or read in parallel), and these are augmented.
Arrays enter through placeholders when the iterators are initialised; the GraphDef never holds them. Every batch is a
pure function of (seed, step), so that a pipeline can start at any step.
"""

import contextlib
import dataclasses
import re
from typing import Any

import tensorflow.compat.v1 as tf

from enas.data.streaming import Streamed
from enas.errors import UserError
from enas.randomness import stateless_seed

PAD = 4


@dataclasses.dataclass(frozen=True)
class Stream:
    """An endless stream of batches of N images.

    Attributes:
      iterator: yields (images float32 `[N, H, W, C]`, normalised; labels int32 `[N]`; weights float32 `[N]`: 1, or 0 for
        the images that fill up the last batch of an evaluation).
      shapes: the shapes of the three.
      per_epoch: batches that go once through the split.
      start: placeholder int64, the batch the stream starts at.
      feeds: the arrays, `{placeholder: array}`; labels only where images are streamed.
    """

    iterator: Any
    shapes: tuple
    per_epoch: int
    start: Any
    feeds: dict

    def restart(self, session, step=0):
        """Lets the stream start at batch `step`."""
        session.run(self.iterator.initializer, {**self.feeds, self.start: step})


def next_batch(stream):
    """The tensors (images, labels, weights) of a stream's next batch."""
    return _shaped(stream.iterator.get_next(), stream)


def next_of(handle, stream):
    """The next batch of whichever stream is fed as `handle` (`Stream.iterator.string_handle()`); all streams that may be
    fed have the shapes of `stream`."""
    types = tf.data.get_output_types(stream.iterator)
    return _shaped(tf.data.Iterator.from_string_handle(handle, types).get_next(), stream)


def _shaped(tensors, stream):
    return [tf.ensure_shape(tensor, shape) for tensor, shape in zip(tensors, stream.shapes, strict=True)]


def training_batches(data, split, batch_size, seed, purpose, augment=None, repeats=1):
    """An endless stream of shuffled batches; each epoch sees every image at most once, in an order of its own.

    The images that do not fill a batch at the end of an epoch are left out of that epoch.

    Args:
      data: a `enas.data.DataSet`; its mean and std normalise the images.
      split: the `enas.data.Split` to draw from.
      batch_size: N.
      seed, purpose: key of the order and the augmentation.
      augment: a `DataConfig` that says how images are augmented; None: they are not.
      repeats: each batch comes this often in a row (all arcs of one controller update see the same images).

    Raises:
      UserError: the split has fewer images than a batch.
    """
    count = len(split.labels)
    if count < batch_size:
        flag = "--controller_batch_size" if purpose == "reward" else "--batch_size"
        raise UserError(f"{flag}={batch_size}: more than the {count} images there are for {purpose}")
    per_epoch = count // batch_size

    def batch(step, gather):
        position = step % per_epoch * batch_size + tf.range(batch_size, dtype=tf.int64)
        key = stateless_seed(seed, f"order/{purpose}", step // per_epoch)
        index = tf.random.experimental.index_shuffle(position, key, tf.cast(count - 1, tf.int64))
        x, y = gather(index)
        x = _normalised(data, x)
        if augment is not None:
            x = _augmented(x, augment, lambda what: stateless_seed(seed, f"{what}/{purpose}", step))
        return x, y, tf.ones([batch_size])

    return _stream(split, batch_size, per_epoch, batch, repeats)


def evaluation_batches(data, split, batch_size, seed, limit=0):
    """An endless stream that goes through the split again and again, each image once each time round.

    The order is the same every time, but not that of the files, which may be sorted by class. The last batch of a round is
    filled up with images from its front, whose weight is 0: batch statistics stay those of real images, and no image
    counts twice.

    Args:
      data, split, batch_size, seed: as in `training_batches`, but the split may be smaller than a batch.
      limit: batches a round has at most; 0: the whole split.
    """
    count = len(split.labels)
    per_epoch = -(-count // batch_size)
    if limit:
        per_epoch = min(limit, per_epoch)

    def batch(step, gather):
        position = step % per_epoch * batch_size + tf.range(batch_size, dtype=tf.int64)
        x, y = gather(_evaluation_index(position % count, count, seed))
        return _normalised(data, x), y, tf.cast(position < count, tf.float32)

    return _stream(split, batch_size, per_epoch, batch)


def evaluation_order(count, seed):
    """The order in which `evaluation_batches` goes through a split of `count` images: an int64 tensor `[count]`."""
    return _evaluation_index(tf.range(count, dtype=tf.int64), count, seed)


def _evaluation_index(position, count, seed):
    key = stateless_seed(seed, "order/evaluation", 0)
    return tf.random.experimental.index_shuffle(position, key, tf.cast(count - 1, tf.int64))


@contextlib.contextmanager
def unreadable_files_told():
    """Turns TensorFlow's error about a file that became unreadable while a stream ran into its reader's own.

    Raises:
      UserError: see `enas.data.streaming.Streamed.read`.
    """
    try:
        yield
    except tf.errors.OpError as error:
        reason = re.search(r"^.*\bUserError: (.*)", error.message or "", re.MULTILINE)
        if reason is None:
            raise
        raise UserError(reason[1]) from None


def _stream(split, batch_size, per_epoch, batch, repeats=1):
    """The stream of `batch(step, gather)`; `gather` maps indices `[N]` to (uint8 images, labels)."""
    shape = [batch_size, *split.images.shape[1:]]
    start = tf.placeholder(tf.int64, [])
    labels = tf.placeholder(tf.int32, split.labels.shape)
    feeds = {labels: split.labels}
    if isinstance(split.images, Streamed):
        # Two batches at a time: while one is augmented, the files of the next are read.
        parallel = {"num_parallel_calls": 2, "deterministic": True}

        def images_at(index):
            return tf.numpy_function(split.images.read, [index], tf.uint8)
    else:
        parallel, images = {}, tf.placeholder(tf.uint8, split.images.shape)
        feeds[images] = split.images

        def images_at(index):
            return tf.gather(images, index)

    def gather(index):
        return tf.ensure_shape(images_at(index), shape), tf.gather(labels, index)

    steps = tf.data.Dataset.range(start // repeats, tf.int64.max)
    dataset = steps.map(tf.autograph.experimental.do_not_convert(lambda step: batch(step, gather)), **parallel)
    if repeats > 1:
        again = dataset.flat_map(lambda *tensors: tf.data.Dataset.from_tensors(tensors).repeat(repeats))
        dataset = again.skip(start % repeats)
    options = tf.data.Options()
    # There is nothing to tune, and the thread that would was once seen to keep a session from closing.
    options.autotune.enabled = False
    iterator = tf.data.make_initializable_iterator(dataset.prefetch(2).with_options(options))
    return Stream(iterator, (shape, [batch_size], [batch_size]), per_epoch, start, feeds)


def _normalised(data, images):
    return (tf.cast(images, tf.float32) / 255.0 - tf.constant(data.mean)) / tf.constant(data.std)


def _augmented(x, config, seed_for):
    """Pad-crop-flip of colour images, then cutout; x `[N, H, W, C]`, normalised, so that padding is the mean colour."""
    if config.augment and x.shape[-1] == 3:
        x = _flipped(_cropped(x, seed_for("crop")), seed_for("flip"))
    if config.cutout_size:
        x = _cutout(x, config.cutout_size, seed_for("cutout"))
    return x


def _cropped(x, seed):
    count, height, width = x.shape[:3]
    padded = tf.pad(x, [[0, 0], [PAD, PAD], [PAD, PAD], [0, 0]])
    offset = tf.random.stateless_uniform([2, count, 1], seed, 0, 2 * PAD + 1, tf.int32)
    x = tf.gather(padded, offset[0] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(x, offset[1] + tf.range(width), axis=2, batch_dims=1)


def _flipped(x, seed):
    flip = tf.random.stateless_uniform([x.shape[0], 1, 1, 1], seed) < 0.5
    return tf.where_v2(flip, tf.reverse(x, [2]), x)


def _cutout(x, size, seed):
    """Sets a size x size square to the mean colour; its centre is anywhere in the image (arXiv 1708.04552, 3.1)."""
    count, height, width = x.shape[:3]
    draw = tf.random.stateless_uniform([2, count, 1], seed)

    def covered(draw, side):
        low = tf.cast(tf.floor(draw * int(side)), tf.int32) - size // 2
        position = tf.range(side)
        return tf.logical_and(position >= low, position < low + size)

    rows, columns = covered(draw[0], height), covered(draw[1], width)
    keep = tf.logical_not(tf.logical_and(rows[:, :, None], columns[:, None, :]))
    return x * tf.cast(keep, x.dtype)[..., None]
