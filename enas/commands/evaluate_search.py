"""The program that evaluates a search. Nothing here imports TensorFlow before the flags are checked."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from enas import spaces
from enas.commands import cli, run_jobs
from enas.errors import UserError
from enas.options import config, flags
from enas.runs import metadata, run_directory, stored_settings

# Absl lists under --help the flags of the script that calls `run`, not this module's.
absl_flags.disclaim_key_flags()

FLAGS = absl_flags.FLAGS


def run() -> None:
    """Evaluates a finished search: its arcs against random ones, its shared weights against training from scratch.

      {evaluate_search} --search_dir=outputs/search --num_epochs=4

    The controller's best arcs and as many uniformly random ones are trained from scratch alike, with several seeds. Writes
    report.html, report.json and best_arc.txt into --output_dir, by default the folder `evaluation` of the search. Data and
    child are the search's, but for flags that are given, e.g. --child_out_filters=16. Run it again to resume.
    """
    spaces.define_flag()
    # A space without an evaluation is refused once the flags are parsed.
    for name in (spaces.chosen(sys.argv), spaces.DEFAULT):
        if evaluation_config := spaces.get(name).evaluation_config:
            flags.define(evaluation_config)
            break
    cli.run(_main, usage=run.__doc__)


def _main(arguments: list[str]) -> None:
    cli.no_arguments(arguments)
    space = spaces.get(FLAGS.space)
    if space.evaluation_config is None:
        known = ", ".join(name for name in spaces.names() if spaces.get(name).evaluation_config)
        raise UserError(f"--space={space.name}: searches of this space can't be evaluated; expected one of {known}")
    stored = _stored(FLAGS.search_dir, space.name, space.evaluation_config.arc_flags)
    # It is the default of another flag too, which would be named in its place.
    config.from_values(space.evaluation_config, {"num_epochs": FLAGS.num_epochs})
    settings = flags.parse_config(space.evaluation_config, defaults=_defaults(space.evaluation_config, stored))
    _check(settings, stored)
    run_directory.check_output_dir(settings, "evaluation")
    cli.load_tensorflow(space)  # takes seconds: bad flags are told before that
    from enas.evaluation import evaluate

    evaluate.run_evaluation(settings, space)


def _stored(search_dir: str, space: str, needed: Sequence[str]) -> dict[str, Any]:
    """The settings of the search in a directory.

    Raises:
      UserError: there is none of this space, or it lacks a setting that is needed.
    """
    if not search_dir:
        raise UserError("--search_dir='': expected the run directory of a finished search")
    stored_settings.search_in(search_dir, spaces.get(space), "search_dir")
    stored = metadata.stored_values(search_dir) or {}
    search_config = spaces.get(space).search_config
    newer = {name for name, _, field in config.options(search_config) if field.metadata["before"]}
    for name in needed:
        if name not in stored and name not in newer:
            path = os.path.join(search_dir, "config.json")
            raise UserError(f"{path}: has no {name}; expected the configuration of a search by search_{space}.py")
    return config.completed(search_config, stored)


def _defaults(evaluation_config: type, stored: dict[str, Any]) -> dict[str, Any]:
    found = stored_settings.defaults_of_evaluation(evaluation_config, stored, FLAGS.num_epochs)
    return {**found, "output_dir": os.path.join(FLAGS.search_dir, "evaluation")}


def _check(settings: Any, stored: dict[str, Any]) -> None:
    """Checks what of the evaluation's settings depends on the search or on one another.

    Raises:
      UserError: something does not fit.
    """
    values, options = config.to_values(settings), settings.evaluation
    for name in settings.arc_flags:
        if values[name] != stored[name]:
            raise UserError(f"--{name}={values[name]}: expected {stored[name]!r}, which the search's arcs are for")
    run_jobs.check_workers(options.workers, options.scheduler)
    if settings.run.lr_by_time:
        raise UserError("--lr_by_time: an evaluation compares trainings of one schedule; leave it out")
    if options.num_arcs % 2:
        raise UserError(f"--num_arcs={options.num_arcs}: expected an even number, half of them random")
    if not options.num_arcs // 2 <= options.num_finalists <= options.num_candidates:
        raise UserError(
            f"--num_finalists={options.num_finalists}: expected at least half of --num_arcs, {options.num_arcs // 2}, and "
            f"at most --num_candidates={options.num_candidates}"
        )
