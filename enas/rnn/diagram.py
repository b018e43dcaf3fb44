"""Pictures of a recurrent cell. Nothing here imports TensorFlow."""

from enas.drawing import layout
from enas.drawing.diagram import Diagram, Vertex
from enas.rnn import arc as arcs
from enas.rnn.arc import ACTIVATIONS
from enas.rnn.config import ChildConfig

# See `interfaces.DiagramModule`.
FLAGS: tuple[str, ...] = ()
FOLDER, MAIN = "outputs/rnn_cell", "cell"

_LABELS = {"tanh": "tanh", "relu": "ReLU", "identity": "identity", "sigmoid": "sigmoid"}
# (fill, outline).
_COLOURS = {
    "tanh": ("#dbeafe", "#3b82f6"),
    "relu": ("#fef3c7", "#d97706"),
    "identity": ("#f3f4f6", "#9ca3af"),
    "sigmoid": ("#ddd6fe", "#7c3aed"),
}
_INPUTS = (("x", "x[t]", "#ccfbf1", "#0f766e"), ("h", "h[t-1]", "#fce7f3", "#be185d"))
_OUTPUT = ("#e2e8f0", "#475569")
_WIDEST = 7


def describe(arc: arcs.Arc) -> Diagram:
    """Describes a cell. Node k is vertex `k`; vertex `average` is the mean of the loose ends."""
    vertices = [Vertex(id, label, "input", fill, outline, outline) for id, label, fill, outline in _INPUTS]
    edges = [("x", "0"), ("h", "0")]
    for k, node in enumerate(arc.nodes):
        name = ACTIVATIONS[node.activation]
        vertices.append(Vertex(str(k), f"{k}: {_LABELS[name]}", "activation", *_COLOURS[name]))
        if k:
            edges.append((str(node.source), str(k)))
    vertices += [Vertex("average", "average", "average", *_OUTPUT), Vertex("output", "h[t]", "output", *_OUTPUT)]
    edges += [(str(k), "average") for k in arc.loose_ends] + [("average", "output")]
    rows = layout.rows([v.id for v in vertices], edges, _WIDEST)
    note = "each node gates its activation with what it reads"
    return Diagram("cell", "recurrent cell", note, tuple(vertices), tuple(edges), rows)


def pictures(arc: arcs.Arc, _child: ChildConfig) -> dict[str, list[Diagram]]:
    """The picture `cell`; see `interfaces.DiagramModule`."""
    return {MAIN: [describe(arc)]}


def caption(_arc: arcs.Arc, _child: ChildConfig) -> str:
    """Returns "", because the title says all."""
    return ""
