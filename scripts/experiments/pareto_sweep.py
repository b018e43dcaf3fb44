"""Draws accuracy against cost: the arcs of searches under several cost targets, random arcs, uniform-precision nets.

  .venv/bin/python scripts/experiments/pareto_sweep.py --search_precision=binary,ternary,k4,k8 --cost=bitops \\
      --cost_targets=2e8,5e8,1e9

Each target is a search of its own; its best arcs, as many uniformly random arcs, and the found arcs with all ops at one
precision are trained from scratch for --final_epochs. Writes pareto.png and pareto.json, with the hypervolume each group
dominates. Flags of search_micro.py hold for the searches; run it again to resume.
"""

from enas.commands import cli
from enas.errors import UserError
from enas.micro.config import SweepConfig
from enas.micro.space import SPACE
from enas.options import flags
from enas.runs import run_directory


def main(arguments: list[str]) -> None:
    """Runs the sweep the flags describe."""
    cli.no_arguments(arguments)
    settings = flags.parse_config(SweepConfig)
    if settings.budget.cost == "latency":
        raise UserError("--cost=latency: a sweep compares what is counted; expected bitops, model_bytes or macs")
    if settings.budget.cost_target:
        raise UserError(f"--cost_target={settings.budget.cost_target:g}: expected --cost_targets here")
    if not settings.child.precisions:
        raise UserError("--search_precision='': expected the schemes to choose from, e.g. binary,k4,k8")
    # Their own checks.
    _ = settings.of_search, settings.of_trainings, settings.sweep.targets
    run_directory.check_output_dir(settings, "sweep")
    cli.load_tensorflow(SPACE)  # takes seconds: bad flags are told before that
    from enas.evaluation import pareto

    pareto.run_sweep(settings, SPACE)


if __name__ == "__main__":
    flags.define(SweepConfig)
    cli.run(main)
