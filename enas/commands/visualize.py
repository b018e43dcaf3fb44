"""The programs that draw an arc. Nothing here imports TensorFlow."""

from typing import Any

from absl import flags as absl_flags

from enas import spaces
from enas.commands import cli
from enas.drawing import pictures
from enas.errors import UserError
from enas.interfaces import Arc, CostModel, SearchSpace
from enas.options import arc_input, config, flags
from enas.runs import metadata

# Absl lists under --help the flags of the script that calls `run`, not this module's.
absl_flags.disclaim_key_flags()

FLAGS = absl_flags.FLAGS
_CIFAR10_SHAPE, _CIFAR10_CLASSES = (32, 32, 3), 10


def micro() -> None:
    """Draws the normal and the reduction cell of a micro architecture, as .dot, .png and .svg files.

      {visualize_micro} 1 2 1 3 0 1 ...          (the arc's integers)
      {visualize_micro} "1 2 1 3 0 1 ..."
      {visualize_micro} --arc_file=outputs/search/best_arc.txt

    The arc has 4 integers a node (index_1 op_1 index_2 op_2), normal cell first: 40 for 5 nodes a cell. Below the cells
    stands what the network costs. An --arc_file in a run directory brings the run's settings along; flags override them.
    """
    run("micro", micro.__doc__)


def macro() -> None:
    """Draws a macro architecture, layer by layer, as .dot, .png and .svg files.

      {visualize_macro} 0 3 0 0 1 0 ...          (the arc's integers)
      {visualize_macro} "0  3 0  0 1 0 ..."
      {visualize_macro} --arc_file=outputs/best_arc.txt

    Layer i has its op (0 conv 3x3, 1 separable 3x3, 2 conv 5x5, 3 separable 5x5, 4 average pool, 5 max pool), then i - 1
    skip bits: 78 integers for 12 layers.
    """
    run("macro", macro.__doc__)


def rnn() -> None:
    """Draws a recurrent cell, as .dot, .png and .svg files.

      {visualize_rnn} 0 0 0 1 1 2 1 ...          (the arc's integers)
      {visualize_rnn} "0 0 0 1 1 2 1"
      {visualize_rnn} --arc_file=outputs/search_rnn/best_arc.txt

    The arc is the activation of node 0, then a source and an activation for each later node: 2N - 1 integers for N nodes.
    """
    run("rnn", rnn.__doc__)


def run(space: str, usage: str | None = None) -> None:
    """Draws the arc that the command line names, prints the files' paths, one a line, and exits the process.

    Args:
      space: name of the search space.
      usage: see `cli.run`.
    """
    found = spaces.get(space)
    _define_flags(found)
    cli.run(lambda arguments: _main(found, arguments), usage=usage)


def _define_flags(space: SearchSpace) -> None:
    text = "File that holds the arc, e.g. a search's best_arc.txt; as text, JSON or .npy. Use this or arguments."
    absl_flags.DEFINE_string("arc_file", "", text)
    text = "Folder the pictures are written into; made if missing."
    absl_flags.DEFINE_string("output_dir", space.diagram.FOLDER, text)
    flags.define(space.search_config, names=_names(space))
    if space.cost:
        absl_flags.DEFINE_integer("channel", 0, "Channels of the images. 0: the run's, else 3.", 0, 3)
        absl_flags.DEFINE_integer("num_classes", 0, "Classes told apart. 0: the run's, else 10.", 0, 1_000_000)


def _names(space: SearchSpace) -> tuple[str, ...]:
    """The flags of the search that count here."""
    return (*space.diagram.FLAGS, "img_size") if space.cost else space.diagram.FLAGS


def _main(space: SearchSpace, arguments: list[str]) -> None:
    if arguments and FLAGS.arc_file:
        raise UserError("give the arc as arguments or by --arc_file, not both")
    if not arguments and not FLAGS.arc_file:
        raise UserError("no arc: give its integers as arguments, or a file by --arc_file (see --help)")
    stored = metadata.completed_run_of(FLAGS.arc_file, space.search_config)
    given = {name: value for name, value in flags.given(space.search_config).items() if name in _names(space)}
    metadata.inherited(FLAGS.arc_file, space.search_config, given)
    values = {name: stored[name] for name in space.diagram.FLAGS if name in stored} | given
    settings = config.from_values(space.search_config, values)
    if FLAGS.arc_file:
        arc = arc_input.from_file(FLAGS.arc_file, space, settings.child)
    else:
        arc = arc_input.from_text(" ".join(arguments), space, settings.child)
    caption = space.diagram.caption(arc, settings.child)
    if space.cost:
        caption += _cost(space.cost, arc, settings, metadata.folder_of(FLAGS.arc_file) if stored else None)
    for path in pictures.write(space, arc, settings.child, FLAGS.output_dir, caption):
        print(path)


def _cost(cost_model: CostModel, arc: Arc, settings: Any, run_folder: str | None) -> str:
    """What the network costs, for images of the flags' shape, else of a run's, else of CIFAR-10's."""
    data = (metadata.read_data(run_folder) or {}) if run_folder is not None else {}
    height, width, channels = data.get("image_shape", _CIFAR10_SHAPE)
    classes = len(data["class_names"]) if "class_names" in data else _CIFAR10_CLASSES
    sides = settings.data.image_size
    shape = (sides[0] or height, sides[1] or width, FLAGS.channel or channels)
    cost = cost_model(arc, settings.child, shape, FLAGS.num_classes or classes)
    return f", {'×'.join(map(str, shape))} images: {cost}"
