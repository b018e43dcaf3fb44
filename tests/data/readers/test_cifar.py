"""CIFAR-10's pickles: the official form is read, anything else is refused and nothing is executed."""

import os
import pickle

import numpy as np
import pytest
from data_files import python2_batch, write_cifar, write_folder

from enas import data
from enas.data.readers import cifar
from enas.errors import UserError
from enas.options.config import DataConfig


@pytest.fixture
def root(tmp_path):
    write_cifar(tmp_path / cifar.NAME)
    return tmp_path


def load(root, **changes):
    return data.load(DataConfig(dataset="cifar10", data_dir=str(root), **{"num_valids": 20, **changes}), 0)


def test_round_trip_from_either_folder(tmp_path):
    rows = write_cifar(tmp_path / cifar.NAME)
    loaded = load(tmp_path)
    assert len(loaded.train.labels) == 80
    assert loaded.image_shape == (32, 32, 3)
    assert loaded.class_names[3] == "name 3"
    first = loaded.test.images[0]
    assert first[2, 5].tolist() == [rows["test_batch"][0][plane * 1024 + 2 * 32 + 5] for plane in range(3)]
    inside = load(tmp_path / cifar.NAME)
    assert np.array_equal(inside.train.images, loaded.train.images)


def test_a_batch_pickled_by_python_2_is_read(root):
    rows = np.random.default_rng(5).integers(0, 256, (10, 3072), np.uint8)
    (root / cifar.NAME / "test_batch").write_bytes(python2_batch(rows, range(10)))
    loaded = load(root)
    assert np.array_equal(loaded.test.images.transpose(0, 3, 1, 2).reshape(10, 3072), rows)
    assert loaded.test.labels.tolist() == list(range(10))


def test_folders_of_classes_are_read(tmp_path):
    write_folder(tmp_path, count=20)
    loaded = load(tmp_path)
    assert loaded.image_shape == (32, 32, 3)
    assert len(loaded.valid.labels) == 20


def test_a_missing_folder_or_batch_is_named(tmp_path, root):
    with pytest.raises(UserError, match="--data_dir=.*enas.data.download cifar10"):
        load(tmp_path / "nowhere")
    (root / cifar.NAME / "data_batch_3").unlink()
    with pytest.raises(UserError, match="data_batch_3: No such file"):
        load(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no CIFAR-10 in it"):
        load(tmp_path / "empty")


class Evil:
    """Pickles as a call of `function(*args)`."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_hostile_pickle_is_not_executed(root, name, protocol):
    canary = root / "canary"
    for evil in (Evil(os.system, f"touch {canary}"), Evil(eval, f"open({str(canary)!r}, 'w')"), Evil(os.mkdir, canary)):
        (root / cifar.NAME / name).write_bytes(pickle.dumps({b"data": evil}, protocol=protocol))
        with pytest.raises(UserError, match=f"{name}: .*refused"):
            load(root)
        assert not canary.exists()


@pytest.mark.parametrize(
    "module", ["os", "builtins", "numpy", "numpy.core.multiarray", "_codecs", "enas.data.readers.cifar"]
)
def test_other_names_of_allowed_modules_are_refused(root, module):
    path = root / cifar.NAME / "data_batch_1"
    path.write_bytes(b"\x80\x02c" + module.encode() + b"\nload\n.")
    with pytest.raises(UserError, match="refused"):
        load(root)


def test_stand_ins_survive_a_hostile_pickle(root):
    # BUILD with a (None, dict) state sets attributes, here on the stand-in for numpy's dtype.
    path = root / cifar.NAME / "data_batch_1"
    good = path.read_bytes()
    path.write_bytes(b"\x80\x02cnumpy\ndtype\nN}X\x08\x00\x00\x00__name__X\x01\x00\x00\x00xs\x86b.")
    with pytest.raises(UserError, match="data_batch_1"):
        load(root)
    path.write_bytes(good)
    assert load(root).num_classes == 10


def batch(rows=None, labels=None):
    rows = np.zeros((10, 3072), np.uint8) if rows is None else rows
    return {b"data": rows, b"labels": list(range(10)) if labels is None else labels}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "holds a list; expected a dict"),
        ({b"labels": [1]}, "no array called data"),
        ({b"data": b"abc", b"labels": [1]}, "no array called data"),
        (batch(np.zeros((10, 3071), np.uint8)), "malformed; expected uint8"),
        (batch(np.zeros((10, 3072), np.float32)), "malformed; expected uint8"),
        (batch(np.zeros((10, 3072), np.int8)), "malformed; expected uint8"),
        (batch(np.zeros(3072, np.uint8)), "malformed; expected uint8"),
        (batch(np.asfortranarray(np.ones((10, 3072), np.uint8))), "malformed; expected uint8"),
        (batch(labels=list(range(9))), "9 labels; expected 10"),
        (batch(labels=[10] * 10), "no list of labels from 0 to 9"),
        (batch(labels=[-1] * 10), "no list of labels from 0 to 9"),
        (batch(labels=[1.0] * 10), "no list of labels from 0 to 9"),
        (batch(labels=[True] * 10), "no list of labels from 0 to 9"),
    ],
)
def test_a_malformed_batch_is_refused(root, content, words):
    (root / cifar.NAME / "data_batch_2").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(UserError, match=f"data_batch_2: .*{words}"):
        load(root)


@pytest.mark.parametrize("names", [None, [b"a"], [b"a"] * 10, list(range(10))])
def test_malformed_class_names_are_refused(root, names):
    (root / cifar.NAME / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=2))
    with pytest.raises(UserError, match="batches.meta"):
        load(root)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a memo index that would allocate gigabytes
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a byte array said to have 2^63 bytes
        b"\x80\x02" + b"c_codecs\nencode\n(X\x00\x00\x00\x00X\x06\x00\x00\x00latin1tR" * 20 + b".",
        b"\x80\x02c_codecs\nencode\n(X\x00\x00\x00\x00X\x03\x00\x00\x00rottR.",
    ],
)
def test_a_broken_pickle_is_one_line(root, content):
    (root / cifar.NAME / "data_batch_1").write_bytes(content)
    with pytest.raises(UserError, match="data_batch_1: not a pickle of CIFAR-10") as caught:
        load(root)
    assert "\n" not in str(caught.value)


def test_a_truncated_batch_is_refused(root):
    path = root / cifar.NAME / "data_batch_1"
    good = path.read_bytes()
    for cut in (1, 50, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:cut])
        with pytest.raises(UserError, match="data_batch_1"):
            load(root)


def test_a_file_that_is_too_large_is_refused(root, monkeypatch):
    monkeypatch.setattr(cifar, "MAX_BATCH_BYTES", 1000)
    with pytest.raises(UserError, match="data_batch_1: more than 1,000 bytes"):
        load(root)
