"""Data sets as values: images with their labels, split, and how they are normalised."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Streamed:
    """Images that are read when they are asked for, in the place of an array.

    Attributes:
      shape: (N, H, W, C).
      read: maps int `[n]`, the numbers of images, to these images, uint8 `[n, H, W, C]`. Any thread may call it. It raises
        UserError, which names the file, if a file can no longer be read.
    """

    shape: tuple[int, int, int, int]
    read: Callable[[np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return self.shape[0]


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels.

    Attributes:
      images: uint8 `[N, H, W, C]`, pixels 0 to 255; C is 1 (grey) or 3 (RGB).
      labels: int32 `[N]`, 0 to the number of classes - 1.
      names: what each image is called: its file, below the data folder, or its number in the file of the test set. None for
        images whose names nothing asks for.
    """

    images: np.ndarray | Streamed
    labels: np.ndarray
    names: list[str] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class DataSet:
    """A data set ready for use.

    Attributes:
      train: the training images, augmented copies included.
      valid: the validation images in random order, so that its first images are a fair sample of it, whatever order the
        files are in.
      test: the test images.
      class_names: one name for each class.
      mean, std: float32 `[C]`, of pixel / 255 over the training split, augmented copies included. They normalise all three
        splits: (pixel / 255 - mean) / std. std is at least 1/255.
      digests, bad_images: see `enas.data.metadata`.
      notes: lines for the log: what was left out, how the images were split, which classes a split lacks.
    """

    train: Split
    valid: Split
    test: Split
    class_names: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    digests: dict[str, str] = dataclasses.field(default_factory=dict)
    bad_images: dict[str, list[list[str]]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of each image."""
        _, height, width, channels = self.train.images.shape
        return height, width, channels
