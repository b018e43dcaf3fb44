"""Draws diagrams with matplotlib, for machines without Graphviz. Lengths are in inches, and y grows downwards."""

import io
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from enas.drawing import edges, layout
from enas.drawing.diagram import DPI, FAINT_INK, INK, PANEL, Diagram, Vertex, edge_colours
from enas.drawing.edges import Point, Size
from enas.drawing.layout import Layout

# The font that matplotlib brings along, so that a picture is the same on every machine.
_FONT = "DejaVu Sans"
_LABEL_SIZE, _ADD_SIZE, _TITLE_SIZE, _NOTE_SIZE = 10, 9, 14, 10  # points
_BOX_HEIGHT, _CIRCLE, _TEXT_MARGIN = 0.34, 0.56, 0.12
_TITLE_HEIGHT, _PANEL_MARGIN, _FIGURE_MARGIN = 0.72, 0.22, 0.15


def render(diagrams: Sequence[Diagram], kind: str, caption: str = "") -> bytes:
    """Draws diagrams side by side and returns the picture's bytes, which are the same for the same diagrams.

    Args:
      kind: "png" or "svg".
      caption: a line below.
    """
    # Text stays text in an SVG. The salt and the missing date make its bytes reproducible.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "enas", "font.family": _FONT}):
        figure = Figure()
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        right, bottom = _FIGURE_MARGIN, 0.0
        panels = [(diagram, *_laid_out(diagram)) for diagram in diagrams]
        tallest = max(placed.height for _, _, placed in panels)
        for diagram, sizes, placed in panels:
            width, height = _panel(axes, diagram, sizes, placed, tallest, right)
            right, bottom = right + width + _FIGURE_MARGIN, height + 2 * _FIGURE_MARGIN
        if caption:
            right = max(right, _text_width(caption, _NOTE_SIZE) + 2 * _FIGURE_MARGIN)
            axes.text(right / 2, bottom, caption, size=_NOTE_SIZE, color=FAINT_INK, ha="center", va="center")
            bottom += 2 * _FIGURE_MARGIN
        figure.set_size_inches(right, bottom)
        axes.set_xlim(0, right)
        axes.set_ylim(bottom, 0)
        picture = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(picture, format=kind, dpi=DPI, metadata=metadata, facecolor="white")
    return picture.getvalue()


def _laid_out(diagram: Diagram) -> tuple[dict[str, Size], Layout]:
    """Returns {vertex: its size}, and where everything goes."""
    sizes = {
        v.id: (_CIRCLE, _CIRCLE)
        if v.kind == "add"
        else (_text_width(v.label, _LABEL_SIZE) + 2 * _TEXT_MARGIN, _BOX_HEIGHT)
        for v in diagram.vertices
    }
    return sizes, layout.layered(sizes, diagram.edges, diagram.rows)


def _text_width(text: str, size: float, weight: str = "normal") -> float:
    return TextPath((0, 0), text, size=size, prop=FontProperties(family=_FONT, weight=weight)).get_extents().width / 72


def _panel(
    axes: Axes, diagram: Diagram, sizes: Mapping[str, Size], placed: Layout, tallest: float, left: float
) -> Size:
    """Draws a frame, the titles and the graph, and returns the frame's size."""
    titles = max(_text_width(diagram.title, _TITLE_SIZE, "bold"), _text_width(diagram.note, _NOTE_SIZE))
    width = max(placed.width, titles) + 2 * _PANEL_MARGIN
    height = tallest + _TITLE_HEIGHT + _PANEL_MARGIN
    _box(axes, left, _FIGURE_MARGIN, width, height, "white", PANEL, 1.0)
    middle = left + width / 2
    for text, y, size, weight, colour in (
        (diagram.title, 0.24, _TITLE_SIZE, "bold", INK),
        (diagram.note, 0.48, _NOTE_SIZE, "normal", FAINT_INK),
    ):
        axes.text(middle, _FIGURE_MARGIN + y, text, size=size, weight=weight, color=colour, ha="center", va="center")
    x, y = left + (width - placed.width) / 2, _FIGURE_MARGIN + _TITLE_HEIGHT
    _edges(axes, diagram, sizes, placed, x, y)
    for v in diagram.vertices:
        _vertex(axes, v, sizes[v.id], placed.centres[v.id], x, y)
    return width, height


def _box(
    axes: Axes, left: float, top: float, width: float, height: float, fill: str, outline: str, line: float
) -> None:
    style = "round,pad=0,rounding_size=0.08"
    patch = FancyBboxPatch((left, top), width, height, boxstyle=style, fc=fill, ec=outline, lw=line)
    axes.add_patch(patch)


def _vertex(axes: Axes, vertex: Vertex, size: Size, centre: Point, x: float, y: float) -> None:
    """Draws a vertex; (x, y) is where the graph's own corner goes."""
    (width, height), (x, y) = size, (centre[0] + x, centre[1] + y)
    if vertex.kind == "add":
        axes.add_patch(Circle((x, y), width / 2, fc=vertex.fill, ec=vertex.outline, lw=1.3, zorder=3))
    else:
        _box(axes, x - width / 2, y - height / 2, width, height, vertex.fill, vertex.outline, 1.3)
    text_size = _ADD_SIZE if vertex.kind == "add" else _LABEL_SIZE
    axes.text(x, y, vertex.label, size=text_size, color=INK, ha="center", va="center", zorder=4)


def _edges(axes: Axes, diagram: Diagram, sizes: Mapping[str, Size], placed: Layout, x: float, y: float) -> None:
    """Draws every edge; (x, y) is where the graph's own corner goes."""
    colours = edge_colours(diagram)
    for (tail, _), route in edges.routes(diagram, sizes, placed).items():
        points, codes = [route.start], [Path.MOVETO]
        for piece in route.pieces:
            points += [piece.first, piece.second, piece.top, piece.bottom]
            codes += [Path.CURVE4] * 3 + [Path.LINETO]
        line = Path([(px + x, py + y) for px, py in points], codes)
        axes.add_patch(PathPatch(line, fc="none", ec=colours[tail], lw=1.2, zorder=1, capstyle="round"))
        arrow = [(px + x, py + y) for px, py in route.arrow]
        axes.add_patch(Polygon(arrow, fc=colours[tail], ec="none", zorder=2))
