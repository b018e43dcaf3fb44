"""Pictures of an arc's two cells: a renderer-independent description, its Graphviz text, and the files.

The pictures are drawn by Graphviz's `dot` program where it is installed and works, else by matplotlib
(`enas/micro/draw_matplotlib.py`). Nothing here imports TensorFlow.
"""

import os
import shutil
import subprocess
from typing import NamedTuple

import graphviz

from enas.errors import UserError
from enas.micro import arc as arcs
from enas.micro import layout

FONT = "Helvetica,Arial,sans-serif"
INK, FAINT_INK, EDGE, PANEL = "#1f2937", "#6b7280", "#64748b", "#d1d5db"
_ADD_SHAPE = {"shape": "circle", "style": "filled", "fixedsize": "true", "width": "0.56", "fontsize": "10"}
_OPS_PER_ROW = 6
DPI = 144
_DOT_TIMEOUT = 60  # seconds

_OP_LABELS = {
    "sep_conv_3x3": "sep 3×3",
    "sep_conv_5x5": "sep 5×5",
    "avg_pool_3x3": "avg pool 3×3",
    "max_pool_3x3": "max pool 3×3",
    "identity": "identity",
}
# Kind: (fill, outline). Convolutions are blues, poolings warm, whatever computes nothing grey.
_COLOURS = {
    "sep_conv_3x3": ("#dbeafe", "#3b82f6"),
    "sep_conv_5x5": ("#ddd6fe", "#7c3aed"),
    "avg_pool_3x3": ("#fef3c7", "#d97706"),
    "max_pool_3x3": ("#fee2e2", "#dc2626"),
    "identity": ("#f3f4f6", "#9ca3af"),
    "add": ("#ffffff", "#475569"),
    "concat": ("#e2e8f0", "#475569"),
    "output": ("#e2e8f0", "#475569"),
}
_INPUT_COLOURS = (("#ccfbf1", "#0f766e"), ("#fce7f3", "#be185d"))
_CELLS = {
    "normal": ("normal cell", "keeps height and width"),
    "reduction": ("reduction cell", "halves height and width"),
}


class Vertex(NamedTuple):
    """A box or circle. kind: an op of `arc.OPS`, or input, add, concat, output. Colours are #rrggbb."""

    id: str
    label: str
    kind: str
    fill: str
    outline: str


class Diagram(NamedTuple):
    """One cell's graph.

    vertices: in topological order. edges: (id of the tail, id of the head) pairs. rows: {vertex id: row}, row 0 on top.
    """

    name: str
    title: str
    note: str
    vertices: tuple
    edges: tuple
    rows: dict


def describe(cell, name, scheme):
    """Returns the `Diagram` of a cell.

    Node k of the cell is vertex `k` (an input or an add); its ops are `k.1` and `k.2`.

    Args:
      cell: an `arc.Cell`.
      name: one of `arc.CELLS`.
      scheme: the arithmetic shown on convolutions, one of `config.SCHEMES`.
    """
    inputs = zip(("0", "1"), ("h[i-1]", "h[i]"), _INPUT_COLOURS, strict=True)
    vertices = [Vertex(id, label, "input", *colours) for id, label, colours in inputs]
    edges = []
    for k, node in enumerate(cell.nodes, 2):
        for side, (index, op) in enumerate(node.sides, 1):
            kind = arcs.OPS[op]
            label = _OP_LABELS[kind] + (f" · {scheme}" if kind.startswith("sep_conv") else "")
            vertices.append(_vertex(f"{k}.{side}", label, kind))
            edges += [(str(index), f"{k}.{side}"), (f"{k}.{side}", str(k))]
        vertices.append(_vertex(str(k), f"add {k}", "add"))
    vertices += [_vertex("concat", "concat", "concat"), _vertex("output", "h[i+1]", "output")]
    edges += [(str(k), "concat") for k in cell.loose_ends] + [("concat", "output")]
    # More ops than this side by side would make the picture too wide to read on a page.
    widest = _OPS_PER_ROW if len(cell.nodes) <= 6 else _OPS_PER_ROW + 2
    rows = layout.rows([v.id for v in vertices], edges, widest)
    return Diagram(name, *_CELLS[name], tuple(vertices), tuple(edges), rows)


def _vertex(id, label, kind):
    return Vertex(id, label, kind, *_COLOURS[kind])


def edge_colours(diagram):
    """Returns {id of the tail: colour}: an input's edges in its own colour, the rest grey."""
    return {v.id: v.outline if v.kind == "input" else EDGE for v in diagram.vertices}


def dot_text(diagrams):
    """Returns the Graphviz text of one `Diagram`, or of several side by side."""
    graph = graphviz.Digraph("cells")
    graph.attr(rankdir="TB", nodesep="0.22", ranksep="0.32", pad="0.25", bgcolor="white", fontname=FONT)
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
            # Asks for the first input on the left; dot nearly always complies.
            with panel.subgraph() as inputs:
                inputs.attr(rank="same")
                left, right = (f"{diagram.name}_{vertex.id}" for vertex in diagram.vertices if vertex.kind == "input")
                inputs.edge(left, right, style="invis")
    return graph.source


def write(arc, scheme, output_dir):
    """Writes `normal_cell`, `reduction_cell` and `cells` (both), each as .dot, .png and .svg.

    Args:
      arc: an `arc.Arc`.
      scheme: the arithmetic shown on convolutions, one of `config.SCHEMES`.
      output_dir: folder the files go into; made if missing, files of these names in it are replaced.

    Returns:
      The paths of the nine files.

    Raises:
      UserError: the folder can't be written, or (after the .dot files are written) there is neither a working `dot`
        nor matplotlib.
    """
    cells = [describe(cell, name, scheme) for name, cell in zip(arcs.CELLS, (arc.normal, arc.reduction), strict=True)]
    return write_pictures({"normal_cell": cells[:1], "reduction_cell": cells[1:], "cells": cells}, output_dir)


def write_pictures(pictures, output_dir):
    """Writes each picture, `{file name without its ending: list of Diagrams side by side}`, as .dot, .png and .svg; see
    `write`."""
    texts = {name: dot_text(diagrams) for name, diagrams in pictures.items()}
    try:
        os.makedirs(output_dir, exist_ok=True)
        paths = [_write_file(output_dir, f"{name}.dot", text.encode()) for name, text in texts.items()]
        for name, diagrams in pictures.items():
            for kind in ("png", "svg"):
                picture = _run_dot(texts[name], kind) or _run_matplotlib(diagrams, kind)
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


def _run_matplotlib(diagrams, kind):
    try:
        from enas.micro import draw_matplotlib
    except ImportError:
        raise UserError(
            "no program to draw with (the .dot files are written): apt-get install graphviz, or pip install matplotlib"
        ) from None
    return draw_matplotlib.render(diagrams, kind)


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
