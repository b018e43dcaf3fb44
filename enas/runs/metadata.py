"""What a run directory says of the run in it, to others than the run itself."""

import json
import os

from enas.errors import UserError

MARK = "enas run directory, format 2"


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
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{name}: can't be read as a run's configuration: {str(error)[:100]}") from None
    if not isinstance(values, dict) or values.get("format") != MARK:
        raise UserError(f"{name}: not the configuration of a run of this program")
    return values


def data_facts(path):
    """The content of a run's data.json (image shape, class names, mean, std); {} where there is none yet."""
    try:
        with open(os.path.join(path, "data.json"), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def run_of(file):
    """The stored values of the run in whose directory a file lies; {} where it is in no run's directory."""
    try:
        return (stored_values(os.path.dirname(file) or ".") or {}) if file else {}
    except UserError:
        return {}


def inherited(path, given=None):
    """The settings that give an arc's integers their meaning, from the run whose directory the arc's file lies in.

    Args:
      path: the file, or "" for none.
      given: {flag: value} of the flags that the user gave.

    Returns:
      {"search_precision": value}; {} where the file is in no run's directory, or in one whose space has no such setting.

    Raises:
      UserError: the user gave another --search_precision.
    """
    stored = run_of(path)
    if "search_precision" not in stored:
        return {}
    value = stored["search_precision"]
    if (given or {}).get("search_precision", value) != value:
        raise UserError(
            f"--search_precision={given['search_precision']}: the op ids of --arc_file={path} count through the op table "
            f"of its run, which has --search_precision={value}; leave the flag out"
        )
    return {"search_precision": value}
