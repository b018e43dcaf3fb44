"""Pictures of a micro arc: its two cells. Nothing here imports TensorFlow."""

from enas import diagrams, layout
from enas.diagrams import Diagram, Vertex
from enas.micro import arc as arcs

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
_INPUT_COLOURS = (("#ccfbf1", "#0f766e"), ("#fce7f3", "#be185d"))
_CELLS = {
    "normal": ("normal cell", "keeps height and width"),
    "reduction": ("reduction cell", "halves height and width"),
}


def describe(cell, name, scheme):
    """Returns the `Diagram` of a cell.

    Node k of the cell is vertex `k` (an input or an add); its ops are `k.1` and `k.2`.

    Args:
      cell: an `arc.Cell`.
      name: one of `arc.CELLS`.
      scheme: the arithmetic shown on convolutions, one of `config.SCHEMES`.
    """
    inputs = zip(("0", "1"), ("h[i-1]", "h[i]"), _INPUT_COLOURS, strict=True)
    vertices = [Vertex(id, label, "input", *colours, colours[1]) for id, label, colours in inputs]
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


def write(arc, scheme, output_dir):
    """Writes `normal_cell`, `reduction_cell` and `cells` (both), each as .dot, .png and .svg.

    Args:
      arc: an `arc.Arc`.
      scheme: the arithmetic shown on convolutions, one of `config.SCHEMES`.
      output_dir: see `diagrams.write`, also for what is returned and raised.
    """
    cells = [describe(cell, name, scheme) for name, cell in zip(arcs.CELLS, (arc.normal, arc.reduction), strict=True)]
    return diagrams.write({"normal_cell": cells[:1], "reduction_cell": cells[1:], "cells": cells}, output_dir)
