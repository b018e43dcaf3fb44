"""Batches: what each image's share is, and that a stream can start anywhere."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from made_up_batches import batches, dataset, normalised, split, training

from enas.data import Split, pipeline
from enas.data.dataset import Streamed
from enas.errors import UserError
from enas.options.config import DataConfig

pytestmark = pytest.mark.usefixtures("graph")


def labels(session, stream, count, step=0):
    return np.array([y for _, y, _ in batches(session, stream, count, step)])


@pytest.mark.parametrize("count, batch_size", [(12, 4), (13, 4), (5, 5), (64, 16), (1, 1)])
def test_an_epoch_sees_every_image_at_most_once_in_an_order_of_its_own(start, count, batch_size):
    stream = training(split(count), batch_size)
    per_epoch = count // batch_size
    assert stream.per_epoch == per_epoch
    seen = labels(start(), stream, 6 * per_epoch).reshape(6, -1)
    for epoch in seen:
        assert len(set(epoch)) == per_epoch * batch_size
        if count % batch_size == 0:
            assert set(epoch) == set(range(count))
    if count > 10:
        assert len({tuple(epoch) for epoch in seen}) == 6
        assert all(tuple(epoch) != tuple(sorted(epoch)) for epoch in seen)


def test_no_image_is_left_out_of_every_epoch(start):
    """What does not fill a batch differs from epoch to epoch."""
    seen = labels(start(), training(split(7), 5), 40)
    counts = np.bincount(seen.reshape(-1), minlength=7)
    # Each is in with probability 5/7: 28.6 of 40 epochs, standard deviation 2.9.
    assert 15 < counts.min() <= counts.max() <= 40


def test_a_stream_that_starts_at_a_step_is_the_stream_that_got_there(start):
    """Augmentation included."""
    part = split(10, (6, 6, 3))
    stream = training(part, 3, augment=DataConfig(cutout_size=2))
    session = start()
    whole = batches(session, stream, 9)
    for step in (0, 1, 4, 7):
        for got, expected in zip(batches(session, stream, 2, step), whole[step:], strict=False):
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_batches_come_as_often_as_repeats_says(start):
    part = split(9)
    stream, plain = training(part, 2, repeats=3), training(part, 2)
    session = start()
    repeated, single = labels(session, stream, 24), labels(session, plain, 8)
    np.testing.assert_array_equal(repeated, np.repeat(single, 3, axis=0))
    np.testing.assert_array_equal(labels(session, stream, 3, step=5), repeated[5:8])


def test_the_order_is_keyed_by_seed_and_purpose(start):
    part = split(30)
    streams = [training(part, 10, *key) for key in ((0, "train"), (0, "train"), (1, "train"), (0, "reward"))]
    session = start()
    first, again, *others = (labels(session, stream, 3) for stream in streams)
    np.testing.assert_array_equal(first, again)
    assert all(np.any(first != other) for other in others)


def test_a_batch_larger_than_the_split_is_refused():
    with pytest.raises(UserError, match="--batch_size=6: more than the 5 images"):
        training(split(5), 6)
    with pytest.raises(UserError, match="--controller_batch_size=6: more than the 5 images"):
        training(split(5), 6, 0, "reward")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_normalised_by_the_data_set(start, channels):
    part = split(6, (3, 4, channels))
    session = start()
    for stream in (training(part, 6), pipeline.evaluation_batches(dataset(part), part, 6, 0)):
        x, y, weights = batches(session, stream, 1)[0]
        assert x.dtype == np.float32 and y.dtype == np.int32
        np.testing.assert_allclose(x, normalised(part)[y], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(weights, 1)


@pytest.mark.parametrize("count, batch_size", [(12, 4), (13, 4), (3, 8), (1, 4), (1, 1), (9, 8)])
def test_an_evaluation_counts_every_image_once(start, count, batch_size):
    """Also where the last batch is not full, or the split is smaller than a batch; each round is the same."""
    part = split(count)
    stream = pipeline.evaluation_batches(dataset(part), part, batch_size, 0)
    assert stream.per_epoch == -(-count // batch_size)
    session = start()
    rounds = batches(session, stream, 2 * stream.per_epoch)
    counted = np.zeros(count)
    for x, y, weights in rounds[: stream.per_epoch]:
        assert x.shape == (batch_size, 2, 2, 1) and set(weights) <= {0.0, 1.0}
        np.testing.assert_allclose(x, normalised(part)[y], rtol=1e-5, atol=1e-6)  # those that fill up are real too
        np.add.at(counted, y, weights)
    np.testing.assert_array_equal(counted, 1)
    for one, two in zip(rounds[: stream.per_epoch], rounds[stream.per_epoch :], strict=True):
        np.testing.assert_array_equal(one[1], two[1])


def test_an_evaluation_may_be_limited_and_is_not_in_the_order_of_the_files(start):
    part = split(40)
    streams = [pipeline.evaluation_batches(dataset(part), part, 8, 0, limit) for limit in (0, 2, 100)]
    assert [stream.per_epoch for stream in streams] == [5, 2, 5]
    session = start()
    whole, limited = labels(session, streams[0], 5), labels(session, streams[1], 4)
    np.testing.assert_array_equal(limited, np.tile(whole[:2], (2, 1)))
    assert np.any(whole.reshape(-1) != np.arange(40))


def test_a_handle_chooses_the_stream(start):
    parts = [split(4), split(6)]
    streams = [pipeline.evaluation_batches(dataset(part), part, 4, 0) for part in parts]
    handle = tf.placeholder(tf.string, [])
    tensors = pipeline.next_of(handle, streams[0])
    assert tensors[0].shape == [4, 2, 2, 1]
    session = start()
    for part, stream in zip(parts, streams, strict=True):
        stream.restart(session)
        x, y, _ = session.run(tensors, {handle: session.run(stream.iterator.string_handle())})
        np.testing.assert_allclose(x, normalised(part)[y], rtol=1e-5, atol=1e-6)


def test_the_graph_does_not_hold_the_data():
    """It is as large for 1,000 images as for 100, and small."""

    def size(count):
        with tf.Graph().as_default() as graph:
            part = split(count, (8, 8, 3))
            pipeline.next_batch(training(part, 50, augment=DataConfig(cutout_size=4)))
            pipeline.next_batch(training(streamed(part), 50))
            pipeline.next_batch(pipeline.evaluation_batches(dataset(part), part, 50, 0))
            definition = graph.as_graph_def().SerializeToString()
        assert part.images[3].tobytes() not in definition
        return len(definition)

    small, large = size(100), size(1000)
    assert abs(large - small) < 100
    assert large < 100_000


def streamed(part):
    """The same images, as ones that are read when they are needed."""
    return Split(Streamed(part.images.shape, lambda which: part.images[which]), part.labels)


def test_streamed_images_make_the_same_batches_from_any_step(start):
    part = split(11, (6, 6, 3))
    config = DataConfig(cutout_size=2)
    pairs = [
        (
            training(part, 3, augment=config, repeats=repeats),
            training(streamed(part), 3, augment=config, repeats=repeats),
        )
        for repeats in (1, 4)
    ]
    data = dataset(part)
    pairs.append([pipeline.evaluation_batches(data, which, 4, 0) for which in (part, streamed(part))])
    session = start()
    for of_array, of_files in pairs:
        for step, count in ((0, 9), (5, 3)):
            for one, other in zip(
                batches(session, of_array, count, step), batches(session, of_files, count, step), strict=True
            ):
                for a, b in zip(one, other, strict=True):
                    np.testing.assert_array_equal(a, b)


def test_repeated_batches_are_read_once(start):
    part, reads = split(9), []
    images = Streamed(part.images.shape, lambda which: reads.append(len(which)) or part.images[which])
    batches(start(), training(Split(images, part.labels), 2, repeats=50), 50)
    assert len(reads) < 12  # those ahead of need included


def test_the_order_of_an_evaluation_is_known(start):
    part = split(13)
    stream, order = pipeline.evaluation_batches(dataset(part), part, 4, 7), pipeline.evaluation_order(13, 7)
    session = start()
    seen = np.concatenate([y[weights > 0] for _, y, weights in batches(session, stream, 4)])
    np.testing.assert_array_equal(seen, session.run(order))
    assert np.any(seen != np.arange(13))


def test_a_file_that_cannot_be_read_any_more_is_a_users_error(start):
    def read(_):
        raise UserError("set/cat/1.png: No such file or directory; expected a readable image")

    part = split(8)
    stream = training(Split(Streamed(part.images.shape, read), part.labels), 4)
    session = start()
    message = "^set/cat/1.png: No such file or directory; expected a readable image$"
    with pytest.raises(UserError, match=message), pipeline.unreadable_files_told():
        batches(session, stream, 1)
    with pytest.raises(tf.errors.InvalidArgumentError), pipeline.unreadable_files_told():
        session.run(tf.debugging.Assert(False, ["anything else"]))
