import types

import numpy as np
import pytest

from enas.data.readers import text
from enas.errors import UserError


def config(**values):
    limits = {f"max_{name}_tokens": 0 for name in text.SPLITS}
    return types.SimpleNamespace(**{"dataset": "folder", "data_dir": "", **limits, **values})


def folder(path, train, valid="b <unk>\n", test="a\n", suffix=".txt"):
    for name, content in zip(text.SPLITS, (train, valid, test), strict=True):
        (path / f"{name}{suffix}").write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def spelled(loaded, name):
    return " ".join(loaded.words[token] for token in getattr(loaded, name))


@pytest.mark.parametrize("suffix", [".txt", ""])
def test_a_line_is_a_sentence_and_the_vocabulary_is_that_of_train(tmp_path, suffix):
    train = " b a b \n<unk> é b\n\nlast without a line end"
    path = folder(tmp_path, train, "\ufeffb news <unk>\r\n", "a <eos>\nb\n", suffix)
    loaded = text.load(config(data_dir=path))
    assert spelled(loaded, "train") == "b a b <eos> <unk> é b <eos> <eos> last without a line end <eos>"
    assert spelled(loaded, "valid") == "b <unk> <unk> <eos>"
    assert spelled(loaded, "test") == "a <eos> b <eos>"
    # By frequency, then by spelling.
    assert loaded.words == ("<eos>", "b", "a", "<unk>", "end", "last", "line", "without", "é")
    assert loaded.eos == 0 and loaded.train.dtype == np.int32


def test_an_unknown_word_is_an_error_where_train_has_no_unk(tmp_path):
    path = folder(tmp_path, "a b\n", "a\n", "b\na c d\n")
    with pytest.raises(UserError, match=r"test\.txt: line 2: the word 'c' is not in the training text.*no <unk>"):
        text.load(config(data_dir=path))


def test_limits_keep_the_front_of_each_split(tmp_path):
    path = folder(tmp_path, "a b c\na b c\n", "a b\nc\n", "c\n")
    loaded = text.load(config(data_dir=path, max_train_tokens=5, max_valid_tokens=2))
    assert (spelled(loaded, "train"), spelled(loaded, "valid"), spelled(loaded, "test")) == (
        "a b c <eos> a",
        "a b",
        "c <eos>",
    )


@pytest.mark.parametrize(
    "content, words",
    [
        ({"train": "", "valid": "a"}, ["train.txt", "no words"]),
        ({"train": b"a \xff\n"}, ["train.txt", "not UTF-8"]),
        ({"train": "a\n", "test": " \n\n"}, ["test.txt", "no words"]),
    ],
)
def test_files_that_are_no_text_are_refused_by_name(tmp_path, content, words):
    path = folder(tmp_path, **{"valid": "a\n", "test": "a\n", **content})
    with pytest.raises(UserError) as error:
        text.load(config(data_dir=path))
    assert all(word in str(error.value) for word in words), error.value


def test_missing_files_and_folders_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"--data_dir=.*: neither train\.txt nor train in it"):
        text.load(config(data_dir=str(tmp_path)))
    with pytest.raises(UserError, match=r"--data_dir=.*missing: no such folder.*download ptb"):
        text.load(config(dataset="ptb", data_dir=str(tmp_path / "missing")))


def test_the_manual_is_a_real_text_whose_splits_share_no_long_sentence():
    loaded = text.load(config(dataset="pydoc"))
    sizes = [len(getattr(loaded, name)) for name in text.SPLITS]
    # Python's versions differ a little.
    assert 45_000 < sizes[0] < 90_000 and all(5_000 < size < 15_000 for size in sizes[1:])
    assert 1_500 < len(loaded.words) < 3_500
    unknown = loaded.words.index(text.UNK)
    counts = np.bincount(loaded.train, minlength=len(loaded.words))
    assert counts.min() >= text._RAREST and counts[unknown] > 0
    assert 0.01 < np.mean(loaded.valid == unknown) < 0.1
    lines = {name: spelled(loaded, name).split(" <eos>") for name in text.SPLITS}
    long = {line for line in lines["train"] if len(line.split()) > 12 and text.UNK not in line}
    assert not long & set(lines["valid"]) and not long & set(lines["test"])
    again = text.load(config(dataset="pydoc"))
    assert again.words == loaded.words and np.array_equal(again.test, loaded.test)
