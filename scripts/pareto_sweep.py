"""Draws accuracy against cost: the arcs of searches under several cost targets, random arcs, uniform-precision nets.

  .venv/bin/python scripts/pareto_sweep.py --search_precision=binary,ternary,k4,k8 --cost=bitops --cost_targets=2e8,5e8,1e9

Each target is a search of its own; its best arcs, as many uniformly random arcs, and the found arcs with all ops at one
precision are trained from scratch for --final_epochs. Writes pareto.png and pareto.json, with the hypervolume each group
dominates. All flags of search_micro.py hold; run it again to resume.
"""

import os
import sys

from absl import flags as absl_flags

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from enas import cli, config, flags, run_directory
from enas.errors import UserError
from enas.micro.config import EvaluationConfig, SearchConfig

FLAGS = absl_flags.FLAGS


def define_flags():
    """Defines this script's flags: its own, and those of a search."""
    absl_flags.DEFINE_list("cost_targets", [], "Costs to search at, apart by commas, in units of --cost.")
    absl_flags.DEFINE_integer("arcs_per_target", 4, "Arcs of each search that are trained from scratch.", 1)
    absl_flags.DEFINE_integer("final_epochs", 4, "Epochs of each training from scratch.", 1)
    flags.define(EvaluationConfig, names=("num_seeds", "num_candidates"))
    flags.define(SearchConfig)


def main(arguments):
    """Runs the sweep the flags describe."""
    cli.no_arguments(arguments)
    of_search = flags.parse_config(SearchConfig, defaults={"output_dir": "outputs/sweep"})
    if of_search.budget.cost_target:
        raise UserError(f"--cost_target={of_search.budget.cost_target:g}: expected --cost_targets here")
    if not of_search.child.precisions:
        raise UserError("--search_precision='': expected the schemes to choose from, e.g. binary,k4,k8")
    values = config.to_values(of_search)
    values.update(num_seeds=FLAGS.num_seeds, num_candidates=FLAGS.num_candidates, num_epochs=FLAGS.final_epochs)
    settings = config.from_values(EvaluationConfig, {**values, "child_lr_T_0": FLAGS.final_epochs})
    targets = _targets(FLAGS.cost_targets)
    run_directory.check_output_dir(settings, "sweep")
    cli.load_tensorflow()  # takes seconds: bad flags are told before that
    from enas import pareto
    from enas.micro import space

    pareto.run_sweep(settings, of_search, pareto.Sweep(targets, FLAGS.arcs_per_target), space)


def _targets(words):
    try:
        targets = tuple(float(word) for word in words)
    except ValueError:
        targets = ()
    if not targets or not all(0 < target < float("inf") for target in targets):
        raise UserError(f"--cost_targets={','.join(words)}: expected costs apart by commas, e.g. 2e8,5e8,1e9")
    return targets


if __name__ == "__main__":
    define_flags()
    cli.run(main)
