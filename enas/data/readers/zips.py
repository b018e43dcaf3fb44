"""Zip files of class folders: the members are checked, then read in memory. Nothing is extracted to disk."""

import re
import stat
import struct
import zipfile
import zlib
from pathlib import PurePosixPath

from enas.data.readers.images import MAX_FILE_BYTES
from enas.errors import UserError

MAX_MEMBERS = 2_000_000
# Images hardly compress; deflate reaches 1,032 to 1 on a bomb.
MAX_RATIO = 100
SLACK_BYTES = 2**20  # small archives of small, plain images may compress better than that

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)


def members(path):
    """Lists a zip file's visible members after checking every one of them.

    Args:
      path: Path of the zip file.

    Returns:
      List of (parts, info): the member's path as a tuple of str, and its ZipInfo.

    Raises:
      UserError: the file is damaged or holds a member that is refused: one that points outside (absolute, drive
        letter, backslash, ".."), is a link or special file, encrypted, a duplicate, or expands absurdly.
    """
    with opened(path) as archive:
        infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise UserError(f"{path}: {len(infos):,} members; expected at most {MAX_MEMBERS:,}")
    seen, result = set(), []
    for info in infos:
        problem = _problem(info) or ("appears twice" if info.filename in seen else None)
        if problem:
            raise UserError(f"{path}: member {info.orig_filename!r} {problem}; expected plain image files")
        seen.add(info.filename)
        parts = PurePosixPath(info.filename).parts
        if parts and not any(part.startswith(".") or part == "__MACOSX" for part in parts):
            result.append((parts, info))
    total, size = sum(info.file_size for info in infos), path.stat().st_size
    if total > MAX_RATIO * size + SLACK_BYTES:
        raise UserError(f"{path}: {size:,} bytes would expand to {total:,}; expected at most {MAX_RATIO} times as many")
    return result


def opened(path):
    """Opens a zip file for reading; raises UserError naming it if it is none."""
    try:
        return zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise UserError(f"{path}: damaged zip file ({error}); expected a whole one") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; expected a readable zip file") from None


def read_member(archive, info):
    """Returns the bytes of a member, at most as many as `members` allowed, checked against its CRC.

    Raises:
      UserError: the member is damaged; the message names it.
    """
    try:
        # ZipExtFile stops at the size the member declares, which `members` has bounded.
        return archive.read(info)
    except (*_DAMAGE, OSError) as error:
        name = f"{archive.filename}: member {info.filename!r}"
        raise UserError(f"{name}: damaged ({error}); expected a whole image") from None


def _problem(info):
    """Says in words why a member is refused, or returns None."""
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
