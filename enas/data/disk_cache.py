"""Decoded images on disk (`--cache=disk`): one file of raw bytes for each selection of images.

A cache is two files below `--cache_dir`. `<key>.images` holds the rows one after another. `<key>.json` is written last and
shows that the first file is whole. The key depends on everything that the bytes depend on, so a cache is never stale. A
third file, `<key>.lock`, lets one process fill the cache while others wait.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import portalocker

from enas.data.source import Files
from enas.errors import UserError

FORMAT = 1  # one more whenever decoding, resizing or augmented copies change


def key(files: Files, indices: np.ndarray, copies: int, seed: int) -> str:
    """Returns a name for images as their files are now.

    Args:
      indices: int `[N]`, the files whose images are meant.
      copies: images made of each, see `enas.data.augment`.
      seed: the run's seed, for the copies.
    """
    parts = [FORMAT, files.digest(indices, stamps=True), files.form, copies]
    if copies > 1:
        parts += [seed, indices.tolist()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def filled(
    folder: str,
    name: str,
    row_bytes: int,
    rows: int,
    fill: Callable[[Callable[[np.ndarray], object]], dict[str, Any]],
) -> Any:
    """Makes a cache unless there is one.

    Args:
      folder: `--cache_dir`, which is made if it does not exist.
      name: the cache's name, from `key`.
      row_bytes: bytes of a row.
      rows: how many rows there may be at most.
      fill: makes the rows. It is called with a function that appends a row, an array of any shape with that many bytes. It
        returns the metadata, JSON values.

    Returns:
      What `fill` returned when the cache was made, or whatever JSON value a damaged file holds instead.

    Raises:
      UserError: there is no room, the folder can't be written, or the metadata is no JSON.
    """
    if not folder:
        raise UserError("--cache_dir='': expected a folder")
    images, metadata = (os.path.join(folder, f"{name}.{kind}") for kind in ("images", "json"))
    try:
        os.makedirs(folder, exist_ok=True)
        with _locked(os.path.join(folder, f"{name}.lock")):
            if not (os.path.exists(metadata) and os.path.exists(images)):
                _check_room(folder, row_bytes * rows)
                _make(images, metadata, fill)
            with open(metadata, encoding="utf-8") as file:
                return json.load(file)
    except OSError as error:
        raise UserError(f"--cache_dir={folder}: {error.strerror or error}; expected a folder with room") from None
    except (ValueError, RecursionError):
        raise damaged(folder, name) from None


def damaged(folder: str, name: str) -> UserError:
    """Returns the error for a cache whose metadata is damaged."""
    path = os.path.join(folder, f"{name}.json")
    return UserError(f"{path}: damaged; expected a file of --cache=disk (delete it to have it made again)")


def reader(folder: str, name: str, total_bytes: int, row_bytes: int) -> Callable[[np.ndarray], np.ndarray]:
    """Opens a cache.

    The file is read, not mapped: mapped pages would count as this process's memory.

    Args:
      folder, name: as in `filled`.
      total_bytes: the size that the file must have.
      row_bytes: bytes of a row.

    Returns:
      A function that maps int `[n]`, numbers of rows, to these rows, uint8 `[n, row_bytes]`. Any thread may call it. It
      raises UserError if the file has been cut short since.

    Raises:
      UserError: the file is missing or has another size.
    """
    path = os.path.join(folder, f"{name}.images")
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115  # open as long as the function that reads from it
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; expected a file of --cache=disk") from None
    found = os.fstat(file.fileno()).st_size
    if found != total_bytes:
        raise UserError(f"{path}: {found:,} bytes; expected {total_bytes:,} (delete it to have it made again)")

    def read(rows: np.ndarray) -> np.ndarray:
        result = np.empty((len(rows), row_bytes), np.uint8)
        for target, row in zip(result, rows, strict=True):
            if os.preadv(file.fileno(), [target.data], int(row) * row_bytes) != row_bytes:
                raise UserError(f"{path}: cut short while it was in use; expected {total_bytes:,} bytes")
        return result

    return read


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    with open(path, "w", encoding="utf-8") as file:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE)
        yield


def _check_room(folder: str, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"--cache_dir={folder}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; expected a folder "
            "with room, or --cache=none"
        )


def _make(images: str, metadata: str, fill: Callable[[Callable[[np.ndarray], object]], dict[str, Any]]) -> None:
    partial = images + ".tmp"
    try:
        with open(partial, "wb") as file:
            found = fill(lambda row: file.write(row.data))
        with open(metadata + ".tmp", "w", encoding="utf-8") as file:
            json.dump(found, file)
        os.replace(partial, images)
        os.replace(metadata + ".tmp", metadata)
    finally:
        for path in (partial, metadata + ".tmp"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
