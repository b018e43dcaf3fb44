"""Image sizes that are not square, and the three ways to get there."""

import struct

import cv2
import numpy as np
import pytest
from data_files import encoded, pixels, write_folder, write_idx
from hypothesis import given
from hypothesis import strategies as st

from enas import data
from enas.data.readers.images import Form, convert, decode
from enas.errors import UserError
from enas.options.config import DataConfig

SIDES = st.integers(1, 40)


@pytest.mark.parametrize(
    ("text", "size"), [("0", (0, 0)), ("160", (160, 160)), ("96x192", (96, 192)), ("1x4096", (1, 4096))]
)
def test_a_valid_img_size_gives_its_sides(text, size):
    assert DataConfig(img_size=text).image_size == size


@pytest.mark.parametrize(
    "text",
    ["", "x", "96x", "x96", "0x5", "5x0", "4097", "96x4097", "96X192", "9 6", "-1", "1.5", "1x2x3", "٣", "99999"],
)
def test_an_img_size_that_is_none_is_refused(text):
    with pytest.raises(UserError, match=r"--img_size=.*HEIGHTxWIDTH such as 96x192, sides of 1 to 4096 pixels, or 0"):
        DataConfig(img_size=text)


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from([1, 3]), st.sampled_from(["stretch", "crop", "pad"]))
def test_every_form_is_reached(height, width, to_height, to_width, channels, resize):
    image = np.full((height, width, channels), 200, np.uint8)
    result = convert(image, Form(to_height, to_width, resize=resize))
    assert result.shape == (to_height, to_width, channels)
    if resize != "pad":
        assert (result == 200).all()
    else:
        inside = np.argwhere((result > 0).all(2))
        box = inside.max(0) - inside.min(0) + 1
        assert len(inside) == box.prod(), "black frames one rectangle"
        assert (box == (to_height, to_width)).any()
        # Of the image's own aspect ratio, as far as whole pixels have one.
        exact = np.array([height, width]) * min(to_height / height, to_width / width)
        assert (np.abs(box - np.maximum(exact, 1)) <= 0.5 + 1e-9).all()
        assert (np.abs(2 * inside.min(0) + box - (to_height, to_width)) <= 1).all(), "in the middle"


def test_crop_keeps_the_middle_and_pad_keeps_all():
    image = np.zeros((4, 8, 1), np.uint8)
    image[:, 2:6], image[:, :2], image[:, 6:] = 100, 10, 20
    np.testing.assert_array_equal(convert(image, Form(2, 2, resize="crop")), np.full((2, 2, 1), 100))
    padded = convert(image, Form(8, 8, resize="pad"))
    np.testing.assert_array_equal(padded[2:6], image)
    assert not padded[:2].any() and not padded[6:].any()


def test_an_extreme_aspect_ratio_is_cropped_before_it_is_scaled():
    """Scaled first, this image would have 30 billion pixels."""
    image = np.full((1, 3_000_000, 3), 7, np.uint8)
    assert (convert(image, Form(100, 100, resize="crop")) == 7).all()


def test_a_side_that_shrinks_is_averaged_while_the_other_grows():
    image = np.zeros((1, 8, 1), np.uint8)
    image[0, ::2] = 200
    np.testing.assert_array_equal(convert(image, Form(4, 2)), np.full((4, 2, 1), 100))


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(96, 192), (160, 160), (60, 20), (250, 500), (251, 501)])
def test_a_jpeg_decoded_smaller_looks_like_one_decoded_whole(size, resize):
    clouds = np.random.default_rng(0).integers(0, 256, (3, 5, 3)).astype(np.float32)
    image = np.clip(cv2.resize(clouds, (1000, 500), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)
    content, form = encoded(image, ".jpg"), Form(*size, resize=resize)
    whole, reduced = decode(content, "x"), decode(content, "x", form)
    assert whole.shape == (500, 1000, 3)
    assert (reduced.size < whole.size) == (size != (251, 501))
    assert all(have >= need for have, need in zip(reduced.shape, form.scaled(500, 1000), strict=False))
    difference = np.abs(convert(reduced, form).astype(int) - convert(whole, form))
    # 500 / 8 is no whole number: up to half a pixel of the smaller image is what the last row is off.
    assert difference.mean() < 3 and np.percentile(difference, 99) < 8


def test_a_jpeg_on_its_side_is_turned_and_not_decoded_too_small():
    image = np.zeros((64, 256, 3), np.uint8)
    image[:, :128] = 255
    content = encoded(image, ".jpg")
    tag = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    content = content[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(tag)) + tag + content[2:]
    form = Form(128, 16)
    turned = decode(content, "x", form)
    assert turned.shape[0] == 4 * turned.shape[1] and turned.shape[0] >= 128
    result = convert(turned, form)
    assert result[:60].min() > 250 and result[68:].max() < 5


def test_data_sets_take_sizes_that_are_not_square(tmp_path):
    write_folder(tmp_path / "folder", count=10)
    loaded = data.load(DataConfig(dataset="folder", data_dir=str(tmp_path / "folder"), img_size="6x10"), 0)
    assert loaded.image_shape == (6, 10, 3) and pixels(loaded.valid).shape[1:] == (6, 10, 3)
    write_idx(tmp_path / "idx")
    config = DataConfig(dataset="mnist", data_dir=str(tmp_path / "idx"), num_valids=6, img_size="5x9", resize="pad")
    assert data.load(config, 0).train.images.shape == (54, 5, 9, 1)
