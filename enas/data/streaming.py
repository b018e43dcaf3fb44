"""Images in files: checked and measured once, then read in parallel when a batch needs them.

One pass over a split's files decodes each of them, counts its pixel values and keeps what `--cache` says. Memory does not
grow with the number of images, except under `--cache=memory`.
"""

import dataclasses
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from enas.data import disk_cache, metadata
from enas.data.augment import augmented
from enas.data.dataset import Streamed
from enas.data.source import Files
from enas.data.statistics import level_counts
from enas.errors import UserError
from enas.options.data import DataConfig

CHUNK_BYTES = 64 * 2**20  # of decoded images that wait for their turn in a pass


@dataclasses.dataclass(frozen=True, eq=False)
class Opened:
    """A split whose files have been opened.

    Attributes:
      images: the images, then their first augmented copies, and so on.
      indices: int `[N]`, the files that are in it.
      bad: [name, reason] of each file that had to be left out.
      counts: int64 `[C, 256]`, how often each pixel value occurs, copies included; None if that was not counted.
    """

    images: Streamed
    indices: np.ndarray
    bad: list[list[str]]
    counts: np.ndarray | None


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """The images of a split that are to be opened.

    Attributes:
      files: the files that the images are among.
      indices: int `[N]`, which of them.
      copies: images made of each, the original and augmented ones; at least 1.
      seed: the run's seed, for the copies.
      title: the split's name for progress bars and messages.
    """

    files: Files
    indices: np.ndarray
    copies: int
    seed: int
    title: str

    def make(self, index: int) -> np.ndarray:
        """Returns the image of a file and its copies, uint8 `[copies, H, W, C]`. Raises UserError as `Files.decode` does."""
        image = self.files.decode(index)
        return np.stack([augmented(image, self.seed, int(index), copy) for copy in range(self.copies)])

    def without(self, bad: list[list[str]]) -> np.ndarray:
        """Returns the indices, int `[N]`, of the files whose names are not in `bad`."""
        if not bad:
            return self.indices
        names = {name for name, _ in bad}
        return np.array([index for index in self.indices if self.files.names[index] not in names], np.int64)


def open_images(selection: Selection, config: DataConfig, bad: list[list[str]] | None = None) -> Opened:
    """Opens the images of a split, as `--cache` and `--skip_bad_images` say.

    Args:
      bad: [name, reason] of each bad file if the files were checked before. None: all of them are checked now.

    Raises:
      UserError: a file is unreadable (without `--skip_bad_images`), or there is no room for what is to be kept.
    """
    if config.cache == "memory":
        return _in_memory(selection, config.skip_bad_images)
    if config.cache == "disk":
        return _on_disk(selection, config)
    counts = None
    if bad is None:
        bad, counts = scan(selection, config.skip_bad_images, lambda _: None)
    indices = selection.without(bad)
    return Opened(_decoded(selection, indices), indices, bad, counts)


def scan(
    selection: Selection, skip_bad: bool, keep: Callable[[np.ndarray], object]
) -> tuple[list[list[str]], np.ndarray]:
    """Decodes all images of a selection in parallel, with a progress bar.

    Args:
      skip_bad: whether an unreadable file is left out.
      keep: called for each readable file, in order, with its images, uint8 `[copies, H, W, C]`.

    Returns:
      (bad, counts), as in `Opened`.

    Raises:
      UserError: a file is unreadable, and `skip_bad` is false.
    """

    def attempt(index: int) -> np.ndarray | UserError:
        try:
            return selection.make(index)
        except UserError as error:
            return error

    shape = selection.files.shape
    bad: list[list[str]] = []
    counts = np.zeros((shape[-1], 256), np.int64)
    chunk = int(np.clip(CHUNK_BYTES // (selection.copies * np.prod(shape)), 1, 256))
    with tqdm(total=len(selection.indices), desc=selection.title, unit=" images", disable=None) as bar:
        for start in range(0, len(selection.indices), chunk):
            part = selection.indices[start : start + chunk]
            for index, result in zip(part, _pool().map(attempt, part), strict=True):
                if isinstance(result, UserError):
                    bad.append([selection.files.names[index], str(result)])
                    refuse(bad, skip_bad)
                else:
                    counts += level_counts(result)
                    keep(result)
            bar.update(len(part))
    return bad, counts


def refuse(bad: list[list[str]], skip_bad: bool) -> None:
    """Raises UserError for the first bad file unless bad ones are to be skipped."""
    if bad and not skip_bad:
        raise UserError(f"{bad[0][1]} (--skip_bad_images leaves such files out)")


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "decode")


def _shape(selection: Selection, count: int) -> tuple[int, int, int, int]:
    """Returns the shape of the images, copies included, of `count` files."""
    return (selection.copies * count, *selection.files.shape)


def _decoded(selection: Selection, indices: np.ndarray) -> Streamed:
    """Returns images that are decoded at every use."""

    def one(result: np.ndarray, row: int, which: int) -> None:
        copy, position = divmod(which, len(indices))
        index = int(indices[position])
        result[row] = augmented(selection.files.decode(index), selection.seed, index, copy)

    def read(which: np.ndarray) -> np.ndarray:
        result = np.empty((len(which), *selection.files.shape), np.uint8)
        # The list makes the map raise what a thread raised.
        list(_pool().map(functools.partial(one, result), range(len(which)), map(int, which)))
        return result

    return Streamed(_shape(selection, len(indices)), read)


def _in_memory(selection: Selection, skip_bad: bool) -> Opened:
    shape = (len(selection.indices), *_shape(selection, 1))
    needed, there = int(np.prod(shape)), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise UserError(
            f"--cache=memory: the {selection.title} images need {needed / 1e9:.1f} GB and this machine has "
            f"{there / 1e9:.1f} GB; expected disk or none"
        )
    stored, rows = np.empty(shape, np.uint8), iter(range(len(selection.indices)))

    def keep(images: np.ndarray) -> None:
        stored[next(rows)] = images

    bad, counts = scan(selection, skip_bad, keep)
    indices = selection.without(bad)

    def read(which: np.ndarray) -> np.ndarray:
        return stored[which % len(indices), which // len(indices)]

    return Opened(Streamed(_shape(selection, len(indices)), read), indices, bad, counts)


def _on_disk(selection: Selection, config: DataConfig) -> Opened:
    key = disk_cache.key(selection.files, selection.indices, selection.copies, selection.seed)
    row_bytes = int(np.prod(_shape(selection, 1)))

    def fill(keep: Callable[[np.ndarray], object]) -> dict[str, Any]:
        bad, counts = scan(selection, config.skip_bad_images, keep)
        return {"bad": bad, "counts": counts.tolist()}

    found = disk_cache.filled(config.cache_dir, key, row_bytes, len(selection.indices), fill)
    try:
        bad, counts = found["bad"], np.array(found["counts"], np.int64).reshape(selection.files.shape[-1], 256)
        whole = metadata.is_bad_list(bad)
    except (KeyError, TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise disk_cache.damaged(config.cache_dir, key)
    refuse(bad, config.skip_bad_images)
    indices = selection.without(bad)
    image_bytes = row_bytes // selection.copies
    read_at = disk_cache.reader(config.cache_dir, key, row_bytes * len(indices), image_bytes)

    def read(which: np.ndarray) -> np.ndarray:
        positions = which % len(indices) * selection.copies + which // len(indices)
        return read_at(positions).reshape(len(which), *selection.files.shape)

    return Opened(Streamed(_shape(selection, len(indices)), read), indices, bad, counts)
