"""What op ids stand for, with and without a search of precision."""

import pytest

from enas.errors import UserError
from enas.micro.config import ChildConfig, SearchConfig
from enas.micro.op_table import OPS, Op, op_table, weight_shapes


def test_without_a_search_of_precision_the_table_is_the_ops_under_one_scheme():
    table = op_table(ChildConfig(scheme="k4"))
    assert [op.kind for op in table] == [op.name for op in table] == list(OPS)
    assert [op.scheme for op in table] == ["k4", "k4", "", "", ""]


def test_convolutions_come_once_under_each_scheme_and_the_rest_once():
    config = ChildConfig(scheme="fp32", search_precision="binary,k4,fp16")
    expected = [f"sep_conv_{size} {scheme}" for size in ("3x3", "5x5") for scheme in ("binary", "k4", "fp16")]
    assert SearchConfig(child=config).metadata() == {"ops": [*expected, "avg_pool_3x3", "max_pool_3x3", "identity"]}
    assert len({op.name for op in op_table(config)}) == 9


@pytest.mark.parametrize(
    "text, words", [("k4,k9", "'k9' is no scheme"), ("k4,k4", "'k4' is there twice"), ("k4,", "''")]
)
def test_what_is_no_list_of_schemes_is_refused(text, words):
    with pytest.raises(UserError, match=f"^--search_precision={text}: .*expected some of fp32, fp16") as error:
        ChildConfig(search_precision=text)
    assert words in str(error.value)


def test_the_flag_says_what_op_ids_stand_for():
    config = ChildConfig(scheme="k4", op_table="identity,conv_3x3", search_precision="binary,fp16")
    assert [str(op) for op in op_table(config)] == ["identity", "conv_3x3 binary", "conv_3x3 fp16"]
    assert [op.separable for op in op_table(ChildConfig(op_table="sep_conv_5x5,conv_3x3"))] == [True, False]


@pytest.mark.parametrize(
    "text, words",
    [
        ("sep_conv_3x3,conv_9x9", "'conv_9x9' is no op; expected some of sep_conv_3x3, sep_conv_5x5, conv_3x3, "),
        ("conv_3x3,identity,conv_3x3", "'conv_3x3' is there twice"),
        ("", "'' is no op"),
        ("identity,avg_pool_3x3", "expected at least one of sep_conv_3x3, sep_conv_5x5, conv_3x3"),
    ],
)
def test_what_is_no_op_table_is_refused(text, words):
    with pytest.raises(UserError, match=f"^--child_op_table={text}: ") as error:
        ChildConfig(op_table=text)
    assert words in str(error.value)


def test_shapes_of_weights_are_those_of_the_formulas():
    shapes = {
        kind: weight_shapes(Op(kind, scheme, kind), 8, ChildConfig(scheme=scheme))
        for kind, scheme in (("sep_conv_5x5", "binary"), ("sep_conv_3x3", "fp32"), ("conv_3x3", "k4"))
    }
    assert shapes["sep_conv_5x5"] == {
        "depthwise": [2, 5, 5, 8, 1],
        "pointwise": [2, 8, 8],
        "scale": [2, 2, 8],
        "offset": [2, 2, 8],
    }
    assert shapes["sep_conv_3x3"]["scale"] == [2, 8]
    assert shapes["conv_3x3"] == {"w": [2, 3, 3, 8, 8], "scale": [2, 8], "offset": [2, 8]}
