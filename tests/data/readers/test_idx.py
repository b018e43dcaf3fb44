"""The IDX reader, on good files and on every kind of bad one."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from data_files import idx_bytes, images, write_idx
from hypothesis import given, settings
from hypothesis import strategies as st

from enas import data
from enas.data.readers import idx
from enas.errors import UserError
from enas.options.config import DataConfig

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"


def load(folder, dataset="mnist"):
    return data.load(DataConfig(dataset=dataset, data_dir=str(folder), num_valids=6), 0)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dotted", [True, False])
def test_idx_files_come_back_as_they_were_written(tmp_path, zipped, dotted):
    arrays = write_idx(tmp_path, zipped=zipped, dotted=dotted)
    loaded = load(tmp_path)
    assert np.array_equal(loaded.test.images[..., 0], arrays["t10k-images"])
    assert np.array_equal(loaded.test.labels, arrays["t10k-labels"])
    train = {image.tobytes() for image in np.concatenate([loaded.train.images, loaded.valid.images])}
    assert train == {image.tobytes() for image in arrays["train-images"]}
    assert loaded.num_classes == 3


def test_fashion_mnist_has_its_class_names(tmp_path):
    write_idx(tmp_path)
    assert load(tmp_path, "fashion_mnist").class_names == ("T-shirt/top", "Trouser", "Pullover")


def test_missing_folder_names_flag_and_command(tmp_path):
    with pytest.raises(UserError, match="--data_dir=.*python -m enas.data.download mnist"):
        load(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="not a folder"):
        load(tmp_path / "file")


def test_the_default_folder_is_data_and_the_sets_name(tmp_path, monkeypatch):
    write_idx(tmp_path / "data" / "mnist")
    monkeypatch.chdir(tmp_path)
    assert load("").num_classes == 3


@pytest.mark.parametrize("stem", ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"])
def test_a_missing_idx_file_is_named(tmp_path, stem):
    write_idx(tmp_path)
    (tmp_path / f"{stem}-ubyte.gz").unlink()
    with pytest.raises(UserError, match=f"no {stem}-ubyte"):
        load(tmp_path)


GOOD = idx_bytes(images(60)[..., 0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes; expected an IDX header of 16"),
        (GOOD[:9], "9 bytes; expected an IDX header"),
        (b"\0\0\x0d\x03" + GOOD[4:], "magic number 0x00000d03; expected 0x00000803"),
        (GOOD[:-1], "3,839 bytes after the header; expected 3,840"),
        (GOOD + b"\0", "more bytes after the header; expected 3,840"),
        (struct.pack(">4I", 0x803, 60, 0, 8), "dimensions 60x0x8"),
        (struct.pack(">4I", 0x803, 60, 5000, 8), "dimensions 60x5000x8"),
        (struct.pack(">4I", 0x803, 2**32 - 1, 1024, 1024), "dimensions 4294967295x1024x1024"),
        (idx_bytes(images(59)[..., 0]), "60 labels; expected 59"),
        (struct.pack(">4I", 0x803, 0, 8, 8), "60 labels; expected 0"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_malformed_idx_file_is_refused_in_one_line(tmp_path, content, words, zipped):
    write_idx(tmp_path)
    (tmp_path / TRAIN_IMAGES).write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(UserError, match=words) as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_or_damaged_gzip_file_is_refused(tmp_path):
    write_idx(tmp_path)
    path = tmp_path / TRAIN_IMAGES
    good = path.read_bytes()
    for cut in (3, 15, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:cut])
        with pytest.raises(UserError, match=TRAIN_IMAGES):
            load(tmp_path)
    path.write_bytes(good[:-8] + bytes(8))  # the sum and size at the end
    with pytest.raises(UserError, match=f"{TRAIN_IMAGES}: damaged gzip"):
        load(tmp_path)
    path.write_bytes(good + b"junk after the end")
    with pytest.raises(UserError, match=f"{TRAIN_IMAGES}: damaged gzip"):
        load(tmp_path)


def test_gzip_bomb_is_not_unpacked(tmp_path):
    write_idx(tmp_path)
    (tmp_path / TRAIN_IMAGES).write_bytes(gzip.compress(GOOD + bytes(64 * 2**20), 1))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="more bytes"):
            load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_header_that_lies_allocates_nothing(tmp_path):
    write_idx(tmp_path)
    (tmp_path / TRAIN_IMAGES).write_bytes(struct.pack(">4I", 0x803, 1023, 1024, 1024) + bytes(100))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="100 bytes after the header"):
            load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_labels_out_of_range_and_empty_class(tmp_path):
    write_idx(tmp_path)
    labels = (np.arange(60) % 3 * 2).astype(np.uint8)
    (tmp_path / TRAIN_LABELS).write_bytes(gzip.compress(idx_bytes(labels)))
    with pytest.raises(UserError, match="empty class '1'"):
        load(tmp_path)
    write_idx(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.full(30, 9, np.uint8))))
    with pytest.raises(UserError, match="test label 9; expected 0 to 2"):
        load(tmp_path)
    (tmp_path / TRAIN_LABELS).write_bytes(gzip.compress(idx_bytes(np.full(60, 10, np.uint8))))
    with pytest.raises(UserError, match="a training label is 10; expected at most 9"):
        load(tmp_path, "fashion_mnist")
    (tmp_path / TRAIN_LABELS).write_bytes(gzip.compress(idx_bytes(np.zeros(60, np.uint8))))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros(30, np.uint8))))
    with pytest.raises(UserError, match="1 class; expected at least 2"):
        load(tmp_path)


def test_a_split_without_images_is_refused(tmp_path):
    write_idx(tmp_path, test=0)
    with pytest.raises(UserError, match="no test images"):
        load(tmp_path)
    write_idx(tmp_path, train=0)
    with pytest.raises(UserError, match="no training images"):
        load(tmp_path)


def test_sides_that_differ_are_refused(tmp_path):
    write_idx(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images(30, 9)[..., 0])))
    with pytest.raises(UserError, match="test images are 9x9; expected 8x8"):
        load(tmp_path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "file"


SMALL = idx_bytes(images(3, 4)[..., 0])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), zipped=st.booleans())
def test_mutations_end_in_user_errors_only(scratch, data, zipped):
    content = bytearray(gzip.compress(SMALL, mtime=0) if zipped else SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    scratch.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        result = idx.read_file(scratch, 3)
    except UserError as error:
        assert str(scratch) in str(error)
    else:
        assert result.ndim == 3
