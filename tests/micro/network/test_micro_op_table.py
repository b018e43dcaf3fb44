"""What op ids stand for, with and without a search of precision."""

import pytest

from enas.errors import UserError
from enas.micro.config import ChildConfig, SearchConfig
from enas.micro.op_table import OPS, op_table


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
