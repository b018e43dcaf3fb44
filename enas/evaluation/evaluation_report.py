"""The report of an evaluation as one HTML file: tables, figures as SVG inside it, and diagrams of the best cells."""

import html
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from enas.files import AnyPath, write_atomically

Line = tuple[Sequence[float], Sequence[float], str, str]  # (x, y, label, colour)
Curve = tuple[str, str, list[Line]]  # (label of x, label of y, lines)

_STYLE = """
body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: #1f2937; max-width: 62em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .25em .8em; border-bottom: 1px solid #d1d5db }
th { text-align: left } td.number { text-align: right; font-variant-numeric: tabular-nums }
svg { max-width: 100%; height: auto }
code { font-size: 12px } .note { color: #6b7280 }
"""
GROUPS = {"controller": "#1d4ed8", "random": "#c2410c"}  # group of arcs -> its colour


def write(path: AnyPath, report: Mapping[str, Any], curves: Mapping[str, Curve], diagrams: Mapping[str, str]) -> None:
    """Writes report.html.

    Args:
      path: the file.
      report: the content of report.json, see `evaluate.figures`.
      curves: {title: curve}, drawn side by side.
      diagrams: {title: SVG text}.
    """
    parts = [
        f"<h1>Evaluation of {_text(report['search_dir'])}</h1>",
        f"<p>{_text(_verdict(report))}</p>",
        _table(("figure", "value"), _figures(report)),
        f"<p class=note>Budget of each training, and what the search's arcs should cost: {_text(_budget(report))}.</p>",
        "<h2>Shared weights against training from scratch</h2>",
        _scatter(report),
        "<h2>Curves</h2>",
        _curves(curves),
        "<h2>Arcs</h2>",
        _table(_ARC_COLUMNS, [_arc_row(arc) for arc in report["arcs"]]),
        *(f"<h2>{_text(title)}</h2>{svg}" for title, svg in diagrams.items()),
    ]
    body = "\n".join(parts)
    write_atomically(
        path,
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Evaluation of {_text(report['search_dir'])}</title>"
        f"<style>{_STYLE}</style><body>{body}</body></html>\n",
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _verdict(report: Mapping[str, Any]) -> str:
    better = report["mann_whitney_p"] < 0.05
    return (
        f"The controller's arcs are {'better than' if better else 'not shown to be better than'} random ones "
        f"(p = {report['mann_whitney_p']:.3g}); shared weights rank arcs with Kendall's tau "
        f"{_number(report['kendall_tau'], '.2f')}."
    )


def _number(value: float | None, form: str) -> str:
    """Writes a number in a format, or words for None."""
    return "not defined" if value is None else format(value, form)


def _tau(report: Mapping[str, Any], form: str) -> str:
    """Writes Kendall's tau with its interval."""
    tau, low, high = (_number(value, form) for value in (report["kendall_tau"], *report["kendall_tau_interval"]))
    return f"{tau} ({low} to {high})"


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields (name, value) of the report's figures."""
    for group in GROUPS:
        mean, std = report[f"{group}_mean"], report[f"{group}_std"]
        yield f"test accuracy of the {group} arcs, mean ± deviation over arcs", f"{mean:.2%} ± {std:.2%}"
        if f"{group}_on_target" in report:
            over, share = report[f"{group}_cost_over_target"], report[f"{group}_on_target"]
            yield (
                f"cost of the {group} arcs over the target, and how many are within 10% of it",
                f"{over:.2f}, {share:.0%}",
            )
    yield "accuracy over the average random arc", f"{report['accuracy_over_random']:+.2%}"
    yield "Mann–Whitney p, controller greater (one-sided)", f"{report['mann_whitney_p']:.3g}"
    yield "Kendall's tau, shared weights and stand-alone", _tau(report, ".3f")
    yield "its p (two-sided)", _number(report["kendall_tau_p"], ".3g")
    yield "Kendall's tau between the seeds of the trainings", _number(report["kendall_tau_between_seeds"], ".3f")
    if report["share_on_target"] is not None:
        yield "arcs sampled from the controller within 10% of the cost target", f"{report['share_on_target']:.0%}"
    yield "arcs, seeds", f"{report['num_arcs']}, {len(report['seeds'])}"
    yield "test accuracy of the chosen arc", f"{report['best_arc_accuracy']:.2%}"


def summary(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields the verdict, and the report's main figures as lines `name: value`."""
    yield _verdict(report)
    yield f"kendall_tau: {_tau(report, '.4f')}"
    for name in ("kendall_tau_p", "kendall_tau_between_seeds"):
        yield f"{name}: {_number(report[name], '.4g')}"
    for name in ("controller_mean", "random_mean", "accuracy_over_random", "mann_whitney_p", "best_arc_accuracy"):
        yield f"{name}: {report[name]:.4g}"
    if report["share_on_target"] is not None:
        yield f"share_on_target: {report['share_on_target']:.4g}"


def _budget(report: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in report["budget"].items())


_ARC_COLUMNS = ("group", "shared", "test accuracy", "bit operations", "MACs", "bytes", "arc")


def _arc_row(arc: Mapping[str, Any]) -> tuple[str, ...]:
    cost = arc.get("cost")
    costs = [f"{cost[name]:,}" for name in ("bitops", "macs", "model_bytes")] if cost else [""] * 3
    accuracies = " ".join(f"{value:.2%}" for value in arc["test_accuracies"])
    return (arc["group"], f"{arc['shared_accuracy']:.2%}", accuracies, *costs, arc["arc"])


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(column)}" for column in columns)
    lines = ["<tr>" + "".join(_cell(value) for value in row) for row in rows]
    return f"<table><tr>{head}{''.join(lines)}</table>"


def _cell(value: str) -> str:
    number = value[:1].isdigit() and " " not in value
    return f"<td{' class=number' if number else ''}>{_text(value)}"


def _scatter(report: Mapping[str, Any]) -> str:
    figure, axes = _axes(1, (6, 5))
    for group, colour in GROUPS.items():
        arcs = [arc for arc in report["arcs"] if arc["group"] == group]
        y = [arc["test_accuracy"] for arc in arcs]
        spread = [max(arc["test_accuracies"]) - min(arc["test_accuracies"]) for arc in arcs]
        x = [arc["shared_accuracy"] for arc in arcs]
        axes[0].errorbar(x, y, [s / 2 for s in spread], fmt="o", color=colour, label=group, alpha=0.8, lw=1)
    axes[0].set(xlabel="validation accuracy with shared weights", ylabel="test accuracy, trained from scratch")
    axes[0].legend(frameon=False)
    return svg(figure)


def _curves(curves: Mapping[str, Curve]) -> str:
    if not curves:
        return ""
    figure, axes = _axes(len(curves), (5 * len(curves), 4))
    for ax, (title, (x_label, y_label, lines)) in zip(axes, curves.items(), strict=True):
        for x, y, label, colour in lines:
            ax.plot(x, y, color=colour, label=label, lw=1.2)
        ax.set(title=title, xlabel=x_label, ylabel=y_label)
        if any(label for *_, label, _ in lines):
            ax.legend(frameon=False)
    return svg(figure)


def _axes(count: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """Returns a figure and its axes, `[count]`, side by side."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def svg(figure: Figure) -> str:
    """Draws a figure as SVG text that can stand in an HTML file."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "enas"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
