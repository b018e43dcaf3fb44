"""Arcs in logs and excerpts of logs: which of them is read, and when a choice is left to the user."""

import json
import time

import pytest

from enas import spaces
from enas.errors import UserError
from enas.options import arc_input

FIRST, SECOND = "0 1 1 2 1 3 0 4", "1 0 0 2 1 1 0 1"
LINES = "[0 1 1 2 1 3 0 4 1 1 1 1 3 0 2 1 0 2 3 1]\n[1 0 0 2 1 1 0 1 0 0 0 0 3 3 2 2 1 1 1 1]\n"
OTHER = LINES.replace("[0 1", "[1 1", 1)
HEADER = """--------
mnist: 55000/5000/10000 train/valid/test images of 28x28x1, 10 classes; scheme k4; seed 0; run directory outputs/search
epoch = 0     ch_step = 50     loss = 1.359943   lr = 0.0500   |g| = 0.6260   tr_acc = 18 / 32   mins = 0.08
"""
# As the ENAS authors' macro search prints a network of four layers.
MACRO = "[4]\n[2 0]\n[0 1 1]\n[5 0 0 1]\nval_acc=0.8750\n" + "-" * 80 + "\n"


def found(text, space="micro", child=None):
    space = spaces.get(space)
    return arc_input.from_text(text, space, child or space.train_config().child).to_list()


def cells(count):
    return spaces.get("micro").train_config().child.__class__(num_cells=count)


def words(text):
    return list(map(int, text.replace("[", " ").replace("]", " ").split()))


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES + "val_acc = 0.9180\n" + "-" * 80,
        LINES.replace("\n", "  # a cell\n"),
        "----\n" + LINES.replace("\n", "\n\n") + "val_acc = 0.9180",
        HEADER + LINES,
        f"{LINES}val_acc = 0.9\n{LINES}val_acc = 0.8",  # the same arc twice
        "# found on Monday: 12 3\n" + LINES,
        LINES.replace("[0", "normal: [0").replace("[1 0 0", "reduce = [1 0 0"),
        LINES.replace("[0", "Normal cell: np.array([0").replace("3 1]\n", "3 1])  // of 5 nodes\n"),
        LINES + "val_acc = 0.9180\ntest_accuracy: 0.9769\nepoch: 3",
    ],
)
def test_the_lines_that_a_search_prints_of_an_arc_are_the_arc(text):
    assert found(text) == words(LINES)


def test_the_rows_that_a_search_prints_of_a_whole_network_are_the_arc():
    assert found(MACRO, "macro") == [4, 2, 0, 0, 1, 1, 5, 0, 0, 1]


def test_an_excerpt_with_two_arcs_is_refused_by_line():
    with pytest.raises(
        UserError, match="^arc: 2 arcs, the first on lines 1 to 2 and lines 4 to 5; expected one, or the whole"
    ):
        found(f"{LINES}val_acc = 0.9\n{OTHER}val_acc = 0.8\n")


def test_arcs_on_lines_of_their_own_are_not_taken_for_a_larger_one():
    two = " ".join(map(str, words(LINES))) + "\n" + " ".join(map(str, words(OTHER)))
    with pytest.raises(UserError, match="^arc: 2 arcs, one a row; expected one"):
        found(two)
    assert len(found(two, child=cells(10))) == 80  # the flag says that it is one
    assert found(f"[{FIRST}]\n[{SECOND}]") == words(FIRST + " " + SECOND)  # as a log prints two nodes a cell
    with pytest.raises(UserError, match="^arc: 2 arcs, one a row"):
        found(f"[{FIRST}]\n[{SECOND}]", child=cells(1))


def test_arcs_of_several_rows_below_each_other_are_not_taken_for_a_larger_one():
    with pytest.raises(UserError, match="^arc: 2 arcs, each of 2 rows; expected one"):
        found(LINES + OTHER)
    assert len(found(LINES + OTHER, child=cells(10))) == 80  # the flag says that it is one
    rows = MACRO.partition("val")[0]
    with pytest.raises(UserError, match="^arc: 3 arcs, each of 4 rows; expected one"):
        found(rows * 3, "macro")


