"""The search spaces. Each is a package enas/<name>/ with the same modules; a new one is a new folder.

config      SearchConfig and TrainConfig, which make the flags; no TensorFlow
arc         an architecture as a value: `from_list(values)`, `for_child(values, child_config)`, `str(arc)`,
            `arc.lines()`; no TensorFlow
child       the network, as its task wants it: `logits(build, images, arc)` of an image classifier
controller  `build(controller_config, child_config, seed)`, `gumbel_noise(seed, purpose, steps, child_config)`,
            `warmup_noise(controller_config, seed, purpose, steps, child_config)`
space       all that a search or a training needs of the space: the modules above, and `task`, what its children are
            trained on and judged by (see `enas/classification/task.py`)
"""

import importlib
import os

from absl import flags

_DEFAULT = "micro"


def names():
    """The names of all search spaces, sorted."""
    here = os.path.dirname(__file__)
    return sorted(name for name in os.listdir(here) if os.path.exists(os.path.join(here, name, "space.py")))


def module(name, part):
    """A module of a space, e.g. `module("micro", "arc")`."""
    return importlib.import_module(f"enas.{name}.{part}")


def define_flag(flag_values=flags.FLAGS):
    """Defines --space."""
    text = "Search space of the arc. Its own flags replace those of the default space."
    flags.DEFINE_enum("space", _DEFAULT, names(), text, flag_values=flag_values)


def chosen(command_line):
    """The space that a command line's --space (also one in a --flagfile) names. Whoever parses all flags later reports
    what is wrong with it; until then the default counts.

    Args:
      command_line: list of str, the program's name first.
    """
    scan = flags.FlagValues()
    define_flag(scan)
    # Flags may follow arguments: a flag this scan does not know may have its value as a word of its own.
    scan.set_gnu_getopt(True)
    try:
        scan(command_line, known_only=True)
        return scan.space
    except (flags.Error, UnicodeDecodeError):
        return _DEFAULT
