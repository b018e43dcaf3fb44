"""What a run directory says of the run in it, to others than the run itself."""

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from enas.errors import UserError
from enas.options.config import Settings, completed

MARK = "enas run directory, format 2"
DATA = "data.json"


def stored_values(path: str) -> dict[str, Any] | None:
    """The content of a run's config.json as a dict; None where there is no such file.

    Raises:
      UserError: config.json is there but is not one of ours.
    """
    name = os.path.join(path, "config.json")
    wrong = "not the configuration of a run of this program"
    values = _object(name, "a run's configuration", wrong)
    if values is not None and values.get("format") != MARK:
        raise UserError(f"{name}: {wrong}")
    return values


def read_data(path: str) -> dict[str, Any] | None:
    """The content of a run's data.json, what its task's `metadata` returned; None where there is none yet.

    Raises:
      UserError: data.json is there but is no JSON object.
    """
    name = os.path.join(path, DATA)
    return _object(name, "what a run stores of its data", "not what a run of this program stores of its data")


def _object(path: str, what: str, wrong: str) -> dict[str, Any] | None:
    """The object that a JSON file holds; None where there is no such file.

    Args:
      what: what the file should be read as, for messages.
      wrong: what is said of a file that holds something else than an object.
    """
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: can't be read as {what}: {str(error)[:100]}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: {wrong}")
    return found


def store_data(run: Any, found: dict[str, Any], dataset: str) -> None:
    """Stores what a run's data is; refuses to go on with other data.

    Args:
      run: the `RunDirectory`.
      found: what its task's `metadata` returned.
      dataset: the value of --dataset.

    Raises:
      UserError: the run began with other data.
    """
    text = json.dumps(found, indent=2) + "\n"
    with contextlib.suppress(FileNotFoundError), open(run.file(DATA), encoding="utf-8", errors="replace") as file:
        if run.resumed and file.read() != text:
            raise UserError(
                f"--output_dir={run.path}: its run began with other data than --dataset={dataset} now gives (see {DATA} "
                "there); put the old ones back, or add --reset_output_dir to delete that run"
            )
    run.write(DATA, text)


def folder_of(file: str) -> str:
    """The directory that a file lies in; of a directory, itself."""
    return file if os.path.isdir(file) else os.path.dirname(file) or "."


def run_of(file: str) -> dict[str, Any]:
    """The stored values of the run in whose directory a file lies, or which it is itself; {} where there is no run."""
    try:
        return (stored_values(folder_of(file)) or {}) if file else {}
    except UserError:
        return {}


def completed_run_of(file: str, config_class: type[Settings]) -> dict[str, Any]:
    """The values of `run_of`, those of options that are newer than the run among them; {} where there is no run."""
    stored = run_of(file)
    return completed(config_class, stored) if stored else {}


def inherited(path: str, config_class: type[Settings], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that give an arc's integers their meaning, from the run whose directory the arc's file lies in.

    Args:
      path: the file, or "" for none.
      config_class: the config whose `arc_flags` these settings are; a run that is older than one of them has its default.
      given: {flag: value} of the flags that the user gave.

    Returns:
      {flag: value}; {} where the file is in no run's directory.

    Raises:
      UserError: the user gave another value for one.
    """
    stored = completed_run_of(path, config_class)
    found = {name: stored[name] for name in config_class.arc_flags} if stored else {}
    for name, value in found.items():
        if given.get(name, value) != value:
            raise UserError(
                f"--{name}={given[name]}: the integers of --arc_file={path} mean what they mean in its run, which has "
                f"--{name}={value}; leave the flag out"
            )
    return found
