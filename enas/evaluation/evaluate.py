"""Evaluation of a search: do its arcs beat random ones, and do its shared weights rank arcs?

The protocol of Yu et al. (arXiv 1902.08142) and Li and Talwalkar (arXiv 1902.07638): arcs of the controller and uniformly
random ones are trained from scratch alike, with several seeds.
"""

import contextlib
import io
import json
import math
import os

import numpy as np
from tqdm import tqdm

from enas import files
from enas.drawing import pictures
from enas.evaluation import evaluation_report, finished_search, statistics
from enas.options import config
from enas.runs import train
from enas.runs.metadata import read_data, stored_values
from enas.runs.run_directory import open_run

# Of the settings, what the trainings and the search have been given: report.json's "budget".
BUDGET = (
    *("dataset", "img_size", "max_train_images", "augment", "n_aug_img", "cutout_size"),
    *("num_epochs", "finalist_epochs", "batch_size", "child_lr_max", "child_lr_min"),
    *("child_num_layers", "child_num_cells", "child_out_filters", "child_scheme", "search_precision"),
    *("child_keep_prob", "child_drop_path_keep_prob"),
)
SEARCH_BUDGET = ("cost", "cost_target", "cost_weight")


def run_evaluation(settings, space):
    """Evaluates a search, resuming where an earlier process stopped; writes report.json, report.html and best_arc.txt.

    Args:
      settings: an `EvaluationConfig`.
      space: the `SearchSpace`.

    Raises:
      UserError: the search is not finished, or see `open_run` and `train.run_training`.
      signals.Stopped: a signal came; the same command goes on from there.
    """
    with open_run(settings, "evaluation") as run:
        ranked = _ranked(run, settings, space)
        arcs = _selected(Trainings(run, settings, space, settings.evaluation.finalist_epochs), ranked)
        trainings = Trainings(run, settings, space, settings.run.num_epochs)
        trainings.run_all([(f"arc-{i}", arc, seed) for i, arc in enumerate(arcs) for seed in seeds(settings)])
        for i, arc in enumerate(arcs):
            results = [trainings.results(f"arc-{i}", seed) for seed in seeds(settings)]
            arc["test_accuracies"] = [result["test_accuracy"] for result in results]
            arc["test_accuracy"] = float(np.mean(arc["test_accuracies"]))
            arc["cost"] = {name: results[0][name] for name in ("parameters", "macs", "bitops", "model_bytes")}
        found = figures(settings, arcs, ranked["share_on_target"])
        run.write("best_arc.txt", found["best_arc"] + "\n")
        run.write("report.json", json.dumps(found, indent=2) + "\n")
        curves = {**_search_curves(settings), **_training_curves(trainings, arcs, settings)}
        evaluation_report.write(run.file("report.html"), found, curves, _diagrams(trainings, arcs))
        for line in evaluation_report.summary(found):
            run.log(line)
        run.log(f"report: {run.file('report.html')}")


def seeds(settings):
    """The seeds each arc is trained with."""
    return range(settings.run.seed, settings.run.seed + settings.evaluation.num_seeds)


