"""How a user starts the programs: as scripts of a checkout, or as the commands that an installation puts on the PATH."""

import os
import sys


def command(name: str) -> list[str]:
    """The words that start a program in the way this process was started.

    Args:
      name: of the script without its ending, e.g. "train_fixed_arc".

    Returns:
      E.g. ["python", "train_fixed_arc.py"], or ["enas-train-fixed-arc"] in an installation.
    """
    if os.path.basename(sys.argv[0]).startswith("enas-"):
        return ["enas-" + name.replace("_", "-")]
    return ["python", f"{name}.py"]
