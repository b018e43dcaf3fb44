"""Draws a macro architecture, layer by layer, as .dot, .png and .svg files.

  python visualize_macro.py 0 3 0 0 1 0 ...          (the arc's integers)
  python visualize_macro.py "0  3 0  0 1 0 ..."
  python visualize_macro.py --arc_file=outputs/best_arc.txt

Layer i has its op (0 conv 3x3, 1 separable 3x3, 2 conv 5x5, 3 separable 5x5, 4 average pool, 5 max pool), then i - 1 skip
bits: 78 integers for 12 layers.
"""

from absl import flags

from enas.commands import cli
from enas.errors import UserError
from enas.macro import arc, diagram
from enas.options import config

FLAGS = flags.FLAGS


def define_flags():
    """Defines this script's flags."""
    flags.DEFINE_string("arc_file", "", "File that holds the arc, as text, JSON or .npy. Use this or arguments.")
    flags.DEFINE_string("output_dir", "outputs/network", "Folder the pictures are written into; made if missing.")
    flags.DEFINE_enum("child_scheme", "fp32", list(config.SCHEMES), "Arithmetic shown on the convolutions.")
    flags.DEFINE_bool(
        "controller_search_whole_channels",
        True,
        "An arc names one op for each layer; off: a first channel and a number of channels for each op.",
    )


def main(arguments):
    """Writes the pictures and prints their paths, one a line."""
    if arguments and FLAGS.arc_file:
        raise UserError("give the arc as arguments or by --arc_file, not both")
    whole = FLAGS.controller_search_whole_channels
    if FLAGS.arc_file:
        drawn = arc.read(FLAGS.arc_file, whole_channels=whole)
    elif arguments:
        drawn = arc.parse(" ".join(arguments), whole_channels=whole)
    else:
        raise UserError("no arc: give its integers as arguments, or a file by --arc_file (see --help)")
    for path in diagram.write(drawn, FLAGS.child_scheme, FLAGS.output_dir):
        print(path)


if __name__ == "__main__":
    define_flags()
    cli.run(main)
