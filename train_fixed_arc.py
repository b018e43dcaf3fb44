"""Trains one architecture from scratch and reports its accuracy and size.

  python train_fixed_arc.py --arc_file=outputs/search/best_arc.txt --output_dir=outputs/final
  python train_fixed_arc.py --space=macro --child_num_layers=4 --child_fixed_arc="0  3 0  1 0 1  5 0 0 1"
  python train_fixed_arc.py --output_dir=outputs/final --eval_only

--space says which search space the arc is of, and so which other flags there are: `--space=macro --helpfull` explains them.
Run it again with the same --output_dir to resume.
"""

import sys

from absl import flags as absl_flags

from enas import spaces
from enas.commands import cli
from enas.options import arc_input, flags
from enas.options.config import with_arc
from enas.runs import metadata, run_directory, stored_settings


def main(arguments):
    """Trains, or evaluates, as the flags say."""
    cli.no_arguments(arguments)
    space = absl_flags.FLAGS["space"]
    settings = spaces.module(space.value, "config").TrainConfig
    given = flags.given(settings)
    config = flags.parse_config(settings, defaults=metadata.inherited(absl_flags.FLAGS.arc_file, given))
    if config.arc.eval_only:
        config = stored_settings.evaluation_settings(
            config, {**given, **({"space": space.value} if space.present else {})}
        )
    else:
        config = with_arc(config, arc_input.given(config, spaces.module(space.value, "arc")))
        run_directory.check_output_dir(config, "training")
    cli.load_tensorflow()  # takes seconds: bad flags are told before that
    from enas.runs import train

    act = train.run_evaluation if config.arc.eval_only else train.run_training
    act(config, spaces.module(config.space, "space"))


if __name__ == "__main__":
    spaces.define_flag()
    flags.define(spaces.module(spaces.chosen(sys.argv), "config").TrainConfig)
    cli.run(main)
