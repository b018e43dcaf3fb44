"""Images that stay in their files: the same whatever --cache says, measured exactly, checked once."""

import dataclasses
import json
import os
import shutil

import cv2
import numpy as np
import pytest
from data_files import encoded, pixels, write_folder, zip_folder

from enas import data
from enas.data import augment, disk_cache, metadata, streaming
from enas.data.readers import images as image_tools
from enas.errors import UserError
from enas.options.config import DataConfig

CACHES = ("none", "memory", "disk")


@pytest.fixture
def config(tmp_path):
    """A config of noisy 24x40 images, of two classes, with 10 images for each of train and test."""
    folder = tmp_path / "set"
    write_folder(folder, count=10)
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        noise = np.random.default_rng(number).integers(0, 256, (24, 40, 3), np.uint8)
        path.write_bytes(encoded(noise, ".png"))
    cache = str(tmp_path / "cache")
    return DataConfig(dataset="folder", data_dir=str(folder), img_size="6x10", cache_dir=cache, num_valids=4)


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that were decoded so far."""
    names, original = [], image_tools.decode
    monkeypatch.setattr(
        image_tools, "decode", lambda content, name, form: names.append(name) or original(content, name, form)
    )
    return names


def with_(config, **changes):
    return dataclasses.replace(config, **changes)


def file_of(config, split, number):
    """A file of a split, below its folder: a Path-like string."""
    return os.path.join(config.data_dir, data.load(config, 0).__dict__[split].names[number])


def expected(config, name):
    """An image as OpenCV alone brings it to 6x10."""
    image = cv2.cvtColor(cv2.imread(os.path.join(config.data_dir, name)), cv2.COLOR_BGR2RGB)
    return cv2.resize(image, (10, 6), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("cache", CACHES)
def test_every_cache_gives_each_files_image(config, cache):
    loaded = data.load(with_(config, cache=cache), 0)
    for split, count in ((loaded.train, 16), (loaded.valid, 4), (loaded.test, 20)):
        assert split.images.shape == (count, 6, 10, 3)
        assert len(set(split.names)) == len(split.labels) == count
        for image, label, name in zip(pixels(split), split.labels, split.names, strict=True):
            np.testing.assert_array_equal(image, expected(config, name))
            assert loaded.class_names[label] == name.split("/")[1]
    assert not set(loaded.train.names) & set(loaded.valid.names)


@pytest.mark.parametrize("cache", CACHES)
def test_copies_follow_the_originals_and_statistics_include_them(config, cache):
    loaded = data.load(with_(config, cache=cache, n_aug_img=3), 5)
    originals = pixels(data.load(config, 5).train)
    whole = pixels(loaded.train)
    assert whole.shape == (48, 6, 10, 3)
    np.testing.assert_array_equal(whole[:16], originals)
    assert loaded.train.names == loaded.train.names[:16] * 3
    np.testing.assert_array_equal(loaded.train.labels, np.tile(loaded.train.labels[:16], 3))
    everything = sorted(f"train/{name}/{n}.png" for name in ("cat", "dog") for n in range(10))
    for copy in (1, 2):
        for image, original, name in zip(whole[16 * copy :], originals, loaded.train.names[:16], strict=False):
            index = everything.index(name)
            np.testing.assert_array_equal(image, augment.augmented(original, 5, index, copy))
    scaled = whole.astype(np.float64) / 255
    np.testing.assert_allclose(loaded.mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(loaded.std, scaled.std(axis=(0, 1, 2)), rtol=1e-6)


def test_any_images_can_be_read_in_any_order(config):
    images = {cache: data.load(with_(config, cache=cache, n_aug_img=2), 0).train.images for cache in CACHES}
    which = np.array([31, 0, 17, 17, 4])
    whole = images["none"].read(np.arange(32))
    for split in images.values():
        np.testing.assert_array_equal(split.read(which), whole[which])


def test_zip_files_stream_too(config, tmp_path):
    zipped = tmp_path / "zipped"
    zipped.mkdir()
    for split in ("train", "test"):
        zip_folder(tmp_path / "set" / split, zipped / f"{split}.zip")
    loaded, plain = data.load(with_(config, data_dir=str(zipped)), 0), data.load(config, 0)
    np.testing.assert_array_equal(pixels(loaded.train), pixels(plain.train))
    assert loaded.test.names[0].replace("test.zip", "test") == plain.test.names[0]


# What a run knows of its data set.


def resumed(config, known):
    return data.load(config, 0, json.loads(json.dumps(known)))


def test_a_resumed_run_decodes_nothing_before_it_trains(config, decoded):
    first = data.load(config, 0)
    assert len(decoded) == 40
    again = resumed(config, metadata.of(first))
    assert len(decoded) == 40
    assert again.mean.tobytes() == first.mean.tobytes() and again.std.tobytes() == first.std.tobytes()
    assert metadata.of(again) == metadata.of(first)


def test_a_resumed_run_wants_the_same_files(config, tmp_path):
    known = metadata.of(data.load(config, 0))
    moved = tmp_path / "elsewhere"
    shutil.copytree(config.data_dir, moved)
    assert metadata.of(resumed(with_(config, data_dir=str(moved)), known)) == known
    (moved / "test" / "cat" / "new.png").write_bytes((moved / "test" / "cat" / "0.png").read_bytes())
    with pytest.raises(UserError, match="elsewhere: its test images are not those that the run began with"):
        resumed(with_(config, data_dir=str(moved)), known)


def test_a_resumed_run_wants_the_same_classes(config):
    known = metadata.of(data.load(config, 0))
    os.rename(os.path.join(config.data_dir, "train", "cat"), os.path.join(config.data_dir, "train", "eel"))
    os.rename(os.path.join(config.data_dir, "test", "cat"), os.path.join(config.data_dir, "test", "eel"))
    with pytest.raises(UserError, match=r"its 2 classes \(dog, eel\) are not those of the run \(cat, dog\)"):
        resumed(config, known)


def test_arrays_have_metadata_too():
    known = metadata.of(data.load(DataConfig(), 0))
    assert metadata.of(resumed(DataConfig(), known)) == known
    with pytest.raises(UserError, match="digits: its train images"):
        resumed(DataConfig(max_train_images=100), known)


def test_a_normalisation_stored_for_other_channels_is_refused():
    known = {**metadata.of(data.load(DataConfig(), 0)), "mean": [0.5] * 3, "std": [0.5] * 3}
    with pytest.raises(UserError, match="digits: images of 1 channels; the run's data.json has 3"):
        resumed(DataConfig(), known)


DAMAGED = ["", "[]", "{}", '{"class_names": 1}', "\x00", "[" * 100_000]


# Unreadable files.


@pytest.fixture
def bad(config):
    """The config of a set with one broken file in each split."""
    names = [file_of(config, split, 3) for split in ("train", "valid", "test")]
    for name in names:
        with open(name, "r+b") as file:
            file.truncate(20)
    return config, names


def test_an_unreadable_file_is_named(bad):
    config, names = bad
    for cache in CACHES:
        with pytest.raises(UserError, match=r"truncated PNG.*expected a whole.*--skip_bad_images") as caught:
            data.load(with_(config, cache=cache), 0)
        assert names[0] in str(caught.value) and "\n" not in str(caught.value)
    assert os.listdir(config.cache_dir) == [name for name in os.listdir(config.cache_dir) if name.endswith(".lock")], (
        "a cache that was not filled must not be there"
    )


@pytest.mark.parametrize("cache", CACHES)
def test_unreadable_files_are_left_out_and_listed(bad, cache):
    config, names = bad
    config = with_(config, cache=cache, skip_bad_images=True, n_aug_img=2)
    loaded = data.load(config, 0)
    for again in (loaded, resumed(config, metadata.of(loaded)), data.load(config, 0)):
        assert [len(split.labels) for split in (again.train, again.valid, again.test)] == [30, 3, 19]
        for split, name in zip(("train", "valid", "test"), names, strict=True):
            [[listed, reason]] = again.bad_images[split]
            assert os.path.join(config.data_dir, listed) == name and reason.startswith(name)
            assert listed not in again.__dict__[split].names
        for split in (again.train, again.valid, again.test):
            count = len(set(split.names))
            for image, name in zip(pixels(split)[:count], split.names, strict=False):
                np.testing.assert_array_equal(image, expected(config, name))
    np.testing.assert_allclose(loaded.mean, pixels(loaded.train).mean(axis=(0, 1, 2)) / 255, rtol=1e-5)


@pytest.mark.parametrize("cache", CACHES)
def test_the_same_files_elsewhere_have_the_same_facts(bad, cache, tmp_path):
    config = with_(bad[0], cache=cache, skip_bad_images=True)
    known = metadata.of(data.load(config, 0))
    shutil.move(config.data_dir, tmp_path / "moved")
    assert metadata.of(resumed(with_(config, data_dir=str(tmp_path / "moved")), known)) == known


def test_a_cache_made_without_bad_files_refuses_them_later(bad):
    config = with_(bad[0], cache="disk", skip_bad_images=True)
    data.load(config, 0)
    with pytest.raises(UserError, match="truncated PNG.*--skip_bad_images"):
        data.load(with_(config, skip_bad_images=False), 0)


def test_a_class_without_a_readable_training_image(config):
    for name in os.listdir(os.path.join(config.data_dir, "train", "dog")):
        with open(os.path.join(config.data_dir, "train", "dog", name), "wb"):
            pass
    with pytest.raises(UserError, match="--skip_bad_images left out 8 train images .*of each class"):
        data.load(with_(config, skip_bad_images=True), 0)


def test_a_file_that_vanishes_while_it_is_streamed_is_named(config):
    images, name = data.load(config, 0).train.images, file_of(config, "train", 2)
    os.remove(name)
    with pytest.raises(UserError, match=f"{name}: No such file"):
        images.read(np.array([1, 2]))


# The cache on disk, and the one in memory.


def test_a_cache_is_made_once_and_anew_for_changed_files(config, decoded):
    config = with_(config, cache="disk")
    first = data.load(config, 0)
    assert len(decoded) == 40
    assert pixels(data.load(config, 0).train).tobytes() == pixels(first.train).tobytes()
    assert len(decoded) == 40
    os.utime(file_of(config, "test", 0), ns=(1, 1))
    data.load(config, 0)
    assert len(decoded) == 60
    data.load(with_(config, resize="crop"), 0)
    assert len(decoded) == 100


def test_a_cache_that_was_cut_short_is_refused(config):
    config = with_(config, cache="disk")
    images = data.load(config, 0).train.images
    for name in os.listdir(config.cache_dir):
        if name.endswith(".images"):
            os.truncate(os.path.join(config.cache_dir, name), 100)
    with pytest.raises(UserError, match=r"\.images: 100 bytes; expected 2,880"):
        data.load(config, 0)
    with pytest.raises(UserError, match="cut short while it was in use"):
        images.read(np.array([15]))


@pytest.mark.parametrize("text", [*DAMAGED, '{"bad": [], "counts": [[1]]}', '{"bad": 1, "counts": []}'])
def test_a_damaged_description_of_a_cache_is_refused(config, text):
    config = with_(config, cache="disk")
    data.load(config, 0)
    for name in os.listdir(config.cache_dir):
        if name.endswith(".json"):
            with open(os.path.join(config.cache_dir, name), "w", encoding="utf-8") as file:
                file.write(text)
    with pytest.raises(UserError, match=r"\.json: damaged; expected a file of --cache=disk"):
        data.load(config, 0)


def test_an_interrupted_cache_leaves_nothing_behind(config, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(streaming, "level_counts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        data.load(with_(config, cache="disk"), 0)
    assert all(name.endswith(".lock") for name in os.listdir(config.cache_dir))


def test_no_room_is_told_before_anything_is_decoded(config, decoded, monkeypatch):
    monkeypatch.setattr(disk_cache.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 100))
    with pytest.raises(UserError, match="--cache_dir=.*are needed and 0.0 GB are free"):
        data.load(with_(config, cache="disk"), 0)
    monkeypatch.setattr(streaming.os, "sysconf", lambda _: 10)
    with pytest.raises(UserError, match="--cache=memory: the train images need .*expected disk or none"):
        data.load(with_(config, cache="memory"), 0)
    assert not decoded


@pytest.mark.parametrize("folder", ["", "/proc/nowhere", __file__])
def test_a_cache_folder_that_cannot_be(config, folder):
    with pytest.raises(UserError, match=f"--cache_dir=.*{folder}.*: .*expected a folder"):
        data.load(with_(config, cache="disk", cache_dir=folder), 0)
