"""The IDX format of MNIST and Fashion-MNIST, gzipped or not."""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from enas.data import source
from enas.data.readers.images import Form
from enas.errors import UserError

# Far more than any real set has (EMNIST: 814,255 images of 28x28), far less than what would fill a machine's memory.
MAX_BYTES = 2**30
MAX_SIDE = 1024

FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def read(data_dir: str, dataset: str, form: Form) -> source.Source:
    """Reads MNIST, Fashion-MNIST or any set in their four files.

    Args:
      data_dir: the folder that holds train-images-idx3-ubyte and the other three, gzipped or not.
      dataset: "mnist" or "fashion_mnist".
      form: what the images are brought to.

    Returns:
      The data set, without a validation split. It has as many classes as the highest training label says.

    Raises:
      UserError: a file is missing, malformed or inconsistent. The message names it.
    """
    hint = f"its four IDX files (python -m enas.data.download {dataset} --data_dir {data_dir} fetches them)"
    folder = source.existing_dir(data_dir, hint)
    train_images, train_labels = _read_pair(folder, "train", hint)
    test_images, test_labels = _read_pair(folder, "t10k", hint)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise UserError(
            f"{folder}: test images are {_shape(test_images)}; expected {_shape(train_images)}, as training images are"
        )
    classes = int(train_labels.max(initial=0)) + 1
    names = tuple(map(str, range(classes)))
    if dataset == "fashion_mnist":
        if classes > len(FASHION_NAMES):
            raise UserError(f"{folder}: a training label is {classes - 1}; expected at most {len(FASHION_NAMES) - 1}")
        names = FASHION_NAMES[:classes]
    train = source.in_memory(train_images, train_labels, form)
    test = source.in_memory(test_images, test_labels, form)
    return source.Source(train, None, test, names, str(folder))


def read_file(path: Path, dimensions: int) -> np.ndarray:
    """Reads one IDX file of unsigned bytes. It is unzipped if it begins like a gzip file, whatever its name is.

    Args:
      dimensions: 1 for labels, 3 for images.

    Returns:
      A uint8 array with that many dimensions.

    Raises:
      UserError: the file cannot be read, or has the wrong magic number, absurd dimensions, or too few or many bytes.
    """
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not zipped:
                return _parse(raw, path, dimensions)
            with gzip.GzipFile(fileobj=raw) as unzipped:
                return _parse(unzipped, path, dimensions)
    except EOFError:
        raise UserError(f"{path}: truncated gzip file; expected a whole one") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip file ({error}); expected a whole one") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; expected a readable IDX file") from None


def _parse(stream: BinaryIO | gzip.GzipFile, path: Path, dimensions: int) -> np.ndarray:
    header_size = 4 + 4 * dimensions
    header = _read_up_to(stream, header_size)
    if len(header) < header_size:
        raise UserError(f"{path}: {len(header)} bytes; expected an IDX header of {header_size}")
    magic, *shape = struct.unpack(f">{1 + dimensions}I", header)
    if magic != 0x0800 + dimensions:
        raise UserError(
            f"{path}: magic number 0x{magic:08x}; expected 0x{0x0800 + dimensions:08x} "
            f"(unsigned bytes in {dimensions} dimensions)"
        )
    total = math.prod(shape)
    if total > MAX_BYTES or not all(1 <= side <= MAX_SIDE for side in shape[1:]):
        raise UserError(
            f"{path}: dimensions {'x'.join(map(str, shape))}; expected sides of 1 to {MAX_SIDE} pixels "
            f"and at most {MAX_BYTES:,} bytes"
        )
    # Asking for one byte too many finds trailing bytes without unzipping all of them.
    body = _read_up_to(stream, total + 1)
    if len(body) != total:
        found = f"{len(body):,} bytes" if len(body) < total else "more bytes"
        raise UserError(f"{path}: {found} after the header; expected {total:,} (a truncated or overlong file)")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _read_up_to(stream: BinaryIO | gzip.GzipFile, size: int) -> bytearray:
    """Reads at most `size` bytes, in pieces, so that nothing is allocated for bytes that a header only claims."""
    data = bytearray()
    while len(data) < size:
        piece = stream.read(min(size - len(data), 2**20))
        if not piece:
            break
        data += piece
    return data


def _read_pair(folder: Path, prefix: str, hint: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns images, uint8 `[N, H, W, 1]`, and their labels, uint8 `[N]`."""
    image_path = _find(folder, f"{prefix}-images", "idx3-ubyte", hint)
    label_path = _find(folder, f"{prefix}-labels", "idx1-ubyte", hint)
    images, labels = read_file(image_path, 3), read_file(label_path, 1)
    if len(images) != len(labels):
        raise UserError(f"{label_path}: {len(labels)} labels; expected {len(images)}, as {image_path.name} has images")
    return images[..., None], labels


def _find(folder: Path, stem: str, kind: str, hint: str) -> Path:
    for name in (f"{stem}-{kind}.gz", f"{stem}-{kind}", f"{stem}.{kind}", f"{stem}.{kind}.gz"):
        if os.path.isfile(folder / name):
            return folder / name
    raise UserError(f"--data_dir={folder}: no {stem}-{kind} or {stem}-{kind}.gz in it; expected {hint}")


def _shape(images: np.ndarray) -> str:
    return "x".join(map(str, images.shape[1:3]))
