"""Zip files of class folders. All members are checked, then they are read in memory; nothing is extracted to disk."""

import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from enas.data.readers.images import MAX_FILE_BYTES
from enas.errors import UserError

MAX_MEMBERS = 2_000_000
# Images hardly compress. On a zip bomb, deflate reaches 1,032 to 1.
MAX_RATIO = 100
SLACK_BYTES = 2**20  # small archives of small, plain images may compress better than `MAX_RATIO`

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)


def members(path: Path) -> list[tuple[tuple[str, ...], zipfile.ZipInfo]]:
    """Checks all members of a zip file, and lists them.

    Returns:
      (parts of its path, what the file says of it) for each member.

    Raises:
      UserError: the file is damaged or holds a member that is refused. Such a member points outside (by an absolute path, a
        drive letter, a backslash or ".."), is a link or special file, is encrypted, appears twice, or expands absurdly.
    """
    with opened(path) as archive:
        infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise UserError(f"{path}: {len(infos):,} members; expected at most {MAX_MEMBERS:,}")
    seen: set[str] = set()
    result = []
    for info in infos:
        problem = _problem(info) or ("appears twice" if info.filename in seen else None)
        if problem:
            raise UserError(f"{path}: member {info.orig_filename!r} {problem}; expected plain image files")
        seen.add(info.filename)
        parts = PurePosixPath(info.filename).parts
        if parts:
            result.append((parts, info))
    total, size = sum(info.file_size for info in infos), path.stat().st_size
    if total > MAX_RATIO * size + SLACK_BYTES:
        raise UserError(f"{path}: {size:,} bytes would expand to {total:,}; expected at most {MAX_RATIO} times as many")
    return result


def opened(path: Path) -> zipfile.ZipFile:
    """Opens a zip file for reading. Raises UserError, which names the file, if it is none."""
    try:
        return zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise UserError(f"{path}: damaged zip file ({error}); expected a whole one") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; expected a readable zip file") from None


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, head: int | None = None) -> bytes:
    """Returns the bytes of a member, checked against its CRC. They are at most as many as `members` allowed.

    Args:
      head: how many bytes to read at most, unchecked; None: all.

    Raises:
      UserError: the member is damaged. The message names it.
    """
    try:
        # This stops at the size that the member declares, which `members` has bounded.
        if head is None:
            return archive.read(info)
        with archive.open(info) as file:
            return file.read(head)
    except (*_DAMAGE, OSError) as error:
        name = f"{archive.filename}: member {info.filename!r}"
        raise UserError(f"{name}: damaged ({error}); expected a whole image") from None


def _problem(info: zipfile.ZipInfo) -> str | None:
    """Says why a member is refused, or returns None if it is not."""
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if name.startswith("/") or "\\" in name or "\0" in name or re.match("[A-Za-z]:", name):
        return "has an absolute path or foreign separators"
    if ".." in name.split("/"):
        return "leaves its folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link" if kind == stat.S_IFLNK else "is a special file"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is compressed by method {info.compress_type} (neither stored nor deflated)"
    if info.file_size > MAX_FILE_BYTES:
        return f"has {info.file_size:,} bytes (at most {MAX_FILE_BYTES:,})"
    if info.file_size > MAX_RATIO * info.compress_size + SLACK_BYTES:
        return f"expands from {info.compress_size:,} to {info.file_size:,} bytes"
    return None
