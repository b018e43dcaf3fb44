"""Class folders and image files."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from data_files import encoded, images, pixels, write_folder

from enas import data
from enas.data.readers import images as image_tools
from enas.errors import UserError
from enas.options.config import DataConfig


def load(folder, seed=0, **changes):
    return data.load(DataConfig(dataset="folder", data_dir=str(folder), **changes), seed)


def test_folders_of_images_come_back_as_they_were_written(tmp_path):
    colours = write_folder(tmp_path, ("train", "valid", "test"))
    loaded = load(tmp_path)
    assert loaded.class_names == ("cat", "dog")
    assert loaded.image_shape == (32, 32, 3)
    assert np.array_equal(pixels(loaded.test)[:, 7, 9], np.concatenate(list(colours["test"].values())))
    assert loaded.test.labels.tolist() == [0] * 6 + [1] * 6
    found = {(label, *image[0, 0]) for label, image in zip(loaded.valid.labels, pixels(loaded.valid), strict=True)}
    assert found == {(label, *row) for label, name in enumerate(("cat", "dog")) for row in colours["valid"][name]}


def test_split_by_fraction_without_valid(tmp_path):
    write_folder(tmp_path, count=10)
    assert len(load(tmp_path).valid.labels) == 2
    assert len(load(tmp_path, valid_fraction=0.5).valid.labels) == 10
    assert len(load(tmp_path, num_valids=4).valid.labels) == 4


def test_images_get_the_size_and_the_channel_asked_for(tmp_path):
    write_folder(tmp_path, count=10)
    assert load(tmp_path, img_size="5", channel=1).image_shape == (5, 5, 1)


def test_jpeg_and_extensions_in_any_case(tmp_path):
    write_folder(tmp_path, count=10)
    flat = np.full((9, 7, 3), (200, 40, 90), np.uint8)
    for name in ("a.JPG", "b.Jpeg", "c.jpg"):
        (tmp_path / "test" / "cat" / name).write_bytes(encoded(flat, ".jpg"))
    (tmp_path / "test" / "cat" / "d.PNG").write_bytes(encoded(flat))
    (tmp_path / "test" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "test" / "cat" / ".hidden.png").write_text("no image")
    (tmp_path / "test" / "cat" / "folder.png").mkdir()
    (tmp_path / "test" / ".git").mkdir()
    loaded = load(tmp_path)
    assert len(loaded.test.labels) == 24
    near = np.abs(pixels(loaded.test)[:, 3, 3].astype(int) - flat[0, 0]).max(axis=1) <= 3
    assert near.sum() == 4


def test_only_chosen_images_are_read(tmp_path, monkeypatch):
    write_folder(tmp_path, count=20)
    decoded = []
    original = image_tools.decode
    monkeypatch.setattr(
        image_tools, "decode", lambda bytes_, name, form: decoded.append(name) or original(bytes_, name, form)
    )
    load(tmp_path, max_train_images=4, max_valid_images=2, max_test_images=2)
    assert len(decoded) == 8


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_a_truncated_image_is_refused(tmp_path, extension):
    write_folder(tmp_path, count=10)
    whole = encoded(images(1, 40, 3)[0], extension)
    path = tmp_path / "test" / "dog" / f"broken{extension}"
    for cut in (0, 2, 30, len(whole) // 2, len(whole) - 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match=f"broken{extension}: .*expected a whole PNG or JPEG") as caught:
            load(tmp_path)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole + b"trailing bytes")
    assert len(load(tmp_path).test.labels) == 21


def test_a_truncated_jpeg_is_not_read_by_its_thumbnail():
    whole = encoded(images(1, 40, 3)[0], ".jpg")
    thumbnail = encoded(images(1, 4, 3)[0], ".jpg")
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    whole = whole[:2] + segment + whole[2:]
    assert image_tools.decode(whole, "x").shape == (40, 40, 3)
    with pytest.raises(UserError, match="x: truncated JPEG"):
        image_tools.decode(whole[:-2], "x")


def test_a_damaged_png_is_refused():
    whole = bytearray(encoded(images(1, 40, 3)[0]))
    whole[len(whole) // 2] ^= 1
    with pytest.raises(UserError, match="x: damaged PNG"):
        image_tools.decode(bytes(whole), "x")


def test_a_png_that_unpacks_to_too_much_is_refused():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6)))
    with pytest.raises(UserError, match="x: 60000x60000 pixels"):
        image_tools.decode(bomb + chunk(b"IEND", b""), "x")


@pytest.mark.parametrize("kind", [cv2.IMREAD_GRAYSCALE, cv2.IMREAD_UNCHANGED, "16 bit"])
def test_other_pixel_formats_become_rgb(kind):
    if kind == cv2.IMREAD_GRAYSCALE:
        pixels, expected = np.full((3, 3), 77, np.uint8), 77
    elif kind == cv2.IMREAD_UNCHANGED:
        pixels, expected = np.full((3, 3, 4), 77, np.uint8), 77
    else:
        pixels, expected = np.full((3, 3, 3), 77 * 257, np.uint16), 77
    assert np.all(image_tools.decode(cv2.imencode(".png", pixels)[1].tobytes(), "x") == np.full((3, 3, 3), expected))


def test_an_unreadable_image_is_named(tmp_path):
    write_folder(tmp_path, count=10)
    (tmp_path / "test" / "dog" / "text.png").write_text("no image at all")
    with pytest.raises(UserError, match="text.png: begins like neither a PNG nor a JPEG"):
        load(tmp_path)


def test_a_missing_split_is_named(tmp_path):
    with pytest.raises(UserError, match="--data_dir=.*no such folder"):
        load(tmp_path / "nowhere")
    write_folder(tmp_path, ("train",))
    with pytest.raises(UserError, match="no test/ or test.zip"):
        load(tmp_path)
    write_folder(tmp_path / "b", ("test",))
    with pytest.raises(UserError, match="no train/ or train.zip"):
        load(tmp_path / "b")


def test_a_class_without_images_is_refused(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train" / "eel").mkdir()
    (tmp_path / "train" / "eel" / "readme.txt").write_text("")
    with pytest.raises(UserError, match="train: empty class 'eel'"):
        load(tmp_path)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_splits_with_other_classes_are_refused(tmp_path, split):
    write_folder(tmp_path, ("train", "valid", "test"))
    (tmp_path / split / "eel").mkdir()
    with pytest.raises(UserError, match=f"{split}: class folder 'eel' is not among"):
        load(tmp_path)
    os.rmdir(tmp_path / split / "eel")
    (tmp_path / split / "dog").rename(tmp_path / split / ".dog")
    with pytest.raises(UserError, match=f"{split}: class folder 'dog' is missing"):
        load(tmp_path)


@pytest.mark.parametrize("classes", [(), ("cat",)])
def test_a_single_class_is_refused(tmp_path, classes):
    write_folder(tmp_path, classes=classes)
    (tmp_path / "train").mkdir(exist_ok=True)
    with pytest.raises(UserError, match=f"{len(classes)} class folders"):
        load(tmp_path)
