"""Splits, limits, conversions and statistics of `enas.data.load`."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_files import write_folder, write_idx

from enas import data
from enas.data.readers import images as image_tools
from enas.data.readers.images import Form
from enas.data.splits.sampling import stratified
from enas.data.statistics import level_counts, mean_std
from enas.errors import UserError
from enas.options.config import DataConfig


@pytest.fixture
def mnist(tmp_path):
    """A config of a small IDX set: 60 training images of 3 classes, 30 test images."""
    write_idx(tmp_path)
    return DataConfig(dataset="mnist", data_dir=str(tmp_path), num_valids=12)


def rows(split):
    return {image.tobytes() for image in split.images}


def same(a, b):
    return np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)


def test_the_digits_are_split_alike_for_every_seed():
    first, second = data.load(DataConfig(), 0), data.load(DataConfig(), 1)
    sizes = [len(split.images) for split in (first.train, first.valid, first.test)]
    assert sizes == [1294, 144, 359]
    assert first.image_shape == (8, 8, 1)
    assert first.num_classes == 10
    assert first.class_names == tuple("0123456789")
    assert first.train.images.dtype == np.uint8
    assert first.train.images.max() == 255
    assert same(first.test, second.test), "the test set must not depend on the seed"
    assert not same(first.valid, second.valid)


def test_same_seed_same_data(mnist):
    config = dataclasses.replace(mnist, max_train_images=20, max_test_images=9, n_aug_img=3)
    first, again, other = data.load(config, 3), data.load(config, 3), data.load(config, 4)
    for name in ("train", "valid", "test"):
        assert same(getattr(first, name), getattr(again, name))
        assert not same(getattr(first, name), getattr(other, name))


def test_splits_are_disjoint_and_whole(mnist):
    loaded = data.load(mnist, 0)
    train, valid = rows(loaded.train), rows(loaded.valid)
    assert len(train) == 48
    assert len(valid) == 12
    assert not train & valid
    assert loaded.train.labels.dtype == np.int32


def test_valid_is_stratified_and_in_random_order(mnist):
    loaded = data.load(mnist, 0)
    assert np.bincount(loaded.valid.labels).tolist() == [4, 4, 4]
    assert np.bincount(loaded.train.labels).tolist() == [16, 16, 16]
    orders = {tuple(data.load(mnist, seed).valid.labels) for seed in range(5)}
    assert len(orders) > 1


def test_copies_never_leak_to_validation(mnist):
    plain = data.load(mnist, 0)
    copied = data.load(dataclasses.replace(mnist, n_aug_img=3), 0)
    assert same(plain.valid, copied.valid)
    assert same(plain.test, copied.test)
    assert len(copied.train.images) == 3 * len(plain.train.images)
    assert np.array_equal(copied.train.images[:48], plain.train.images)
    mean, _ = mean_std(level_counts(copied.train.images))
    assert copied.mean == mean


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"num_valids": 7}, 7),
        ({"num_valids": 7, "valid_fraction": 0.5}, 7),
        ({"num_valids": -1, "valid_fraction": 0.5}, 30),
    ],
)
def test_the_validation_split_has_the_size_asked_for(mnist, changes, count):
    assert len(data.load(dataclasses.replace(mnist, **changes), 0).valid.labels) == count


def test_default_count_is_5000(tmp_path):
    write_idx(tmp_path, train=5010, test=10, side=1, zipped=False)
    assert len(data.load(DataConfig(dataset="mnist", data_dir=str(tmp_path)), 0).valid.labels) == 5000


@pytest.mark.parametrize(("fraction", "count"), [(0.1, 501), (0.5, 2505)])
def test_a_fraction_that_is_given_counts_where_the_default_is_5000(tmp_path, fraction, count):
    write_idx(tmp_path, train=5010, test=10, side=1, zipped=False)
    config = DataConfig(dataset="mnist", data_dir=str(tmp_path), valid_fraction=fraction)
    assert len(data.load(config, 0).valid.labels) == count


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_valids": 0}, "--num_valids=0"),
        ({"num_valids": 60}, "--num_valids=60"),
        ({"num_valids": 10**9}, "--num_valids=1000000000"),
        ({"num_valids": 58}, "--num_valids=58"),
        ({"num_valids": 2}, "--num_valids=2"),
        ({"num_valids": -1}, "--num_valids=-1"),
        ({"num_valids": -1, "valid_fraction": 0.01}, "--valid_fraction=0.01"),
        ({"max_train_images": 2}, "--max_train_images=2"),
        ({"max_valid_images": 1}, "--max_valid_images=1"),
        ({"max_test_images": 2}, "--max_test_images=2"),
    ],
)
def test_counts_of_images_that_do_not_fit_are_refused(mnist, changes, words):
    with pytest.raises(UserError, match=words) as caught:
        data.load(dataclasses.replace(mnist, **changes), 0)
    assert "\n" not in str(caught.value)


def test_limits_are_exact_and_stratified(mnist):
    config = dataclasses.replace(mnist, max_train_images=10, max_valid_images=6, max_test_images=1000)
    loaded = data.load(config, 0)
    assert sorted(np.bincount(loaded.train.labels)) == [3, 3, 4]
    assert np.bincount(loaded.valid.labels).tolist() == [2, 2, 2]
    assert len(loaded.test.labels) == 30


def test_images_are_resized_and_coloured_as_asked(mnist):
    loaded = data.load(dataclasses.replace(mnist, img_size="4", channel=3), 0)
    assert loaded.image_shape == (4, 4, 3)
    assert loaded.mean.shape == loaded.std.shape == (3,)
    assert np.array_equal(loaded.test.images[..., 0], loaded.test.images[..., 2])


def test_shrinking_an_image_averages_its_pixels():
    image = np.zeros((4, 4, 1), np.uint8)
    image[:2, :2] = np.array([[10, 20], [30, 40]])[..., None]
    assert image_tools.convert(image, Form(2, 2))[0, 0, 0] == 25


def test_grey_of_colour_is_luma():
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 255
    assert image_tools.convert(red, Form(channels=1)).tolist() == [[[76]]]


def test_mean_std_match_numpy():
    images = np.random.default_rng(0).integers(0, 256, (50, 5, 4, 3), np.uint8)
    scaled = images.astype(np.float64) / 255
    mean, std = mean_std(level_counts(images, chunk=7))
    np.testing.assert_allclose(mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(std, scaled.std(axis=(0, 1, 2)), rtol=1e-6)
    assert mean.dtype == std.dtype == np.float32


def test_constant_channel_has_a_floor():
    _, std = mean_std(level_counts(np.full((3, 2, 2, 1), 9, np.uint8)))
    assert std == np.float32(1 / 255)


def test_stratified_keeps_shares():
    labels = np.repeat([0, 1, 2], [100, 10, 1])
    drawn = stratified(labels, 55, ("a", "b", "c"), np.random.default_rng(0), "--x=55")
    assert len(set(drawn)) == 55
    assert np.bincount(labels[drawn]).tolist() == [49, 5, 1]


def test_a_class_too_small_to_split_is_refused(tmp_path):
    write_folder(tmp_path, count=1)
    config = DataConfig(dataset="folder", data_dir=str(tmp_path), num_valids=1)
    with pytest.raises(UserError, match="--num_valids=1: class 'cat' has 1"):
        data.load(config, 0)


@pytest.mark.parametrize(("flag", "value"), [("num_valids", 5), ("valid_fraction", 0.1)])
def test_a_number_of_validation_images_beside_a_valid_folder(tmp_path, flag, value):
    write_folder(tmp_path, ("train", "valid", "test"))
    with pytest.raises(UserError, match=f"--{flag}={value}: .* has its own validation"):
        data.load(DataConfig(dataset="folder", data_dir=str(tmp_path), **{flag: value}), 0)


def test_imports_neither_tensorflow_nor_scikit_learn():
    code = "import sys, enas.data, enas.data.download; sys.exit(bool({'tensorflow', 'sklearn'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60).returncode == 0
