"""The page: one HTML file that needs nothing else. Nothing here imports TensorFlow."""

import html
import importlib.resources
from collections.abc import Sequence

from enas.files import AnyPath, write_atomically
from enas.options import config
from enas.report import curves, progress, sections, stored_run, tables
from enas.report.stored_run import StoredRun

# What a page may do: show itself. Whatever a run directory holds, nothing is loaded from elsewhere.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write(paths: Sequence[str], file: AnyPath) -> None:
    """Writes the page of the runs in these directories.

    Raises:
      UserError: see `stored_run.read`; or the file can't be written.
    """
    names = stored_run.names(paths)
    write_atomically(file, text([stored_run.read(path, name) for path, name in zip(paths, names, strict=True)]))


def text(runs: Sequence[StoredRun]) -> str:
    """Returns the page of these runs as HTML."""
    title = " · ".join(run.name for run in runs)
    body = [_head(runs), _curves(runs), _sections(runs), _settings(runs)]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<style>{_file('style.css')}</style></head>\n<body>{''.join(body)}<script>{_file('script.js')}</script></body></html>\n"
    )


def _file(name):
    return importlib.resources.files("enas.report").joinpath(name).read_text("utf-8")


def _head(runs: Sequence[StoredRun]) -> str:
    cards = "".join(_card(run, number, len(runs) > 1) for number, run in enumerate(runs))
    kinds = {run.kind for run in runs}
    title = f"{runs[0].kind.capitalize()} {runs[0].name}" if len(runs) == 1 else f"{len(runs)} runs side by side"
    if len(runs) > 1 and len(kinds) == 1:
        plural = {"search": "searches", "training": "trainings", "evaluation": "evaluations"}
        title = f"{len(runs)} {plural[runs[0].kind]} side by side"
    return f'<header><h1>{html.escape(title)}</h1><div class="cards">{cards}</div></header>'


def _card(run: StoredRun, number: int, named: bool) -> str:
    state = progress.of(run)
    facts = [(run.kind, f"{run.space.name} space, scheme {scheme}" if (scheme := _scheme(run)) else run.space.name)]
    facts += [("state", state.words)]
    if minutes := run.position.get("minutes"):
        facts.append(("time", f"{minutes:.1f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"))
    facts += [(name, sections.shown(name, value)) for name, value in progress.figures(run).items()]
    record = progress.best(run)
    if record is not None and (cost := run.cost(run.arc(record["arc"]))):
        facts.append(("cost", str(cost)))
    facts.append(("written", run.written()))
    rows = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)
    name = f'<h2><i class="c{number % 8}"></i>{html.escape(run.name)}</h2>' if named else ""
    return f'<section class="card {"done" if state.finished else "open"}">{name}<dl>{rows}</dl></section>'


def _scheme(run):
    return getattr(run.config.child, "scheme", "")


def _curves(runs: Sequence[StoredRun]) -> str:
    by_metric: dict[str, list[StoredRun]] = {}
    for run in runs:
        by_metric.setdefault(run.space.metric.name, []).append(run)
    drawn = "".join(figure for same in by_metric.values() for figure in curves.figures(same))
    if not drawn:
        drawn = "<p>Nothing is recorded yet.</p>"
    return f'<section id="curves"><h2>Curves</h2><div class="charts">{drawn}</div></section>'


def _sections(runs: Sequence[StoredRun]) -> str:
    parts = []
    for id, title, write_section in sections.SECTIONS:
        written = [(run, found) for run in runs if (found := write_section(run))]
        if not written:
            continue
        body = "".join(_of_run(run, runs.index(run), found, len(runs) > 1) for run, found in written)
        parts.append(f'<section id="{id}"><h2>{title}</h2><div class="runs">{body}</div></section>')
    return "".join(parts)


def _of_run(run: StoredRun, number: int, content: str, named: bool) -> str:
    name = f'<h3><i class="c{number % 8}"></i>{html.escape(run.name)}</h3>' if named else ""
    return f'<div class="run">{name}{content}</div>'


def _settings(runs: Sequence[StoredRun]) -> str:
    values = [config.to_values(run.config) for run in runs]
    defaults = [config.to_values(type(run.config)()) for run in runs]
    table = tables.settings([run.name for run in runs], values, defaults)
    return f'<section id="settings"><h2>Settings</h2>{table}</section>'
