"""Where the edges of a laid-out diagram run, whatever draws them. Lengths are in inches, and y grows downwards."""

from collections.abc import Mapping
from typing import NamedTuple

from enas.drawing.diagram import Diagram
from enas.drawing.layout import Edge, Layout

Point = tuple[float, float]  # (x, y)
Size = tuple[float, float]  # (width, height)

ARROW_LENGTH, ARROW_WIDTH = 0.085, 0.075


class Piece(NamedTuple):
    """A cubic Bézier curve from where the last piece ended, and then a straight line down.

    Attributes:
      first, second: the curve's control points.
      top: where the curve ends.
      bottom: where the line ends.
    """

    first: Point
    second: Point
    top: Point
    bottom: Point


class Route(NamedTuple):
    """An edge as a smooth line, which runs straight down past the boxes of each row it crosses, with an arrow at its end.

    Attributes:
      start: where it leaves its tail.
      pieces: the line, up to the base of the arrow.
      arrow: the arrow's three corners, the tip first.
    """

    start: Point
    pieces: tuple[Piece, ...]
    arrow: tuple[Point, Point, Point]


def routes(diagram: Diagram, sizes: Mapping[str, Size], placed: Layout) -> dict[Edge, Route]:
    """Returns where each edge runs, in the coordinates of the layout.

    Args:
      sizes: {vertex id: its size}, as the layout was made for.
    """
    ends = _arrivals(diagram, sizes, placed)
    return {edge: _route(edge, sizes, placed, ends[edge]) for edge in diagram.edges}


def _route(edge: Edge, sizes: Mapping[str, Size], placed: Layout, tip: Point) -> Route:
    x, y = placed.centres[edge[0]]
    start = at = (x, y + sizes[edge[0]][1] / 2)
    base, half, pieces = tip[1] - ARROW_LENGTH, ARROW_WIDTH / 2, []
    for stop_x, top, bottom in [*placed.routes[edge], (tip[0], base, base)]:
        bend = (top - at[1]) / 2
        pieces.append(Piece((at[0], at[1] + bend), (stop_x, top - bend), (stop_x, top), (stop_x, bottom)))
        at = (stop_x, bottom)
    return Route(start, tuple(pieces), (tip, (tip[0] - half, base), (tip[0] + half, base)))


def _arrivals(diagram: Diagram, sizes: Mapping[str, Size], placed: Layout) -> dict[Edge, Point]:
    """Returns {edge: the point its arrow touches}. The edges into a vertex are spread over its upper side, in order."""
    arrivals = {}
    for v in diagram.vertices:
        width, height = sizes[v.id]
        centre_x, centre_y = placed.centres[v.id]
        entering = [edge for edge in diagram.edges if edge[1] == v.id]
        entering.sort(key=lambda edge: _last_x(edge, placed))
        for i, edge in enumerate(entering):
            share = (2 * (i + 1) / (len(entering) + 1) - 1) if len(entering) > 1 else 0.0
            # On the upper half of a circle, or on the upper side of a box.
            x = share * width / 2
            rise = (height**2 / 4 - x**2) ** 0.5 if v.kind == "add" else height / 2
            arrivals[edge] = (centre_x + x, centre_y - rise)
    return arrivals


def _last_x(edge: Edge, placed: Layout) -> float:
    """Returns where an edge comes from last, before its head."""
    way = placed.routes[edge]
    return way[-1][0] if way else placed.centres[edge[0]][0]
