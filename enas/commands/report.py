"""The program that writes a page about runs. Nothing here imports TensorFlow."""

import os

from absl import flags as absl_flags

from enas import files
from enas.commands import cli
from enas.errors import UserError
from enas.report import page

# Absl lists under --help the flags of the script that calls `run`, not this module's.
absl_flags.disclaim_key_flags()

FLAGS = absl_flags.FLAGS


def run() -> None:
    """Writes one HTML page that shows a run, or several side by side; prints its path.

      {report} --output_dir=outputs/search
      {report} --output_dir outputs/search_a outputs/search_b outputs/final

    A run is the directory of a search, a training or an evaluation, of any space, finished or not: curves, the best arc,
    arcs with their costs, ops over time, settings, the confusion matrix, and the command to go on. The page needs no other
    file and no connection.
    """
    absl_flags.DEFINE_string("output_dir", "", "Run directory; more of them may follow as arguments.")
    text = "File the page is written to. Default: run.html in the first run's directory."
    absl_flags.DEFINE_string("page", "", text)
    # Flags may follow the directories.
    FLAGS.set_gnu_getopt(True)
    cli.run(_main, usage=run.__doc__)


def _main(arguments: list[str]) -> None:
    paths = [path for path in (FLAGS.output_dir, *arguments) if path]
    if not paths:
        raise UserError("--output_dir='': expected the directory of a run")
    file = FLAGS.page or os.path.join(paths[0], "run.html")
    if FLAGS.page:
        files.check_writable("page", FLAGS.page)
    page.write(paths, file)
    print(file)
