"""An architecture of the macro search space as a value: parsed once, checked once, printable back.

An arc string is integers separated by blanks. Layer after layer it gives the layer's op, then its skip bits. Layer i
(from 1) has i - 1 skip bits. A layer always reads the output before it. Bit j joins the j-th output of all (the stem's,
then those of layer 1, 2, ...) to what the layer's op computed. That is what the ENAS authors' network makes of their
format.

Where channels are a choice, a layer has not one op but a first channel (from 0) and a number of channels for each op:
twelve integers in place of one. Nothing here imports TensorFlow.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from enas.errors import UserError
from enas.options import arc_input

# The op table. An op's id is its position.
OPS = ("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")
# Kernel size of the ops that have weights of their own; their ids are the first ones.
KERNELS = {"conv_3x3": 3, "sep_conv_3x3": 3, "conv_5x5": 5, "sep_conv_5x5": 5}
# Feature maps are halved twice between layers.
FEWEST_LAYERS, MOST_LAYERS = 3, 60


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
      op: id of its op; None where channels are a choice.
      channels: (first channel, number of channels) of each op; () where there is one op.
      skips: one bit for each output before the one that the layer reads.
    """

    op: int | None
    channels: tuple[tuple[int, int], ...]
    skips: tuple[int, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        """Numbers of the outputs that are joined to the layer's own, 0 being the stem's."""
        return tuple(i for i, bit in enumerate(self.skips) if bit)

    @property
    def choices(self) -> tuple[int, ...]:
        """The integers before the skip bits: the op, or the channels."""
        return (self.op,) if self.op is not None else tuple(value for pair in self.channels for value in pair)


@dataclasses.dataclass(frozen=True)
class Arc:
    """A macro architecture: its layers, in order."""

    layers: tuple[Layer, ...]

    def lines(self) -> list[str]:
        """The arc in parts for a log: one string of integers a layer."""
        return [" ".join(map(str, (*layer.choices, *layer.skips))) for layer in self.layers]

    def to_list(self) -> list[int]:
        """The arc's integers."""
        return [value for layer in self.layers for value in (*layer.choices, *layer.skips)]

    def __str__(self) -> str:
        return " ".join(map(str, self.to_list()))


def num_choices(whole_channels: bool) -> int:
    """How many integers a layer has before its skip bits."""
    return 1 if whole_channels else 2 * len(OPS)


def layer_start(layer: int, whole_channels: bool = True) -> int:
    """Position of the first integer of a layer (from 0). For the layer after the last one it is the length of the
    arc."""
    return layer * num_choices(whole_channels) + layer * (layer - 1) // 2


def reduction_layers(num_layers: int) -> tuple[int, int]:
    """The two layers (from 0) after which feature maps are halved: at 1/3 and 2/3 of the depth."""
    third = num_layers // 3
    return third - 1, 2 * third - 1


def from_list(
    values: Iterable[int], num_layers: int | None = None, whole_channels: bool = True, filters: int | None = None
) -> Arc:
    """Builds an `Arc` from integers.

    Args:
      num_layers: how many layers the arc must have; None: as many as its length says.
      whole_channels: each layer has one op; False: channels are a choice.
      filters: the layers' filters, which bound the channels; None: not checked.

    Raises:
      UserError: a wrong count, or a value out of range; names the position and the allowed range.
    """
    values = [int(v) for v in values]
    lengths = _lengths(num_layers, whole_channels)
    if len(values) not in lengths:
        raise UserError(_wrong_length(len(values), num_layers, whole_channels))
    layers = []
    for layer in range(lengths[len(values)]):
        start = layer_start(layer, whole_channels)
        middle = start + num_choices(whole_channels)
        skips = [_checked(values, middle + i, f"skip bit {i + 1}", layer, 0, 1) for i in range(layer)]
        if whole_channels:
            layers.append(Layer(_checked(values, start, "op", layer, 0, len(OPS) - 1), (), tuple(skips)))
        else:
            layers.append(Layer(None, _channels(values, start, layer, filters), tuple(skips)))
    return Arc(tuple(layers))


def _channels(values: Sequence[int], start: int, layer: int, filters: int | None) -> tuple[tuple[int, int], ...]:
    """The (first channel, number of channels) of each op."""
    pairs = []
    for i, op in enumerate(OPS):
        at = start + 2 * i
        first = _checked(values, at, f"first channel of {op}", layer, 0, filters and filters - 1)
        count = _checked(values, at + 1, f"number of channels of {op}", layer, 1, filters and filters - first)
        pairs.append((first, count))
    return tuple(pairs)


def _checked(values: Sequence[int], position: int, what: str, layer: int, low: int, high: int | None) -> int:
    value = values[position]
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"{low} {'or' if high == 1 else 'to'} {high}"
        raise UserError(
            f"arc: integer {position + 1} of {len(values)} ({what}, layer {layer + 1}) is {value}, expected {allowed}"
        )
    return value


def _lengths(num_layers: int | None, whole_channels: bool) -> dict[int, int]:
    """{how many integers an arc may have: its number of layers}."""
    allowed = [num_layers] if num_layers else range(FEWEST_LAYERS, MOST_LAYERS + 1)
    return {layer_start(n, whole_channels): n for n in allowed}


def _wrong_length(found: int, num_layers: int | None, whole_channels: bool) -> str:
    of_layer = "its op" if whole_channels else "first and number of channels of the six ops"
    expected = (
        f"{layer_start(num_layers, whole_channels)} integers for {num_layers} layers" if num_layers else "integers"
    )
    other = f"--{'no' if whole_channels else ''}controller_search_whole_channels"
    fits = f"; that fits {other}" if found in _lengths(num_layers, not whole_channels) else ""
    return f"arc: expected {expected} (for layer i {of_layer}, then i - 1 skip bits), got {found}{fits}"


def for_child(values: Sequence[int], child: Any) -> Arc:
    """The arc of these integers, for a child of these settings, a `ChildConfig`; see `from_list`."""
    return from_list(values, child.num_layers, child.controller_search_whole_channels, child.out_filters)


def any_size(values: Sequence[int], child: Any) -> Arc:
    """As `for_child`, but of any number of layers, and with channels that the child's filters do not bound. Where the number
    of integers fits only the other kind of arc, it is one of that kind: with channels as a choice, or without."""
    whole = child.controller_search_whole_channels
    if len(values) in _lengths(None, not whole) and len(values) not in _lengths(None, whole):
        whole = not whole
    return from_list(values, whole_channels=whole)


def implied(arc: Arc) -> dict[str, int | bool]:
    """What an arc says of its child: {flag: value}."""
    whole = arc.layers[0].op is not None
    return {"child_num_layers": len(arc.layers), "controller_search_whole_channels": whole}


def parse(text: str, num_layers: int | None = None, whole_channels: bool = True, filters: int | None = None) -> Arc:
    """Parses an arc string, integers separated by blanks or line ends; see `from_list`.

    Raises:
      UserError: a word that is no integer, or whatever `from_list` refuses.
    """
    return from_list(arc_input.integers(text), num_layers, whole_channels, filters)
