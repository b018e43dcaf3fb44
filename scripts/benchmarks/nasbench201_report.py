"""Table and plot of runs on NAS-Bench-201."""

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from enas import files
from enas.evaluation.statistics import mann_whitney_p
from scripts.benchmarks.nasbench201_table import DATASETS

COLOURS = ("#6b7280", "#1d4ed8", "#15803d", "#c2410c", "#60a5fa", "#86efac", "#a21caf")


def write_report(runs: list[dict[str, Any]], folder: str, queries: Sequence[int]) -> None:
    """Writes nasbench201.json, .md and .png.

    Args:
      runs: each has "optimizer", "dataset", "seed" and "results": accuracy after each query, percent.
      folder: where to.
      queries: the numbers of queries of the table.
    """
    grouped: dict[tuple[str, str], list[list[float]]] = {}
    for run in sorted(runs, key=lambda run: run["seed"]):
        grouped.setdefault((run["dataset"], run["optimizer"]), []).append(run["results"])
    rows = [row for key in grouped for row in _rows(grouped, key, queries)]
    for name, text in (("json", json.dumps(rows, indent=1) + "\n"), ("md", _markdown(rows, queries))):
        files.write_atomically(os.path.join(folder, f"nasbench201.{name}"), text)
    _draw(grouped, os.path.join(folder, "nasbench201.png"))


def _rows(grouped, key, queries):
    """The figures of an optimizer on a data set after each number of queries; p is against random search."""
    dataset, optimizer = key
    for count in queries:
        values, of_random = (
            [results[count - 1] for results in grouped.get(each, []) if len(results) >= count]
            for each in (key, (dataset, "random"))
        )
        if values:
            row = {"dataset": dataset, "optimizer": optimizer, "queries": count, "seeds": len(values)}
            row |= {"mean": round(float(np.mean(values)), 3), "deviation": round(float(np.std(values)), 3)}
            tested = optimizer != "random" and of_random
            yield row | {"p": mann_whitney_p(values, of_random) if tested else None}


def _markdown(rows, queries):
    """A table for each data set; * stands where p is below 0.01."""
    lines = []
    for dataset, title in DATASETS.items():
        lines += [f"| {title} | {' | '.join(map(str, queries))} |", "| --- |" + " --- |" * len(queries)]
        for optimizer in dict.fromkeys(row["optimizer"] for row in rows if row["dataset"] == dataset):
            cells = {row["queries"]: row for row in rows if (row["dataset"], row["optimizer"]) == (dataset, optimizer)}
            found = [cells.get(count) for count in queries]
            words = [f"{row['mean']:.2f} ± {row['deviation']:.2f}{_star(row)}" if row else "" for row in found]
            lines.append(f"| `{optimizer}` | {' | '.join(words)} |")
        lines.append("")
    return "\n".join(lines)


def _star(row):
    return "*" if row["p"] is not None and row["p"] < 0.01 else ""


def _draw(grouped, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    optimizers = list(dict.fromkeys(optimizer for _, optimizer in grouped))
    for axes, (dataset, title) in zip(figure.subplots(1, len(DATASETS)), DATASETS.items(), strict=True):
        for optimizer, colour in zip(optimizers, COLOURS, strict=False):
            curves = grouped.get((dataset, optimizer), [])
            if curves:
                length = min(map(len, curves))
                mean = np.mean([curve[:length] for curve in curves], axis=0)
                axes.plot(np.arange(1, length + 1)[9:], mean[9:], color=colour, label=optimizer)
        axes.set(xscale="log", xlabel="queries", ylabel="mean accuracy of the best cell, %", title=title)
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)
