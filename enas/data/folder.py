"""Class folders: train/<class>/<image>, valid/, test/, as folders or as train.zip, valid.zip, test.zip."""

import contextlib
import os
from multiprocessing.pool import ThreadPool

import numpy as np
from tqdm import tqdm

from enas.data import images as image_tools
from enas.data import source, zips
from enas.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg")
DEFAULT_SIZE = 32
DEFAULT_CHANNELS = 3

_LAYOUT = "train/<class>/<image> and test/<class>/<image> (PNG or JPEG), valid/ if there is one, or zip files of these"


def read(data_dir, size, channels):
    """Lists the images of a data set in class folders; they are decoded when the Parts' `read` is called.

    Args:
      data_dir: the folder with train/ and test/ (and valid/), or train.zip and so on; where both exist the folder
        is used. A zip file holds the class folders, or one folder train/ (valid/, test/) that does.
      size, channels: as for `enas.data.images.convert`, but 0 means 32 and 3.

    Returns:
      A Source. Classes are numbered by the sorted names of the training folders, images sorted by name.

    Raises:
      UserError: a missing split, a class without images or with no counterpart in train/, or a refused zip file.
    """
    root = source.existing_dir(data_dir, _LAYOUT)
    size, channels = size or DEFAULT_SIZE, channels or DEFAULT_CHANNELS
    parts, names = {}, None
    for split in ("train", "valid", "test"):
        path = find(root, split)
        if path is None:
            if split != "valid":
                raise UserError(f"--data_dir={data_dir}: no {split}/ or {split}.zip in it; expected {_LAYOUT}")
            parts[split] = None
            continue
        classes = _list_dir(path) if path.is_dir() else _list_zip(path, split)
        names = names or _class_names(path, classes)
        _check_classes(path, classes, names)
        parts[split] = _part(path, classes, size, channels, split)
    return source.Source(parts["train"], parts["valid"], parts["test"], names, str(root))


def find(root, split):
    """Returns the Path of a split's folder, else of its zip file, else None."""
    if os.path.isdir(root / split):
        return root / split
    return root / f"{split}.zip" if os.path.isfile(root / f"{split}.zip") else None


def _list_dir(path):
    """Returns {class name: sorted Paths of its images}."""
    try:
        folders = [entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        return {
            folder.name: sorted(file for file in folder.iterdir() if _is_image(file.name) and file.is_file())
            for folder in folders
        }
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}; expected a readable folder") from None


def _list_zip(path, split):
    """Returns {class name: ZipInfos of its images, sorted by name}."""
    members = zips.members(path)
    if {parts[0] for parts, info in members if len(parts) > 1 or info.is_dir()} == {split}:
        members = [(parts[1:], info) for parts, info in members if len(parts) > 1]
    classes = {}
    for parts, info in members:
        if info.is_dir() or len(parts) > 1:
            classes.setdefault(parts[0], [])
        if len(parts) == 2 and _is_image(parts[1]) and not info.is_dir():
            classes[parts[0]].append(info)
    return {name: sorted(infos, key=lambda info: info.filename) for name, infos in classes.items()}


def _is_image(name):
    return name.lower().endswith(EXTENSIONS) and not name.startswith(".")


def _class_names(path, classes):
    if len(classes) < 2:
        raise UserError(f"{path}: {len(classes)} class folders; expected at least 2")
    return tuple(sorted(classes))


def _check_classes(path, classes, names):
    for name in sorted(set(names) | set(classes)):
        if name not in classes:
            raise UserError(f"{path}: class folder {name!r} is missing; expected the same classes as for training")
        if name not in names:
            raise UserError(f"{path}: class folder {name!r} is not among the training classes {', '.join(names)}")
        if not classes[name]:
            raise UserError(f"{path}: empty class {name!r}; expected PNG or JPEG files directly in its folder")


def _part(path, classes, size, channels, split):
    names = sorted(classes)
    items = [item for name in names for item in classes[name]]
    labels = np.repeat(np.arange(len(names), dtype=np.int32), [len(classes[name]) for name in names])

    def read_images(indices):
        with contextlib.ExitStack() as stack:
            if path.is_dir():
                load = _load_file
            else:
                archive = stack.enter_context(zips.opened(path))

                def load(info):
                    return zips.read_member(archive, info), f"{path}: member {info.filename!r}"

            return _decode_all(load, [items[index] for index in indices], size, channels, split)

    return source.Part(labels, read_images)


def _load_file(path):
    """Returns a file's (bytes, name)."""
    try:
        with open(path, "rb") as file:
            data = file.read(image_tools.MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; expected a readable image") from None
    if len(data) > image_tools.MAX_FILE_BYTES:
        raise UserError(f"{path}: more than {image_tools.MAX_FILE_BYTES:,} bytes; expected an image of at most that")
    return data, str(path)


def _decode_all(load, items, size, channels, title):
    """Decodes images in parallel, in order: uint8 [len(items), size, size, channels]."""

    def decode(item):
        return image_tools.convert(image_tools.decode(*load(item)), size, channels)

    result = np.empty((len(items), size, size, channels), np.uint8)
    with ThreadPool(min(8, os.cpu_count() or 1)) as pool:
        images = pool.imap(decode, items, chunksize=16)
        for row, image in enumerate(tqdm(images, title, len(items), unit=" images", disable=None)):
            result[row] = image
    return result
