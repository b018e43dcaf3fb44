"""What a picture shows, whatever draws it: graphs as values. Nothing here imports TensorFlow."""

from collections.abc import Mapping
from typing import NamedTuple

INK, FAINT_INK, EDGE, PANEL = "#1f2937", "#6b7280", "#64748b", "#d1d5db"
DPI = 144


class Vertex(NamedTuple):
    """A box, or a circle if its kind is "add".

    Attributes:
      id: its name, unique in the diagram.
      label: the text in it.
      kind: what it stands for, e.g. "input" or "add".
      fill, outline, edge: colours as #rrggbb; `edge` is the colour of the edges that leave it.
    """

    id: str
    label: str
    kind: str
    fill: str
    outline: str
    edge: str = EDGE


class Diagram(NamedTuple):
    """One graph, drawn as a panel.

    Attributes:
      name: unique in a picture.
      title, note: the panel's heading and the line below it.
      vertices: in topological order; those of kind "input" stand side by side in this order.
      edges: (id of the tail, id of the head) pairs; a legend has none.
      rows: {vertex id: row}, row 0 on top.
    """

    name: str
    title: str
    note: str
    vertices: tuple[Vertex, ...]
    edges: tuple[tuple[str, str], ...]
    rows: Mapping[str, int]


def edge_colours(diagram: Diagram) -> dict[str, str]:
    """Returns {vertex id: colour of the edges that leave it}."""
    return {v.id: v.edge for v in diagram.vertices}
