"""A layered layout of a directed acyclic graph: who sits in which row, in which order, and where.

The steps are Sugiyama's: rows by longest path, an order in each row with few crossings by barycentres, then positions.
An edge that spans several rows passes through way points, one in each row between; the edges that leave one vertex
share theirs, so they run as one trunk that branches. Plain Python, lengths in inches, y grows downwards.
"""

import random
from collections import Counter
from typing import NamedTuple

_GAP = 0.2  # between neighbours in a row
_SWEEPS, _RESTARTS = 10, 8  # of the search for an order: down or up once; from a new random order
_SETTLING_ROUNDS, _STRAIGHT_ROUNDS = 30, 10  # of finding positions: with trunks free to bend, then with trunks fixed
_FIXED = 1e6  # the weight of a vertex that is to stay where it is


class Layout(NamedTuple):
    """Where everything goes.

    centres: {vertex: (x, y)}. routes: {(tail, head): [way point, ...]}, a way point as (x, top, bottom): straight down
    from the top to the bottom of a row. width, height: of the whole.
    """

    centres: dict
    routes: dict
    width: float
    height: float


def layered(sizes, edges, row_of):
    """Returns the `Layout` of a graph.

    Args:
      sizes: {vertex: (width, height)}; no vertex is a tuple.
      edges: (tail, head) pairs.
      row_of: {vertex: row} as from `rows`.
    """
    links, routes = _through_way_points(row_of, edges)
    widths = {v: size[0] for v, size in sizes.items()} | {v: 0.0 for way in routes.values() for v in way}
    lines = [[] for _ in range(max(row_of.values()) + 1)]
    for v in widths:
        lines[v[1] if _is_way(v) else row_of[v]].append(v)
    lines = _ordered(lines, links)
    if len(lines[0]) > 1 and lines[0][0] != next(iter(sizes)):
        # A mirror image is as good, and keeps the first vertex on the left.
        lines = [line[::-1] for line in lines]
    x = _columns(lines, links, widths)
    left = min(x[v] - widths[v] / 2 for v in x)
    x = {v: x[v] - left for v in x}
    bands = _bands(lines, links, x, sizes)
    centres = {v: (x[v], sum(bands[row_of[v]]) / 2) for v in sizes}
    ways = {edge: [(x[v], *bands[v[1]]) for v in way] for edge, way in routes.items()}
    return Layout(centres, ways, max(x[v] + widths[v] / 2 for v in x), bands[-1][1])


def _bands(lines, links, x, sizes):
    """[(top, bottom)] of each row."""
    bands, bottom = [], 0.0
    for number, line in enumerate(lines):
        # Long sideways moves need room, or the curves would be nearly flat.
        reach = max((abs(x[a] - x[b]) for a, b in links if b in set(line)), default=0.0)
        top = bottom + (min(max(0.3, 0.16 * reach), 0.65) if number else 0.0)
        bottom = top + max((sizes[v][1] for v in line if v in sizes), default=0.0)
        bands.append((top, bottom))
    return bands


def rows(vertices, edges, widest):
    """Returns {vertex: row}, row 0 on top, every edge downwards.

    A vertex goes as far up as its tails allow. Relays (one edge in, one out, e.g. a cell's ops) go just above the
    vertex they lead to; where that row has no room for them, the vertex moves down.

    Args:
      vertices: in topological order.
      edges: (tail, head) pairs.
      widest: relays a row may hold; a vertex with more of its own than that has them in a row to themselves.
    """
    tails = {v: [a for a, b in edges if b == v] for v in vertices}
    leaving = {v: sum(a == v for a, _ in edges) for v in vertices}
    relays = {v: [a for a in tails[v] if len(tails[a]) == 1 and leaving[a] == 1] for v in vertices}
    rows, used = {}, Counter()
    for v in vertices:
        rows[v] = max((rows[a] + 1 for a in tails[v]), default=0)
        while used[rows[v] - 1] and used[rows[v] - 1] + len(relays[v]) > widest:
            rows[v] += 2
        for relay in relays[v]:
            rows[relay] = rows[v] - 1
            used[rows[v] - 1] += 1
    return rows


def _through_way_points(row_of, edges):
    """(links between neighbouring rows, {edge: way points}); a way point is (tail, row)."""
    links, routes = {}, {}
    for tail, head in edges:
        routes[tail, head] = [(tail, row) for row in range(row_of[tail] + 1, row_of[head])]
        path = [tail, *routes[tail, head], head]
        # A dict as an ordered set: trunks share links.
        links.update(dict.fromkeys(zip(path, path[1:], strict=False)))
    return list(links), routes


