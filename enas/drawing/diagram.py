"""What a picture shows, whatever draws it: graphs as values. Nothing here imports TensorFlow."""

from typing import NamedTuple

INK, FAINT_INK, EDGE, PANEL = "#1f2937", "#6b7280", "#64748b", "#d1d5db"
DPI = 144


class Vertex(NamedTuple):
    """A box, or, if its kind is add, a circle. Colours are #rrggbb; `edge` is that of the edges that leave it."""

    id: str
    label: str
    kind: str
    fill: str
    outline: str
    edge: str = EDGE


class Diagram(NamedTuple):
    """One graph, drawn as a panel.

    vertices: in topological order; those of kind input stand side by side in this order. edges: (id of the tail, id of the
    head) pairs; none in a legend. rows: {vertex id: row}, row 0 on top.
    """

    name: str
    title: str
    note: str
    vertices: tuple
    edges: tuple
    rows: dict


def edge_colours(diagram: Diagram) -> dict[str, str]:
    """Returns {id of the tail: colour}."""
    return {v.id: v.edge for v in diagram.vertices}
