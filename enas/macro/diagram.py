"""Pictures of a macro arc: one panel for each feature-map size, side by side. Nothing here imports TensorFlow.

h0 is the stem's output, h1 that of layer 1, and so on. A panel begins with the earlier outputs that its layers read,
halved.
"""

from collections.abc import Sequence

from enas.drawing import layout
from enas.drawing.diagram import Diagram, Vertex
from enas.macro import arc as arcs
from enas.macro.config import ChildConfig

# See `interfaces.DiagramModule`.
FLAGS: tuple[str, ...] = ("child_scheme", "child_recipe", "child_glue_scheme", "controller_search_whole_channels")
FOLDER, MAIN = "outputs/network", "network"

_OP_LABELS = {
    "conv_3x3": "conv 3×3",
    "sep_conv_3x3": "sep 3×3",
    "conv_5x5": "conv 5×5",
    "sep_conv_5x5": "sep 5×5",
    "avg_pool_3x3": "avg pool 3×3",
    "max_pool_3x3": "max pool 3×3",
}
# Kind: (fill, outline). Convolutions are blue and green, poolings yellow and red.
_COLOURS = {
    "conv_3x3": ("#dbeafe", "#3b82f6"),
    "sep_conv_3x3": ("#d1fae5", "#059669"),
    "conv_5x5": ("#ddd6fe", "#7c3aed"),
    "sep_conv_5x5": ("#ccfbf1", "#0f766e"),
    "avg_pool_3x3": ("#fef3c7", "#d97706"),
    "max_pool_3x3": ("#fee2e2", "#dc2626"),
}
# Colours of the edges that leave an output, by its number, so that those of neighbours differ.
_EDGES = ("#2563eb", "#c2410c", "#15803d", "#a21caf", "#0e7490", "#b45309", "#4f46e5", "#be123c", "#4d7c0f", "#475569")
_NOTES = ("feature maps of the images' size", "half the height and width", "a quarter of the height and width")
_WIDEST = len(arcs.OPS)


def describe(arc: arcs.Arc, stage: int, reductions: Sequence[int], scheme: str) -> Diagram:
    """Describes the layers of one feature-map size.

    The output of layer i is vertex `i`. Its op is vertex `i.op`, or, where channels are a choice, its ops are `i.0` to
    `i.5`.

    Args:
      stage: 0, 1 or 2, the feature-map size.
      reductions: the two layers (from 0) after which feature maps are halved.
      scheme: the name shown on convolutions, one of `config.SCHEMES`.
    """
    bounds = [0, *(layer + 1 for layer in reductions), len(arc.layers)]
    first, last = bounds[stage], bounds[stage + 1]
    here = range(first, last)
    read = {source for layer in here for source in arc.layers[layer].sources if source < first} | {first}
    vertices, edges = [_output(i, "input", stage) for i in sorted(read)], []
    for layer in here:
        for id, label, kind in _ops(arc.layers[layer], layer + 1, scheme):
            vertices.append(Vertex(id, label, kind, *_COLOURS[kind], _COLOURS[kind][1]))
            edges += [(str(layer), id), (id, str(layer + 1))]
        vertices.append(_output(layer + 1, "output", stage))
        edges += [(str(source), str(layer + 1)) for source in arc.layers[layer].sources]
    if last == len(arc.layers):
        vertices.append(Vertex("classifier", "classifier", "output", "#e2e8f0", "#475569"))
        edges.append((str(last), "classifier"))
    rows = layout.rows([v.id for v in vertices], edges, _WIDEST)
    title = f"layers {first + 1} to {last}" if last - first > 1 else f"layer {last}"
    return Diagram(f"stage_{stage + 1}", title, _NOTES[stage], tuple(vertices), tuple(edges), rows)


def _ops(layer: arcs.Layer, number: int, scheme: str) -> list[tuple[str, str, str]]:
    """(id, label, kind) of each op of a layer."""

    def label(kind: str) -> str:
        return _OP_LABELS[kind] + (f" · {scheme}" if "conv" in kind else "")

    if layer.op is not None:
        kind = arcs.OPS[layer.op]
        return [(f"{number}.op", label(kind), kind)]
    pairs = zip(arcs.OPS, layer.channels, strict=True)
    return [
        (f"{number}.{i}", f"{label(kind)}: {start}–{start + count - 1}", kind)
        for i, (kind, (start, count)) in enumerate(pairs)
    ]


def _output(number: int, kind: str, stage: int) -> Vertex:
    """The vertex of an output in the picture of a stage."""
    label = f"h{number}" + (" · stem" if number == 0 and stage == 0 else "")
    colour = _EDGES[number % len(_EDGES)]
    return Vertex(str(number), label, kind, "#f8fafc" if kind == "output" else "#e2e8f0", colour, colour)


def pictures(arc: arcs.Arc, child: ChildConfig) -> dict[str, list[Diagram]]:
    """The picture `network` of an arc of at least 3 layers; see `interfaces.DiagramModule`."""
    reductions = arcs.reduction_layers(len(arc.layers))
    return {MAIN: [describe(arc, stage, reductions, child.scheme) for stage in range(3)]}


def caption(arc: arcs.Arc, child: ChildConfig) -> str:
    """Says how many layers and skip connections there are, and how to read the picture."""
    skips = [bit for layer in arc.layers for bit in layer.skips]
    return (
        f"{len(arc.layers)} layers, {sum(skips)} of {len(skips)} skip connections; each output but h0 and h1 is a 1×1 "
        f"convolution, in {child.glue}, of all that enters it"
    )
