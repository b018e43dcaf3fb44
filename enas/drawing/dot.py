"""Graphviz: the text of a picture, and the picture that the `dot` program makes of it if it is installed and works."""

import shutil
import subprocess
from collections.abc import Sequence

import graphviz

from enas.drawing.diagram import DPI, FAINT_INK, INK, PANEL, Diagram, edge_colours

FONT = "Helvetica,Arial,sans-serif"
_ADD_SHAPE = {"shape": "circle", "style": "filled", "fixedsize": "true", "width": "0.56", "fontsize": "10"}
_TIMEOUT = 60  # seconds


def dot_text(diagrams: Sequence[Diagram], caption: str = "") -> str:
    """Returns the Graphviz text of diagrams that stand side by side, with a caption below them."""
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
            # The first line is tiny: it keeps the title off the frame.
            title = f'<font point-size="4"> </font><br/><b>{diagram.title}</b><br/>'
            title += f'<font point-size="11" color="{FAINT_INK}">{diagram.note}</font>'
            panel.attr(label=f"<{title}>", fontsize="15", fontcolor=INK, margin="16", style="rounded", color=PANEL)
            for vertex in diagram.vertices:
                shape = _ADD_SHAPE if vertex.kind == "add" else {}
                # Graphviz would read a bare "2.1" as a port or a number. The prefix also makes the ids of two cells differ.
                id = f"{diagram.name}_{vertex.id}"
                panel.node(id, graphviz.escape(vertex.label), fillcolor=vertex.fill, color=vertex.outline, **shape)
            colours = edge_colours(diagram)
            for tail, head in diagram.edges:
                span = str(diagram.rows[head] - diagram.rows[tail])
                panel.edge(f"{diagram.name}_{tail}", f"{diagram.name}_{head}", color=colours[tail], minlen=span)
            # This asks for the inputs in their order, which dot nearly always gives.
            with panel.subgraph() as inputs:
                inputs.attr(rank="same")
                _chain(inputs, [f"{diagram.name}_{v.id}" for v in diagram.vertices if v.kind == "input"])
            if not diagram.edges:
                # A legend has no edges that would put its vertices into rows.
                _chain(panel, [f"{diagram.name}_{v.id}" for v in diagram.vertices])
    return graph.source


def _chain(graph: graphviz.Digraph, ids: Sequence[str]) -> None:
    """Joins vertices in their order, by edges that are not drawn."""
    for tail, head in zip(ids, ids[1:], strict=False):
        graph.edge(tail, head, style="invis")


def render(text: str, kind: str) -> bytes | None:
    """Draws the text of `dot_text` and returns the picture's bytes, or None if `dot` is not installed or fails.

    Args:
      kind: "png" or "svg".
    """
    program = shutil.which("dot")
    if not program:
        return None
    command = [program, f"-T{kind}"] + ([f"-Gdpi={DPI}"] if kind == "png" else [])
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout or None
