"""Single images: size and channel conversion, and decoding of PNG and JPEG bytes that distrusts them."""

import struct
import zlib

import cv2
import numpy as np

from enas.errors import UserError

# A few hundred bytes of PNG can describe gigabytes of pixels, so the size is looked up before OpenCV allocates it.
MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 64 * 2**20

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def converted_shape(shape, size, channels):
    """Returns the (H, W, C) that `convert` makes of an image of `shape` (H, W, C)."""
    height, width, native = shape
    return (size or height, size or width, channels or native)


def changes(shape, size, channels):
    """Tells whether `convert` changes an image of `shape` (H, W, C) at all."""
    return converted_shape(shape, size, channels) != tuple(shape)


def convert(image, size, channels):
    """Resizes an image to a square, without keeping its aspect ratio, and converts grey to RGB or RGB to grey.

    Args:
      image: uint8 [H, W, C] with C = 1 or 3, RGB order.
      size: height and width to reach, pixels; 0 leaves them.
      channels: 1 or 3; 0 leaves them.

    Returns:
      uint8 [H', W', C'].
    """
    height, width, native = image.shape
    if size and (height, width) != (size, size):
        shrinks = size <= height and size <= width
        # Averaging areas avoids the aliasing that bilinear sampling of a shrunk image shows.
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if channels and channels != native:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if channels == 3 else cv2.COLOR_RGB2GRAY)
    return image.reshape(*image.shape[:2], channels or native)


def mean_std(images, chunk=1024):
    """Returns the mean and standard deviation of each channel of pixel/255.

    The sums come from exact counts of the 256 pixel values, taken `chunk` images at a time: no float copy of the
    images is made, and the result does not depend on the chunk size.

    Args:
      images: uint8 [N, H, W, C], N >= 1.

    Returns:
      (mean, std), each float32 [C]. std is at least 1/255 (one grey level), so that a constant channel can be
      divided by it.
    """
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), chunk):
        block = images[start : start + chunk]
        for channel in range(channels):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    variance = np.sum(share * (values - mean[:, None]) ** 2, axis=1)
    return mean.astype(np.float32), np.maximum(np.sqrt(variance), 1 / 255).astype(np.float32)


def decode(data, name):
    """Decodes the bytes of a PNG or JPEG file, whichever they are, to 8-bit RGB; transparency is dropped.

    Args:
      data: bytes.
      name: str, the file's name for messages.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UserError: neither PNG nor JPEG, truncated, damaged or absurdly large; the message names the file.
    """
    try:
        if data.startswith(_PNG_SIGNATURE):
            width, height = _check_png(data)
        elif data.startswith(b"\xff\xd8\xff"):
            width, height = _check_jpeg(data)
        else:
            raise ValueError("starts like neither of them")
        if not 0 < width * height <= MAX_PIXELS:
            raise ValueError(f"{width}x{height} pixels (at most {MAX_PIXELS:,} in all)")
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (ValueError, cv2.error) as error:
        reason = error if isinstance(error, ValueError) else "OpenCV cannot decode it"
        raise UserError(f"{name}: {reason}; expected a whole PNG or JPEG image") from None
    if image is None:
        raise UserError(f"{name}: OpenCV cannot decode it; expected a whole PNG or JPEG image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _check_png(data):
    """Walks a PNG's chunks up to IEND and returns (width, height); OpenCV may return a damaged one half decoded."""
    position, size = len(_PNG_SIGNATURE), None
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[position + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ValueError("damaged PNG (a chunk's checksum does not match)")
        if size is None:
            if kind != b"IHDR" or length != 13:
                raise ValueError("damaged PNG (no header chunk)")
            size = struct.unpack_from(">II", data, position + 8)
        if kind == b"IEND":
            return size
        position = end
    raise ValueError("truncated PNG (no IEND chunk)")


def _check_jpeg(data):
    """Walks a JPEG's segments and returns (width, height).

    The end marker is looked for after the start of the scan only: an embedded thumbnail carries one of its own.
    """
    position, size = 2, None
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise ValueError("damaged JPEG (no marker where one is due)")
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a segment
            position += 2
            continue
        length = struct.unpack_from(">H", data, position + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and position + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, position + 5)
            size = width, height
        if marker == 0xDA:
            if size is None:
                raise ValueError("damaged JPEG (no frame header)")
            if data.find(b"\xff\xd9", position) < 0:
                break
            return size
        position += 2 + length
    raise ValueError("truncated JPEG (no end-of-image marker)")
