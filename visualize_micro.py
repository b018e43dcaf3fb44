"""Draws the normal and the reduction cell of a micro architecture, as .dot, .png and .svg files.

  python visualize_micro.py 1 2 1 3 0 1 ...          (the arc's integers)
  python visualize_micro.py "1 2 1 3 0 1 ..."
  python visualize_micro.py --arc_file=outputs/best_arc.txt

The arc has 4 integers a node (index_1 op_1 index_2 op_2), normal cell first: 40 for 5 nodes a cell.
"""

from absl import flags

from enas import cli, config
from enas.errors import UserError
from enas.micro import arc, diagram

FLAGS = flags.FLAGS


def define_flags():
    """Defines this script's flags."""
    flags.DEFINE_string("arc_file", "", "File that holds the arc, e.g. a search's best_arc.txt. Use this or arguments.")
    flags.DEFINE_string("output_dir", "outputs/cells", "Folder the pictures are written into; made if missing.")
    flags.DEFINE_enum("child_scheme", "fp32", list(config.SCHEMES), "Arithmetic shown on the convolutions.")


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
    for path in diagram.write(drawn, FLAGS.child_scheme, FLAGS.output_dir):
        print(path)


if __name__ == "__main__":
    define_flags()
    cli.run(main)
