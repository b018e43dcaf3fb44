"""Pictures of a micro arc: its two cells. Nothing here imports TensorFlow."""

from enas import diagrams, layout
from enas.diagrams import Diagram, Vertex
from enas.micro import arc as arcs
from enas.micro.op_table import op_table

_OPS_PER_ROW = 6

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
# Where a picture's convolutions differ in precision, the colour of each: from red (1 bit) over yellow and green to blue.
_SCHEME_COLOURS = {
    "binary": ("#fecaca", "#b91c1c"),
    "k1": ("#fbcfe8", "#be185d"),
    "ternary": ("#fed7aa", "#c2410c"),
    "k2": ("#fde68a", "#b45309"),
    "k3": ("#fef08a", "#a16207"),
    "k4": ("#d9f99d", "#4d7c0f"),
    "k5": ("#bbf7d0", "#15803d"),
    "k6": ("#a7f3d0", "#047857"),
    "k7": ("#99f6e4", "#0f766e"),
    "k8": ("#a5f3fc", "#0e7490"),
    "fp16": ("#bfdbfe", "#1d4ed8"),
    "fp32": ("#ddd6fe", "#6d28d9"),
}
_INPUT_COLOURS = (("#ccfbf1", "#0f766e"), ("#fce7f3", "#be185d"))
_CELLS = {
    "normal": ("normal cell", "keeps height and width"),
    "reduction": ("reduction cell", "halves height and width"),
}


def describe(cell, name, table):
    """Returns the `Diagram` of a cell. Convolutions get a colour per kind, or, where the table has several schemes, a
    colour per scheme.

    Node k of the cell is vertex `k` (an input or an add); its ops are `k.1` and `k.2`.

    Args:
      cell: an `arc.Cell`.
      name: one of `arc.CELLS`.
      table: the op table, see `op_table.op_table`.
    """
    mixed = len({op.scheme for op in table if op.kernel}) > 1
    inputs = zip(("0", "1"), ("h[i-1]", "h[i]"), _INPUT_COLOURS, strict=True)
    vertices = [Vertex(id, label, "input", *colours, colours[1]) for id, label, colours in inputs]
    edges = []
    for k, node in enumerate(cell.nodes, 2):
        for side, (index, op) in enumerate(node.sides, 1):
            kind, scheme, _ = table[op]
            label = _OP_LABELS[kind] + (f" · {scheme}" if scheme else "")
            colours = _SCHEME_COLOURS[scheme] if mixed and scheme else _COLOURS[kind]
            vertices.append(Vertex(f"{k}.{side}", label, kind, *colours))
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


def picture(arc, child, caption=""):
    """Both cells as SVG text without an XML declaration, drawn by matplotlib: what goes into a report.

    Args:
      arc: an `arc.Arc`.
      child: the `ChildConfig` it is drawn for.
      caption: a line below.
    """
    from enas import draw_matplotlib

    text = draw_matplotlib.render(_cells(arc, op_table(child)), "svg", caption).decode()
    return text[text.index("<svg") :]


def _cells(arc, table):
    return [describe(cell, name, table) for name, cell in zip(arcs.CELLS, (arc.normal, arc.reduction), strict=True)]


def write(arc, table, output_dir, caption=""):
    """Writes `normal_cell`, `reduction_cell` and `cells` (both), each as .dot, .png and .svg.

    Args:
      arc: an `arc.Arc`.
      table: the op table, see `op_table.op_table`.
      output_dir: see `diagrams.write`, also for what is returned and raised.
      caption: a line below `cells`.
    """
    cells = _cells(arc, table)
    pictures = {"normal_cell": cells[:1], "reduction_cell": cells[1:], "cells": cells}
    return diagrams.write(pictures, output_dir, {"cells": caption})
