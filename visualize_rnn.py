"""Draws a recurrent cell, as .dot, .png and .svg files.

  python visualize_rnn.py 0 0 0 1 1 2 1 ...          (the arc's integers)
  python visualize_rnn.py "0 0 0 1 1 2 1"
  python visualize_rnn.py --arc_file=outputs/search_rnn/best_arc.txt

The arc is the activation of node 0, then a source and an activation for each later node: 2N - 1 integers for N nodes.
"""

from absl import flags

from enas.commands import cli
from enas.errors import UserError
from enas.rnn import arc, diagram

FLAGS = flags.FLAGS


def define_flags():
    """Defines this script's flags."""
    flags.DEFINE_string("arc_file", "", "File that holds the arc, as text, JSON or .npy. Use this or arguments.")
    flags.DEFINE_string("output_dir", "outputs/rnn_cell", "Folder the pictures are written into; made if missing.")


def main(arguments):
    """Writes the pictures and prints their paths, one a line."""
    if arguments and FLAGS.arc_file:
        raise UserError("give the arc as arguments or by --arc_file, not both")
    if FLAGS.arc_file:
        drawn = arc.read(FLAGS.arc_file)
    elif arguments:
        drawn = arc.parse(" ".join(arguments))
    else:
        raise UserError("no arc: give its integers as arguments, or a file by --arc_file (see --help)")
    for path in diagram.write(drawn, FLAGS.output_dir):
        print(path)


if __name__ == "__main__":
    define_flags()
    cli.run(main)
