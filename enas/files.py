"""Files that a crash, or a full disk, leaves whole."""

import contextlib
import errno
import json
import os
import re

from enas.errors import UserError

# What opening a new file says in a folder that takes none; /proc says ENOENT.
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT)


def unwritable(path, error):
    """The `UserError` for a file that can't be written, e.g. because the disk is full.

    Args:
      path: the file.
      error: an OSError or one of TensorFlow's.
    """
    # TensorFlow's reason begins with the file.
    words = getattr(error, "strerror", None) or reason(error).rpartition("; ")[2]
    return UserError(f"{path}: can't be written: {words}; make room and run the same command again to go on")


def reason(error):
    """What went wrong, on one line. TensorFlow's errors tell first where in the graph it was; here, what is behind that."""
    behind = re.search(r"\nNode: '[^'\n]*'\n([^\n]+)", str(error))
    lines = [behind[1]] if behind else str(error).splitlines()
    return (lines or ["unknown reason"])[0][:200]


def check_writable(flag, path):
    """Checks, before anything slow, that a file may be written; makes and removes what `write_atomically` makes.

    Args:
      flag: the flag that names it.
      path: the file; "" is fine.

    Raises:
      UserError: it has no folder, or is one, or can't be written.
    """
    if not path:
        return
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise UserError(f"--{flag}={path}: no such folder; expected a file in an existing one")
    if os.path.isdir(path):
        raise UserError(f"--{flag}={path}: is a folder, expected a file")
    try:
        # Asking for permission is not enough: root always has it.
        open(f"{path}.tmp", "ab").close()
        os.remove(f"{path}.tmp")
    except OSError as error:
        words = "its folder is read-only" if error.errno in _READ_ONLY else error.strerror
        raise UserError(f"--{flag}={path}: can't be written: {words}") from None


def read_json(path):
    """The content of a JSON file that this program wrote; None where there is no such file.

    Raises:
      UserError: it can't be read as JSON.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: can't be read: {str(error)[:100]}; delete it to have it made again") from None


def read_records(path, kind):
    """The records of one kind of a metrics.jsonl.

    Raises:
      UserError: it can't be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return [record for line in file if (record := json.loads(line))["kind"] == kind]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: can't be read as a run's records: {str(error)[:100]}") from None


def printable(text):
    """A text, e.g. a file's name, as a part of one line: tabs, line ends, other control characters and bytes that are no
    text become escapes such as \\t and \\udcff."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def write_atomically(path, text):
    """Writes a text file, whole or not at all; see `write_bytes_atomically`."""
    # Names of files and classes may hold bytes that are no text.
    write_bytes_atomically(path, text.encode(errors="backslashreplace"))


def write_bytes_atomically(path, data):
    """Writes a file so that a crash, or a full disk, leaves either the old one or the new one.

    Raises:
      UserError: it can't be written.
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


def synced(path):
    """Waits until a file's content, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
