"""The registry of search spaces, and how a command line names one. `enas/interfaces.py` says what a space is.

A new space is a folder and one line in `_MODULES`; one that lives elsewhere is registered by `register`.
"""

import importlib
from collections.abc import Callable

from absl import flags

from enas.interfaces import SearchSpace

# --space -> the module whose SPACE is the `SearchSpace`.
_MODULES = {"macro": "enas.macro.space", "micro": "enas.micro.space", "rnn": "enas.rnn.space"}
DEFAULT = "micro"


def register(name: str, module: str) -> None:
    """Adds a search space for the life of the process.

    Args:
      name: as --space will have it.
      module: its module, e.g. "my_package.space", imported when the space is first asked for.

    Raises:
      ValueError: another module has that name.
    """
    if _MODULES.setdefault(name, module) != module:
        raise ValueError(f"search space {name!r} is {_MODULES[name]} already, not {module}")


def names() -> list[str]:
    """Returns the names of all search spaces, sorted."""
    return sorted(_MODULES)


def get(name: str) -> SearchSpace:
    """Returns the search space of a name. It imports no TensorFlow before its `load` is called."""
    return importlib.import_module(_MODULES[name]).SPACE


def define_flag(flag_values: flags.FlagValues = flags.FLAGS, default: str = DEFAULT) -> None:
    """Defines --space."""
    text = (
        "Search space of the arc. Its own flags replace those of the default space. An --arc_file in a run directory brings "
        "the run's space along."
    )
    flags.DEFINE_enum("space", default, names(), text, flag_values=flag_values)


def chosen(command_line: list[str], of_file: Callable[[str], str | None] = lambda _: None) -> str:
    """Returns the name of the space that a command line chooses by --space, which may be in a --flagfile, or by --arc_file.

    Of a command line that is wrong it returns the default. Whoever parses all flags later reports the mistake.

    Args:
      command_line: begins with the program's name.
      of_file: returns the space of the run that the file of an arc lies in, or None.
    """
    scan = flags.FlagValues()
    define_flag(scan)
    flags.DEFINE_string("arc_file", "", "", flag_values=scan)
    # A flag that this scan does not know may have its value in the next word, which here looks like an argument. So flags
    # may follow arguments.
    scan.set_gnu_getopt(True)
    try:
        scan(command_line, known_only=True)
        of_run = None if scan["space"].present else of_file(scan.arc_file)
        return of_run if of_run in names() else scan.space
    except (flags.Error, UnicodeDecodeError):
        return DEFAULT
