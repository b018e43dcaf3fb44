"""The run directory: what a run writes, how it is found again, and what may be deleted.

config.json     every flag of the run, and the mark that makes the directory ours
lock            held by the process that runs here; the system lets go of it when the process ends, however it ends
stdout          the log lines, as on the terminal
data.json       class names, how images are normalised, and which files were left out
bad_images.txt  the reasons, with --skip_bad_images
metrics.jsonl   one JSON object per logged step, controller update or evaluation
arcs.jsonl      (search) every scored arc with its accuracy and epoch
limit_arcs.jsonl    (search) arcs that were scored when the time of --max_minutes was over
best_arc.txt    (search) the one it recommends, see --select_strategy
sampled_arcs.jsonl   (search) those that --sampling_only sampled
results.json    (training) the final figures
confusion.*, worst_images.txt   (training) what --eval_only found to be wrong, see `enas.classification.report`
series/         the figures of metrics.jsonl as plain text, one file each
checkpoints/    see `enas.runs.checkpoints`
events/         TensorBoard
run.html        a page about the run, where `report.py` was asked for one

A resumed run cuts metrics.jsonl, arcs.jsonl and the events to the length they had at the checkpoint it goes on from.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from typing import IO, Any

import portalocker

from enas.errors import UserError
from enas.files import synced, unwritable, write_atomically
from enas.options import config as configs
from enas.options.workers import OF_PROCESS
from enas.runs.metadata import MARK, stored_values

EVENTS = "events/events.out.tfevents.0"
RECORDS = ("metrics.jsonl", "arcs.jsonl", EVENTS)
# What a process that died while it made the directory may leave.
_HARMLESS = {"lock", "config.json.tmp"}


class RunDirectory:
    """An opened run directory. Use `open_run`.

    Attributes:
      path: the directory.
      resumed: the run is an older one.
      earlier_minutes: minutes that earlier processes spent on it.
      events: the `session.Events` of an opened session.
    """

    def __init__(self, path: str, resumed: bool, lock: IO[Any] | None) -> None:
        self.path, self.resumed, self._lock = path, resumed, lock
        self.start_time, self.earlier_minutes = time.monotonic(), 0.0
        self.events: Any = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Lets another process have the directory."""
        if self._lock:
            self._lock.close()

    def file(self, name: str) -> str:
        """Path of a file in the directory."""
        return os.path.join(self.path, name)

    def log(self, line: str = "") -> None:
        """Writes a line to `stdout` and to the terminal, above a progress bar if there is one."""
        from tqdm import tqdm

        # A path may hold bytes that are no text.
        data = line.encode(errors="backslashreplace")
        self.append_bytes("stdout", data + b"\n")
        tqdm.write(data.decode())

    def append(self, name: str, record: dict[str, Any]) -> None:
        """Appends one JSON object to a .jsonl file."""
        self.append_bytes(name, f"{json.dumps(record)}\n".encode())

    def append_bytes(self, name: str, data: bytes) -> None:
        """Appends to a file. It is opened each time, so that a full disk shows here and not when Python ends."""
        path = self.file(name)
        try:
            with open(path, "ab", buffering=0) as file:
                while data:
                    data = data[file.write(data) :]
        except OSError as error:
            raise unwritable(path, error) from None

    def read(self, name: str) -> list[Any]:
        """The objects of a .jsonl file, in order; [] where there is no such file.

        Raises:
          UserError: a line is no JSON.
        """
        if not os.path.exists(self.file(name)):
            return []
        with open(self.file(name), "rb") as file:
            lines = file.read().split(b"\n")[:-1]
        for number, line in enumerate(lines, 1):
            try:
                lines[number - 1] = json.loads(line)
            except (ValueError, RecursionError):
                raise UserError(f"{self.file(name)}: line {number} is no JSON; expected one object a line") from None
        return lines

    def cut_torn(self, name: str) -> None:
        """Cuts a .jsonl file back to its last whole line; a full disk may have left a part of one behind it."""
        if os.path.exists(self.file(name)):
            with open(self.file(name), "r+b") as file:
                file.truncate(file.read().rfind(b"\n") + 1)

    def remove(self, name: str) -> None:
        """Removes a file if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.file(name))

    def write(self, name: str, text: str) -> None:
        """Replaces a file whole."""
        write_atomically(self.file(name), text)

    def sizes(self) -> dict[str, int]:
        """{name: bytes} of `RECORDS`."""
        return {name: self._size(name) for name in RECORDS}

    def missing(self, sizes: Mapping[str, int] | None) -> str | None:
        """Says which records are shorter than `sizes`, the `sizes()` of an earlier moment; None if none is."""
        for name, size in (sizes or {}).items():
            if self._size(name) < size:
                return f"{name} has lost what it held: {self._size(name)} bytes, expected {size}"
        return None

    def cut(self, sizes: Mapping[str, int]) -> None:
        """Cuts the records back to `sizes`, and puts them safely on the disk."""
        for name in RECORDS:
            if self._size(name) > sizes.get(name, 0):
                os.truncate(self.file(name), sizes.get(name, 0))
        self.sync()

    def sync(self) -> None:
        """Waits until the records are on the disk."""
        for name in RECORDS:
            if os.path.exists(self.file(name)):
                synced(self.file(name))

    def minutes(self) -> float:
        """Minutes spent on the run, those of earlier processes up to their last checkpoint included."""
        return self.earlier_minutes + (time.monotonic() - self.start_time) / 60

    def _size(self, name):
        return os.path.getsize(self.file(name)) if os.path.exists(self.file(name)) else 0


def check_output_dir(config: Any, kind: str) -> dict[str, Any] | None:
    """Checks, before anything slow, that `open_run` may use `--output_dir`; changes nothing.

    Args:
      config: a config class with a `run` section.
      kind: "search" or "training"; a directory holds one kind of run.

    Returns:
      The values of the run to resume, or None for a new run.

    Raises:
      UserError: the directory holds something else, a run of another kind, a run whose flags differ in more than what a
        resumed run may change, or one that another process is running; or --reset_output_dir would delete what is not a
        run.
    """
    path = config.run.output_dir
    if not path:
        raise UserError("--output_dir='': expected a directory")
    if not config.workers.is_chief:
        return None  # the chief's, and locked by it
    if os.path.exists(path) and not os.path.isdir(path):
        raise UserError(f"--output_dir={path}: can't be written: it is a file, expected a directory")
    if os.path.exists(os.path.join(path, "lock")):
        _locked(path, "rb").close()
    return _stored_run(config, kind)


def _stored_run(config, kind):
    path = config.run.output_dir
    filled = os.path.isdir(path) and bool(set(os.listdir(path)) - _HARMLESS)
    stored = stored_values(path)
    if config.run.reset_output_dir:
        if filled and (os.path.islink(os.path.normpath(path)) or stored is None):
            raise UserError(f"--reset_output_dir: {path} is not a run of this program; nothing was deleted")
        return None
    if stored is not None:
        _check_same(config, kind, stored, path)
    elif filled:
        raise UserError(f"--output_dir={path}: is not empty and not a run of this program; choose another directory")
    return stored


def open_run(config: Any, kind: str) -> RunDirectory:
    """Opens `--output_dir` for a run: makes it, or resumes the run in it; see `check_output_dir`."""
    path = config.run.output_dir
    check_output_dir(config, kind)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output_dir={path}: can't be written: {error.strerror}") from None
    lock = _locked(path, "ab")
    try:
        # Once more: what was true before the lock was held may not be true any more.
        stored = _stored_run(config, kind)
        if config.run.reset_output_dir:
            _clear(path)
        values = {"format": MARK, "kind": kind, "space": config.space, **configs.to_values(config), **config.metadata()}
        values = {name: value for name, value in values.items() if name not in OF_PROCESS}
        write_atomically(os.path.join(path, "config.json"), json.dumps(values, indent=2) + "\n")
        for name in ("checkpoints", "events"):
            os.makedirs(os.path.join(path, name), exist_ok=True)
        run = RunDirectory(path, stored is not None, lock)
        for line in configs.changes(config, stored or {}):
            run.log(f"resuming with {line}")
        return run
    except OSError as error:
        lock.close()
        raise UserError(f"--output_dir={path}: can't be written: {error.strerror}") from None
    except BaseException:
        lock.close()
        raise


def is_locked(path: str) -> bool:
    """Says whether a process runs in a directory."""
    try:
        with open(os.path.join(path, "lock"), "rb") as file:
            portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked:
        return True
    except (OSError, portalocker.LockException):
        return False
    return False


def _locked(path, mode):
    """Opens the directory's lock file and locks it; the lock ends with the file, and so with the process."""
    try:
        file = open(os.path.join(path, "lock"), mode)  # noqa: SIM115
    except OSError as error:
        raise UserError(f"--output_dir={path}: can't be written: {error.strerror}") from None
    try:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        return file
    except portalocker.AlreadyLocked:
        reason = "another process is running in it; let it end or stop it, or choose another directory"
    except portalocker.LockException as error:
        reason = f"can't be locked: {error}; choose a directory on a file system that knows locks"
    file.close()
    raise UserError(f"--output_dir={path}: {reason}")


