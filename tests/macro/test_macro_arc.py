"""Macro arcs: the authors' format, both ways, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_arcs import MACRO as PUBLISHED

from enas.errors import UserError
from enas.macro import arc
from enas.macro.config import ChildConfig

CHANNELS = "0 2 1 3 0 4 2 2 3 1 0 1  0 1 0 1 0 1 0 1 0 1 1 3 1  0 1 0 1 0 1 0 1 0 1 0 1 0 1"


def test_the_published_arc_loads_and_prints_back():
    found = arc.parse("  ".join(PUBLISHED))
    assert len(found.layers) == 24 and len(found.to_list()) == 300
    assert found.lines() == PUBLISHED
    assert str(found) == " ".join(PUBLISHED)
    assert [layer.op for layer in found.layers] == [int(line.split()[0]) for line in PUBLISHED]
    assert found.layers[5].sources == (0, 1, 3)
    assert found.layers[0].sources == ()
    assert arc.for_child(found.to_list(), ChildConfig(num_layers=24)) == found


@given(st.integers(3, 9), st.data())
def test_an_arc_is_the_string_it_came_from(num_layers, data):
    values = []
    for layer in range(num_layers):
        values += [
            data.draw(st.integers(0, 5)),
            *data.draw(st.lists(st.integers(0, 1), min_size=layer, max_size=layer)),
        ]
    text = " ".join(map(str, values))
    assert str(arc.parse(text)) == str(arc.parse(text, num_layers)) == text


def test_channels_of_each_op_may_be_a_choice():
    found = arc.parse(CHANNELS, whole_channels=False)
    first, second, third = found.layers
    assert first.channels == ((0, 2), (1, 3), (0, 4), (2, 2), (3, 1), (0, 1)) and first.op is None
    assert second.channels[-1] == (1, 3) and second.sources == (0,)
    assert third.skips == (0, 1) and third.sources == (1,)
    assert str(found).split() == CHANNELS.split()
    child = ChildConfig(num_layers=3, out_filters=4, controller_search_whole_channels=False)
    assert arc.for_child(found.to_list(), child) == found
    with pytest.raises(UserError, match="expected 6 integers for 3 layers .*, got 39; .* --nocontroller_search_whole"):
        arc.for_child(found.to_list(), ChildConfig(num_layers=3))


def test_an_arc_of_the_other_kind_is_told_with_the_flag_it_needs():
    """As a drawing reads it, which knows no number of layers."""
    with pytest.raises(UserError, match="got 39; that fits --nocontroller_search_whole_channels$"):
        arc.parse(CHANNELS)
    with pytest.raises(UserError, match="got 6; that fits --controller_search_whole_channels$"):
        arc.parse("0 0 0 0 0 0", whole_channels=False)


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("", {}, "expected integers (for layer i its op, then i - 1 skip bits), got 0"),
        ("0 0 0", {}, "expected integers (for layer i its op, then i - 1 skip bits), got 3"),
        ("0 0 1 0 0", {}, "expected integers (for layer i its op, then i - 1 skip bits), got 5"),
        (
            PUBLISHED[0],
            {"num_layers": 3},
            "expected 6 integers for 3 layers (for layer i its op, then i - 1 skip bits), got 1",
        ),
        ("0 6 1 0 0 0", {}, "integer 2 of 6 (op, layer 2) is 6, expected 0 to 5"),
        ("-1 0 1 0 0 0", {}, "integer 1 of 6 (op, layer 1) is -1, expected 0 to 5"),
        ("0 0 1 5 1 2", {}, "integer 6 of 6 (skip bit 2, layer 3) is 2, expected 0 or 1"),
        ("0 0 x", {}, "word 3 of 3 is 'x', expected an integer"),
        (
            CHANNELS,
            {"whole_channels": False, "filters": 3},
            "integer 4 of 39 (number of channels of sep_conv_3x3, layer 1) is 3, expected 1 to 2",
        ),
        (
            CHANNELS.replace("0 2", "0 0", 1),
            {"whole_channels": False},
            "integer 2 of 39 (number of channels of conv_3x3, layer 1) is 0, expected at least 1",
        ),
    ],
)
def test_a_wrong_arc_is_refused_in_one_line_that_says_where(text, options, message):
    with pytest.raises(UserError) as error:
        arc.parse(text, **options)
    assert str(error.value) == "arc: " + message
