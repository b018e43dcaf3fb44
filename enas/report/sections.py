"""The sections of a page, each of one run. Nothing here imports TensorFlow."""

import dataclasses
import html
import re
from collections.abc import Iterator
from typing import Any

from enas.costs.cost import readable
from enas.drawing import draw_svg
from enas.report import curves, progress, tables
from enas.report.stored_run import Record, StoredRun
from enas.report.tables import Cell

MOST_ARCS = 500  # in the table of arcs


def commands(run: StoredRun) -> str:
    """Writes what can be done next."""
    parts = []
    for words, command in progress.commands(run):
        # A line ends between flags rather than in one.
        flags = " ".join(f"<span>{html.escape(flag)}</span>" for flag in re.split(" (?=--)", command))
        parts.append(f"<p>{html.escape(words)}:</p><pre><code>{flags}</code></pre>")
    return "".join(parts)


def cells(run: StoredRun) -> str:
    """Draws the best arc; "" where there is none yet."""
    record = progress.best(run)
    if record is None:
        return ""
    arc = run.arc(record["arc"])
    diagrams = run.space.diagram.pictures(arc, run.config.child)[run.space.diagram.MAIN]
    panels = "".join(
        f'<figure class="panel"><figcaption><b>{html.escape(diagram.title)}</b> {html.escape(diagram.note)}</figcaption>'
        f'<div class="scroll">{draw_svg.render(diagram)}</div></figure>'
        for diagram in diagrams
    )
    words = [run.space.diagram.caption(arc, run.config.child), str(run.cost(arc) or "")]
    caption = "; ".join(filter(None, words))
    return (
        f'<p>{html.escape(_of_best(run, record))}</p><div class="panels">{panels}</div>'
        f'<p class="note">{html.escape(caption)}</p><pre><code>{html.escape(record["arc"])}</code></pre>'
    )


def _of_best(run: StoredRun, record: Record) -> str:
    name = run.space.metric.name
    if run.kind == "search":
        score = record.get(f"val_{name}")
        return (
            f"The arc that the search recommends: validation {name} {_figure(score, run)} with the shared weights, in "
            f"epoch {record['epoch']}."
        )
    if run.kind == "evaluation":
        return f"The arc that the evaluation chose: test {name} {_figure(record['test_accuracy'], run)} from scratch."
    return "The arc that is trained."


def _figure(value: float | None, run: StoredRun) -> str:
    if value is None:
        return "not finite"
    return f"{value:.2%}" if run.space.metric.higher_is_better else f"{value:.2f}"


def shown(name: str, value: float) -> str:
    """Writes a figure of `progress.figures` or of results.json."""
    if "accuracy" in name:
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def arcs(run: StoredRun) -> str:
    """Writes the table of arcs; "" where no arc was scored yet."""
    if run.report:
        return _evaluated(run)
    return _scored(run) if run.arcs else ""


def _scored(run: StoredRun) -> str:
    metric, with_reward = run.space.metric, any("reward" in record for record in run.arcs)

    def merit(record: Record) -> float:
        reward: float | None = record.get("reward")
        return reward if reward is not None else metric.goodness(record.get(f"val_{metric.name}"))

    best = sorted(run.arcs, key=merit, reverse=True)
    rows = [_scored_row(run, record, with_reward) for record in best[:MOST_ARCS]]
    costs = _cost_columns(run, best[0]["arc"])
    columns = [f"validation {metric.name}", *(["reward"] if with_reward else []), *costs, "epoch", "arc"]
    more = f'<p class="note">The best {MOST_ARCS} of {len(best)} scored arcs.</p>' if len(best) > MOST_ARCS else ""
    no_cost = "" if costs else f'<p class="note">{_no_cost(run)}</p>'
    sorted_by = (1 if with_reward else 0) if metric.higher_is_better or with_reward else None
    return more + tables.sortable(columns, rows, sorted_by) + no_cost


