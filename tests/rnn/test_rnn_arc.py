import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enas.errors import UserError
from enas.options import arc_input
from enas.rnn import arc, config
from enas.rnn.space import SPACE

# github.com/melodyguan/enas, scripts/ptb_final.sh.
PUBLISHED = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"


@st.composite
def arc_values(draw, most_nodes=arc.MOST_NODES):
    activation = st.integers(0, 3)
    values = [draw(activation)]
    for node in range(1, draw(st.integers(1, most_nodes))):
        values += [draw(st.integers(0, node - 1)), draw(activation)]
    return values


@given(arc_values())
def test_an_arc_prints_back_as_it_was_parsed(values):
    text = " ".join(map(str, values))
    parsed = arc.parse(text)
    assert str(parsed) == text and parsed.lines() == [text] and parsed.to_list() == values
    assert arc.parse(text, num_nodes=(len(values) + 1) // 2) == parsed == arc.from_list(values)


@given(arc_values(8), st.data())
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
        assert re.search(r"(word|integer) \d+ of \d+|expected 2N - 1 integers .*, got \d+", str(error))
        assert "\n" not in str(error)
    else:
        assert parsed.to_list() == [float(word) for word in text.split()]


@given(arc_values())
def test_every_node_is_read_or_a_loose_end(values):
    parsed = arc.from_list(values)
    read = {node.source for node in parsed.nodes[1:]}
    assert read | set(parsed.loose_ends) == set(range(len(parsed.nodes))) and not read & set(parsed.loose_ends)
    assert len(parsed.nodes) - 1 in parsed.loose_ends


def test_the_published_arc_is_the_cell_of_the_authors_figure():
    parsed = arc.for_child([int(word) for word in PUBLISHED.split()], config.ChildConfig())
    assert [arc.ACTIVATIONS[node.activation] for node in parsed.nodes[:3]] == ["tanh", "tanh", "relu"]
    assert [node.source for node in parsed.nodes] == [None, 0, 1, 2, 2, 2, 5, 1, 6, 8, 8, 8]
    assert parsed.loose_ends == (3, 4, 7, 9, 10, 11)


def changed(position, word):
    words = PUBLISHED.split()
    words[position - 1] = word
    return " ".join(words)


@pytest.mark.parametrize(
    "text, words",
    [
        (changed(1, "4"), ["integer 1 of 23", "activation of node 0", "is 4", "expected 0 to 3"]),
        (changed(3, "4"), ["integer 3 of 23", "activation of node 1", "is 4", "expected 0 to 3"]),
        (changed(2, "1"), ["integer 2 of 23", "source of node 1", "is 1", "expected 0 to 0"]),
        (changed(22, "11"), ["integer 22 of 23", "source of node 11", "is 11", "expected 0 to 10"]),
        (changed(22, "-1"), ["integer 22 of 23", "is -1"]),
        (changed(4, "x"), ["word 4 of 23", "'x'", "expected an integer"]),
        (PUBLISHED.rsplit(" ", 1)[0], ["expected 2N - 1 integers", "got 22"]),
        (" ".join(["0"] * 65), ["at most 32", "got 65"]),
        ("", ["got 0"]),
    ],
)
def test_a_wrong_arc_is_refused_in_words(text, words):
    with pytest.raises(UserError) as error:
        arc.parse(text)
    assert all(word in str(error.value) for word in words), error.value
    assert len(str(error.value)) < 200


def test_the_number_of_nodes_can_be_demanded():
    with pytest.raises(UserError, match=r"expected 15 integers for 8 nodes .*, got 23"):
        arc.parse(PUBLISHED, num_nodes=8)


def test_read_names_the_file_in_errors(tmp_path):
    path = tmp_path / "best_arc.txt"
    path.write_text(PUBLISHED.replace(" 5 ", "\n5 ") + "\r\n")
    assert str(arc_input.from_file(path, SPACE, SPACE.train_config().child)) == PUBLISHED
    path.write_text("0 0 9")
    with pytest.raises(UserError, match=r"--arc_file=.*best_arc\.txt: arc: integer 3 of 3"):
        arc_input.from_file(path, SPACE, SPACE.train_config().child)
