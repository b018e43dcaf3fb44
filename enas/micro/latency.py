"""What the latency of a micro architecture is made of: units, each of which has a time of its own. No TensorFlow.

An exported child runs its operations one after the other, so its latency is the sum of theirs. A unit is what the child
repeats as a whole: an op of a cell, a node's sum, what brings a cell's input to its size, and so on. Every unit quantizes
what it reads. Where a child has the same codes already, a quantizer is taken off again.
"""

import collections
import dataclasses
import math
from collections.abc import Sequence

from enas.micro.arc import Arc
from enas.micro.config import ChildConfig
from enas.micro.cost import reduction_layers
from enas.micro.op_table import op_table
from quantize.bits import BITS, FLOATING

SCHEMES = tuple(BITS)
Shape = tuple[int, int, int]  # [H, W, C]


@dataclasses.dataclass(frozen=True, order=True)
class Unit:
    """A part of a child.

    Attributes:
      kind: "stem", "input", "op", "add", "combine", "quantize" or "classifier".
      detail: the id of the op in its table; how many loose ends are combined; which of `SCHEMES` quantizes; classes of the
        classifier; else 0.
      shape: of what goes in.
      size: of what comes out, but for the classifier.
    """

    kind: str
    detail: int
    shape: Shape
    size: Shape


def name(unit: Unit, config: ChildConfig) -> str:
    """Names a unit for people and for tables."""
    sizes = "x".join(map(str, unit.shape))
    if unit.kind == "op":
        return f"{op_table(config)[unit.detail]} at {sizes}"
    if unit.kind in ("stem", "input"):
        return f"{unit.kind} {sizes} to {'x'.join(map(str, unit.size))}"
    if unit.kind == "quantize":
        return f"quantize {SCHEMES[unit.detail]} at {sizes}"
    return f"{unit.kind} {unit.detail} at {sizes}" if unit.detail else f"{unit.kind} at {sizes}"


def units(arc: Arc, config: ChildConfig, image_shape: Sequence[int], num_classes: int) -> "collections.Counter[Unit]":
    """Counts the units of the child of an arc. Quantizers count from 0 down: those of units that the child does not need."""
    found: collections.Counter[Unit] = collections.Counter()
    table = op_table(config)
    found.update(_spared(arc, config, image_shape, num_classes))
    for cell, inputs, size in _cells(arc, config, image_shape, found, num_classes):
        found.update(inputs.values())
        sides = [op for node in cell.nodes for _, op in node.sides]
        found.update(Unit("op", op, size, size) for op in sides if table[op].kind != "identity")
        found[Unit("add", 0, size, size)] += len(cell.nodes)
        found[Unit("combine", len(cell.loose_ends), size, size)] += 1
    return found


def _spared(arc: Arc, config: ChildConfig, image_shape: Sequence[int], num_classes: int) -> "collections.Counter[Unit]":
    """Counts, below 0, the quantizers of units that read what was quantized alike before."""
    rest: collections.Counter[Unit] = collections.Counter()
    spared: collections.Counter[Unit] = collections.Counter()
    table, seen = op_table(config), set()

    def quantize(scheme: str, values: tuple[object, ...], shape: Shape) -> None:
        if scheme in FLOATING:
            return
        if (scheme, values) in seen:
            spared[_quantizer(scheme, shape)] -= 1
        seen.add((scheme, values))

    pair: tuple[object, object] = ("stem", "stem")
    for layer, (cell, inputs, size) in enumerate(_cells(arc, config, image_shape, rest, num_classes)):
        values: list[object] = list(pair)
        for place, unit in inputs.items():
            quantize(config.glue, (pair[place],), unit.shape)
            values[place] = (layer, "input", place)
        for number, node in enumerate(cell.nodes):
            for index, op in node.sides:
                if table[op].kernel and config.low_bit:
                    quantize(table[op].scheme, (values[index],), size)
            values.append((layer, "node", number))
        loose = tuple(values[i] for i in cell.loose_ends)
        quantize(config.glue, loose, (*size[:2], size[2] * len(loose)))
        pair = pair[1], (layer, "output")
    return spared


def _quantizer(scheme: str, shape: Shape) -> Unit:
    return Unit("quantize", SCHEMES.index(scheme), shape, shape)


def parts(arc: Arc, config: ChildConfig, image_shape: Sequence[int], num_classes: int) -> dict[str, int]:
    """Counts the units of the child of an arc, by their names in a table."""
    return {name(unit, config): count for unit, count in units(arc, config, image_shape, num_classes).items()}


def possible(arc: Arc, config: ChildConfig, image_shape: Sequence[int], num_classes: int) -> set[Unit]:
    """All units that children with these settings can have; `arc` is any arc."""
    rest: collections.Counter[Unit] = collections.Counter()
    found: set[Unit] = set()
    kinds = [id for id, op in enumerate(op_table(config)) if op.kind != "identity"]
    schemes = {op.scheme for op in op_table(config) if op.kernel and config.low_bit}
    for cell, inputs, size in _cells(arc, config, image_shape, rest, num_classes):
        found |= {*inputs.values(), Unit("add", 0, size, size), *(Unit("op", op, size, size) for op in kinds)}
        found |= {Unit("combine", count, size, size) for count in range(1, len(cell.nodes) + 2)}
        found |= {_quantizer(scheme, size) for scheme in {config.glue, *schemes} - set(FLOATING)}
        found |= {_quantizer(config.glue, unit.shape) for unit in inputs.values() if config.glue not in FLOATING}
    return found | set(rest)


def scopes(arc: Arc, config: ChildConfig, image_shape: Sequence[int], num_classes: int) -> dict[str, Unit]:
    """The units with variables of the child of an arc, by the scope of these."""
    rest: collections.Counter[Unit] = collections.Counter()
    found: dict[str, Unit] = {}
    table = op_table(config)
    for layer, (cell, inputs, size) in enumerate(_cells(arc, config, image_shape, rest, num_classes)):
        scope = f"layer_{layer}"
        found |= {f"{scope}/input_{place}": unit for place, unit in inputs.items()}
        for number, node in enumerate(cell.nodes):
            for side, (index, op) in enumerate(node.sides):
                unit = Unit("op", op, size, size)
                found[f"{scope}/node_{number}_side_{side}_source_{index}_{table[op].name}"] = unit
        found[f"{scope}/combine"] = Unit("combine", len(cell.loose_ends), size, size)
    return found | {unit.kind: unit for unit in rest}


def _cells(arc, config, image_shape, found, num_classes):
    """Yields (cell, {place of an input: the unit that brings it to its size}, its size) of each layer; counts stem and
    classifier in `found`."""
    filters = config.out_filters
    x = (image_shape[0], image_shape[1], 3 * filters)
    found[Unit("stem", 0, (image_shape[0], image_shape[1], image_shape[2]), x)] += 1
    pair, reductions = (x, x), reduction_layers(config.num_layers)
    for layer in range(config.num_layers + 2):
        reduction = layer in reductions
        filters *= 2 if reduction else 1
        height, width, _ = pair[1]
        size = (math.ceil(height / 2), math.ceil(width / 2), filters) if reduction else (height, width, filters)
        inputs = {place: Unit("input", 0, x, size) for place, x in enumerate(pair) if x != size}
        yield (arc.reduction if reduction else arc.normal), inputs, size
        pair = (pair[1], size)
    found[Unit("classifier", num_classes, pair[1], pair[1])] += 1
