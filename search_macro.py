"""Searches the macro space for a network: a controller and a weight-shared child are trained in turn.

  python search_macro.py --dataset=digits --child_num_layers=6 --output_dir=outputs/search_macro

Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
"""

from enas import cli, flags, stored_settings
from enas.macro import config


def main(arguments):
    """Runs the search the flags describe."""
    cli.no_arguments(arguments)
    search_config = stored_settings.search_settings(
        flags.parse_config(config.SearchConfig), flags.given(config.SearchConfig)
    )
    cli.load_tensorflow()  # takes seconds: bad flags are told before that
    from enas import search
    from enas.macro import space

    search.run_search(search_config, space)


if __name__ == "__main__":
    flags.define(config.SearchConfig)
    cli.run(main)
