"""Cost of a child step against the size of the network, measured and drawn."""

from typing import Any

import numpy as np

from enas.options import config
from scripts.benchmarks.bench_table import summary
from scripts.benchmarks.bench_worker import Worker

STEPS = 12


def axes(settings: Any) -> Any:
    """{flag: its values}: half the settings' own, their own, half as much again and double, where allowed."""
    child, options = settings.child, settings.bench
    allowed = {
        "child_out_filters": (2, child.out_filters, 1024),
        "child_num_layers": (2, child.num_layers, 100),
        "child_num_cells": (1, child.num_cells, 12),
        "batch_size": (2, options.batch_size, 2**20),
    }
    return {
        flag: sorted({min(high, max(low, own * share // 2)) for share in (1, 2, 3, 4)})
        for flag, (low, own, high) in allowed.items()
    }


def measure(settings: Any) -> Any:
    """{flag: [(value, median s, least s)]} of a search's child step with each flag varied by itself."""
    own = {flag: value for flag, value in config.to_values(settings).items() if flag in axes(settings)}
    cost, at_own = {}, _step(settings, own)
    for flag, values in axes(settings).items():
        cost[flag] = [at_own if value == own[flag] else _step(settings, {flag: value}) for value in values]
        cost[flag] = [(value, *seconds) for value, seconds in zip(values, cost[flag], strict=True)]
    return cost


def _step(settings, changes):
    """(median s, least s) of a child step with some flags changed."""
    worker = Worker("search", settings, **changes)
    try:
        worker.run("child", 2)
        figures = summary("step", worker.run("child", STEPS))
    finally:
        worker.stop()
    return figures["step_s"], figures["step_min_s"]


def draw(cost: Any, path: str) -> None:
    """Draws one panel for each flag, with the straight line that fits the medians, into a .png file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(cost), figsize=(3.2 * len(cost), 3.2), sharey=True, layout="constrained")
    for panel, (flag, points) in zip(panels, cost.items(), strict=True):
        values, median, least = np.array(points).T
        slope, start = np.polyfit(values, median, 1)
        ends = np.array([0, values.max()])
        panel.plot(ends, start + slope * ends, color="0.7", linewidth=1, label="straight line")
        panel.plot(values, median, "o", color="C0", label="median step")
        panel.plot(values, least, "_", color="C0", label="fastest step")
        panel.set(xlabel=f"--{flag}", xlim=(0, None), ylim=(0, None))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("child step of the search, s")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
