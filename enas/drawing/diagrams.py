"""Pictures of graphs: a renderer-independent description, its Graphviz text, and the files.

The pictures are drawn by Graphviz's `dot` program where it is installed and works, else by matplotlib
(`enas/drawing/draw_matplotlib.py`). What an arc looks like is each search space's own `diagram` module. Nothing here imports
TensorFlow.
"""

import os
import shutil
import subprocess
from typing import NamedTuple

import graphviz

from enas.errors import UserError

FONT = "Helvetica,Arial,sans-serif"
INK, FAINT_INK, EDGE, PANEL = "#1f2937", "#6b7280", "#64748b", "#d1d5db"
_ADD_SHAPE = {"shape": "circle", "style": "filled", "fixedsize": "true", "width": "0.56", "fontsize": "10"}
DPI = 144
_DOT_TIMEOUT = 60  # seconds


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


def edge_colours(diagram):
    """Returns {id of the tail: colour}."""
    return {v.id: v.edge for v in diagram.vertices}


def dot_text(diagrams, caption=""):
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


def write(pictures, output_dir, captions=None):
    """Writes each picture as .dot, .png and .svg.

    Args:
      pictures: {file name without its ending: list of `Diagram`, drawn side by side}.
      output_dir: folder the files go into; made if missing, files of these names in it are replaced.
      captions: {file name without its ending: a line below the picture}.

    Returns:
      The paths of the files, sorted.

    Raises:
      UserError: the folder can't be written, or (after the .dot files are written) there is neither a working `dot`
        nor matplotlib.
    """
    captions = {name: (captions or {}).get(name, "") for name in pictures}
    texts = {name: dot_text(diagrams, captions[name]) for name, diagrams in pictures.items()}
    try:
        os.makedirs(output_dir, exist_ok=True)
        paths = [_write_file(output_dir, f"{name}.dot", text.encode()) for name, text in texts.items()]
        for name, diagrams in pictures.items():
            for kind in ("png", "svg"):
                picture = _run_dot(texts[name], kind) or _run_matplotlib(diagrams, kind, captions[name])
                paths.append(_write_file(output_dir, f"{name}.{kind}", picture))
    except OSError as error:
        raise UserError(f"--output_dir={output_dir}: can't be written: {error.strerror or error}") from None
    return sorted(paths)


def _run_dot(text, kind):
    """The picture's bytes from Graphviz's `dot`; None if it is not installed or fails."""
    program = shutil.which("dot")
    if not program:
        return None
    command = [program, f"-T{kind}"] + ([f"-Gdpi={DPI}"] if kind == "png" else [])
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_DOT_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout or None


def _run_matplotlib(diagrams, kind, caption):
    try:
        from enas.drawing import draw_matplotlib
    except ImportError:
        raise UserError(
            "no program to draw with (the .dot files are written): apt-get install graphviz, or pip install matplotlib"
        ) from None
    return draw_matplotlib.render(diagrams, kind, caption)


def _write_file(folder, name, data):
    """Writes a file so that a reader sees the old one or the whole new one; returns its path."""
    path = os.path.join(folder, name)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:
        # Still there only if something went wrong.
        if os.path.lexists(temporary):
            os.unlink(temporary)
    return path
