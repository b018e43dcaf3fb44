"""Augmented copies."""

import numpy as np
from data_files import images, labels

from enas.data import augment


def test_augmentation_keeps_shapes_and_order_and_repeats():
    originals, marks = images(5), labels(5).astype(np.int32)
    result, result_labels = augment.with_copies(originals, marks, 3, 7)
    assert result.shape == (15, 8, 8, 1)
    assert result.dtype == np.uint8
    assert np.array_equal(result[:5], originals)
    assert np.array_equal(result_labels, np.tile(marks, 3))
    assert np.array_equal(result, augment.with_copies(originals, marks, 3, 7)[0])
    assert not np.array_equal(result, augment.with_copies(originals, marks, 3, 8)[0])


def test_a_copy_depends_on_its_image_and_index_alone():
    originals, marks = images(5), labels(5)
    few, _ = augment.with_copies(originals[:3], marks[:3], 2, 0)
    many, _ = augment.with_copies(originals, marks, 4, 0)
    assert np.array_equal(few[3:], many[5:8])


def test_one_means_none():
    originals, marks = images(2), labels(2)
    assert augment.with_copies(originals, marks, 1, 0)[0] is originals


def test_grey_is_never_flipped_and_colour_is(monkeypatch):
    monkeypatch.setattr(augment, "MAX_ZOOM", 1.0)
    monkeypatch.setattr(augment, "MAX_ROTATION", 0.0)
    monkeypatch.setattr(augment, "CONTRAST", (1.0, 1.0))
    monkeypatch.setattr(augment, "MAX_BRIGHTNESS", 0.0)
    monkeypatch.setattr(augment, "NOISE_STD", 0.0)
    grey, colour = images(40), images(40, channels=3)
    copies = augment.with_copies(grey, labels(40), 2, 0)[0][40:]
    assert np.array_equal(copies, grey)
    copies = augment.with_copies(colour, labels(40), 2, 0)[0][40:]
    flipped = sum(np.array_equal(copy, image[:, ::-1]) for copy, image in zip(copies, colour, strict=True))
    kept = sum(np.array_equal(copy, image) for copy, image in zip(copies, colour, strict=True))
    assert flipped + kept == 40
    assert 10 < flipped < 30


def test_every_effect_changes_half_of_the_images():
    grey = images(200, side=12)
    copies = augment.with_copies(grey, labels(200), 2, 0)[0][200:]
    unchanged = sum(np.array_equal(copy, image) for copy, image in zip(copies, grey, strict=True))
    # Four effects, each left out with probability 1/2: one in sixteen stays as it is.
    assert 3 <= unchanged <= 25


def test_brightness_does_not_wrap_around():
    light, dark = np.full((50, 6, 6, 1), 250, np.uint8), np.full((50, 6, 6, 1), 5, np.uint8)
    assert augment.with_copies(light, labels(50), 2, 0)[0].min() > 100
    assert augment.with_copies(dark, labels(50), 2, 0)[0].max() < 100
