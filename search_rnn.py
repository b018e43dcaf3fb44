"""Searches the recurrent space for a cell of a language model: a controller and a weight-shared child are trained in turn.

  python search_rnn.py --output_dir=outputs/search_rnn
  python search_rnn.py --dataset=folder --data_dir=my_text --output_dir=outputs/search_rnn

Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
"""

from enas import cli, flags, stored_settings
from enas.rnn import config


def main(arguments):
    """Runs the search the flags describe."""
    cli.no_arguments(arguments)
    search_config = stored_settings.search_settings(
        flags.parse_config(config.SearchConfig), flags.given(config.SearchConfig)
    )
    cli.load_tensorflow()  # takes seconds: bad flags are told before that
    from enas import search
    from enas.rnn import space

    search.run_search(search_config, space)


if __name__ == "__main__":
    flags.define(config.SearchConfig)
    cli.run(main)
