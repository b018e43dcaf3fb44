"""Checkpoints that are whole or not there.

One checkpoint is a set of files in the run's `checkpoints/`: `<name>-<number>.index` and `.data-*`, written by
`tf.train.Saver`, and `<name>-<number>.json`, written last and in one piece, with the sizes and checksums of the others
and what the caller wants to know of the moment. Without a valid .json the other files do not count.
"""

import contextlib
import json
import os
import re
import sys
import zlib
from typing import Any

import tensorflow.compat.v1 as tf

from enas.errors import UserError
from enas.files import reason, synced, unwritable, write_atomically
from enas.graph.layers import PER_STREAM
from enas.runs.run_directory import RunDirectory
from enas.types import Session

KEPT = 2


class Checkpoints:
    """The checkpoints of one name in a run, the newest `KEPT` of them.

    Args:
      run: the `RunDirectory`.
      name: "last", "best" or "limit".
      saver: a `tf.train.Saver(max_to_keep=None)`; may be shared.
    """

    def __init__(self, run: RunDirectory, name: str, saver: Any) -> None:
        self.run, self.name, self.saver = run, name, saver
        self.folder = run.file("checkpoints")

    def save(self, session: Session, metadata: Any) -> None:
        """Saves the session's variables together with `metadata`, a dict of JSON values, and drops old checkpoints.

        Raises:
          UserError: the disk is full or the folder can't be written; the checkpoints before it stay.
        """
        number = 1 + max(self._numbers(), default=0)
        path = self._path(number)
        try:
            self.saver.save(session, path, write_meta_graph=False, write_state=False)
        except (tf.errors.OpError, OSError, ValueError) as error:
            self._delete(number)
            raise unwritable(path, error) from None
        files = {name: _digest(os.path.join(self.folder, name)) for name in self._files(number)}
        for name in files:
            synced(os.path.join(self.folder, name))
        try:
            content = {"files": files, "facts": metadata}
            write_atomically(f"{path}.json", json.dumps({**content, "crc32": _crc(content)}, indent=2) + "\n")
        except UserError:
            self._delete(number)
            raise
        committed = sorted(self._numbers("json"))[-KEPT:]
        for old in self._numbers() - set(committed):
            self._delete(old)

    def restore(self, session: Session) -> tuple[str, dict[str, Any]] | None:
        """Restores the newest whole checkpoint; says so where newer ones are not whole.

        Returns:
          (path, metadata), or None where there is no checkpoint at all.

        Raises:
          UserError: there are checkpoints but none is whole, or it is one of another network.
        """
        found = self.newest()
        if found is None:
            return None
        variables = session.graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
        try:
            stored = tf.train.load_checkpoint(found[0])
            anew = _of_other_streams(stored, session.graph.get_collection(PER_STREAM))
            _check_shapes(stored, [variable for variable in variables if variable not in anew])
            if not anew:
                self.saver.restore(session, found[0])
                return found
            for variable in variables:
                if variable in anew:
                    session.run(variable.initializer)
                else:
                    variable.load(stored.get_tensor(variable.op.name), session)
            self.run.log(
                f"{', '.join(variable.op.name for variable in anew)}: starts anew, for the number of streams has changed"
            )
        except (tf.errors.OpError, ValueError) as error:
            raise UserError(f"{found[0]}: does not fit the network that the flags describe ({reason(error)})") from None
        return found

    def newest(self) -> tuple[str, dict[str, Any]] | None:
        """Finds the newest whole checkpoint; says so where newer ones are not whole.

        Returns:
          (path, metadata), or None where there is no checkpoint at all.

        Raises:
          UserError: there are checkpoints but none is whole.
        """
        numbers = sorted(self._numbers("json"), reverse=True)
        for number in numbers:
            try:
                return self._path(number), self._metadata(number)
            except _Damaged as error:
                self.run.log(f"checkpoint {self._path(number)} is not whole ({error}); trying the one before it")
        if numbers:
            raise UserError(
                f"{self.folder}: none of the {len(numbers)} checkpoints called {self.name} is whole; "
                "--reset_output_dir starts the run anew"
            )
        return None

    def clear(self) -> None:
        """Deletes all checkpoints of this name."""
        for number in self._numbers():
            self._delete(number)

    def _metadata(self, number):
        try:
            with open(f"{self._path(number)}.json", encoding="utf-8") as file:
                content = json.load(file)
            if content.pop("crc32") != _crc(content) or not content["files"]:
                raise _Damaged(f"{self.name}-{number}.json is damaged")
            for name, digest in content["files"].items():
                if name not in self._files(number) or _digest(os.path.join(self.folder, name)) != digest:
                    raise _Damaged(f"{name} is missing or damaged")
            missing = self.run.missing(content["facts"].get("sizes"))
        except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
            raise _Damaged(f"{self.name}-{number}.json is damaged") from None
        if missing:
            raise _Damaged(missing)
        return content["facts"]

    def _path(self, number):
        return os.path.join(self.folder, f"{self.name}-{number}")

    def _numbers(self, suffix=".*"):
        """The numbers of the checkpoints that have a file with that suffix."""
        matches = (re.fullmatch(rf"{self.name}-([0-9]{{1,18}})\.{suffix}", name) for name in os.listdir(self.folder))
        return {int(match[1]) for match in matches if match}

    def _files(self, number):
        """Names of the Saver's files of a checkpoint."""
        wanted = rf"{self.name}-{number}\.(index|data-[0-9]+-of-[0-9]+)"
        return sorted(name for name in os.listdir(self.folder) if re.fullmatch(wanted, name))

    def _delete(self, number):
        """Deletes a checkpoint, its .json first: what is left when that is cut short does not count."""
        names = [name for name in os.listdir(self.folder) if name.startswith(f"{self.name}-{number}.")]
        for name in sorted(names, key=lambda name: not name.endswith(".json")):
            with contextlib.suppress(OSError):
                os.remove(os.path.join(self.folder, name))


class _StoredRun(RunDirectory):
    """A run directory that is only read."""

    def __init__(self, path: str) -> None:
        self.path = path

    def log(self, line: str = "") -> None:
        print(line, file=sys.stderr)


def newest(path: str, name: str) -> str | None:
    """Returns the path of the newest whole checkpoint of one name in a run directory, which is only read; None: there is
    none.

    Raises:
      UserError: there are checkpoints but none is whole.
    """
    try:
        found = Checkpoints(_StoredRun(path), name, None).newest()
    except FileNotFoundError:
        return None
    return found[0] if found else None


def _of_other_streams(stored, variables):
    """Those of the variables with a row for each stream that a checkpoint has for another number of streams."""
    shapes = stored.get_variable_to_shape_map()
    found = []
    for variable in variables:
        name, (rows, *rest) = variable.op.name, variable.shape.as_list()
        if name in shapes and shapes[name][1:] == rest and shapes[name][0] != rows:
            found.append(variable)
    return found


def _check_shapes(stored, variables):
    """Raises ValueError where a variable is not in a checkpoint, or in another shape, which the Saver would not notice."""
    shapes = stored.get_variable_to_shape_map()
    for variable in variables:
        name, shape = variable.op.name, variable.shape.as_list()
        if shapes.get(name) != shape:
            raise ValueError(f"{name} has shape {shapes.get(name)}, expected {shape}")


class _Damaged(Exception):
    """A checkpoint that is not whole."""


def _crc(content):
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _digest(path):
    """[bytes, CRC-32] of a file."""
    size = crc = 0
    with open(path, "rb") as file:
        while piece := file.read(2**20):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
    return [size, crc]
