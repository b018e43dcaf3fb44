"""The trade-off of accuracy against cost: searches under several budgets, and what they are compared with."""

import itertools
import json
import os
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure

from enas import files
from enas.evaluation import finished_search, statistics
from enas.evaluation.trainings import Record, Trainings, seeds
from enas.interfaces import SearchSpace
from enas.options import config
from enas.options.config import BaseRunConfig, EvaluationConfig, SearchConfig
from enas.options.evaluation import SweepOptions
from enas.runs import search
from enas.runs.run_directory import RunDirectory, open_run

COLOURS = ("#1d4ed8", "#c2410c", "#4d7c0f", "#7e22ce", "#0e7490", "#a16207")
MARKERS = (("o", "-"), ("s", "--"), ("^", ":"))  # of points and of the front's line, for three rounds of colours


class SweepConfig(Protocol):
    """The config of a sweep, e.g. `enas.micro.config.SweepConfig`.

    Attributes:
      space: the name of the search space.
      run: the section of the run.
      sweep: which cost targets there are, and which arcs are trained.
      of_search: the config of the searches, but for directory and target.
      of_trainings: the config of the trainings from scratch.
    """

    @property
    def space(self) -> str: ...

    @property
    def run(self) -> BaseRunConfig: ...

    @property
    def sweep(self) -> SweepOptions: ...

    @property
    def of_search(self) -> SearchConfig: ...

    @property
    def of_trainings(self) -> EvaluationConfig: ...

    def metadata(self) -> dict[str, Any]:
        """Returns what config.json says of the run beside its settings."""
        ...


def run_sweep(sweep_config: SweepConfig, space: SearchSpace) -> None:
    """Searches under each budget, trains the arcs and their rivals from scratch, and writes pareto.json and pareto.png.

    Raises:
      UserError: see `open_run`, `search.run_search` and `train.run_training`.
      signals.Stopped: a signal came; the same command goes on from there.
    """
    of_search, settings, sweep = sweep_config.of_search, sweep_config.of_trainings, sweep_config.sweep
    with open_run(sweep_config, "sweep") as run:
        arcs: list[Record] = []
        for i, target in enumerate(sweep.targets):
            arcs += _found(run, settings, _at(run, of_search, i, target), sweep, space, i == 0)
        arcs += _uniform(arcs, of_search.child, space)
        trainings = Trainings(run, settings, space, settings.run.num_epochs)
        names = [f"{arc['group'].replace(' ', '-')}-{i}" for i, arc in enumerate(arcs)]
        trainings.run_all(
            [(name, arc, seed) for name, arc in zip(names, arcs, strict=True) for seed in seeds(settings)]
        )
        for name, arc in zip(names, arcs, strict=True):
            results = [trainings.results(name, seed) for seed in seeds(settings)]
            arc["cost"] = results[0][of_search.budget.cost]
            arc["test_accuracy"] = float(np.mean([result["test_accuracy"] for result in results]))
        figures = compared(arcs)
        run.write("pareto.json", json.dumps({"cost": of_search.budget.cost, **figures, "arcs": arcs}, indent=2) + "\n")
        _draw(figures, arcs, of_search.budget.cost, run.file("pareto.png"))
        for group, compared_group in figures.items():
            volume, front = compared_group["hypervolume"], len(compared_group["front"])
            run.log(f"{group}: {compared_group['num_arcs']} arcs, {front} on the front, hypervolume {volume:.4f}")


def compared(arcs: list[Record]) -> dict[str, dict[str, Any]]:
    """Compares groups of arcs. The reference point of all is the highest cost and the lowest accuracy of any arc.

    Args:
      arcs: records with "group", "cost" and "test_accuracy".

    Returns:
      {group: {"num_arcs", "front", "hypervolume"}}, see `enas.evaluation.statistics`.
    """
    points: dict[str, list[statistics.Point]] = {}
    for arc in arcs:
        points.setdefault(arc["group"], []).append((arc["cost"], arc["test_accuracy"]))
    worst = max(arc["cost"] for arc in arcs), min(arc["test_accuracy"] for arc in arcs)
    return {
        group: {
            "num_arcs": len(of_group),
            "front": statistics.pareto_front(of_group),
            "hypervolume": statistics.hypervolume(of_group, worst),
        }
        for group, of_group in points.items()
    }


def _at(run: RunDirectory, of_search: SearchConfig, index: int, target: float) -> SearchConfig:
    """Returns the config of the search under one target, in a directory of its own below the sweep's."""
    values = config.to_values(of_search)
    values.update(output_dir=run.file(os.path.join("searches", f"{index}")), cost_target=target, reset_output_dir=False)
    return config.from_values(type(of_search), values)


def _found(
    run: RunDirectory,
    settings: EvaluationConfig,
    of_search: SearchConfig,
    sweep: SweepOptions,
    space: SearchSpace,
    with_random: bool,
) -> list[Record]:
    """Returns the best arcs of the search under one target. With the first search come all random arcs, which know no
    target."""
    name = f"arcs-{os.path.basename(of_search.run.output_dir)}.json"
    if (found := files.read_json(run.file(name))) is not None:
        return found
    run.log(f"search with --cost_target={of_search.budget.cost_target:g}")
    search.run_search(of_search, space)
    with finished_search.open_search(of_search, space, settings) as scorer:
        sampled = scorer.sampled(settings.evaluation.num_candidates, sweep.arcs_per_target)
        found = scorer.score(sampled, "controller")
        found = sorted(found, key=lambda arc: -arc["reward"])[: sweep.arcs_per_target]
        if with_random:
            scorer.budget = None
            found += scorer.score(scorer.random(len(sweep.targets) * sweep.arcs_per_target), "random")
    run.write(name, json.dumps(found, indent=1) + "\n")
    return found


def _uniform(arcs: list[Record], child: Any, space: SearchSpace) -> list[Record]:
    """Returns the controller's arcs with all convolutions under one scheme: a group for each scheme that is searched."""
    at_one_scheme = space.at_one_scheme
    if at_one_scheme is None:
        raise ValueError(f"the {space.name} space does not search precision")
    found: list[Record] = []
    for scheme in child.precisions:
        texts = [
            " ".join(map(str, at_one_scheme(list(map(int, arc["arc"].split())), child, scheme)))
            for arc in arcs
            if arc["group"] == "controller"
        ]
        found += [{"group": f"uniform {scheme}", "arc": text} for text in dict.fromkeys(texts)]
    return found


def _draw(figures: Mapping[str, Mapping[str, Any]], arcs: list[Record], unit: str, path: str) -> None:
    """Draws accuracy against cost, with the front of each group."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for group, ((marker, line), colour) in zip(figures, itertools.product(MARKERS, COLOURS), strict=False):
        of_group = [arc for arc in arcs if arc["group"] == group]
        x, y = [arc["cost"] for arc in of_group], [arc["test_accuracy"] for arc in of_group]
        label = f"{group} (hypervolume {figures[group]['hypervolume']:.3f})"
        axes.scatter(x, y, color=colour, alpha=0.6, marker=marker, label=label, s=22)
        front = figures[group]["front"]
        costs, accuracies = zip(*front, strict=True)
        axes.step(costs, accuracies, where="post", color=colour, ls=line, lw=1)
    axes.set(xscale="log", xlabel=unit, ylabel="test accuracy, trained from scratch")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
