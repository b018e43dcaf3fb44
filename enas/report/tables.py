"""Tables of a page: arcs that can be sorted, settings, a confusion matrix. Nothing here imports TensorFlow."""

import dataclasses
import html
from collections.abc import Mapping, Sequence
from typing import Any

MOST_CLASSES = 50  # of a confusion matrix
MOST_NAMED = 12  # classes whose names stand upright above a confusion matrix


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
      text: what it shows.
      value: what it is sorted by; None: a text.
    """

    text: str
    value: float | None = None


def sortable(columns: Sequence[str], rows: Sequence[Sequence[Cell]], sorted_by: int | None = None) -> str:
    """Writes a table whose columns the page's script sorts.

    Args:
      sorted_by: the column that the rows are sorted by already, highest first; None: none.
    """
    heads = "".join(
        f'<th scope="col"{" aria-sort=descending" if at == sorted_by else ""}>'
        f'<button type="button">{html.escape(column)}</button></th>'
        for at, column in enumerate(columns)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="scroll"><table class="sortable"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell):
    text = html.escape(cell.text)
    if cell.value is None:
        return f"<td><code>{text}</code></td>" if len(cell.text) > 20 else f"<td>{text}</td>"
    return f'<td class="number" data-v="{cell.value!r}">{text}</td>'


def plain(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], marked: Sequence[str] = ()) -> str:
    """Writes a table whose rows have a heading each.

    Args:
      columns: the headings of the columns but for the first, which has none; () for no row of headings.
      rows: (heading, values) of each row.
      marked: headings of the rows that stand out.
    """
    heads = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    head = f"<thead><tr><td></td>{heads}</tr></thead>" if columns else ""
    body = ""
    for name, values in rows:
        mark = ' class="marked"' if name in marked else ""
        cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
        body += f'<tr{mark}><th scope="row">{html.escape(name)}</th>{cells}</tr>'
    return f'<div class="scroll"><table class="plain">{head}<tbody>{body}</tbody></table></div>'


def settings(names: Sequence[str], values: Sequence[Mapping[str, Any]], defaults: Sequence[Mapping[str, Any]]) -> str:
    """Writes the settings of runs: first those that are no defaults or differ between the runs, then, folded, all others.

    Args:
      names: of the runs.
      values: {flag: value} of each run.
      defaults: {flag: default} of each run.
    """
    flags = list(dict.fromkeys(flag for of_run in values for flag in of_run))
    known = {flag: [of_run[flag] for of_run in values if flag in of_run] for flag in flags}
    differ = [flag for flag in flags if any(value != known[flag][0] for value in known[flag])]
    own = [
        flag
        for flag in flags
        if any(flag in of_run and of_run[flag] != base[flag] for of_run, base in zip(values, defaults, strict=True))
    ]
    shown = [flag for flag in flags if flag in own or flag in differ]

    def table(of: Sequence[str]) -> str:
        rows = [(flag, [_shown(of_run[flag]) if flag in of_run else "" for of_run in values]) for flag in of]
        return plain(names if len(names) > 1 else (), rows, differ)

    rest = [flag for flag in flags if flag not in shown]
    return (
        table(shown) if shown else "<p>All settings are the defaults.</p>"
    ) + f"<details><summary>{len(rest)} settings at their defaults</summary>{table(rest)}</details>"


def _shown(value):
    return str(value).lower() if isinstance(value, bool) else str(value) if value != "" else "–"


def confusion(found: Mapping[str, Any]) -> str:
    """Writes the content of a confusion.json as a table with shades; of many classes only the most frequent confusions."""
    names, counts = list(map(str, found["class_names"])), found["counts"]
    total, right = sum(map(sum, counts)), sum(row[at] for at, row in enumerate(counts))
    words = f"<p>{right:,} of {total:,} {html.escape(str(found['split']))} images are classified right."
    if len(names) > MOST_CLASSES:
        return words + "</p>" + _most_confused(names, counts)
    upright = all(len(name) <= 3 for name in names) and len(names) <= MOST_NAMED
    heads = "".join(f'<th scope="col"><span>{html.escape(name)}</span></th>' for name in names)
    rows = "".join(_matrix_row(name, row) for name, row in zip(names, counts, strict=True))
    return (
        f'{words} Rows are true classes, columns predicted ones.</p><div class="scroll">'
        f'<table class="matrix{"" if upright else " turned"}"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _matrix_row(name, row):
    total = sum(row) or 1
    cells = "".join(
        f'<td style="--share:{count / total:.3f}"{" class=strong" if count / total > 0.5 else ""}>{count or ""}</td>'
        for count in row
    )
    return f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>'


def _most_confused(names, counts):
    wrong = [
        (count, names[at], names[other])
        for at, row in enumerate(counts)
        for other, count in enumerate(row)
        if count and other != at
    ]
    rows = [
        [Cell(str(count), count), Cell(name), Cell(other)] for count, name, other in sorted(wrong, reverse=True)[:50]
    ]
    return sortable(("images", "class", "taken for"), rows, 0)
