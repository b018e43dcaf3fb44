"""Files that stay whole whatever happens, a crash or a full disk included."""

import contextlib
import errno
import json
import os
import re
from typing import Any

from enas.errors import UserError

AnyPath = str | os.PathLike[str]

# Errors of opening a new file in a folder that takes none. In /proc it is ENOENT.
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT)


def unwritable(path: AnyPath, error: Exception) -> UserError:
    """Returns the error for a file that can't be written, e.g. because the disk is full.

    Args:
      path: the file.
      error: an OSError, or one of TensorFlow's errors.
    """
    # TensorFlow's reason begins with the file's name.
    words = getattr(error, "strerror", None) or reason(error).rpartition("; ")[2]
    return UserError(f"{path}: can't be written: {words}; make room and run the same command again to go on")


def reason(error: Exception) -> str:
    """Says on one line what went wrong. TensorFlow's errors begin with the place in the graph, which is left out."""
    behind = re.search(r"\nNode: '[^'\n]*'\n([^\n]+)", str(error))
    lines = [behind[1]] if behind else str(error).splitlines()
    return (lines or ["unknown reason"])[0][:200]


def check_writable(flag: str, path: str) -> None:
    """Checks, before anything slow, that a file can be written. Makes and removes the file that `write_atomically` makes.

    Args:
      flag: the flag that names the file.
      path: the file; "" for none.

    Raises:
      UserError: the file's folder does not exist, the file is itself a folder, or it can't be written.
    """
    if not path:
        return
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise UserError(f"--{flag}={path}: no such folder; expected a file in an existing one")
    if os.path.isdir(path):
        raise UserError(f"--{flag}={path}: is a folder, expected a file")
    try:
        # It is not enough to ask for permission: root always has it.
        open(f"{path}.tmp", "ab").close()
        os.remove(f"{path}.tmp")
    except OSError as error:
        words = "its folder is read-only" if error.errno in _READ_ONLY else error.strerror
        raise UserError(f"--{flag}={path}: can't be written: {words}") from None


def read_json(path: AnyPath) -> Any:
    """Reads a JSON file that this program wrote. Returns None if there is no such file.

    Raises:
      UserError: the file can't be read as JSON.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: can't be read: {str(error)[:100]}; delete it to have it made again") from None


def read_records(path: AnyPath, kind: str) -> list[dict[str, Any]]:
    """Reads a metrics.jsonl and returns its records of one kind.

    Raises:
      UserError: the file can't be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return [record for line in file if (record := json.loads(line))["kind"] == kind]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: can't be read as a run's records: {str(error)[:100]}") from None


def printable(text: str) -> str:
    """Makes a text, e.g. a file's name, fit into one line. Tabs, line ends, other control characters and bytes that are no
    text become escapes such as \\t and \\udcff."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def write_atomically(path: AnyPath, text: str) -> None:
    """Writes a text file, whole or not at all; see `write_bytes_atomically`."""
    # Names of files and classes may hold bytes that are no text.
    write_bytes_atomically(path, text.encode(errors="backslashreplace"))


def write_bytes_atomically(path: AnyPath, data: bytes) -> None:
    """Writes a file so that a crash, or a full disk, leaves either the old file or the new one.

    Raises:
      UserError: the file can't be written.
    """
    try:
        with open(f"{path}.tmp", "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.tmp", path)
        synced(os.path.dirname(path) or ".")
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            os.remove(f"{path}.tmp")


def synced(path: AnyPath) -> None:
    """Waits until a file's content, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
