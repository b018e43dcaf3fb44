"""Arcs from text, JSON and .npy files, and what is refused."""

import json
import pickle

import made_up_runs
import numpy as np
import pytest

from enas import spaces
from enas.errors import UserError
from enas.micro import arc as micro_arc
from enas.micro.config import TrainConfig
from enas.options import arc_input

VALUES = [0, 1, 1, 2, 1, 3, 0, 4]
TEXT = "0 1 1 2 1 3 0 4"
MICRO = spaces.get("micro")


def read(path, space="micro"):
    space = spaces.get(space)
    return arc_input.from_file(str(path), space, space.train_config().child).to_list()


@pytest.mark.parametrize(
    "content",
    [
        f"  {TEXT}\r\n",
        json.dumps(VALUES),
        json.dumps([[0, 1, 1, 2], [[1, 3], [0, 4]]]),
        json.dumps({"epoch": 3, "val_accuracy": 0.5, "arc": TEXT}),
        json.dumps({"arc": VALUES}, indent=2),
    ],
)
def test_text_and_json_give_the_same_integers(tmp_path, content):
    path = tmp_path / "any_name"
    path.write_text(content)
    assert read(path) == VALUES


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_text_that_windows_wrote_is_read(tmp_path, encoding):
    path = tmp_path / "arc.txt"
    path.write_text(TEXT, encoding=encoding)
    assert read(path) == VALUES


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int32])
def test_npy_gives_the_same_integers_whatever_its_shape(tmp_path, dtype):
    path = tmp_path / "arc.npy"
    np.save(path, np.array(VALUES, dtype).reshape(2, 2, 2))
    assert read(path) == VALUES


@pytest.mark.parametrize("name", ["arc.txt", "arc", "arc.json", "arc.npy"])
def test_what_is_written_reads_back(tmp_path, name):
    path = str(tmp_path / name)
    for _ in "12":
        arc_input.write(path, micro_arc.from_list(VALUES))
        assert read(path) == VALUES
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_an_arc_that_cannot_be_written_is_told_by_flag_and_file(tmp_path):
    path = tmp_path / "gone" / "arc"
    with pytest.raises(UserError, match=f"^--recommended_arch={path}: can't be written: No such file or directory"):
        arc_input.write(str(path), micro_arc.from_list(VALUES))


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_is_ever_unpickled(tmp_path):
    path, trapped = tmp_path / "arc.npy", tmp_path / "trapped"
    np.save(path, np.array([Trap(trapped)], object), allow_pickle=True)
    with pytest.raises(UserError, match=rf"--arc_file={path}: arc: the file holds pickled Python objects"):
        read(path)
    path.write_bytes(pickle.dumps(Trap(trapped)))
    with pytest.raises(UserError, match="not a text, JSON or .npy file"):
        read(path)
    assert not trapped.exists()


@pytest.mark.parametrize(
    "content, words",
    [
        (b"0 1 x", "word 3 of 3 is 'x', expected an integer"),
        (b"0 1.5", "word 2 of 2 is '1.5'"),
        (b"[0, 1", "expected a multiple of 8 integers"),
        (b"[0, true]", "word 2 of 2 is 'true'"),
        (b"[0, 1.5]", "word 2 of 2 is '1.5'"),
        (b'{"arcs": [0]}', 'the JSON object has no "arc"'),
        (b'{"arc": [0, null]}', "word 2 of 2 is 'null'"),
        (b'{"arc": [0', "not valid JSON"),
        (b"[" * 200_000, "got 0"),
        (b'{"arc": ' * 200_000, "not valid JSON"),
        (b" " * (1 << 26) + b"1", "more than 64 MB"),
        (b"\x93NUMPY\x01\x00", "a damaged .npy array"),
        (b"\x93NUMPY\x01\x00\x06\x00{'a': (", "a damaged .npy array"),
        (b"\x93NUMPY\x01\x00\x04\x00\x00\x00\x00\x00", "a damaged .npy array"),
    ],
)
def test_other_content_is_refused_by_name(tmp_path, content, words):
    path = tmp_path / "arc"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(f"--arc_file={path}: ") and words in str(error.value)


def test_the_settings_of_a_search_are_told_for_what_they_are(tmp_path):
    made_up_runs.search(tmp_path)
    with pytest.raises(UserError, match="config.json: arc: these are the settings of a run .search., .* best_arc.txt"):
        read(tmp_path / "config.json")


@pytest.mark.parametrize(
    "array, words",
    [
        (np.array([0.0, 1.5]), "number 2 of 2 is 1.5, expected an integer"),
        (np.array([0.0, np.nan]), "number 2 of 2 is nan"),
        (np.array([0.0, 1e30]), "number 2 of 2 is 1e[+]30"),
        (np.zeros(8, bool), "the .npy array's type is bool, expected whole numbers"),
        (np.array(["0"] * 8), "the .npy array's type is <U1"),
        (np.array([]), "got 0"),
        (np.zeros((2, 40)), "2 arcs, one a row"),
    ],
)
def test_an_array_of_numbers_that_are_no_arc_is_refused(tmp_path, array, words):
    np.save(tmp_path / "arc.npy", array)
    with pytest.raises(UserError, match=words):
        read(tmp_path / "arc.npy")


def test_the_floats_that_numpy_makes_by_default_are_an_arc(tmp_path):
    np.save(tmp_path / "arc.npy", np.zeros((2, 20)))
    assert read(tmp_path / "arc.npy") == [0] * 40
    np.savetxt(tmp_path / "arc.txt", VALUES)
    assert read(tmp_path / "arc.txt") == VALUES


def train_config(text="", file="", num_cells=1):
    config = TrainConfig()
    return type(config)(
        child=type(config.child)(num_cells=num_cells), arc=type(config.arc)(child_fixed_arc=text, arc_file=str(file))
    )


def test_the_arc_to_train_is_given_once_and_fits_the_child(tmp_path):
    path = tmp_path / "arc.json"
    path.write_text(json.dumps(VALUES))
    assert str(arc_input.given(train_config(TEXT), MICRO)) == TEXT
    assert str(arc_input.given(train_config(file=path), MICRO)) == TEXT
    for both in ((TEXT, path), ("", "")):
        with pytest.raises(UserError, match="by --child_fixed_arc or by --arc_file, one of the two"):
            arc_input.given(train_config(*both), MICRO)
    with pytest.raises(UserError, match="^--child_fixed_arc: arc: expected 16 integers"):
        arc_input.given(train_config(TEXT, num_cells=2), MICRO)
    with pytest.raises(UserError, match=rf"^--arc_file={path}: arc: expected 16 integers"):
        arc_input.given(train_config(file=path, num_cells=2), MICRO)
