"""The registry of search spaces, and how a command line names one. `enas/interfaces.py` says what a space is.

A new space is a folder and one line in `_MODULES`; one that lives elsewhere is registered by `register`.
"""

import importlib

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


def define_flag(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines --space."""
    text = "Search space of the arc. Its own flags replace those of the default space."
    flags.DEFINE_enum("space", DEFAULT, names(), text, flag_values=flag_values)


def chosen(command_line: list[str]) -> str:
    """Returns the name of the space that a command line chooses by --space, which may be in a --flagfile.

    Of a command line that is wrong it returns the default. Whoever parses all flags later reports the mistake.

    Args:
      command_line: begins with the program's name.
    """
    scan = flags.FlagValues()
    define_flag(scan)
    # A flag that this scan does not know may have its value in the next word, which here looks like an argument. So flags
    # may follow arguments.
    scan.set_gnu_getopt(True)
    try:
        scan(command_line, known_only=True)
        return scan.space
    except (flags.Error, UnicodeDecodeError):
        return DEFAULT
