"""Decoded images on disk (`--cache=disk`): one file of raw bytes for each selection of images.

A cache is two files below `--cache_dir`: `<key>.images`, the rows one after another, and `<key>.json`, which is written
last and says that the first is whole. The key depends on everything that the bytes depend on, so a cache is never stale;
a third file, `<key>.lock`, lets one process fill it while others wait.
"""

import contextlib
import hashlib
import json
import os
import shutil

import numpy as np
import portalocker

from enas.errors import UserError

FORMAT = 1  # one more whenever decoding, resizing or augmented copies change


def key(selection):
    """Returns a str that names the images of an `enas.data.streaming.Selection` as they are now."""
    parts = [FORMAT, selection.files.digest(selection.indices, stamps=True), selection.files.form, selection.copies]
    if selection.copies > 1:
        parts += [selection.seed, selection.indices.tolist()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def filled(folder, name, row_bytes, rows, fill):
    """Makes a cache unless it is there.

    Args:
      folder: `--cache_dir`; made where it does not exist.
      name: str, from `key`.
      row_bytes: bytes of a row.
      rows: int, rows there may be.
      fill: called with a function that appends a row, any array of that many bytes; returns a dict, the metadata.

    Returns:
      What `fill` returned when the cache was made.

    Raises:
      UserError: no room, or the folder can't be written.
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


def damaged(folder, name):
    """The UserError for a cache whose metadata is damaged."""
    path = os.path.join(folder, f"{name}.json")
    return UserError(f"{path}: damaged; expected a file of --cache=disk (delete it to have it made again)")


def reader(folder, name, total_bytes, row_bytes):
    """Opens a cache; returns a function that maps int [n] rows to uint8 [n, row_bytes], safe in any thread.

    The file is read, not mapped: mapped pages would count as this process's memory.

    Args:
      total_bytes: size that the file must have.

    Raises:
      UserError: the file is missing or of another size; the function it returns, if it was cut short since.
    """
    path = os.path.join(folder, f"{name}.images")
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115  # open as long as the function that reads from it
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; expected a file of --cache=disk") from None
    found = os.fstat(file.fileno()).st_size
    if found != total_bytes:
        raise UserError(f"{path}: {found:,} bytes; expected {total_bytes:,} (delete it to have it made again)")

    def read(rows):
        result = np.empty((len(rows), row_bytes), np.uint8)
        for target, row in zip(result, rows, strict=True):
            if os.preadv(file.fileno(), [target], int(row) * row_bytes) != row_bytes:
                raise UserError(f"{path}: cut short while it was in use; expected {total_bytes:,} bytes")
        return result

    return read


@contextlib.contextmanager
def _locked(path):
    with open(path, "w", encoding="utf-8") as file:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE)
        yield


def _check_room(folder, needed):
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"--cache_dir={folder}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; expected a folder "
            "with room, or --cache=none"
        )


def _make(images, metadata, fill):
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
