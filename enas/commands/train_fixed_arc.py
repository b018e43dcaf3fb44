"""The program that trains one arc. Nothing here imports TensorFlow before the flags are checked."""

import os
import sys
from typing import Any

from absl import flags as absl_flags

from enas import spaces
from enas.commands import cli
from enas.errors import UserError
from enas.interfaces import SearchSpace
from enas.options import arc_input, flags, workers
from enas.options.config import with_arc
from enas.runs import metadata, run_directory, stored_settings

# Absl lists under --help the flags of the script that calls `run`, not this module's.
absl_flags.disclaim_key_flags()


def run() -> None:
    """Trains one architecture from scratch and reports its accuracy and size.

      {train_fixed_arc} --arc_file=outputs/search/best_arc.txt --output_dir=outputs/final
      {train_fixed_arc} --space=macro --child_fixed_arc="0  3 0  1 0 1  5 0 0 1"
      {train_fixed_arc} --output_dir=outputs/final --eval_only

    --space says which search space the arc is of, where its file does not lie in a run's directory, and so which other flags
    there are: `--space=macro --helpfull` explains them. Run it again with the same --output_dir to resume.
    """
    chosen = spaces.chosen(sys.argv, _space_of)
    spaces.define_flag(default=chosen)
    flags.define(spaces.get(chosen).train_config)
    cli.run(_main, usage=run.__doc__)


def _space_of(arc_file: str) -> str | None:
    """The space of the run that a file lies in."""
    return metadata.run_of(arc_file).get("space")


def _main(arguments: list[str]) -> None:
    cli.no_arguments(arguments)
    chosen = absl_flags.FLAGS["space"]
    space = spaces.get(str(chosen.value))
    settings, arc_file = space.train_config, absl_flags.FLAGS.arc_file
    of_run = _space_of(arc_file)
    if of_run in spaces.names() and of_run != space.name:
        raise UserError(
            f"--space={space.name}: --arc_file={arc_file} is of a run of the {of_run} space; leave the flag out"
        )
    given = flags.given(settings)
    inherited = metadata.inherited(arc_file, settings, given)
    inherited |= workers.of_environment(settings, given, os.environ)
    config: Any = flags.parse_config(settings, defaults=inherited)
    if config.arc.eval_only:
        workers.check_alone(config.workers, "eval_only")
        given |= {"space": chosen.value} if chosen.present else {}
        config = stored_settings.evaluation_settings(config, given)
    else:
        config = _with_its_arc(config, space, inherited, given)
        run_directory.check_output_dir(config, "training")
    space = spaces.get(config.space)
    cli.load_tensorflow(space)  # takes seconds: bad flags are told before that
    from enas.runs import train

    act = train.run_evaluation if config.arc.eval_only else train.run_training
    act(config, space)


def _with_its_arc(config: Any, space: SearchSpace, inherited: dict[str, Any], given: dict[str, Any]) -> Any:
    """The config with the arc that it names, and with what follows from that arc where no flag says it."""
    arc, init_from = arc_input.named(config, space), config.arc.init_from
    if init_from and isinstance(arc, str):
        raise UserError(f"--init_from={init_from}: a search has no weights for --baseline={arc}; leave one of them out")
    if init_from:
        stored_settings.search_in(init_from, space, "init_from")
    if isinstance(arc, str):
        return config
    follows = arc_input.implied(arc, space, given)
    config = flags.parse_config(space.train_config, defaults={**inherited, **follows})
    return with_arc(config, arc_input.for_child(arc, config, space))
