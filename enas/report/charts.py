"""Charts as SVG inside a page. Colours are the page's own, named by classes; the page's script adds the figures under the
pointer. Nothing here imports TensorFlow.
"""

import dataclasses
import html
import itertools
import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 400, 220  # pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 36
MOST_POINTS = 240  # of a line; of more, neighbours are averaged
COLOURS = 8  # classes c0, c1, ... for lines; they come again after that
SHARES = 14  # classes s0, s1, ... for shares

Box = tuple[float, float, float, float]  # (lowest x, highest x, lowest y, highest y)


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a chart, or points.

    Attributes:
      label: what the legend calls it.
      points: (x, y), by rising x.
      colour: number of its colour.
      dashed: it is drawn dashed.
      dots: points are drawn alone, without a line.
    """

    label: str
    points: Sequence[tuple[float, float]]
    colour: int
    dashed: bool = False
    dots: bool = False


def lines(title: str, x_label: str, drawn: Sequence[Line], percent: bool = False, percent_x: bool = False) -> str:
    """Draws lines over one axis and returns a <figure>; "" if there is no point to draw.

    Args:
      percent: y is a share, shown in percent.
      percent_x: x is a share; else it is a count.
    """
    drawn = [dataclasses.replace(line, points=_finite(line.points)) for line in drawn]
    most = max((len(line.points) for line in drawn if not line.dots), default=0)
    each = math.ceil(most / MOST_POINTS) or 1
    drawn = [line if line.dots else dataclasses.replace(line, points=_averaged(line.points, each)) for line in drawn]
    drawn = [line for line in drawn if line.points]
    if not drawn:
        return ""
    box = _bounds([point for line in drawn for point in line.points])
    body = _axes(box, x_label, percent, percent_x) + "".join(_line(line, box) for line in drawn)
    note = f"each point the mean of {each}" if each > 1 else ""
    legend = [(f"c{line.colour % COLOURS}" + (" dashed" if line.dashed else ""), line.label) for line in drawn]
    # The title says what a single line is.
    legend = legend if len(drawn) > 1 else []
    return _figure(title, body, legend, note, box, percent)


def shares(title: str, x_label: str, columns: Mapping[int, Mapping[str, float]], names: Sequence[str]) -> str:
    """Draws shares of a whole over time as stacked columns and returns a <figure>; "" if there is no column.

    Args:
      columns: {x: {name: share}}; the shares of each add up to 1.
      names: the order of the names, from the bottom.
    """
    if not columns:
        return ""
    places = sorted(columns)
    plot = WIDTH - _LEFT - _RIGHT
    step = plot / len(places)
    body = _share_axis(places, step, x_label)
    for at, x in enumerate(places):
        below = 0.0
        for number, name in enumerate(names):
            share = columns[x].get(name, 0.0)
            if share:
                top = _TOP + (1 - below - share) * _plot_height()
                words = html.escape(f"{x_label} {x}: {name} {share:.0%}")
                body += (
                    f'<rect class="share s{number % SHARES}" x="{_LEFT + at * step:.1f}" y="{top:.1f}" '
                    f'width="{max(step - (2 if step > 8 else 0), 0.5):.1f}" height="{share * _plot_height():.1f}">'
                    f"<title>{words}</title></rect>"
                )
            below += share
    legend = [(f"s{number % SHARES}", name) for number, name in enumerate(names)]
    return _figure(title, body, legend, "", None, True)


def _finite(points):
    good = [(x, y) for x, y in points if isinstance(y, int | float) and math.isfinite(y)]
    return sorted(good, key=lambda point: point[0])


def _averaged(points, each):
    """The means of `each` neighbours."""
    groups = [points[at : at + each] for at in range(0, len(points), each)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _bounds(points: Sequence[tuple[float, float]]) -> Box:
    x, y = [point[0] for point in points], [point[1] for point in points]
    left, right, low, high = min(x), max(x), min(y), max(y)
    if left == right:
        left, right = left - 1, right + 1
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return left, right, low - room, high + room


def _place(point: tuple[float, float], box: Box) -> tuple[float, float]:
    left, right, low, high = box
    return (
        _LEFT + (point[0] - left) / (right - left) * (WIDTH - _LEFT - _RIGHT),
        _TOP + (high - point[1]) / (high - low) * _plot_height(),
    )


def _plot_height():
    return HEIGHT - _TOP - _BOTTOM


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Returns round numbers from low to high, at most `most` + 1 of them, in steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [
        round(number * step, 12)
        for number in itertools.takewhile(
            lambda n: n * step <= high * (1 + 1e-12) + step * 1e-9, itertools.count(first)
        )
    ]


def readable(value: float, percent: bool = False) -> str:
    """Writes a number for an axis or a legend."""
    if percent:
        return f"{100 * value:.4g}%"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-")
    return f"{value:.4g}"


def _axes(box, x_label, percent, percent_x):
    left, right, low, high = box
    parts = []
    for value in ticks(low, high):
        _, y = _place((left, value), box)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y:.1f}" dy=".35em" text-anchor="end">{readable(value, percent)}</text>'
        )
    for value in ticks(left, right, 6):
        if percent_x or value == int(value):
            x, _ = _place((value, low), box)
            parts.append(
                f'<text x="{x:.1f}" y="{HEIGHT - 20}" text-anchor="middle">{readable(value, percent_x)}</text>'
            )
    return "".join(parts) + _x_label(x_label)


def _share_axis(places, step, x_label):
    parts = []
    for value in (0, 0.25, 0.5, 0.75, 1):
        y = _TOP + (1 - value) * _plot_height()
        parts.append(f'<text x="{_LEFT - 6}" y="{y:.1f}" dy=".35em" text-anchor="end">{value:.0%}</text>')
    every = max(1, math.ceil(len(places) / 10))
    for at, x in enumerate(places):
        if at % every == 0:
            middle = _LEFT + (at + 0.5) * step
            parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 20}" text-anchor="middle">{x}</text>')
    return "".join(parts) + _x_label(x_label)


def _x_label(text):
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return f'<text class="label" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{html.escape(text)}</text>'


def _line(line, box):
    placed = [_place(point, box) for point in line.points]
    colour = f"c{line.colour % COLOURS}"
    if line.dots or len(placed) == 1:
        shape = "".join(f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in placed)
    else:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        shape = f'<polyline class="{colour}{" dashed" if line.dashed else ""}" points="{path}"/>'
    x, y = (" ".join(f"{point[at]:.6g}" for point in line.points) for at in (0, 1))
    return f'<g class="line" data-label="{html.escape(line.label)}" data-x="{x}" data-y="{y}">{shape}</g>'


def _figure(title, body, legend, note, box, percent):
    keys = "".join(f'<span class="key"><i class="{colour}"></i>{html.escape(label)}</span>' for colour, label in legend)
    note = f'<span class="note">{note}</span>' if note else ""
    data = ""
    if box:
        plot = f"{_LEFT} {WIDTH - _RIGHT} {_TOP} {HEIGHT - _BOTTOM}"
        data = f' data-plot="{plot}" data-box="{" ".join(map(repr, map(float, box)))}" data-percent="{int(percent)}"'
    return (
        f'<figure class="chart"{data}><figcaption>{html.escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">{body}</svg>'
        f'<div class="legend">{keys}{note}</div></figure>'
    )
