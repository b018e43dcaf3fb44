"""The run directory: what a run writes, how it is found again, and what may be deleted.

config.json     every flag of the run, and the mark that makes the directory ours
stdout          the log lines, as on the terminal
metrics.jsonl   one JSON object per logged step, controller update or evaluation
arcs.jsonl      (search) every scored arc with its accuracy and epoch
best_arc.txt    (search) the best of them
results.json    (training) the final figures
checkpoints/    `tf.train.Saver` checkpoints
events/         TensorBoard
"""

import json
import os
import shutil
import time

from enas import config as configs
from enas.errors import UserError

MARK = "enas run directory, format 1"


class RunDirectory:
    """An opened run directory. Use `open_run`."""

    def __init__(self, path, resumed):
        self.path, self.resumed = path, resumed
        self.start_time = time.time()
        self._stdout = open(self.file("stdout"), "a", encoding="utf-8", buffering=1)  # noqa: SIM115

    def file(self, name):
        """Path of a file in the directory."""
        return os.path.join(self.path, name)

    def log(self, line=""):
        """Prints a line to the terminal, above a progress bar if there is one, and to `stdout`."""
        from tqdm import tqdm

        tqdm.write(line)
        self._stdout.write(line + "\n")

    def append(self, name, record):
        """Appends one JSON object to a .jsonl file."""
        with open(self.file(name), "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def read(self, name):
        """The objects of a .jsonl file, in order; [] where there is no such file."""
        if not os.path.exists(self.file(name)):
            return []
        with open(self.file(name), encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def drop_after(self, name, epoch):
        """Drops the records of epochs after `epoch`: a resumed run writes them again."""
        records = [record for record in self.read(name) if record["epoch"] <= epoch]
        self.write(name, "".join(json.dumps(record) + "\n" for record in records))

    def write(self, name, text):
        """Replaces a file whole."""
        write_atomically(self.file(name), text)

    def minutes(self):
        """Minutes since this process opened the run."""
        return (time.time() - self.start_time) / 60


def write_atomically(path, text):
    """Writes a text file so that a crash leaves either the old one or the new one."""
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


def check_output_dir(config, kind):
    """Checks, before anything slow, that `open_run` may use `--output_dir`; changes nothing.

    Args:
      config: a config class with a `run` section.
      kind: "search" or "training"; a directory holds one kind of run.

    Returns:
      The values of the run to resume, or None for a new run.

    Raises:
      UserError: the directory holds something else, a run of another kind, or a run whose flags differ in more than what
        a resumed run may change; or --reset_output_dir would delete what is not a run.
    """
    path = config.run.output_dir
    if not path:
        raise UserError("--output_dir='': expected a directory")
    if os.path.exists(path) and not os.path.isdir(path):
        raise UserError(f"--output_dir={path}: can't be written: it is a file, expected a directory")
    filled = os.path.isdir(path) and bool(os.listdir(path))
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


def open_run(config, kind):
    """Opens `--output_dir` for a run: makes it, or resumes the run in it; see `check_output_dir`."""
    path = config.run.output_dir
    stored = check_output_dir(config, kind)
    try:
        if config.run.reset_output_dir and os.path.isdir(path) and os.listdir(path):
            shutil.rmtree(os.path.normpath(path))
        os.makedirs(os.path.join(path, "checkpoints"), exist_ok=True)
        values = {"format": MARK, "kind": kind, "space": config.space, **configs.to_values(config)}
        write_atomically(os.path.join(path, "config.json"), json.dumps(values, indent=2) + "\n")
        return RunDirectory(path, resumed=stored is not None)
    except OSError as error:
        raise UserError(f"--output_dir={path}: can't be written: {error.strerror}") from None


def stored_values(path):
    """The content of a run's config.json as a dict; None where there is no such file.

    Raises:
      UserError: config.json is there but is not one of ours.
    """
    name = os.path.join(path, "config.json")
    try:
        with open(name, encoding="utf-8") as file:
            values = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: can't be read as a run's configuration: {str(error)[:100]}") from None
    if not isinstance(values, dict) or values.get("format") != MARK:
        raise UserError(f"{name}: not the configuration of a run of this program")
    return values


def _check_same(config, kind, stored, path):
    if stored.get("kind") != kind:
        raise UserError(f"--output_dir={path}: holds a {stored.get('kind')} run, expected a {kind} run; choose another")
    if stored.get("space") != config.space:
        raise UserError(
            f"--output_dir={path}: holds a run of the {stored.get('space')} space, expected {config.space}; "
            "choose another"
        )
    names = configs.differences(config, stored)
    if names:
        values = configs.to_values(config)
        changes = ", ".join(f"--{name}={values[name]} (was {stored.get(name)})" for name in names)
        raise UserError(
            f"--output_dir={path}: holds a run with other settings: {changes}; choose another directory, or add "
            "--reset_output_dir to delete that run"
        )
