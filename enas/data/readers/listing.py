"""What lies in class folders, or in a zip file of them: the images of each class, and all that is left out."""

import collections
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from enas.data.readers import formats, zips
from enas.errors import UserError

HIDDEN, BELOW, BESIDE, SPECIAL = "hidden", "in folders below a class", "beside the class folders", "no plain files"


class Entry(NamedTuple):
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


class Listing(NamedTuple):
    """What lies in one folder, or zip file, of class folders.

    Attributes:
      path: where it is.
      classes: {class name: its images, sorted by name}.
      left_out: (kind, path below it) of everything else. A kind is the files' extension, or one of the words above.
    """

    path: Path
    classes: dict[str, list[Entry]]
    left_out: list[tuple[str, str]]

    def told(self) -> list[str]:
        """Returns lines for the log that count what is left out, by kind, with an example of each."""
        if not self.left_out:
            return []
        kinds = collections.Counter(kind for kind, _ in self.left_out)
        examples = dict(sorted(self.left_out, reverse=True))
        words = [f"{count} {kind} ({examples[kind]})" for kind, count in sorted(kinds.items())]
        return [
            f"left out of {self.path}: {len(self.left_out)} files that are no images of a class: {', '.join(words)}"
        ]


def listed(path: Path, split: str = "") -> Listing:
    """Lists the images of a folder or a zip file, and reads none.

    Args:
      split: the folder in a zip file that may hold the class folders.

    Raises:
      UserError: it can't be read, or the zip file is refused; names it.
    """
    return _of_dir(path) if path.is_dir() else _of_zip(path, split)


def _of_dir(path: Path) -> Listing:
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        classes, left_out = {}, []
        for entry in entries:
            if entry.name.startswith("."):
                left_out.append((HIDDEN, entry.name))
            elif entry.is_dir():
                classes[entry.name] = _of_class(path, entry.name, left_out)
            else:
                left_out.append((BESIDE, entry.name))
        return Listing(path, classes, left_out)
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}; expected a readable folder") from None


def _of_class(path: Path, folder: str, left_out: list[tuple[str, str]]) -> list[Entry]:
    images = []
    with os.scandir(path / folder) as found:
        for entry in found:
            name = f"{folder}/{entry.name}"
            if entry.name.startswith("."):
                left_out.append((HIDDEN, name))
            elif entry.is_dir():
                files = [os.path.join(at, file) for at, _, files in os.walk(entry.path) for file in files]
                left_out += [(BELOW, os.path.relpath(file, path)) for file in files]
            elif not entry.is_file():
                left_out.append((SPECIAL, name))
            elif formats.has_extension(entry.name) or _is_image(entry.path):
                stat = entry.stat()
                images.append(Entry(name, stat.st_size, stat.st_mtime_ns))
            else:
                left_out.append((_kind(entry.name), name))
    return sorted(images)


def _is_image(path: str) -> bool:
    """Judges a file by its content, where its name says nothing."""
    with open(path, "rb") as file:
        return formats.is_image(file.read(formats.HEAD))


def _kind(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "without extension"


def _of_zip(path: Path, split: str) -> Listing:
    members = zips.members(path)
    if {parts[0] for parts, info in members if not _hidden(parts) and (len(parts) > 1 or info.is_dir())} == {split}:
        members = [(parts[1:] if parts[0] == split else parts, info) for parts, info in members]
    classes: dict[str, list[Entry]] = {}
    left_out = []
    with zips.opened(path) as archive:
        for parts, info in members:
            kind = _kind_in_zip(parts, info, archive)
            if (info.is_dir() or len(parts) > 1) and parts and not _hidden(parts):
                classes.setdefault(parts[0], [])
            if kind is None:
                classes[parts[0]].append(Entry(info.filename, info.file_size, info.CRC, info))
            elif not info.is_dir():
                left_out.append((kind, info.filename))
    return Listing(path, {name: sorted(entries) for name, entries in classes.items()}, left_out)


def _hidden(parts: Iterable[str]) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _kind_in_zip(parts: tuple[str, ...], info: zipfile.ZipInfo, archive: zipfile.ZipFile) -> str | None:
    """Returns the kind of a member that is left out; None for an image."""
    if _hidden(parts):
        return HIDDEN
    if info.is_dir() or len(parts) < 2:
        return BESIDE
    if len(parts) > 2:
        return BELOW
    if formats.has_extension(parts[1]):
        return None
    return None if formats.is_image(zips.read_member(archive, info, formats.HEAD)) else _kind(parts[1])
