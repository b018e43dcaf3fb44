"""The programs that search. Nothing here imports TensorFlow before the flags are checked."""

import os

from absl import flags as absl_flags

from enas import spaces
from enas.commands import cli
from enas.options import flags, workers
from enas.runs import stored_settings

# Absl lists under --help the flags of the script that calls `run`, not this module's.
absl_flags.disclaim_key_flags()


def micro() -> None:
    """Searches the micro space for a pair of cells: a controller and a weight-shared child are trained in turn.

      {search_micro} --dataset=digits --child_scheme=k4 --output_dir=outputs/search

    Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
    """
    run("micro", micro.__doc__)


def macro() -> None:
    """Searches the macro space for a network: a controller and a weight-shared child are trained in turn.

      {search_macro} --dataset=digits --child_num_layers=6 --output_dir=outputs/search_macro

    Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
    """
    run("macro", macro.__doc__)


def rnn() -> None:
    """Searches the recurrent space for a cell of a language model: a controller and a weight-shared child are trained in
    turn.

      {search_rnn} --output_dir=outputs/search_rnn
      {search_rnn} --dataset=folder --data_dir=my_text --output_dir=outputs/search_rnn

    Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
    """
    run("rnn", rnn.__doc__)


def run(space: str, usage: str | None = None) -> None:
    """Runs the search that the command line describes, and exits the process.

    Args:
      space: name of the search space.
      usage: what --help says of the program; None: the docstring of the script that was started.
    """
    found = spaces.get(space)
    settings = found.search_config

    def main(arguments: list[str]) -> None:
        cli.no_arguments(arguments)
        given = flags.given(settings)
        config = flags.parse_config(settings, defaults=workers.of_environment(settings, given, os.environ))
        search_config = stored_settings.search_settings(config, given)
        cli.load_tensorflow(found)  # takes seconds: bad flags are told before that
        from enas.runs import search

        search.run_search(search_config, found)

    flags.define(settings)
    cli.run(main, usage=usage)
