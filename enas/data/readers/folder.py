"""Class folders: train/<class>/<image>, valid/, test/, as folders or as zip files; or <class>/<image> alone, to be split."""

import functools
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from enas.data import source
from enas.data.readers import images as image_tools
from enas.data.readers import zips
from enas.data.readers.formats import WANTED
from enas.data.readers.images import Form
from enas.data.readers.listing import Listing, listed
from enas.errors import UserError

DEFAULT_SIDE = 32
DEFAULT_CHANNELS = 3
# The flags that name one split's class folders.
FLAGS = {"train": "train_data_dir", "valid": "val_data_dir", "test": "test_data_dir"}

_LAYOUT = "train/<class>/<image>, with valid/ and test/ if there are any, or zip files of these, or <class>/<image>"


def read(data_dir: str, form: Form, directories: Mapping[str, str] | None = None) -> source.Source:
    """Lists the images of a data set in class folders, and reads none.

    Args:
      data_dir: the folder with train/ (and valid/, test/), or train.zip and so on; or with the class folders themselves,
        which are one split. If both a folder and a zip file exist the folder is used. A zip file holds the class folders, or
        one folder train/ (valid/, test/) that holds them. "" where `directories` say it all.
      form: what the images are brought to; 0 means 32x32 and 3 channels.
      directories: {split: folder or zip file of its class folders}, which comes before what `data_dir` has.

    Returns:
      The data set, whose splits are files. Classes are numbered by the sorted names of the training folders, and images are
      sorted by name. Validation and test split are None where there are none.

    Raises:
      UserError: there are no training images, a class has none, another split has a class that training has not, or a zip
        file is refused.
    """
    form = Form(*form.shape((DEFAULT_SIDE, DEFAULT_SIDE, DEFAULT_CHANNELS)), form.resize)
    given = {split: _given(split, path) for split, path in (directories or {}).items()}
    found, notes = ({}, []) if given and not data_dir else _below(source.existing_dir(data_dir, _LAYOUT))
    paths = {**found, **given}
    listings = {split: listed(path, split) for split, path in paths.items()}
    # A data folder without train/ is taken for class folders, of which it may hold none.
    alone = "train" not in given and paths.get("train") == Path(data_dir)
    if "train" not in paths or (alone and not any(listings["train"].classes.values())):
        where = f"--data_dir={data_dir}" if data_dir else f"--{FLAGS[min(given)]}={given[min(given)]}"
        raise UserError(f"{where}: no training images; expected {_LAYOUT}, or --{FLAGS['train']}")
    parts: dict[str, source.Part] = {}
    names: tuple[str, ...] = ()
    for split in ("train", "valid", "test"):
        if split in listings:
            listing = listings[split]
            names = names or _class_names(listing)
            _check_classes(listing, names)
            parts[split] = _part(listing, names, form, split if split in given else _prefix(paths[split], data_dir))
            notes += listing.told()
    where = data_dir or str(paths["train"])
    return source.Source(parts["train"], parts.get("valid"), parts.get("test"), names, where, tuple(notes))


def find(root: Path, split: str) -> Path | None:
    """Returns the path of a split's folder, else of its zip file, else None."""
    if os.path.isdir(root / split):
        return root / split
    return root / f"{split}.zip" if os.path.isfile(root / f"{split}.zip") else None


def _prefix(path: Path, data_dir: str) -> str:
    """What the names of a split's files begin with: the name of its folder below the data folder."""
    return "" if path == Path(data_dir) else path.name


def _given(split: str, path: str) -> Path:
    if not os.path.isdir(path) and not (os.path.isfile(path) and path.lower().endswith(".zip")):
        found = "neither a folder nor a zip file" if os.path.exists(path) else "no such folder"
        raise UserError(f"--{FLAGS[split]}={path}: {found}; expected the class folders of the {split} images")
    return Path(path)


def _below(root: Path) -> tuple[dict[str, Path], list[str]]:
    """Returns {split: where it is} of a data folder, and lines that count what else is in it."""
    found = {split: path for split in ("train", "valid", "test") if (path := find(root, split))}
    if not found:
        return {"train": root}, []
    if "train" not in found:
        return found, []
    rest = sorted(set(os.listdir(root)) - {path.name for path in found.values()})
    more = f" and {len(rest) - 3} more" if len(rest) > 3 else ""
    told = f"left out of {root}: {len(rest)} that are no train, valid or test: {', '.join(rest[:3])}{more}"
    return found, [told] if rest else []


def _class_names(listing: Listing) -> tuple[str, ...]:
    if len(listing.classes) < 2:
        raise UserError(f"{listing.path}: {len(listing.classes)} class folders; expected at least 2")
    for name, images in sorted(listing.classes.items()):
        if not images:
            raise UserError(f"{listing.path}: empty class {name!r}; expected images ({WANTED}) directly in its folder")
    return tuple(sorted(listing.classes))


def _check_classes(listing: Listing, names: tuple[str, ...]) -> None:
    for name in sorted(set(listing.classes) - set(names)):
        raise UserError(f"{listing.path}: class folder {name!r} is not among the training classes {', '.join(names)}")


def _part(listing: Listing, names: tuple[str, ...], form: Form, prefix: str) -> source.FilePart:
    path, classes = listing.path, [listing.classes.get(name, []) for name in names]
    entries = [entry for images in classes for entry in images]
    labels = np.repeat(np.arange(len(names), dtype=np.int32), list(map(len, classes)))
    if path.is_dir():
        load = _file_loader(path, [entry.name for entry in entries])
    else:
        load = _member_loader(path, [entry.info for entry in entries if entry.info])
    files = source.Files(
        [f"{prefix}/{entry.name}" if prefix else entry.name for entry in entries],
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
