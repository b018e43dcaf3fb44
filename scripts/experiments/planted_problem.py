"""Does the controller learn? Its curve on a planted problem, against uniform sampling and the ENAS authors' settings.

  .venv/bin/python scripts/experiments/planted_problem.py --output_dir=outputs/planted

A planted arc is to be found from noisy rewards alone, see scripts/experiments/planted.py. Writes planted.png and
planted.json, and prints a table. 5 seeds of 1,000 updates for both controllers take about 6 minutes on 2 CPU cores. The
flags of the controller set the first one's settings.
"""

import json
import os

import numpy as np
from absl import flags as absl_flags
from tqdm import tqdm

from enas import files
from enas.commands import cli, environment
from enas.errors import UserError
from enas.micro.config import PRESETS, ChildConfig, SearchConfig
from enas.micro.op_table import op_table
from enas.micro.space import SPACE
from enas.options import config, flags
from scripts.experiments import planted

FLAGS = absl_flags.FLAGS
# Of the controller, what only a search reads.
UNREAD = {f"controller_{name}" for name in ("train_steps", "train_every", "batch_size", "warmup_epochs", "fair_warmup")}
CONTROLLER_FLAGS = [
    name for name, section, _ in config.options(SearchConfig) if section == "controller" and name not in UNREAD
]
SMOOTHED = 20  # updates whose mean is compared with a level
COLOURS = {"controller": "#1d4ed8", "authors": "#c2410c"}


def define_flags() -> None:
    """Defines this script's flags."""
    absl_flags.DEFINE_string("output_dir", "outputs/planted", "Folder for planted.png and planted.json.")
    absl_flags.DEFINE_integer("num_updates", 1000, "Controller updates.", SMOOTHED, 1_000_000)
    absl_flags.DEFINE_integer("num_seeds", 5, "Planted arcs, each with initial weights and noise of its own.", 1, 1000)
    flags.define(SearchConfig, names=CONTROLLER_FLAGS)


def main(arguments: list[str]) -> None:
    """Runs both controllers on all seeds."""
    cli.no_arguments(arguments)
    authors = {"controller_preset": "authors", **PRESETS["authors"]}
    settings = {"controller": PRESETS[FLAGS.controller_preset] | flags.given(SearchConfig), "authors": authors}
    configs = {name: config.from_values(SearchConfig, values).controller for name, values in settings.items()}
    try:
        os.makedirs(FLAGS.output_dir, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output_dir={FLAGS.output_dir}: can't be written: {error.strerror}") from None
    data, picture = (os.path.join(FLAGS.output_dir, name) for name in ("planted.json", "planted.png"))
    for path in (data, picture):
        files.check_writable("output_dir", path)
    environment.set_defaults(SPACE.environment)
    runs = [_run(name, configs[name], seed) for seed in range(FLAGS.num_seeds) for name in configs]
    files.write_atomically(data, json.dumps(runs, indent=1) + "\n")
    _draw(runs, picture)
    for name in configs:
        of_name = [run for run in runs if run["controller"] == name]
        reached = sum(run["updates_to_top"] is not None for run in of_name)
        print(f"{name}: level of the best 0.1% of random arcs reached on {reached} of {len(of_name)} seeds")


def _run(name, controller_config, seed):
    """One controller on one planted arc; prints a line and returns its figures as JSON values."""
    child = ChildConfig()
    num_ops = len(op_table(child))
    arc = planted.planted_arc(seed, child.num_cells, num_ops)
    random_mean, random_top = planted.random_levels(arc, num_ops)
    steps = planted.learn(controller_config, child, seed, FLAGS.num_updates, arc)
    curve = list(tqdm(steps, f"{name}, seed {seed}", FLAGS.num_updates, disable=None, leave=False))
    means = np.convolve([reward for reward, _ in curve], np.ones(SMOOTHED) / SMOOTHED, "valid")
    reached = np.flatnonzero(means >= random_top)
    updates = int(reached[0]) + SMOOTHED if len(reached) else None
    entropy = float(np.mean([value for _, value in curve[-SMOOTHED:]]))
    print(
        f"{name:<10}  seed {seed}  random {random_mean:.3f}, its best 0.1% {random_top:.3f}  "
        f"learned {means[-1]:.3f}  reached after {updates if updates else 'no number of'} updates  "
        f"normalised entropy {curve[0][1]:.2f} -> {entropy:.2f}",
        flush=True,
    )
    facts = {"controller": name, "seed": seed, "random_mean": random_mean, "random_top": random_top}
    return {**facts, "updates_to_top": updates, "reward": [r for r, _ in curve], "entropy": [e for _, e in curve]}


def _draw(runs, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, what, title in zip(
        figure.subplots(1, 2), ("reward", "entropy"), ("noise-free reward", "normalised entropy"), strict=True
    ):
        for name, colour in COLOURS.items():
            curves = [run[what] for run in runs if run["controller"] == name]
            smooth = [np.convolve(curve, np.ones(SMOOTHED) / SMOOTHED, "valid") for curve in curves]
            x = np.arange(len(smooth[0])) + SMOOTHED
            axes.fill_between(x, np.min(smooth, 0), np.max(smooth, 0), color=colour, alpha=0.2, lw=0)
            axes.plot(x, np.mean(smooth, 0), color=colour, label=name)
        axes.set(xlabel="controller updates", ylabel=title)
    axes = figure.axes[0]
    for key, style, label in (("random_mean", "--", "uniform sampling"), ("random_top", ":", "its best 0.1%")):
        axes.axhline(np.mean([run[key] for run in runs]), color="#6b7280", ls=style, label=label)
    axes.legend(frameon=False)
    figure.suptitle(f"A planted arc; mean and range over {max(run['seed'] for run in runs) + 1} seeds")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    define_flags()
    cli.run(main)
