"""What every reader returns: labels that are known at once, and images that are read when they are asked for."""

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from enas.data.readers import images as image_tools
from enas.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """The image files of a split, decoded one at a time.

    Attributes:
      names: list of str, each image's path below the data folder; a zip file counts as a folder.
      sizes: list of int, bytes.
      stamps: list of int that changes with a file: the time of its last change, ns; the checksum of a zip's member.
      load: maps an index to (bytes, name for messages); may raise UserError. Safe to call from several threads.
      form: the `images.Form` that images are brought to.
      shape: (H, W, C) of every image.
    """

    names: list
    sizes: list
    stamps: list
    load: Callable
    form: image_tools.Form
    shape: tuple

    def decode(self, index):
        """Returns one image, uint8 [H, W, C]; raises UserError, naming the file, if it cannot be read."""
        return image_tools.convert(image_tools.decode(*self.load(index), self.form), self.form)

    def digest(self, indices, stamps=False):
        """Returns a str that tells these files, in this order, from others by name and size, and maybe by stamp."""
        digest = hashlib.sha256()
        for index in indices:
            entry = self.names[index], self.sizes[index], self.stamps[index] if stamps else 0
            digest.update(repr(entry).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """One split as its files hold it.

    Attributes:
      labels: int32 [N], class numbers.
      read: maps an int array of n indices to uint8 [n, H, W, C] images, resized and converted as configured; None
        where `files` is given.
      files: `Files`, where each image is one.
    """

    labels: np.ndarray
    read: Callable | None
    files: Files | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A data set before its validation split is drawn.

    Attributes:
      train, test: Part.
      valid: Part, or None where the files hold no validation split of their own.
      class_names: tuple of str, one for each class.
      where: str, the folder it came from, for messages.
    """

    train: Part
    valid: Part | None
    test: Part
    class_names: tuple
    where: str


def in_memory(images, labels, form):
    """Returns a Part over arrays.

    Args:
      images: uint8 [N, H, W, C].
      labels: integers [N].
      form: the `images.Form` to bring them to.
    """
    shape = form.shape(images.shape[1:])

    def read(indices):
        if shape == images.shape[1:]:
            return images[indices]
        result = np.empty((len(indices), *shape), np.uint8)
        for row, index in enumerate(indices):
            result[row] = image_tools.convert(images[index], form)
        return result

    return Part(np.asarray(labels, np.int32), read)


def existing_dir(data_dir, expected):
    """Returns `data_dir` as a Path.

    Raises:
      UserError: it is not a folder; the message names --data_dir and `expected`.
    """
    # os.path answers False where pathlib raises: a folder one may not enter, a name with a NUL byte.
    if not os.path.isdir(data_dir):
        found = "not a folder" if os.path.exists(data_dir) else "no such folder"
        raise UserError(f"--data_dir={data_dir}: {found}; expected {expected}")
    return Path(data_dir)