def _no_cost(run):
    return (
        f"The {html.escape(run.space.name)} space has no cost model: a training says what its arc costs (results.json)."
        if run.space.cost is None
        else "What arcs cost is not known before the run has read its data."
    )


def _scored_row(run: StoredRun, record: Record, with_reward: bool) -> list[Cell]:
    score, reward = record.get(f"val_{run.space.metric.name}"), record.get("reward")
    row = [Cell(_figure(score, run), -1e9 if score is None else score)]
    if with_reward:
        row.append(Cell("" if reward is None else f"{reward:.4f}", -1e9 if reward is None else reward))
    sampled = f" (sampled {record['number']})" if "number" in record else ""
    return [
        *row,
        *_costs(run, record["arc"]),
        Cell(f"{record['epoch']}{sampled}", record["epoch"]),
        Cell(record["arc"]),
    ]


_COST_NAMES = {"parameters": "parameters", "macs": "MACs", "bitops": "bit operations", "model_bytes": "bytes"}


def _cost_columns(run: StoredRun, arc: str) -> list[str]:
    return list(_COST_NAMES.values()) if run.cost(run.arc(arc)) else []


def _costs(run: StoredRun, arc: str) -> list[Cell]:
    cost = run.cost(run.arc(arc))
    return [Cell(readable(value).strip(), value) for value in dataclasses.astuple(cost)] if cost else []


def _evaluated(run: StoredRun) -> str:
    found: Any = run.report
    rows = []
    for arc in found["arcs"]:
        each = " ".join(f"{value:.2%}" for value in arc["test_accuracies"])
        costs = [Cell(readable(arc["cost"][name]).strip(), arc["cost"][name]) for name in _COST_NAMES]
        accuracies = [arc["test_accuracy"], arc["shared_accuracy"]]
        row = [Cell(arc["group"]), *(Cell(f"{value:.2%}", value) for value in accuracies), *costs]
        rows.append([*row, Cell(each), Cell(arc["arc"])])
    columns = ["group", "test accuracy", "shared accuracy", *_COST_NAMES.values(), "each seed", "arc"]
    return tables.sortable(columns, rows)


def results(run: StoredRun) -> str:
    """Writes the figures that a training or an evaluation ended with; "" where it has not."""
    if run.results:
        # The recall of each class is in the confusion matrix.
        numbers = {name: value for name, value in run.results.items() if isinstance(value, int | float) and value}
        rows = [(curves.figure_name(name), [shown(name, value)]) for name, value in numbers.items()]
        return tables.plain((), rows)
    if run.report:
        return tables.plain((), [(name, [value]) for name, value in _verdict(run.report)])
    return ""


def _verdict(report: Record) -> Iterator[tuple[str, str]]:
    for group in ("controller", "random"):
        yield f"test accuracy of the {group} arcs", f"{report[f'{group}_mean']:.2%} ± {report[f'{group}_std']:.2%}"
    yield "Mann–Whitney p, controller's arcs better (one-sided)", f"{report['mann_whitney_p']:.3g}"
    tau, (low, high) = report["kendall_tau"], report["kendall_tau_interval"]
    if tau is not None and low is not None:
        yield "Kendall's tau, shared weights and stand-alone", f"{tau:.2f} ({low:.2f} to {high:.2f})"
    # An evaluation older than this figure has none.
    if report.get("kendall_tau_between_seeds") is not None:
        yield "Kendall's tau between the seeds of the trainings", f"{report['kendall_tau_between_seeds']:.2f}"
    if report["share_on_target"] is not None:
        yield "sampled arcs within 10% of the cost target", f"{report['share_on_target']:.0%}"


def confusion(run: StoredRun) -> str:
    """Writes the confusion matrix; "" where there is none."""
    return tables.confusion(run.confusion) if run.confusion else ""


SECTIONS = (
    ("next", "What to do next", commands),
    ("results", "Results", results),
    ("cells", "Best arc", cells),
    ("ops", "Ops over time", curves.op_shares),
    ("arcs", "Arcs", arcs),
    ("confusion", "Confusion matrix", confusion),
)
