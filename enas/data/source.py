"""What every reader returns: labels that are known at once, and images that are read when they are asked for."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from enas.data import images as image_tools
from enas.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """One split as its files hold it.

    Attributes:
      labels: int32 [N], class numbers.
      read: maps an int array of n indices to uint8 [n, H, W, C] images, resized and converted as configured. May
        raise UserError, naming the file.
    """

    labels: np.ndarray
    read: Callable


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


def in_memory(images, labels, size, channels):
    """Returns a Part over arrays.

    Args:
      images: uint8 [N, H, W, C].
      labels: integers [N].
      size, channels: as for `enas.data.images.convert`.
    """

    def read(indices):
        if not image_tools.changes(images.shape[1:], size, channels):
            return images[indices]
        shape = image_tools.converted_shape(images.shape[1:], size, channels)
        result = np.empty((len(indices), *shape), np.uint8)
        for row, index in enumerate(indices):
            result[row] = image_tools.convert(images[index], size, channels)
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
