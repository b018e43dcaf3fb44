"""What augmentation does to the images of a batch."""

import numpy as np
import pytest
from made_up_batches import batches, dataset, normalised, split, training

from enas.data import pipeline
from enas.options.config import DataConfig

pytestmark = pytest.mark.usefixtures("graph")


def colourful(count, side=6, channels=3):
    """Images that have no pixel which is 0 when it is normalised, as those of the padding are."""
    part = split(count, (side, side, channels))
    part.images[part.images == 102] = 103  # 0.4 * 255
    return part


@pytest.mark.parametrize(
    ("channels", "padding", "shift", "mirrors"), [(3, -1, 4, True), (3, 1, 1, True), (3, 0, 0, True), (1, 2, 2, False)]
)
def test_an_image_is_shifted_by_up_to_the_padding_and_maybe_mirrored_if_it_has_colour(
    start, channels, padding, shift, mirrors
):
    part = colourful(120, channels=channels)
    stream = training(part, 120, augment=DataConfig(crop_padding=padding))
    (x, y, _), *_ = batches(start(), stream, 1)
    padded = np.pad(normalised(part), [(0, 0), (shift, shift), (shift, shift), (0, 0)])
    found = []
    for image, label in zip(x, y, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(padded[label], (6, 6), (0, 1)).transpose(0, 1, 3, 4, 2)
        assert windows.shape == (2 * shift + 1, 2 * shift + 1, 6, 6, channels)
        for mirrored in (0, 1):
            same = np.abs(windows - (image[:, ::-1] if mirrored else image)).max((2, 3, 4)) < 1e-5
            found += [(label, top, left, mirrored) for top, left in np.argwhere(same)]
    labels, tops, lefts, mirrored = zip(*found, strict=True)
    assert sorted(labels) == list(range(120))  # each is one window of its image, once
    assert set(tops) == set(lefts) == set(range(2 * shift + 1))
    assert len(set(zip(tops, lefts, strict=True))) >= min(40, (2 * shift + 1) ** 2)
    assert (35 if mirrors else 0) <= sum(mirrored) <= (85 if mirrors else 0)


def test_every_use_of_an_image_is_augmented_anew(start):
    part = colourful(2)
    seen = batches(start(), training(part, 2, augment=DataConfig()), 20)
    versions = {x[list(y).index(0)].tobytes() for x, y, _ in seen}
    assert len(versions) > 10


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_cutout_erases_one_square_around_any_pixel(start, size):
    """Size x size, less where it sticks out of the image; the rest is untouched."""
    side, found = 6, set()
    part = colourful(400, side)
    (x, y, _), *_ = batches(start(), training(part, 400, augment=DataConfig(augment=False, cutout_size=size)), 1)
    for image, before in zip(x, normalised(part)[y], strict=True):
        erased = np.all(image == 0, axis=-1)
        np.testing.assert_allclose(image[~erased], before[~erased], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(erased, np.outer(erased.any(1), erased.any(0)))
        found.add((tuple(np.flatnonzero(erased.any(1))), tuple(np.flatnonzero(erased.any(0)))))
    ranges = [range(max(0, low), min(side, low + size)) for low in range(-(size // 2), side - size // 2)]
    assert found == {(tuple(rows), tuple(columns)) for rows in ranges for columns in ranges}


def test_a_cutout_larger_than_the_image_leaves_some_of_most_images(start):
    """8 of 6 pixels: at least 4 of 6 are covered, all where the centre is within one pixel of the middle."""
    (x, _, _), *_ = batches(start(), training(colourful(100), 100, augment=DataConfig(augment=False, cutout_size=8)), 1)
    shares = (x == 0).all(-1).mean((1, 2))
    assert shares.min() == pytest.approx(16 / 36) and shares.max() == 1.0 and shares.mean() < 0.9


def test_grey_images_are_left_alone_by_default_but_cut_out(start):
    part = colourful(20, channels=1)
    streams = [training(part, 20, augment=config) for config in (DataConfig(), DataConfig(cutout_size=3))]
    session = start()
    (plain, y, _), (cut, _, _) = (batches(session, stream, 1)[0] for stream in streams)
    np.testing.assert_allclose(plain, normalised(part)[y], rtol=1e-5, atol=1e-6)
    assert (cut == 0).any((1, 2, 3)).all() and not (plain == 0).any()


def test_augment_off_and_evaluation_leave_images_alone(start):
    part = colourful(10)
    streams = [
        training(part, 10, augment=DataConfig(augment=False, crop_padding=3)),
        training(part, 10),
        pipeline.evaluation_batches(dataset(part), part, 10, 0),
    ]
    session = start()
    for stream in streams:
        x, y, _ = batches(session, stream, 1)[0]
        np.testing.assert_allclose(x, normalised(part)[y], rtol=1e-5, atol=1e-6)
