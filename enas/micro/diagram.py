"""Pictures of a micro arc: its two cells. Nothing here imports TensorFlow."""

from collections.abc import Sequence

from enas.drawing import layout
from enas.drawing.diagram import Diagram, Vertex
from enas.micro import arc as arcs
from enas.micro.config import ChildConfig
from enas.micro.op_table import Op, op_table

# See `interfaces.DiagramModule`.
FLAGS = (
    "child_scheme",
    "child_recipe",
    "child_glue_scheme",
    "search_precision",
    "child_op_table",
    "child_quantize_ends",
    "child_num_layers",
    "child_out_filters",
)
FOLDER, MAIN = "outputs/cells", "cells"

_OPS_PER_ROW = 6

_OP_LABELS = {
    "sep_conv_3x3": "sep 3×3",
    "sep_conv_5x5": "sep 5×5",
    "conv_3x3": "conv 3×3",
    "avg_pool_3x3": "avg pool 3×3",
    "max_pool_3x3": "max pool 3×3",
    "identity": "identity",
}
# Kind: (fill, outline). Convolutions are blues, poolings warm, whatever computes nothing grey.
_COLOURS = {
    "sep_conv_3x3": ("#dbeafe", "#3b82f6"),
    "sep_conv_5x5": ("#ddd6fe", "#7c3aed"),
    "conv_3x3": ("#cffafe", "#0891b2"),
    "avg_pool_3x3": ("#fef3c7", "#d97706"),
    "max_pool_3x3": ("#fee2e2", "#dc2626"),
    "identity": ("#f3f4f6", "#9ca3af"),
    "add": ("#ffffff", "#475569"),
    "concat": ("#e2e8f0", "#475569"),
    "output": ("#e2e8f0", "#475569"),
}
_INPUT_COLOURS = (("#ccfbf1", "#0f766e"), ("#fce7f3", "#be185d"))
# Where a picture's convolutions differ in precision, colour tells of it alone: what has no scheme is white or grey.
_MIXED_COLOURS = {
    "avg_pool_3x3": ("#f9fafb", "#4b5563"),
    "max_pool_3x3": ("#e5e7eb", "#4b5563"),
    "identity": ("#f9fafb", "#9ca3af"),
}
_MIXED_INPUT_COLOURS = (("#ffffff", "#111827"), ("#ffffff", "#9ca3af"))
# Neighbours on the circle of colours differ in lightness or strength too.
_SCHEME_COLOURS = {
    "binary": ("#f87171", "#991b1b"),
    "ternary": ("#fdba74", "#c2410c"),
    "k1": ("#f9c6e8", "#be185d"),
    "k2": ("#fde047", "#a16207"),
    "k3": ("#cdb98a", "#5f4b1b"),
    "k4": ("#bef264", "#4d7c0f"),
    "k5": ("#4ade80", "#166534"),
    "k6": ("#a9c9b0", "#2f5d3a"),
    "k7": ("#2dd4bf", "#0f766e"),
    "k8": ("#a5f3fc", "#0e7490"),
    "fp16": ("#7cb5fb", "#1d4ed8"),
    "fp32": ("#b79df9", "#6d28d9"),
}
_CELLS = {
    "normal": ("normal cell", "keeps height and width"),
    "reduction": ("reduction cell", "halves height and width"),
}


def describe(cell: arcs.Cell, name: str, table: Sequence[Op]) -> Diagram:
    """Returns the `Diagram` of a cell. Ops get a colour per kind, or, where the table has several schemes, convolutions a
    colour per scheme and the others greys.

    Node k of the cell is vertex `k` (an input or an add); its ops are `k.1` and `k.2`.

    Args:
      cell: an `arc.Cell`.
      name: one of `arc.CELLS`.
      table: the op table, see `op_table.op_table`.
    """
    mixed = _is_mixed(table)
    inputs = zip(("0", "1"), ("h[i-1]", "h[i]"), _MIXED_INPUT_COLOURS if mixed else _INPUT_COLOURS, strict=True)
    vertices = [Vertex(id, label, "input", *colours, colours[1]) for id, label, colours in inputs]
    edges = []
    for k, node in enumerate(cell.nodes, 2):
        for side, (index, op) in enumerate(node.sides, 1):
            kind, scheme, _ = table[op]
            label = _OP_LABELS[kind] + (f" · {scheme}" if scheme else "")
            colours = (_SCHEME_COLOURS[scheme] if scheme else _MIXED_COLOURS[kind]) if mixed else _COLOURS[kind]
            vertices.append(Vertex(f"{k}.{side}", label, kind, *colours))
            edges += [(str(index), f"{k}.{side}"), (f"{k}.{side}", str(k))]
        vertices.append(_vertex(str(k), f"add {k}", "add"))
    vertices += [_vertex("concat", "concat", "concat"), _vertex("output", "h[i+1]", "output")]
    edges += [(str(k), "concat") for k in cell.loose_ends] + [("concat", "output")]
    # More ops than this side by side would make the picture too wide to read on a page.
    widest = _OPS_PER_ROW if len(cell.nodes) <= 6 else _OPS_PER_ROW + 2
    rows = layout.rows([v.id for v in vertices], edges, widest)
    return Diagram(name, *_CELLS[name], tuple(vertices), tuple(edges), rows)


def _is_mixed(table):
    return len({op.scheme for op in table if op.kernel}) > 1


def legend(cells: Sequence[arcs.Cell], table: Sequence[Op]) -> list[Diagram]:
    """What the colours of cells say, where the table has several schemes: a list of one `Diagram`, else an empty one.

    Args:
      cells: `arc.Cell` values, all that the picture shows.
      table: the op table.
    """
    used = {table[op].scheme for cell in cells for node in cell.nodes for _, op in node.sides}
    names = [scheme for scheme in _SCHEME_COLOURS if scheme in used]
    if not _is_mixed(table) or not names:
        return []
    vertices = tuple(Vertex(name, name, "scheme", *_SCHEME_COLOURS[name]) for name in names)
    rows = {name: row for row, name in enumerate(names)}
    return [Diagram("legend", "precision", "of convolutions", vertices, (), rows)]


def _vertex(id, label, kind):
    return Vertex(id, label, kind, *_COLOURS[kind])


def pictures(arc: arcs.Arc, child: ChildConfig) -> dict[str, list[Diagram]]:
    """`normal_cell`, `reduction_cell` and `cells` (both); see `interfaces.DiagramModule`."""
    shown = {"normal_cell": ("normal",), "reduction_cell": ("reduction",), MAIN: arcs.CELLS}
    return {name: _panels(arc, cells, op_table(child)) for name, cells in shown.items()}


def caption(_arc: arcs.Arc, child: ChildConfig) -> str:
    """How large the network is, and the scheme of what the cells' pictures have no label for."""
    return (
        f"{child.num_layers} + 2 layers, {child.out_filters} filters, 1×1 convolutions between the ops in {child.glue}"
    )


def _panels(arc, names, table):
    """The `Diagram`s of a picture of the cells of some names, and their legend."""
    cells = [getattr(arc, name) for name in names]
    return [describe(cell, name, table) for cell, name in zip(cells, names, strict=True)] + legend(cells, table)
