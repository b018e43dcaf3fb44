"""The formats of still images: what a file is, judged by its first bytes, and how many pixels it has."""

import io
import re

from PIL import Image

# Of the formats that OpenCV reads into 8 bits. Radiance HDR, OpenEXR and PFM hold floats, which are no picture yet.
EXTENSIONS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif"),
    *(".jp2", ".j2k", ".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".ras", ".sr"),
)
WANTED = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000, PNM or Sun raster"
HEAD = 16  # bytes

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
# Long enough that no other file begins like this by chance.
_SURE = (PNG, JPEG, b"GIF87a", b"GIF89a", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"\x59\xa6\x6a\x95")
_SURE_RE = re.compile(
    rb"RIFF....WEBP|(?:II\*\0|MM\0\*|II\+\0|MM\0\+)....|....ftypavi[fs]"
    # A bitmap's two reserved numbers and the size of its header; the two sides of a portable map.
    rb"|BM....\0\0\0\0....[\x0c\x28\x34\x38\x40\x6c\x7c]\0|P[1-6]\s+\d{1,5}\s+\d{1,5}\s",
    re.DOTALL,
)
# What a text may begin with: it counts only where the name says so too.
_UNSURE_RE = re.compile(rb"BM|P[1-7]\s")
_PAM_SIZE = re.compile(rb"^P7\s.*?^(?=.*?^WIDTH +(\d+)\s)(?=.*?^HEIGHT +(\d+)\s)", re.DOTALL | re.MULTILINE)


def is_image(head: bytes, name: str = "") -> bool:
    """Tells whether a file is an image of a format that is read.

    Args:
      head: its first `HEAD` bytes, or more.
      name: its name; "" for none.
    """
    sure = head.startswith(_SURE) or bool(_SURE_RE.match(head))
    return sure or (has_extension(name) and bool(_UNSURE_RE.match(head)))


def has_extension(name: str) -> bool:
    """Tells whether a name is that of an image."""
    return name.lower().endswith(EXTENSIONS)


def size(data: bytes) -> tuple[int, int]:
    """Looks up the (width, height) of an image that is neither PNG nor JPEG, without decoding it.

    Raises:
      ValueError: it has none that can be found.
    """
    pam = _PAM_SIZE.match(data[:4096])
    if pam:
        return int(pam[1][:12]), int(pam[2][:12])
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
    # Of damaged files Pillow raises nearly anything.
    except Exception as error:
        raise ValueError("damaged or of no known format") from error