@pytest.mark.parametrize("piece", [" ", "a", "arc ", "rw=", "dtype", "int(", "layer 1", "0"])
def test_a_long_line_is_read_in_no_time(piece):
    start = time.monotonic()
    with pytest.raises(UserError):
        found(piece * (40_000 // len(piece)) + " x")
    assert time.monotonic() - start < 2


def test_a_part_of_an_arc_is_refused_with_its_line():
    with pytest.raises(UserError, match="^arc: line 1: expected a multiple of 8 integers .*, got 20$"):
        found(LINES.replace("\n", "\nand then\n", 1))
    with pytest.raises(UserError, match="^arc: line 2: word 3 of 20 is 'O', expected an integer$"):
        found(LINES.replace("[1 0 0", "[1 0 O"))


def test_of_a_whole_log_the_best_arc_is_taken_and_its_line_told(capsys):
    log = f"{HEADER}Here are 10 architectures\n{LINES}val_acc = 0.9375\n-----\n{OTHER}val_acc = 0.9180\n-----\n"
    assert found(log) == words(LINES)
    assert capsys.readouterr().err == "arc: lines 5 to 6 of the text, val_acc = 0.9375, the best of 2 arcs\n"
    assert found(log.replace("0.9375", "nan")) == words(OTHER)
    # A search under a budget of cost recommends by reward.
    assert found(f"{log}best arc: {' '.join(map(str, words(OTHER)))}\nbest_val_accuracy: 0.9180\n") == words(OTHER)


def test_of_the_authors_log_of_recurrent_cells_the_arc_of_the_highest_reward_is_taken(capsys):
    log = (
        "Epoch 9: Training controller\nHere are 10 architectures\n[0 0 1] rw=0.250\n[1 0 3] rw=0.500\n[2 0 2] rw=nan\n"
    )
    assert found(log, "rnn") == [1, 0, 3]
    assert capsys.readouterr().err == "arc: line 4 of the text, val_ppl = 160.0000, the best of 3 arcs\n"


def test_records_of_arcs_are_read_as_a_log(tmp_path, capsys):
    path = tmp_path / "arcs.jsonl"
    records = [
        {"epoch": 1, "val_accuracy": score, "arc": arc} for score, arc in ((0.5, FIRST), (0.7, SECOND), (None, FIRST))
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    micro = spaces.get("micro")
    assert str(arc_input.from_file(str(path), micro, micro.train_config().child)) == SECOND
    assert capsys.readouterr().err == f"arc: line 2 of {path}, val_acc = 0.7000, the best of 3 arcs\n"


def test_a_run_directory_stands_for_its_best_arc(tmp_path):
    micro = spaces.get("micro")
    child = micro.train_config().child
    with pytest.raises(UserError, match=f"^--arc_file={tmp_path}: the directory holds no best_arc.txt"):
        arc_input.from_file(str(tmp_path), micro, child)
    (tmp_path / "config.json").write_text(json.dumps({"space": "micro", "child_fixed_arc": FIRST}, indent=2))
    assert str(arc_input.from_file(str(tmp_path), micro, child)) == FIRST  # a training
    (tmp_path / "best_arc.txt").write_text(SECOND + "\n")
    assert str(arc_input.from_file(str(tmp_path), micro, child)) == SECOND  # a search


def test_the_run_directory_of_an_older_codebase_stands_for_the_best_arc_of_its_log(tmp_path):
    micro = spaces.get("micro")
    (tmp_path / "stdout").write_text(f"Here are 10 architectures\n{LINES}val_acc=0.9\n---\n{OTHER}val_acc=0.8\n---\n")
    assert arc_input.from_file(str(tmp_path), micro, micro.train_config().child).to_list() == words(LINES)


@pytest.mark.parametrize(
    "space, text, size",
    [
        ("micro", FIRST, {"child_num_cells": 1}),
        ("macro", MACRO, {"child_num_layers": 4, "controller_search_whole_channels": True}),
        (
            "macro",
            " ".join(["0 1 " * 6, "1 2 " * 6 + "1", "0 1 " * 6 + "0 0"]),
            {"child_num_layers": 3, "controller_search_whole_channels": False},
        ),
        ("rnn", "0 0 1 1 3", {"child_rhn_depth": 3}),
    ],
)
def test_an_arc_says_the_size_of_its_child_and_a_flag_that_contradicts_is_refused(space, text, size):
    space = spaces.get(space)
    arc = arc_input.from_text(text, space, space.train_config().child)
    assert arc_input.implied(arc, space, {}) == arc_input.implied(arc, space, size) == size
    for name, value in size.items():
        with pytest.raises(UserError, match=f"^--{name}=.*: the arc has --{name}={value}; leave the flag out"):
            arc_input.implied(arc, space, {name: not value if isinstance(value, bool) else value + 1})


def test_labelled_cells_in_the_wrong_order_are_refused():
    normal, reduction = LINES.splitlines()
    assert found(f"normal: {normal}\nreduction: {reduction}\n") == words(LINES)
    with pytest.raises(
        UserError, match="^arc: the reduction cell is above the normal cell; expected the normal cell first$"
    ):
        found(f"Reduction cell: {reduction}\nNormal cell: {normal}\n")
