"""What every search_<space>.py runs. Nothing here imports TensorFlow before the flags are checked."""

from absl import flags as absl_flags

from enas import spaces
from enas.commands import cli
from enas.options import flags
from enas.runs import stored_settings

# Absl lists under --help the flags of the script that calls `run`, not this module's.
absl_flags.disclaim_key_flags()


def run(space: str) -> None:
    """Runs the search that the command line describes, and exits the process.

    Args:
      space: name of the search space.
    """
    found = spaces.get(space)
    settings = found.search_config

    def main(arguments: list[str]) -> None:
        cli.no_arguments(arguments)
        search_config = stored_settings.search_settings(flags.parse_config(settings), flags.given(settings))
        cli.load_tensorflow()  # takes seconds: bad flags are told before that
        from enas.runs import search

        search.run_search(search_config, found)

    flags.define(settings)
    cli.run(main)