def _ordered(rows, links):
    """The rows, each in an order that gives few crossings; the same for the same graph."""
    above, below = _neighbours(rows, links)
    draw = random.Random(0)
    best, fewest = rows, None
    for restart in range(_RESTARTS):
        rows = [list(row) for row in best] if not restart else [draw.sample(row, len(row)) for row in rows]
        for sweep in range(_SWEEPS):
            numbers, near = (range(len(rows)), above) if sweep % 2 == 0 else (reversed(range(len(rows))), below)
            place = {v: i for row in rows for i, v in enumerate(row)}
            for number in numbers:
                rows[number].sort(key=lambda v: _mean([place[n] for n in near[v]], place[v]))  # noqa: B023
                place.update({v: i for i, v in enumerate(rows[number])})
            crossings = _crossings(rows, links)
            if fewest is None or crossings < fewest:
                best, fewest = [list(row) for row in rows], crossings
    return best


def _neighbours(rows, links):
    above, below = ({v: [] for row in rows for v in row} for _ in range(2))
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    return above, below


def _mean(values, default):
    return sum(values) / len(values) if values else default


def _crossings(rows, links):
    place = {v: (number, i) for number, row in enumerate(rows) for i, v in enumerate(row)}
    spans = [[] for _ in rows]
    for a, b in links:
        spans[place[a][0]].append((place[a][1], place[b][1]))
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for span in spans for i, a in enumerate(span) for b in span[i + 1 :])


def _columns(rows, links, widths):
    """{vertex: x of its centre}: near its neighbours' mean, trunks straight, nobody overlapping."""
    above, below = _neighbours(rows, links)
    x = {}
    for row in rows:
        for i, v in enumerate(row):
            x[v] = (x[row[i - 1]] + _apart(row[i - 1], v, widths)) if i else 0.0
    near = {v: above[v] + below[v] for v in x}
    for number in range(_SETTLING_ROUNDS + _STRAIGHT_ROUNDS):
        if number == _SETTLING_ROUNDS:
            _straighten(rows, x, widths)
        for row in rows if number % 2 == 0 else reversed(rows):
            fixed = [_is_way(v) and number >= _SETTLING_ROUNDS for v in row]
            wishes = [(x[v], _FIXED) if fix else _wish(v, near[v], x) for v, fix in zip(row, fixed, strict=True)]
            x.update(zip(row, _spread(row, wishes, widths), strict=True))
    return x


def _wish(v, near, x):
    """(where a vertex would like to be, how much): the mean of its neighbours, way points pulling harder."""
    pulls = [((1 + _is_way(v)) * (1 + _is_way(n)) ** 2, x[n]) for n in near]
    weight = sum(pull for pull, _ in pulls)
    return (sum(pull * at for pull, at in pulls) / weight, weight) if weight else (x[v], 1)


def _straighten(rows, x, widths):
    """Puts the way points of a trunk at one x for as many rows as its neighbours leave room for, then the next ones."""
    trunks = {}
    for row in rows:
        for i, v in enumerate(row):
            if _is_way(v):
                trunks.setdefault(v[0], []).append((v, row, i))
    for trunk in trunks.values():
        run, low, high = [], float("-inf"), float("inf")
        for v, row, i in trunk:
            room = (
                x[row[i - 1]] + _apart(row[i - 1], v, widths) if i else float("-inf"),
                x[row[i + 1]] - _apart(v, row[i + 1], widths) if i + 1 < len(row) else float("inf"),
            )
            if max(low, room[0]) > min(high, room[1]):
                _align(run, low, high, x)
                run, low, high = [], float("-inf"), float("inf")
            run, low, high = [*run, v], max(low, room[0]), min(high, room[1])
        _align(run, low, high, x)


def _align(run, low, high, x):
    at = min(max(_mean([x[v] for v in run], 0.0), low), high)
    x.update(dict.fromkeys(run, at))


def _is_way(vertex):
    return isinstance(vertex, tuple)


def _apart(left, right, widths):
    return (widths[left] + widths[right]) / 2 + _GAP


def _spread(row, wishes, widths):
    """The positions closest (weighted least squares) to the wished ones that keep the order and the distances.

    With the distances subtracted, the positions only have to ascend: isotonic regression, by pooling adjacent
    violators.
    """
    shifts = [0.0]
    for left, right in zip(row, row[1:], strict=False):
        shifts.append(shifts[-1] + _apart(left, right, widths))
    pools = []
    for (wish, weight), shift in zip(wishes, shifts, strict=True):
        pools.append((wish - shift, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, weight_a, count_a), (b, weight_b, count_b) = pools[-2:]
            total = weight_a + weight_b
            pools[-2:] = [((a * weight_a + b * weight_b) / total, total, count_a + count_b)]
    level = [value for value, _, count in pools for _ in range(count)]
    return [value + shift for value, shift in zip(level, shifts, strict=True)]
