"""Draws diagrams as small SVG texts for a page: its own fonts and colours around them, boxes in the diagram's. Nothing here
imports matplotlib or TensorFlow.
"""

import html
from collections.abc import Iterable

from enas.drawing import edges, layout
from enas.drawing.diagram import INK, Diagram, Vertex, edge_colours
from enas.drawing.edges import Point, Route, Size

_SCALE = 72  # pixels an inch
_MARGIN = 0.1  # inches
# Inches; how wide a character comes out depends on the reader's fonts, and this is enough for the common ones.
_CHARACTER, _TEXT_MARGIN, _BOX_HEIGHT, _CIRCLE = 0.083, 0.1, 0.32, 0.54
_ROUNDING = 6  # pixels


def render(diagram: Diagram) -> str:
    """Draws one diagram, without its title, and returns an <svg> element with its size in pixels."""
    sizes = {v.id: _size(v) for v in diagram.vertices}
    placed = layout.layered(sizes, diagram.edges, diagram.rows)
    colours = edge_colours(diagram)
    routes = edges.routes(diagram, sizes, placed)
    parts = [_edge(route, colours[tail]) for (tail, _), route in routes.items()]
    parts += [_vertex(v, sizes[v.id], placed.centres[v.id]) for v in diagram.vertices]
    width, height = ((side + 2 * _MARGIN) * _SCALE for side in (placed.width, placed.height))
    return (
        f'<svg class="diagram" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{html.escape(diagram.title)}">{"".join(parts)}</svg>'
    )


def _size(vertex: Vertex) -> Size:
    if vertex.kind == "add":
        return _CIRCLE, _CIRCLE
    return len(vertex.label) * _CHARACTER + 2 * _TEXT_MARGIN, _BOX_HEIGHT


def _pixels(point: Point) -> str:
    return " ".join(f"{(value + _MARGIN) * _SCALE:.1f}" for value in point)


def _points(points: Iterable[Point]) -> str:
    return ", ".join(map(_pixels, points))


def _edge(route: Route, colour: str) -> str:
    path = "M" + _pixels(route.start)
    for piece in route.pieces:
        path += f"C{_points((piece.first, piece.second, piece.top))}L{_pixels(piece.bottom)}"
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
        f'<polygon points="{_points(route.arrow)}" fill="{colour}"/>'
    )


def _vertex(vertex: Vertex, size: Size, centre: Point) -> str:
    x, y = ((value + _MARGIN) * _SCALE for value in centre)
    width, height = (side * _SCALE for side in size)
    colours = f'fill="{vertex.fill}" stroke="{vertex.outline}" stroke-width="1.3"'
    if vertex.kind == "add":
        shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width / 2:.1f}" {colours}/>'
    else:
        shape = (
            f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{_ROUNDING}" {colours}/>'
        )
    text = html.escape(vertex.label)
    return f'{shape}<text x="{x:.1f}" y="{y:.1f}" dy=".35em" text-anchor="middle" fill="{INK}">{text}</text>'
