"""Class folders: train/<class>/<image>, valid/, test/, as folders or as train.zip, valid.zip, test.zip."""

import functools
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from enas.data import source
from enas.data.readers import images as image_tools
from enas.data.readers import zips
from enas.data.readers.images import Form
from enas.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg")
DEFAULT_SIDE = 32
DEFAULT_CHANNELS = 3

_LAYOUT = "train/<class>/<image> and test/<class>/<image> (PNG or JPEG), valid/ if there is one, or zip files of these"


class _Entry(NamedTuple):
    """One image.

    Attributes:
      name: its path below the split.
      size: its bytes.
      stamp: the time of its last change in ns; in a zip file its checksum.
      info: in a zip file what the file says of it.
    """

    name: str
    size: int
    stamp: int
    info: zipfile.ZipInfo | None = None


def read(data_dir: str, form: Form) -> source.Source:
    """Lists the images of a data set in class folders, and reads none.

    Args:
      data_dir: the folder with train/ and test/ (and valid/), or train.zip and so on. If both exist the folder is used. A
        zip file holds the class folders, or one folder train/ (valid/, test/) that holds them.
      form: what the images are brought to; 0 means 32x32 and 3 channels.

    Returns:
      The data set, whose splits are files. Classes are numbered by the sorted names of the training folders, and images are
      sorted by name.

    Raises:
      UserError: a split is missing, a class has no images or no counterpart in train/, or a zip file is refused.
    """
    root = source.existing_dir(data_dir, _LAYOUT)
    form = Form(*form.shape((DEFAULT_SIDE, DEFAULT_SIDE, DEFAULT_CHANNELS)), form.resize)
    parts: dict[str, source.Part] = {}
    names: tuple[str, ...] = ()
    for split in ("train", "valid", "test"):
        path = find(root, split)
        if path is None:
            if split != "valid":
                raise UserError(f"--data_dir={data_dir}: no {split}/ or {split}.zip in it; expected {_LAYOUT}")
            continue
        classes = _list_dir(path) if path.is_dir() else _list_zip(path, split)
        names = names or _class_names(path, classes)
        _check_classes(path, classes, names)
        parts[split] = _part(path, classes, form)
    return source.Source(parts["train"], parts.get("valid"), parts["test"], names, str(root))


def find(root: Path, split: str) -> Path | None:
    """Returns the path of a split's folder, else of its zip file, else None."""
    if os.path.isdir(root / split):
        return root / split
    return root / f"{split}.zip" if os.path.isfile(root / f"{split}.zip") else None


def _list_dir(path: Path) -> dict[str, list[_Entry]]:
    """Returns {class name: its images, sorted by name}."""
    try:
        with os.scandir(path) as found:
            folders = [entry.name for entry in found if entry.is_dir() and not entry.name.startswith(".")]
        return {folder: _list_class(path, folder) for folder in folders}
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}; expected a readable folder") from None


def _list_class(path: Path, folder: str) -> list[_Entry]:
    with os.scandir(path / folder) as found:
        files = [(entry, entry.stat()) for entry in found if _is_image(entry.name) and entry.is_file()]
    return sorted(_Entry(f"{folder}/{file.name}", stat.st_size, stat.st_mtime_ns) for file, stat in files)


def _list_zip(path: Path, split: str) -> dict[str, list[_Entry]]:
    """Returns {class name: its images, sorted by name}."""
    members = zips.members(path)
    if {parts[0] for parts, info in members if len(parts) > 1 or info.is_dir()} == {split}:
        members = [(parts[1:], info) for parts, info in members if len(parts) > 1]
    classes: dict[str, list[_Entry]] = {}
    for parts, info in members:
        if info.is_dir() or len(parts) > 1:
            classes.setdefault(parts[0], [])
        if len(parts) == 2 and _is_image(parts[1]) and not info.is_dir():
            classes[parts[0]].append(_Entry(info.filename, info.file_size, info.CRC, info))
    return {name: sorted(entries) for name, entries in classes.items()}


def _is_image(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS) and not name.startswith(".")


def _class_names(path: Path, classes: dict[str, list[_Entry]]) -> tuple[str, ...]:
    if len(classes) < 2:
        raise UserError(f"{path}: {len(classes)} class folders; expected at least 2")
    return tuple(sorted(classes))


def _check_classes(path: Path, classes: dict[str, list[_Entry]], names: tuple[str, ...]) -> None:
    for name in sorted(set(names) | set(classes)):
        if name not in classes:
            raise UserError(f"{path}: class folder {name!r} is missing; expected the same classes as for training")
        if name not in names:
            raise UserError(f"{path}: class folder {name!r} is not among the training classes {', '.join(names)}")
        if not classes[name]:
            raise UserError(f"{path}: empty class {name!r}; expected PNG or JPEG files directly in its folder")


def _part(path: Path, classes: dict[str, list[_Entry]], form: Form) -> source.FilePart:
    names = sorted(classes)
    entries = [entry for name in names for entry in classes[name]]
    labels = np.repeat(np.arange(len(names), dtype=np.int32), [len(classes[name]) for name in names])
    if path.is_dir():
        load = _file_loader(path, [entry.name for entry in entries])
    else:
        load = _member_loader(path, [entry.info for entry in entries if entry.info])
    files = source.Files(
        [f"{path.name}/{entry.name}" for entry in entries],
        [entry.size for entry in entries],
        [entry.stamp for entry in entries],
        load,
        form,
        (form.height, form.width, form.channels),
    )
    return source.FilePart(labels, files)


def _file_loader(path: Path, names: list[str]) -> Callable[[int], tuple[bytes, str]]:
    def load(index: int) -> tuple[bytes, str]:
        name = os.path.join(path, names[index])
        try:
            with open(name, "rb") as file:
                data = file.read(image_tools.MAX_FILE_BYTES + 1)
        except OSError as error:
            raise UserError(f"{name}: {error.strerror or error}; expected a readable image") from None
        if len(data) > image_tools.MAX_FILE_BYTES:
            raise UserError(
                f"{name}: more than {image_tools.MAX_FILE_BYTES:,} bytes; expected an image of at most that"
            )
        return data, name

    return load


def _member_loader(path: Path, infos: list[zipfile.ZipInfo]) -> Callable[[int], tuple[bytes, str]]:
    @functools.cache
    def archive() -> zipfile.ZipFile:  # it stays open: a run reads from it at every step, and `zipfile` locks each read
        return zips.opened(path)

    def load(index: int) -> tuple[bytes, str]:
        return zips.read_member(archive(), infos[index]), f"{path}: member {infos[index].filename!r}"

    return load