def _ranked(run, settings, space):
    """Arcs with their shared-weight accuracy: {"controller": best first, "random": as drawn}; lists of dicts."""
    path = run.file("candidates.json")
    if (ranked := files.read_json(path)) is not None:
        return ranked
    options = settings.evaluation
    with finished_search.open_search(finished_search.config_of(options.search_dir, space), space, settings) as scorer:
        ranked = {
            "controller": scorer.score(scorer.sampled(options.num_candidates, options.num_arcs // 2), "controller"),
            "random": scorer.score(scorer.random(options.num_arcs // 2), "random"),
            "share_on_target": scorer.share_on_target(),
        }
    ranked["controller"].sort(key=lambda arc: _rank(arc, arc["shared_accuracy"]))
    run.write("candidates.json", json.dumps(ranked, indent=1) + "\n")
    return ranked


class Trainings:
    """Trainings from scratch, each in a run directory of its own below the evaluation's.

    Args:
      run: the evaluation's `RunDirectory`.
      settings: the `EvaluationConfig`.
      space: the `SearchSpace`.
      num_epochs: how long each training is.
    """

    def __init__(self, run, settings, space, num_epochs):
        self.run, self.settings, self.space, self.num_epochs = run, settings, space, num_epochs

    def path(self, name, seed):
        """The run directory of a training."""
        return self.run.file(os.path.join("trainings", f"{name}-epochs-{self.num_epochs}-seed-{seed}"))

    def results(self, name, seed):
        """The content of a training's results.json; None where it has not ended."""
        return files.read_json(os.path.join(self.path(name, seed), "results.json"))

    def run_all(self, jobs):
        """Trains what is not trained yet. jobs: (name, arc, seed) tuples."""
        self.run.log(f"{len(jobs)} trainings of {self.num_epochs} epochs")
        for name, arc, seed in tqdm(jobs, "trainings", disable=None, leave=False):
            if self.results(name, seed) is None:
                # The training's own log goes into its own directory.
                with contextlib.redirect_stdout(io.StringIO()):
                    train.run_training(self._config(name, arc, seed), self.space)
                accuracy = self.results(name, seed)["test_accuracy"]
                self.run.log(f"{name} ({arc['group']}), seed {seed}: test_accuracy {accuracy:.4f}")

    def _config(self, name, arc, seed):
        values = {**config.to_values(self.settings), "output_dir": self.path(name, seed), "reset_output_dir": False}
        values.update(seed=seed, child_fixed_arc=arc["arc"], num_epochs=self.num_epochs)
        values.update(eval_every_epochs=self.num_epochs)
        if self.num_epochs != self.settings.run.num_epochs:
            values.update(child_lr_T_0=self.num_epochs)
        return config.from_values(self.space.train_config, values)


def _selected(trainings, ranked):
    """The arcs to be trained in full: the best finalists by short training, best first, then the random ones."""
    settings = trainings.settings
    finalists = ranked["controller"][: settings.evaluation.num_finalists]
    jobs = [(f"finalist-{i}", arc, settings.run.seed) for i, arc in enumerate(finalists)]
    trainings.run_all(jobs)
    for name, arc, seed in jobs:
        arc["finalist_accuracy"] = trainings.results(name, seed)["valid_accuracy"]
    best = sorted(finalists, key=lambda arc: _rank(arc, arc["finalist_accuracy"]))
    return best[: settings.evaluation.num_arcs // 2] + ranked["random"]


def _rank(arc, accuracy):
    """The better arc has the lower one. Under a budget arcs on target come first, as random ones all are, and what they cost
    counts as it did in the search."""
    penalty = arc["shared_accuracy"] - arc["reward"]
    return not arc.get("on_target", True), penalty - accuracy


def figures(settings, arcs, share_on_target=None):
    """The content of report.json.

    Args:
      settings: an `EvaluationConfig`.
      arcs: dicts with group, arc, shared_accuracy, test_accuracies (one for each seed), test_accuracy (their mean) and
        cost; the first is the chosen one. Under a budget with cost_over_target and on_target.
      share_on_target: see `finished.Scorer.share_on_target`.

    Returns:
      {name: JSON value}; what is not defined, as tau of values that are all alike, is None.
    """
    options = settings.evaluation
    groups = {name: [arc["test_accuracy"] for arc in arcs if arc["group"] == name] for name in evaluation_report.GROUPS}
    shared = [arc["shared_accuracy"] for arc in arcs]
    alone = [arc["test_accuracy"] for arc in arcs]
    found = {"search_dir": options.search_dir, "num_arcs": len(arcs), "seeds": list(seeds(settings))}
    for name, values in groups.items():
        found[f"{name}_mean"], found[f"{name}_std"] = float(np.mean(values)), float(np.std(values, ddof=1))
        costs = [arc for arc in arcs if arc["group"] == name and "on_target" in arc]
        if costs:
            found[f"{name}_cost_over_target"] = float(np.mean([arc["cost_over_target"] for arc in costs]))
            found[f"{name}_on_target"] = float(np.mean([arc["on_target"] for arc in costs]))
    found["accuracy_over_random"] = found["controller_mean"] - found["random_mean"]
    found["mann_whitney_p"] = statistics.mann_whitney_p(groups["controller"], groups["random"])
    found["kendall_tau"] = _defined(statistics.kendall_tau(shared, alone))
    interval = statistics.kendall_tau_interval(shared, alone, settings.run.seed)
    found["kendall_tau_interval"] = [_defined(end) for end in interval]
    found["num_candidates"], found["num_finalists"] = options.num_candidates, options.num_finalists
    found["share_on_target"] = share_on_target
    found["best_arc"], found["best_arc_accuracy"] = arcs[0]["arc"], arcs[0]["test_accuracy"]
    found["budget"] = _budget(settings)
    found["arcs"] = arcs
    return found


def _defined(value):
    """A float, or None for NaN, which JSON has no word for."""
    return None if math.isnan(value) else value


def _budget(settings):
    """{flag: value} of `BUDGET`, and of `SEARCH_BUDGET` as the search has them, None where it is from before they were."""
    values, search = config.to_values(settings), stored_values(settings.evaluation.search_dir) or {}
    return {name: values[name] for name in BUDGET if name in values} | {
        name: search.get(name) for name in SEARCH_BUDGET
    }


def _search_curves(settings):
    """The controller's rewards and entropies over its updates."""
    records = files.read_records(os.path.join(settings.evaluation.search_dir, "metrics.jsonl"), "controller")
    steps = [record["step"] for record in records]
    return {
        f"search: {name}": ("controller updates", label, [(steps, [record[name] for record in records], "", "#1d4ed8")])
        for name, label in (("reward", "mean reward"), ("normalized_entropy", "normalised entropy"))
    }


def _training_curves(trainings, arcs, settings):
    """The mean loss of each group over the steps of the trainings."""
    lines = []
    for group, colour in evaluation_report.GROUPS.items():
        losses = {}
        for i, arc in enumerate(arcs):
            for seed in seeds(settings) if arc["group"] == group else ():
                path = os.path.join(trainings.path(f"arc-{i}", seed), "metrics.jsonl")
                for record in files.read_records(path, "child"):
                    if record["loss"] is not None:
                        losses.setdefault(record["step"], []).append(record["loss"])
        lines.append((list(losses), [float(np.mean(values)) for values in losses.values()], group, colour))
    return {"from scratch: loss": ("steps", "training loss", lines)}


def _diagrams(trainings, arcs):
    """{title: SVG} of the best arc of each group."""
    space, settings, found = trainings.space, trainings.settings, {}
    data = read_data(trainings.path("arc-0", settings.run.seed)) or {}
    shape = "×".join(map(str, data.get("image_shape", ["unknown size"])))
    for group in evaluation_report.GROUPS:
        best = max((arc for arc in arcs if arc["group"] == group), key=lambda arc: arc["test_accuracy"])
        caption = ", ".join(f"{name} {value:,}" for name, value in best["cost"].items())
        arc = space.arc.for_child(list(map(int, best["arc"].split())), settings.child)
        title = f"The best {group} arc ({best['test_accuracy']:.2%})"
        found[title] = pictures.svg(space, arc, settings.child, f"{caption}; images of {shape}")
    return found
