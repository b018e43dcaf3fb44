import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enas.errors import UserError
from enas.micro import arc
from enas.micro.space import SPACE
from enas.options import arc_input

ENAS_CIFAR10 = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"


@st.composite
def arc_values(draw, most_nodes=12):
    nodes = draw(st.integers(1, most_nodes))
    op = st.integers(0, len(arc.OPS) - 1)
    values = []
    for node in [*range(2, nodes + 2)] * 2:
        values += [draw(st.integers(0, node - 1)), draw(op), draw(st.integers(0, node - 1)), draw(op)]
    return values


@given(arc_values())
def test_an_arc_prints_back_as_it_was_parsed(values):
    text = " ".join(map(str, values))
    parsed = arc.parse(text)
    assert str(parsed) == text
    assert parsed.to_list() == values
    assert arc.parse(str(parsed), num_cells=len(values) // 8) == parsed == arc.from_list(values)


@given(arc_values(), st.data())
def test_a_mutated_arc_is_the_arc_it_says_or_an_error_that_names_a_position(values, data):
    text = list(" ".join(map(str, values)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(at + data.draw(st.integers(0, 2)), len(text))
        text[at:end] = data.draw(st.text("0123456789-+. \n\txé٣²\x00", max_size=2))
    text = "".join(text)
    try:
        parsed = arc.parse(text)
    except UserError as error:
        assert re.search(r"(word|integer) \d+ of \d+|expected a multiple of 8 integers .*, got \d+", str(error))
        assert "\n" not in str(error)
    else:
        assert parsed.to_list() == [float(word) for word in text.split()]
        assert arc.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text, normal, reduction",
    [
        (ENAS_CIFAR10, (2, 3, 4, 5, 6), (2, 4, 5, 6)),
        # One node that reads only h[i]: the unread h[i-1] is a loose end too.
        ("1 0 1 1 0 4 1 4", (0, 2), (2,)),
        # A chain: each node reads the one before, and h[i-1] is read by nobody.
        ("1 0 1 0 2 0 2 0 3 0 3 0 0 2 1 2 2 3 2 3 0 4 3 4", (0, 4), (4,)),
    ],
)
def test_loose_ends_of_known_arcs(text, normal, reduction):
    parsed = arc.parse(text)
    assert (parsed.normal.loose_ends, parsed.reduction.loose_ends) == (normal, reduction)


@given(arc_values())
def test_every_node_is_read_or_a_loose_end(values):
    parsed = arc.from_list(values)
    for cell in (parsed.normal, parsed.reduction):
        read = {index for node in cell.nodes for index, _ in node.sides}
        assert read | set(cell.loose_ends) == set(range(len(cell.nodes) + 2))
        assert not read & set(cell.loose_ends)
        assert len(cell.nodes) + 1 in cell.loose_ends


def changed(position, word):
    words = ENAS_CIFAR10.split()
    words[position - 1] = word
    return " ".join(words)


@pytest.mark.parametrize(
    "text, words",
    [
        (changed(2, "5"), ["integer 2 of 40", "op", "normal cell", "is 5", "expected 0 to 4"]),
        (changed(5, "3"), ["integer 5 of 40", "input index of node 3", "normal cell", "is 3", "expected 0 to 2"]),
        (changed(21, "2"), ["integer 21 of 40", "input index of node 2", "reduction cell", "expected 0 to 1"]),
        (changed(39, "-1"), ["integer 39 of 40", "is -1", "expected 0 to 5"]),
        (changed(7, "x"), ["word 7 of 40", "'x'", "expected an integer"]),
        (changed(7, "1.5"), ["word 7 of 40", "'1.5'"]),
        (changed(7, "٣"), ["word 7 of 40"]),
        (changed(7, "²"), ["word 7 of 40"]),
        (changed(7, "0x1"), ["word 7 of 40"]),
        (changed(7, "1_0"), ["word 7 of 40"]),
        (changed(7, "9" * 5000), ["word 7 of 40", "expected an integer"]),
        (ENAS_CIFAR10.rsplit(" ", 1)[0], ["expected a multiple of 8 integers", "got 39"]),
        ("", ["got 0"]),
        (" \n ", ["got 0"]),
    ],
)
def test_a_wrong_arc_is_refused_in_words(text, words):
    with pytest.raises(UserError) as error:
        arc.parse(text)
    assert all(word in str(error.value) for word in words), error.value
    assert len(str(error.value)) < 200


def test_the_number_of_nodes_can_be_demanded():
    with pytest.raises(UserError, match=r"expected 48 integers .*, got 40"):
        arc.parse(ENAS_CIFAR10, num_cells=6)


def test_a_smaller_op_table_refuses_later_ops():
    with pytest.raises(UserError, match="expected 0 to 3"):
        arc.parse(ENAS_CIFAR10, num_ops=4)


def test_read_takes_line_ends_and_names_the_file_in_errors(tmp_path):
    path = tmp_path / "best_arc.txt"
    path.write_text(ENAS_CIFAR10.replace(" 1 0 1 0 0 3", "\n1 0 1 0 0 3") + "\r\n")
    assert str(arc_input.from_file(path, SPACE, SPACE.train_config().child)) == ENAS_CIFAR10
    path.write_text("0 0 0 0 0 0 0 9")
    with pytest.raises(UserError, match=r"--arc_file=.*best_arc\.txt: arc: integer 8 of 8"):
        arc_input.from_file(path, SPACE, SPACE.train_config().child)


@pytest.mark.parametrize(
    "content, words", [(None, "No such file"), (b"\xfe\x00\xff\x80", "not a text, JSON or .npy file")]
)
def test_an_unreadable_file_is_refused(tmp_path, content, words):
    path = tmp_path / "arc.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"--arc_file=.*arc\.txt: can't be read: {words}"):
        arc_input.from_file(path, SPACE, SPACE.train_config().child)


def test_a_folder_without_an_arc_is_no_arc_file(tmp_path):
    with pytest.raises(UserError, match="the directory holds no best_arc.txt"):
        arc_input.from_file(tmp_path, SPACE, SPACE.train_config().child)
