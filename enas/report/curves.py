"""The charts of runs, several over one another. Nothing here imports TensorFlow."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from enas.report import charts
from enas.report.charts import Line
from enas.report.stored_run import StoredRun

MOST_COLUMNS = 80  # of a chart of shares; of more epochs, neighbours are put together

# (kind of record, figure, title, label of x, is it a share); "*" stands for the metric's name.
_CURVES = (
    ("child", "loss", "Training loss", "step", False),
    ("child", "train_*", "* of the training batch", "step", True),
    ("eval", "*", "* on all data", "epoch", True),
    ("controller", "reward", "Reward of sampled arcs", "update", False),
    ("controller", "normalized_entropy", "Entropy of the strategy (0 sure, 1 undecided)", "update", False),
    ("controller", "entropy", "Entropy of the strategy, nats an arc", "update", False),
    ("controller", "cost", "Cost of sampled arcs", "update", False),
    ("controller", "share_on_target", "Sampled arcs within 10% of the cost target", "update", True),
    ("child", "lr", "Learning rate", "step", False),
    ("child", "grad_norm", "Norm of the gradient", "step", False),
)


def figures(runs: Sequence[StoredRun]) -> list[str]:
    """Draws all curves that these runs, all of one metric, have records of."""
    scaled = any("normalized_entropy" in record for run in runs for record in run.of("controller"))
    wanted = [curve for curve in _CURVES if not (curve[1] == "entropy" and scaled)]
    drawn = [_figure(runs, *curve) for curve in wanted]
    drawn.insert(3, _scored(runs))
    drawn.insert(4, _from_scratch(runs))
    return [figure for figure in drawn if figure]


def _figure(runs, kind, figure, title, x_label, share):
    metric = runs[0].space.metric
    names = (f"valid_{metric.name}", f"test_{metric.name}") if kind == "eval" else (figure.replace("*", metric.name),)
    lines = []
    for (colour, run), (other, name) in itertools.product(enumerate(runs), enumerate(names)):
        points = [(_place(record), record.get(name)) for record in run.of(kind)]
        part = {0: " validation", 1: " test"}[other] if kind == "eval" else ""
        label = (run.name if len(runs) > 1 else "") + part
        lines.append(Line(label.strip() or figure_name(name), points, colour, dashed=other == 1))
    percent = share and ("*" not in figure or metric.higher_is_better)
    title = title.replace("*", metric.name.capitalize())
    return charts.lines(title, x_label, lines, percent)


def figure_name(name: str) -> str:
    """Writes the name of a recorded figure as words."""
    return name.replace("_", " ")


def _place(record):
    return record.get("step", record["epoch"])


def _scored(runs):
    """The arcs that a search scored, epoch by epoch."""
    metric = runs[0].space.metric
    name = f"val_{metric.name}"
    lines = []
    for colour, run in enumerate(runs):
        points = [(record["epoch"], record.get(name)) for record in run.arcs]
        lines.append(Line(run.name if len(runs) > 1 else "an arc", points, colour, dots=True))
    title = f"{metric.name.capitalize()} of scored arcs, with the shared weights"
    return charts.lines(title, "epoch", lines, metric.higher_is_better)


def _from_scratch(runs):
    """The arcs that an evaluation trained, against what the shared weights said of them."""
    lines: list[Line] = []
    for run, group in itertools.product(runs, ("controller", "random")):
        arcs = [arc for arc in (run.report or {}).get("arcs", ()) if arc["group"] == group]
        points = [(arc["shared_accuracy"], arc["test_accuracy"]) for arc in arcs]
        label = f"{run.name}: {group}" if len(runs) > 1 else group
        lines.append(Line(label, points, len(lines), dots=True))
    return charts.lines(
        "Test accuracy from scratch", "accuracy with the shared weights", lines, percent=True, percent_x=True
    )


def op_shares(run: StoredRun) -> str:
    """Draws the share of each op among the arcs that a search scored, epoch by epoch; "" where it scored none."""
    counts: dict[int, Counter[str]] = {}
    for record in run.arcs:
        counts.setdefault(record["epoch"], Counter()).update(run.space.ops(run.arc(record["arc"]), run.config.child))
    every = -(-len(counts) // MOST_COLUMNS) or 1
    merged = dict(_merged(counts, every))
    total = sum(merged.values(), Counter())
    columns = {
        epoch: {name: count / sum(found.values()) for name, count in found.items()} for epoch, found in merged.items()
    }
    names = [name for name, _ in sorted(total.items())]
    return charts.shares("Share of each op among the scored arcs", "epoch", columns, names)


def _merged(counts: dict[int, Counter[str]], every: int) -> Iterator[tuple[int, Counter[str]]]:
    epochs = sorted(counts)
    for at in range(0, len(epochs), every):
        yield epochs[at], sum((counts[epoch] for epoch in epochs[at : at + every]), Counter())
