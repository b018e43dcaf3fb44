"""Graphviz: the text of a picture, and what the `dot` program makes of it where it is installed and works."""

import shutil
import subprocess
from collections.abc import Sequence

import graphviz

from enas.drawing.diagram import DPI, FAINT_INK, INK, PANEL, Diagram, edge_colours

FONT = "Helvetica,Arial,sans-serif"
_ADD_SHAPE = {"shape": "circle", "style": "filled", "fixedsize": "true", "width": "0.56", "fontsize": "10"}
_TIMEOUT = 60  # seconds


def dot_text(diagrams: Sequence[Diagram], caption: str = "") -> str:
    """Returns the Graphviz text of one `Diagram`, or of several side by side, with a caption below."""
    graph = graphviz.Digraph("cells")
    graph.attr(rankdir="TB", nodesep="0.22", ranksep="0.32", pad="0.25", bgcolor="white", fontname=FONT)
    if caption:
        graph.attr(label=graphviz.escape(caption), labelloc="b", fontsize="11", fontcolor=FAINT_INK)
    graph.attr("node", shape="box", style="rounded,filled", fontname=FONT, fontsize="11", fontcolor=INK)
    graph.attr("node", height="0.34", margin="0.12,0.05", penwidth="1.3")
    graph.attr("edge", penwidth="1.2", arrowsize="0.65")
    for diagram in diagrams:
        # Graphviz draws a subgraph as a panel if its name starts with "cluster".
        with graph.subgraph(name=f"cluster_{diagram.name}") as panel:
            # The first, tiny line keeps the title off the frame.
            title = f'<font point-size="4"> </font><br/><b>{diagram.title}</b><br/>'
            title += f'<font point-size="11" color="{FAINT_INK}">{diagram.note}</font>'
            panel.attr(label=f"<{title}>", fontsize="15", fontcolor=INK, margin="16", style="rounded", color=PANEL)
            for vertex in diagram.vertices:
                shape = _ADD_SHAPE if vertex.kind == "add" else {}
                # A bare "2.1" would be read as a port or a number; the prefix also keeps the cells' ids apart.
                id = f"{diagram.name}_{vertex.id}"
                panel.node(id, graphviz.escape(vertex.label), fillcolor=vertex.fill, color=vertex.outline, **shape)
            colours = edge_colours(diagram)
            for tail, head in diagram.edges:
                span = str(diagram.rows[head] - diagram.rows[tail])
                panel.edge(f"{diagram.name}_{tail}", f"{diagram.name}_{head}", color=colours[tail], minlen=span)
            # Asks for the inputs in their order; dot nearly always complies.
            with panel.subgraph() as inputs:
                inputs.attr(rank="same")
                _chain(inputs, [f"{diagram.name}_{v.id}" for v in diagram.vertices if v.kind == "input"])
            if not diagram.edges:
                # Nothing else would put a legend's vertices into rows.
                _chain(panel, [f"{diagram.name}_{v.id}" for v in diagram.vertices])
    return graph.source


def _chain(graph, ids):
    """Joins vertices, in their order, by edges that are not drawn."""
    for tail, head in zip(ids, ids[1:], strict=False):
        graph.edge(tail, head, style="invis")


def render(text: str, kind: str) -> bytes | None:
    """A picture's bytes, of a `dot_text`, as png or svg; None if `dot` is not installed or fails."""
    program = shutil.which("dot")
    if not program:
        return None
    command = [program, f"-T{kind}"] + ([f"-Gdpi={DPI}"] if kind == "png" else [])
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout or None
