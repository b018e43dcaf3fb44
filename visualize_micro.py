"""Draws the normal and the reduction cell of a micro architecture, as .dot, .png and .svg files.

  python visualize_micro.py 1 2 1 3 0 1 ...          (the arc's integers)
  python visualize_micro.py "1 2 1 3 0 1 ..."
  python visualize_micro.py --arc_file=outputs/search/best_arc.txt

The arc has 4 integers a node (index_1 op_1 index_2 op_2), normal cell first: 40 for 5 nodes a cell. Below the cells
stands what the network costs. An --arc_file in a run directory brings the run's settings along; flags override them.
"""

import os

from absl import flags

from enas.commands import cli
from enas.errors import UserError
from enas.micro import arc, cost, diagram, op_table
from enas.micro.config import SearchConfig
from enas.options import config
from enas.options import flags as config_flags
from enas.runs import metadata

FLAGS = flags.FLAGS
# What of a child's settings shows in the picture.
CHILD_FLAGS = ("child_scheme", "search_precision", "child_quantize_ends", "child_num_layers", "child_out_filters")


def define_flags():
    """Defines this script's flags."""
    flags.DEFINE_string("arc_file", "", "File that holds the arc, e.g. a search's best_arc.txt. Use this or arguments.")
    flags.DEFINE_string("output_dir", "outputs/cells", "Folder the pictures are written into; made if missing.")
    config_flags.define(SearchConfig, names=(*CHILD_FLAGS, "img_size"))
    flags.DEFINE_integer("channel", 0, "Channels of the images. 0: the run's, else 3.", 0, 3)
    flags.DEFINE_integer("num_classes", 0, "Classes told apart. 0: the run's, else 10.", 0, 1_000_000)


def main(arguments):
    """Writes the pictures and prints their paths, one a line."""
    if arguments and FLAGS.arc_file:
        raise UserError("give the arc as arguments or by --arc_file, not both")
    if not arguments and not FLAGS.arc_file:
        raise UserError("no arc: give its integers as arguments, or a file by --arc_file (see --help)")
    stored = metadata.run_of(FLAGS.arc_file)
    given = config_flags.given(SearchConfig)
    metadata.inherited(FLAGS.arc_file, given)
    values = {name: stored[name] for name in CHILD_FLAGS if name in stored} | given
    settings = config.from_values(SearchConfig, values)
    child = settings.child
    table = op_table.op_table(child)
    drawn = (
        arc.read(FLAGS.arc_file, num_ops=len(table))
        if FLAGS.arc_file
        else arc.parse(" ".join(arguments), num_ops=len(table))
    )
    shape, classes = _images(settings.data.image_size, os.path.dirname(FLAGS.arc_file) if stored else None)
    caption = f"{child.num_layers} + 2 layers, {child.out_filters} filters, {'×'.join(map(str, shape))} images: "
    caption += str(cost.cost(drawn, child, shape, classes))
    for path in diagram.write(drawn, table, FLAGS.output_dir, caption):
        print(path)


def _images(sides, run_folder):
    """((height, width, channels), number of classes): the flags' (sides 0 where not given), else those of a run, else
    CIFAR-10's."""
    height, width, channels, classes = 32, 32, 3, 10
    facts = metadata.data_facts(run_folder) if run_folder is not None else {}
    if "image_shape" in facts:
        (height, width, channels), classes = facts["image_shape"], len(facts["class_names"])
    return (sides[0] or height, sides[1] or width, FLAGS.channel or channels), FLAGS.num_classes or classes


if __name__ == "__main__":
    define_flags()
    cli.run(main)
