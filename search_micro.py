"""Searches the micro space for a pair of cells: a controller and a weight-shared child are trained in turn.

  python search_micro.py --dataset=digits --child_scheme=k4 --output_dir=outputs/search

Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
"""

from absl import flags as absl_flags

from enas import cli, flags, stored_settings
from enas.micro import config


def main(arguments):
    """Runs the search the flags describe."""
    cli.no_arguments(arguments)
    preset = config.PRESETS[absl_flags.FLAGS.controller_preset]
    search_config = stored_settings.search_settings(
        flags.parse_config(config.SearchConfig, defaults=preset), flags.given(config.SearchConfig)
    )
    cli.load_tensorflow()  # takes seconds: bad flags are told before that
    from enas import search
    from enas.micro import space

    search.run_search(search_config, space)


if __name__ == "__main__":
    flags.define(config.SearchConfig)
    cli.run(main)
