"""Evaluates a finished search: its arcs against random ones, its shared weights against training from scratch.

  python evaluate_search.py --search_dir=outputs/search --num_epochs=4

The controller's best arcs and as many uniformly random ones are trained from scratch alike, with several seeds. Writes
report.html, report.json and best_arc.txt into --output_dir, by default the folder `evaluation` of the search. Data and
child are the search's, but for flags that are given, e.g. --child_out_filters=16. Run it again to resume.
"""

import os

from absl import flags as absl_flags

from enas.commands import cli
from enas.errors import UserError
from enas.micro.config import EvaluationConfig
from enas.options import config, flags
from enas.runs import metadata, run_directory

FLAGS = absl_flags.FLAGS
_MEANING = ("child_num_cells", "search_precision")  # what gives the integers of the search's arcs their meaning


def main(arguments):
    """Evaluates the search the flags name."""
    cli.no_arguments(arguments)
    search_dir = FLAGS.search_dir
    if not search_dir:
        raise UserError("--search_dir='': expected the run directory of a finished search")
    stored = metadata.stored_values(search_dir)
    if stored is None or (stored.get("kind"), stored.get("space")) != ("search", "micro"):
        raise UserError(f"--search_dir={search_dir}: expected the run directory of a search by search_micro.py")
    for name in _MEANING:
        if name not in stored:
            path = os.path.join(search_dir, "config.json")
            raise UserError(f"{path}: has no {name}; expected the configuration of a search by search_micro.py")
    # It is the default of another flag too, which would be named in its place.
    config.from_values(EvaluationConfig, {"num_epochs": FLAGS.num_epochs})
    settings = flags.parse_config(EvaluationConfig, defaults=_defaults(stored))
    for name in _MEANING:
        value = config.to_values(settings)[name]
        if value != stored[name]:
            raise UserError(f"--{name}={value}: expected {stored[name]!r}, which the search's arcs are for")
    if settings.evaluation.num_arcs % 2:
        raise UserError(f"--num_arcs={settings.evaluation.num_arcs}: expected an even number, half of them random")
    half, options = settings.evaluation.num_arcs // 2, settings.evaluation
    if not half <= options.num_finalists <= options.num_candidates:
        raise UserError(
            f"--num_finalists={options.num_finalists}: expected at least half of --num_arcs, {half}, and at most "
            f"--num_candidates={options.num_candidates}"
        )
    run_directory.check_output_dir(settings, "evaluation")
    cli.load_tensorflow()  # takes seconds: bad flags are told before that
    from enas.evaluation import evaluate
    from enas.micro import space

    evaluate.run_evaluation(settings, space)


def _defaults(stored):
    """Data and child of the search; one period of the learning rate's schedule for the whole training."""
    sections = ("data", "child")
    names = [name for name, section, _ in config.options(EvaluationConfig) if section in sections]
    values = {name: stored[name] for name in [*names, "batch_size"] if name in stored}
    folder = os.path.join(FLAGS.search_dir, "evaluation")
    return {**values, "child_lr_T_0": FLAGS.num_epochs, "output_dir": folder}


if __name__ == "__main__":
    flags.define(EvaluationConfig)
    cli.run(main)
