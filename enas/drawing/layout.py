"""A layered layout of a directed acyclic graph: which row each vertex is in, in which order, and where.

The steps are Sugiyama's. Rows go by the longest path, barycentres give each row an order with few crossings, and then
positions are found. An edge that spans several rows passes through way points, one in each row between. The edges that
leave one vertex share their way points, so they run as one trunk that branches. Lengths are in inches, y grows downwards.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Edge = tuple[str, str]  # (tail, head)
WayPoint = tuple[str, int]  # (tail of the edges that pass, row)
Node = str | WayPoint  # what a row holds: vertices, which are named by strings, and way points
Link = tuple[Node, Node]  # a part of an edge, from a row to the next

_GAP = 0.2  # between neighbours in a row
_SWEEPS = 10  # of the search for an order; a sweep goes through all rows once, down or up
_RESTARTS = 8  # of the search, each from a new random order
_SETTLING_ROUNDS = 30  # of finding positions, while trunks may bend
_STRAIGHT_ROUNDS = 10  # of finding positions, when trunks are straight and stay where they are
_FIXED = 1e6  # the weight of a vertex that is to stay where it is


class Layout(NamedTuple):
    """Where everything goes.

    Attributes:
      centres: {vertex: (x, y)}.
      routes: {edge: its way points from the top}, a way point as (x, top, bottom). An edge runs straight down in it, from
        the top to the bottom of its row.
      width, height: the size of the whole.
    """

    centres: dict[str, tuple[float, float]]
    routes: dict[Edge, list[tuple[float, float, float]]]
    width: float
    height: float


def layered(sizes: Mapping[str, tuple[float, float]], edges: Sequence[Edge], row_of: Mapping[str, int]) -> Layout:
    """Lays out a graph.

    Args:
      sizes: {vertex: (width, height)}.
      edges: the graph's edges.
      row_of: {vertex: row}, from `rows`.
    """
    links, routes = _through_way_points(row_of, edges)
    nodes: list[Node] = [*sizes, *(v for way in routes.values() for v in way)]
    widths, heights = ({v: 0.0 if isinstance(v, tuple) else sizes[v][i] for v in nodes} for i in (0, 1))
    lines: list[list[Node]] = [[] for _ in range(max(row_of.values()) + 1)]
    for v in widths:
        lines[v[1] if isinstance(v, tuple) else row_of[v]].append(v)
    lines = _ordered(lines, links)
    if len(lines[0]) > 1 and lines[0][0] != next(iter(sizes)):
        # The mirror image is as good, and has the first vertex on the left.
        lines = [line[::-1] for line in lines]
    x = _columns(lines, links, widths)
    left = min(x[v] - widths[v] / 2 for v in x)
    x = {v: x[v] - left for v in x}
    bands = _bands(lines, links, x, heights)
    centres = {v: (x[v], sum(bands[row_of[v]]) / 2) for v in sizes}
    ways = {edge: [(x[v], *bands[v[1]]) for v in way] for edge, way in routes.items()}
    return Layout(centres, ways, max(x[v] + widths[v] / 2 for v in x), bands[-1][1])


def _bands(
    lines: list[list[Node]], links: list[Link], x: Mapping[Node, float], heights: Mapping[Node, float]
) -> list[tuple[float, float]]:
    """Returns the (top, bottom) of each row."""
    bands, bottom = [], 0.0
    for number, line in enumerate(lines):
        # Long sideways moves need room, or the curves would be nearly flat.
        reach = max((abs(x[a] - x[b]) for a, b in links if b in set(line)), default=0.0)
        top = bottom + (min(max(0.3, 0.16 * reach), 0.65) if number else 0.0)
        bottom = top + max((heights[v] for v in line), default=0.0)
        bands.append((top, bottom))
    return bands


def rows(vertices: Sequence[str], edges: Sequence[Edge], widest: int) -> dict[str, int]:
    """Returns {vertex: row}. Row 0 is on top, and every edge leads downwards.

    A vertex goes as far up as its tails allow. A relay, which has one edge in and one out as a cell's ops have, goes just
    above the vertex it leads to. If that row has no room for all its relays, the vertex moves down.

    Args:
      vertices: the vertices in topological order.
      edges: the edges between them.
      widest: how many relays a row may hold. A vertex with more relays than that has them in a row to themselves.
    """
    tails = {v: [a for a, b in edges if b == v] for v in vertices}
    leaving = {v: sum(a == v for a, _ in edges) for v in vertices}
    relays = {v: [a for a in tails[v] if len(tails[a]) == 1 and leaving[a] == 1] for v in vertices}
    row_of: dict[str, int] = {}
    used: Counter[int] = Counter()
    for v in vertices:
        row_of[v] = max((row_of[a] + 1 for a in tails[v]), default=0)
        while used[row_of[v] - 1] and used[row_of[v] - 1] + len(relays[v]) > widest:
            row_of[v] += 2
        for relay in relays[v]:
            row_of[relay] = row_of[v] - 1
            used[row_of[v] - 1] += 1
    return row_of


def _through_way_points(
    row_of: Mapping[str, int], edges: Sequence[Edge]
) -> tuple[list[Link], dict[Edge, list[WayPoint]]]:
    """Returns the links between neighbouring rows, and {edge: its way points}."""
    links: dict[Link, None] = {}  # an ordered set, because trunks share links
    routes: dict[Edge, list[WayPoint]] = {}
    for tail, head in edges:
        routes[tail, head] = [(tail, row) for row in range(row_of[tail] + 1, row_of[head])]
        path: list[Node] = [tail, *routes[tail, head], head]
        links.update(dict.fromkeys(zip(path, path[1:], strict=False)))
    return list(links), routes


def _ordered(rows: list[list[Node]], links: list[Link]) -> list[list[Node]]:
    """Returns the rows, each in an order that gives few crossings. The same graph always gets the same order."""
    above, below = _neighbours(rows, links)
    draw = random.Random(0)
    best, fewest = rows, math.inf
    for restart in range(_RESTARTS):
        rows = [list(row) for row in best] if not restart else [draw.sample(row, len(row)) for row in rows]
        for sweep in range(_SWEEPS):
            near = above if sweep % 2 == 0 else below
            place = {v: i for row in rows for i, v in enumerate(row)}
            for number in range(len(rows))[:: 1 if sweep % 2 == 0 else -1]:
                rows[number].sort(key=lambda v: _mean([place[n] for n in near[v]], place[v]))  # noqa: B023
                place.update({v: i for i, v in enumerate(rows[number])})
            crossings = _crossings(rows, links)
            if crossings < fewest:
                best, fewest = [list(row) for row in rows], crossings
    return best


def _neighbours(rows: list[list[Node]], links: list[Link]) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
    above: dict[Node, list[Node]] = {v: [] for row in rows for v in row}
    below: dict[Node, list[Node]] = {v: [] for v in above}
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    return above, below


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _crossings(rows: list[list[Node]], links: list[Link]) -> int:
    place = {v: (number, i) for number, row in enumerate(rows) for i, v in enumerate(row)}
    spans: list[list[tuple[int, int]]] = [[] for _ in rows]
    for a, b in links:
        spans[place[a][0]].append((place[a][1], place[b][1]))
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for span in spans for i, a in enumerate(span) for b in span[i + 1 :])


def _columns(rows: list[list[Node]], links: list[Link], widths: Mapping[Node, float]) -> dict[Node, float]:
    """Returns {node: x of its centre}. Each is near the mean of its neighbours, trunks are straight, and no two overlap."""
    above, below = _neighbours(rows, links)
    x: dict[Node, float] = {}
    for row in rows:
        for i, v in enumerate(row):
            x[v] = (x[row[i - 1]] + _distance(row[i - 1], v, widths)) if i else 0.0
    near = {v: above[v] + below[v] for v in x}
    for number in range(_SETTLING_ROUNDS + _STRAIGHT_ROUNDS):
        if number == _SETTLING_ROUNDS:
            _straighten(rows, x, widths)
        for row in rows if number % 2 == 0 else reversed(rows):
            fixed = [isinstance(v, tuple) and number >= _SETTLING_ROUNDS for v in row]
            wishes = [(x[v], _FIXED) if fix else _wish(v, near[v], x) for v, fix in zip(row, fixed, strict=True)]
            x.update(zip(row, _spread(row, wishes, widths), strict=True))
    return x


def _wish(v: Node, near: Sequence[Node], x: Mapping[Node, float]) -> tuple[float, float]:
    """Returns (where a node would like to be, how much): the mean of its neighbours, where way points pull harder."""
    pulls = [((1 + isinstance(v, tuple)) * (1 + isinstance(n, tuple)) ** 2, x[n]) for n in near]
    weight = sum(pull for pull, _ in pulls)
    return (sum(pull * at for pull, at in pulls) / weight, weight) if weight else (x[v], 1)


def _straighten(rows: list[list[Node]], x: dict[Node, float], widths: Mapping[Node, float]) -> None:
    """Puts the way points of each trunk at one x, as far down as its neighbours leave room, then begins anew at another."""
    trunks: dict[str, list[tuple[WayPoint, list[Node], int]]] = {}
    for row in rows:
        for i, v in enumerate(row):
            if isinstance(v, tuple):
                trunks.setdefault(v[0], []).append((v, row, i))
    for trunk in trunks.values():
        run: list[WayPoint] = []
        low, high = float("-inf"), float("inf")
        for v, row, i in trunk:
            room = (
                x[row[i - 1]] + _distance(row[i - 1], v, widths) if i else float("-inf"),
                x[row[i + 1]] - _distance(v, row[i + 1], widths) if i + 1 < len(row) else float("inf"),
            )
            if max(low, room[0]) > min(high, room[1]):
                _align(run, low, high, x)
                run, low, high = [], float("-inf"), float("inf")
            run, low, high = [*run, v], max(low, room[0]), min(high, room[1])
        _align(run, low, high, x)


def _align(run: list[WayPoint], low: float, high: float, x: dict[Node, float]) -> None:
    at = min(max(_mean([x[v] for v in run], 0.0), low), high)
    x.update(dict.fromkeys(run, at))


def _distance(left: Node, right: Node, widths: Mapping[Node, float]) -> float:
    """Returns the least distance between the centres of two neighbours in a row."""
    return (widths[left] + widths[right]) / 2 + _GAP


def _spread(row: Sequence[Node], wishes: Iterable[tuple[float, float]], widths: Mapping[Node, float]) -> list[float]:
    """Returns the positions closest to the wished ones, by weighted least squares, that keep the order and the distances.

    With the distances subtracted, the positions only have to ascend. This is isotonic regression, solved by pooling
    adjacent violators.
    """
    shifts = [0.0]
    for left, right in zip(row, row[1:], strict=False):
        shifts.append(shifts[-1] + _distance(left, right, widths))
    pools: list[tuple[float, float, int]] = []  # (position, weight, nodes that share it)
    for (wish, weight), shift in zip(wishes, shifts, strict=True):
        pools.append((wish - shift, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, weight_a, count_a), (b, weight_b, count_b) = pools[-2:]
            total = weight_a + weight_b
            pools[-2:] = [((a * weight_a + b * weight_b) / total, total, count_a + count_b)]
    level = [value for value, _, count in pools for _ in range(count)]
    return [value + shift for value, shift in zip(level, shifts, strict=True)]
