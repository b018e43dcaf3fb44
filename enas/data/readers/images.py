"""Single images: size and channel conversion, and a decoder of image files that does not trust their bytes."""

import dataclasses
import math
import struct
import zlib
from collections.abc import Sequence

import cv2
import numpy as np

from enas.data.readers import formats
from enas.errors import UserError

# Each thread decodes an image (`enas.data.streaming`). OpenCV's own threads would only get in their way.
cv2.setNumThreads(1)
# What is wrong with a file is said once, by name.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# A few hundred bytes can describe gigabytes of pixels, so the size is looked up before OpenCV allocates it.
MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 64 * 2**20

_READ = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}


@dataclasses.dataclass(frozen=True)
class Form:
    """What images are brought to.

    Attributes:
      height, width: pixels; if both are 0, images keep their size.
      channels: 1 (grey) or 3 (RGB); 0: images keep theirs.
      resize: "stretch", "crop" or "pad"; see `--resize`.
    """

    height: int = 0
    width: int = 0
    channels: int = 0
    resize: str = "stretch"

    def shape(self, native: Sequence[int]) -> tuple[int, int, int]:
        """Returns the (H, W, C) that `convert` makes of an image of shape `native`."""
        height, width, channels = native
        return self.height or height, self.width or width, self.channels or channels

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Returns the (height, width) that an image of that size is scaled to, before it is cropped or padded."""
        if not self.height:
            return height, width
        if self.resize == "stretch":
            return self.height, self.width
        ratios = self.height / height, self.width / width
        ratio = max(ratios) if self.resize == "crop" else min(ratios)
        scaled = max(1, round(height * ratio)), max(1, round(width * ratio))
        bound = max if self.resize == "crop" else min
        return bound(scaled[0], self.height), bound(scaled[1], self.width)


def convert(image: np.ndarray, form: Form) -> np.ndarray:
    """Resizes an image, crops or pads it around its middle, and converts grey to RGB or RGB to grey.

    Args:
      image: uint8 `[H, W, C]` with C = 1 or 3, RGB order.
      form: what the image is brought to.

    Returns:
      uint8 `[H', W', C']`.
    """
    shape, native = form.shape(image.shape), image.shape[2]
    if form.resize == "crop":
        image = _scaled(_cropped(image, *shape[:2]), *shape[:2])
    else:
        image = _padded(_scaled(image, *form.scaled(*image.shape[:2])), *shape[:2])
    if shape[2] != native:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if shape[2] == 3 else cv2.COLOR_RGB2GRAY)
    return image.reshape(shape)


def _cropped(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns the middle of an image, as large as it can be with the aspect ratio height : width, to whole pixels."""
    ratio = min(image.shape[0] / height, image.shape[1] / width)
    kept = [max(1, min(have, round(want * ratio))) for have, want in zip(image.shape, (height, width), strict=False)]
    top, left = (image.shape[0] - kept[0]) // 2, (image.shape[1] - kept[1]) // 2
    return np.ascontiguousarray(image[top : top + kept[0], left : left + kept[1]])


def _scaled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Averages areas in the directions that shrink, which avoids aliasing, and interpolates in those that grow."""
    for size, method in (
        ((min(height, image.shape[0]), min(width, image.shape[1])), cv2.INTER_AREA),
        ((height, width), cv2.INTER_LINEAR),
    ):
        if image.shape[:2] != size:
            image = cv2.resize(image, size[::-1], interpolation=method)
    return image


def _padded(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Adds black around an image until it has that size."""
    missing = height - image.shape[0], width - image.shape[1]
    if not any(missing):
        return image
    (top, left), (bottom, right) = zip(*((m // 2, m - m // 2) for m in missing), strict=True)
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))


def decode(data: bytes, name: str, form: Form = Form()) -> np.ndarray:
    """Decodes an image file of any format of `formats`, whatever its name says, to 8-bit RGB, without transparency. Of an
    animation or of several pages it takes the first.

    Args:
      data: the file's bytes.
      name: the file's name for messages.
      form: what the image will be brought to. A JPEG comes 2, 4 or 8 times smaller if it is still as large as `form` needs
        it: the decoder averages for a fraction of the time that resizing takes.

    Returns:
      uint8 `[H, W, 3]`.

    Raises:
      UserError: the file is no such image, truncated, damaged or absurdly large. The message names it.
    """
    try:
        width, height = _checked_size(data, name)
        if not 0 < width * height <= MAX_PIXELS:
            raise ValueError(f"{width}x{height} pixels (at most {MAX_PIXELS:,} in all)")
        reduction = _reduction(form, height, width, data) if data.startswith(formats.JPEG) else 1
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _READ[reduction])
    except (ValueError, cv2.error) as error:
        reason = error if isinstance(error, ValueError) else "OpenCV cannot decode it"
        raise UserError(f"{name}: {reason}; expected a whole image") from None
    if image is None:
        raise UserError(f"{name}: OpenCV cannot decode it; expected a whole image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _checked_size(data: bytes, name: str) -> tuple[int, int]:
    """Returns (width, height). A PNG or JPEG is walked to its end: OpenCV may return a damaged one half decoded."""
    if data.startswith(formats.PNG):
        return _check_png(data)
    if data.startswith(formats.JPEG):
        return _check_jpeg(data)
    if not formats.is_image(data[: formats.HEAD], name):
        raise ValueError(f"begins like no image ({formats.WANTED})")
    return formats.size(data)


def _reduction(form: Form, height: int, width: int, data: bytes) -> int:
    """Returns the largest of 8, 4, 2 and 1 by which a JPEG can be reduced before `form` would enlarge it again."""
    sizes = [(height, width)]
    if data.find(b"Exif\0\0", 0, 2**16) >= 0:  # it may say that the image lies on its side, and OpenCV then turns it
        sizes.append((width, height))
    for factor in (8, 4, 2):
        if form.height and all(
            math.ceil(have / factor) >= need
            for size in sizes
            for have, need in zip(size, form.scaled(*size), strict=True)
        ):
            return factor
    return 1


def _check_png(data: bytes) -> tuple[int, int]:
    """Walks a PNG's chunks up to IEND and returns (width, height)."""
    position, size = len(formats.PNG), None
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


def _check_jpeg(data: bytes) -> tuple[int, int]:
    """Walks a JPEG's segments and returns (width, height).

    It looks for the end marker after the start of the scan only, because an embedded thumbnail has an end marker too.
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
