"""Image files of every format, whole, damaged and too large."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from data_files import encoded, images
from PIL import Image

from enas.data.readers import images as image_tools
from enas.errors import UserError

FORMATS = (".png", ".jpg", ".webp", ".gif", ".bmp", ".tiff", ".avif", ".jp2", ".ppm", ".pgm", ".pbm", ".pam", ".ras")


@pytest.mark.parametrize("extension", FORMATS)
def test_every_still_format_is_read_and_its_parts_are_refused(extension):
    image = images(1, 40, 3)[0]
    whole = cv2.imencode(extension, image[..., 0] if extension in (".pgm", ".pbm") else image)[1].tobytes()
    expected = cv2.cvtColor(cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(image_tools.decode(whole, f"x{extension}"), expected)
    for cut in (0, 2, 11, 30, len(whole) // 2, int(len(whole) * 0.9)):
        with pytest.raises(UserError, match=f"^x{extension}: .*expected a whole image$"):
            image_tools.decode(whole[:cut], f"x{extension}")


def test_the_first_picture_of_an_animation_is_read():
    frames = [Image.fromarray(np.full((6, 6, 3), value, np.uint8)) for value in (200, 10)]
    for kind in ("GIF", "WEBP", "TIFF"):
        file = io.BytesIO()
        frames[0].save(
            file, kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
        )
        assert (image_tools.decode(file.getvalue(), "x") == 200).all(), kind


@pytest.mark.parametrize(
    "header", [b"P6 60000 60000 255\n", b"P7\nWIDTH 60000\nHEIGHT 60000\nDEPTH 3\nMAXVAL 255\nENDHDR\n"]
)
def test_a_header_of_too_many_pixels_is_refused_before_they_are_made(header):
    with pytest.raises(UserError, match="60000x60000 pixels|decompression bomb|3600000000 pixels"):
        image_tools.decode(header + bytes(100), "x.ppm")


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
