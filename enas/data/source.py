"""What every reader returns: labels, which are known at once, and images, which are read when they are asked for."""

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from enas.data.readers import images as image_tools
from enas.data.readers.images import Form
from enas.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """The image files of a split, decoded one at a time.

    Attributes:
      names: each image's path below the data folder; a zip file counts as a folder.
      sizes: each file's bytes.
      stamps: for each file a number that changes with it: the time of its last change in ns, or the checksum of a zip
        file's member.
      load: maps a file's index to (its bytes, its name for messages). Any thread may call it. It may raise UserError.
      form: what images are brought to.
      shape: (H, W, C) of every image.
    """

    names: list[str]
    sizes: list[int]
    stamps: list[int]
    load: Callable[[int], tuple[bytes, str]]
    form: Form
    shape: tuple[int, int, int]

    def decode(self, index: int) -> np.ndarray:
        """Returns one image, uint8 `[H, W, C]`. Raises UserError, which names the file, if it cannot be read."""
        return image_tools.convert(image_tools.decode(*self.load(index), self.form), self.form)

    def digest(self, indices: np.ndarray, stamps: bool = False) -> str:
        """Returns a digest of the names and sizes of these files, in this order, and of their stamps if these count."""
        digest = hashlib.sha256()
        for index in indices:
            entry = self.names[index], self.sizes[index], self.stamps[index] if stamps else 0
            digest.update(repr(entry).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayPart:
    """One split whose files hold many images each; all of them are in memory.

    Attributes:
      labels: int32 `[N]`, class numbers.
      read: maps int `[n]`, the numbers of images, to these images, uint8 `[n, H, W, C]`, resized and converted as
        configured.
    """

    labels: np.ndarray
    read: Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class FilePart:
    """One split whose images are files of their own.

    Attributes:
      labels: int32 `[N]`, class numbers.
      files: the N files.
    """

    labels: np.ndarray
    files: Files


Part = ArrayPart | FilePart


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A data set before splits that it lacks are drawn.

    Attributes:
      train: the training split.
      valid, test: the validation and the test split; None if the files hold none of their own.
      class_names: one name for each class.
      where: the folder it came from, for messages.
      notes: lines for the log: what was left out.
    """

    train: Part
    valid: Part | None
    test: Part | None
    class_names: tuple[str, ...]
    where: str
    notes: tuple[str, ...] = ()


def in_memory(images: np.ndarray, labels: np.ndarray, form: Form) -> ArrayPart:
    """Makes a split of arrays.

    Args:
      images: uint8 `[N, H, W, C]`.
      labels: integers `[N]`.
      form: what the images are brought to.
    """
    shape = form.shape(images.shape[1:])

    def read(indices: np.ndarray) -> np.ndarray:
        if shape == images.shape[1:]:
            return images[indices]
        result = np.empty((len(indices), *shape), np.uint8)
        for row, index in enumerate(indices):
            result[row] = image_tools.convert(images[index], form)
        return result

    return ArrayPart(np.asarray(labels, np.int32), read)


def existing_dir(data_dir: str, expected: str) -> Path:
    """Returns the path of a folder.

    Raises:
      UserError: it is not a folder. The message names --data_dir and says what was `expected`.
    """
    # For a folder that one may not enter and for a name with a NUL byte, os.path answers False and pathlib raises.
    if not os.path.isdir(data_dir):
        found = "not a folder" if os.path.exists(data_dir) else "no such folder"
        raise UserError(f"--data_dir={data_dir}: {found}; expected {expected}")
    return Path(data_dir)
