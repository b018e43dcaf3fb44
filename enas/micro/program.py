"""The operations of a trained child of the micro space; what `child.py` builds as a graph."""

import math
from collections.abc import Sequence

from enas.export.builder import Affine, Builder
from enas.micro.arc import Arc, Cell
from enas.micro.config import ChildConfig
from enas.micro.cost import reduction_layers
from enas.micro.latency import SCHEMES, Unit
from enas.micro.op_table import REPEATS, Op, op_table, weight_shapes
from quantize import schemes
from quantize.schemes import Scheme


def describe(builder: Builder, arc: Arc) -> None:
    """Appends the operations of the child of this arc."""
    config = builder.build.config
    filters, x = config.out_filters, builder.stem()
    pair, reductions = (x, x), reduction_layers(config.num_layers)
    for layer in range(config.num_layers + 2):
        reduction = layer in reductions
        filters *= 2 if reduction else 1
        size = [math.ceil(side / 2) if reduction else side for side in builder.shape(pair[1])[:2]]
        scope = f"layer_{layer}"
        inputs = [_calibrated(builder, f"{scope}/input_{i}", x, size, filters) for i, x in enumerate(pair)]
        pair = (pair[1], _cell(builder, scope, arc.reduction if reduction else arc.normal, inputs))
    builder.classifier(pair[1])


def unit_shapes(unit: Unit, config: ChildConfig) -> dict[str, Sequence[int]]:
    """The shapes of a unit's variables, by the last part of their names."""
    channels, filters = unit.shape[2], unit.size[2]
    norm: Sequence[int] = (filters,)
    shapes: dict[str, Sequence[int]] = {}
    if unit.kind == "op":
        op = op_table(config)[unit.detail]
        if op.kernel:
            shapes |= weight_shapes(op, channels, config)
            norm = shapes["scale"]
    elif unit.kind == "combine":
        shapes = {"combine": (unit.detail, channels, filters)}
    elif unit.kind == "stem":
        shapes = {"w": (3, 3, channels, filters)}
    elif unit.kind == "classifier":
        shapes = {"w": (channels, unit.detail), "b": (unit.detail,)}
    else:
        shapes = {"w": (1, 1, channels, filters)}
        # Behind the first of several reductions there are as many channels as in the end.
        for number, entering in ((0, channels), (1, filters)):
            for i, width in enumerate((filters // 2, filters - filters // 2)):
                shapes[f"reduction_{number}/path_{i}"] = (1, 1, entering, width)
    return shapes | dict.fromkeys(("scale", "offset", "moving_mean", "moving_variance"), norm)


def describe_unit(builder: Builder, unit: Unit) -> None:
    """Appends the operations of one unit, which reads value 0."""
    if unit.kind == "stem":
        builder.stem()
    elif unit.kind == "classifier":
        builder.classifier(0)
    elif unit.kind == "input":
        _calibrated(builder, "unit", 0, list(unit.size[:2]), unit.size[2])
    elif unit.kind == "op":
        _op(builder, "unit", op_table(builder.build.config)[unit.detail], 0)
    elif unit.kind == "quantize":
        builder.quantize(schemes.get(SCHEMES[unit.detail]), 0)
    elif unit.kind == "add":
        builder.emit("add", 0, 0, factor=0.5 if builder.build.config.low_bit else 1.0)
    else:
        w = builder.variable("unit/combine").reshape(-1, unit.size[2])
        builder.mixed(builder.build.glue, [0] * unit.detail, w, builder.norm("unit/combine"))


def _calibrated(builder: Builder, scope: str, x: int, size: list[int], filters: int) -> int:
    glue, reductions = builder.build.glue, 0
    while list(builder.shape(x)[:2]) != size:
        inner = f"{scope}/reduction_{reductions}"
        weights = [builder.variable(f"{inner}/path_{i}")[0, 0] for i in range(2)]
        x = builder.reduction(glue, x, weights, builder.norm(inner))
        reductions += 1
    if builder.shape(x)[2] == filters:
        return x
    return builder.mixed(glue, [x], builder.variable(f"{scope}/w")[0, 0], builder.norm(scope))


def _cell(builder: Builder, scope: str, cell: Cell, inputs: list[int]) -> int:
    table, nodes = op_table(builder.build.config), list(inputs)
    factor = 0.5 if builder.build.config.low_bit else 1.0
    for number, node in enumerate(cell.nodes):
        left, right = (
            _op(builder, f"{scope}/node_{number}_side_{side}_source_{index}_{table[op].name}", table[op], nodes[index])
            for side, (index, op) in enumerate(node.sides)
        )
        nodes.append(builder.emit("add", left, right, factor=factor))
    loose = [nodes[i] for i in cell.loose_ends]
    w = builder.variable(f"{scope}/combine")
    return builder.mixed(builder.build.glue, loose, w.reshape(-1, w.shape[-1]), builder.norm(f"{scope}/combine"))


def _op(builder: Builder, scope: str, op: Op, x: int) -> int:
    if not op.kernel:
        return x if op.kind == "identity" else builder.emit(op.kind.replace("avg", "average").removesuffix("_3x3"), x)
    repeat = _separable_repeat if op.separable else _dense_repeat
    scale, offset = builder.norm(scope)
    for i in range(REPEATS):
        x = repeat(builder, scope, i, schemes.get(op.scheme), x, (scale[i], offset[i]))
    return x


def _dense_repeat(builder: Builder, scope: str, i: int, scheme: Scheme, x: int, affine: Affine) -> int:
    w = builder.variable(f"{scope}/w")[i]
    if builder.low_bit(scheme):
        return builder.conv(scheme, builder.quantize(scheme, x), w, affine, x)
    return builder.float_conv(scheme, builder.activate(scheme, x), w, affine)


def _separable_repeat(builder: Builder, scope: str, i: int, scheme: Scheme, x: int, affine: Affine) -> int:
    depthwise, pointwise = builder.variable(f"{scope}/depthwise")[i, ..., 0], builder.variable(f"{scope}/pointwise")[i]
    mix = pointwise[None, None]
    if builder.low_bit(scheme):
        between, last = zip(*affine, strict=True)
        return builder.conv(
            scheme, builder.depthwise(scheme, builder.quantize(scheme, x), depthwise, between), mix, last, x
        )
    y = builder.float_depthwise(scheme, builder.activate(scheme, x), depthwise)
    return builder.float_conv(scheme, y, mix, affine)