def _clear(path):
    """Empties a run's directory, but for the lock. The checkpoints go first and at once, config.json, the mark that makes
    it ours, last: whenever it is cut short, what is left can be reset again and is never resumed from half a checkpoint."""
    trash = os.path.join(path, "deleting")
    if os.path.isdir(os.path.join(path, "checkpoints")):
        shutil.rmtree(trash, ignore_errors=True)
        os.replace(os.path.join(path, "checkpoints"), trash)
    for name in sorted(set(os.listdir(path)) - {"lock"}, key=lambda name: name == "config.json"):
        name = os.path.join(path, name)
        if os.path.isdir(name) and not os.path.islink(name):
            shutil.rmtree(name)
        else:
            os.remove(name)


def _check_same(config, kind, stored, path):
    if stored.get("kind") != kind:
        raise UserError(
            f"--output_dir={path}: holds a run of another kind: {stored.get('kind')}, expected {kind}; choose another"
        )
    if stored.get("space") != config.space:
        raise UserError(
            f"--output_dir={path}: holds a run of the {stored.get('space')} space, expected {config.space}; "
            "choose another"
        )
    names = configs.differences(config, stored)
    if names:
        values, was = configs.to_values(config), configs.completed(type(config), stored)
        changes = ", ".join(f"--{name}={values[name]} (was {was[name]})" for name in names)
        raise UserError(
            f"--output_dir={path}: holds a run with other settings: {changes}; choose another directory, or add "
            "--reset_output_dir to delete that run"
        )
    if obstacle := config.obstacle(stored):
        raise UserError(
            f"--output_dir={path}: {obstacle}; choose another directory, or add --reset_output_dir to delete that run"
        )
