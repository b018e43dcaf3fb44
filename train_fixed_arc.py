"""Trains one micro architecture from scratch and reports its accuracy and size.

  python train_fixed_arc.py --arc_file=outputs/search/best_arc.txt --output_dir=outputs/final
  python train_fixed_arc.py --child_fixed_arc="0 2 0 0 ... 40 integers"
  python train_fixed_arc.py --output_dir=outputs/final --eval_only

Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
"""

from enas import cli, config, flags


def main(arguments):
    """Trains, or evaluates, as the flags say."""
    cli.no_arguments(arguments)
    train_config = flags.parse_config(config.TrainConfig)
    from enas.micro import arc

    if not train_config.arc.eval_only:
        arc.given(train_config)
    from enas import train  # TensorFlow takes seconds to import: bad flags are told before that
    from enas.micro import space

    run = train.run_evaluation if train_config.arc.eval_only else train.run_training
    run(train_config, space)


if __name__ == "__main__":
    flags.define(config.TrainConfig)
    cli.run(main)
