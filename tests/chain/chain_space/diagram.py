"""Pictures of a chain. Nothing here imports TensorFlow."""

from chain_space.arc import OPS, Arc
from chain_space.config import ChildConfig
from enas.drawing import layout
from enas.drawing.diagram import Diagram, Vertex

FLAGS = ("child_scheme",)
FOLDER, MAIN = "outputs/chain", "chain"


def pictures(arc: Arc, child: ChildConfig) -> dict[str, list[Diagram]]:
    """`chain`: the images on top, then the layers."""
    labels = ["images", *(OPS[op] for op in arc.ops)]
    vertices = tuple(
        Vertex(str(i), label, "input" if i == 0 else "op", "#dbeafe", "#3b82f6") for i, label in enumerate(labels)
    )
    edges = tuple((str(i), str(i + 1)) for i in range(len(arc.ops)))
    rows = layout.rows([vertex.id for vertex in vertices], edges, widest=1)
    return {MAIN: [Diagram("chain", "chain", child.scheme, vertices, edges, rows)]}


def caption(arc: Arc, _child: ChildConfig) -> str:
    """How long the chain is."""
    return f"{len(arc.ops)} layers"
