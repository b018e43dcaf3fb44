"""Class folders of images."""

import os

import numpy as np
import pytest
from data_files import encoded, images, pixels, write_folder

from enas import data
from enas.data.readers import images as image_tools
from enas.errors import UserError
from enas.options.config import DataConfig


def load(folder, seed=0, **changes):
    return data.load(DataConfig(dataset="folder", data_dir=str(folder), **changes), seed)


def test_folders_of_images_come_back_as_they_were_written(tmp_path):
    colours = write_folder(tmp_path, ("train", "valid", "test"))
    loaded = load(tmp_path)
    assert loaded.class_names == ("cat", "dog")
    assert loaded.image_shape == (32, 32, 3)
    assert np.array_equal(pixels(loaded.test)[:, 7, 9], np.concatenate(list(colours["test"].values())))
    assert loaded.test.labels.tolist() == [0] * 6 + [1] * 6
    found = {(label, *image[0, 0]) for label, image in zip(loaded.valid.labels, pixels(loaded.valid), strict=True)}
    assert found == {(label, *row) for label, name in enumerate(("cat", "dog")) for row in colours["valid"][name]}


def split_names(folder, **changes):
    """{split: names of its files, without the folder of the split}."""
    loaded = load(folder, **changes)
    splits = {name: getattr(loaded, name).names for name in ("train", "valid", "test")}
    return {name: {"/".join(file.split("/")[-2:]) for file in files} for name, files in splits.items()}


def test_what_has_no_valid_gives_a_share_of_each_class(tmp_path):
    write_folder(tmp_path, count=40)
    for share in (0.1, 0.5):
        loaded = load(tmp_path, valid_fraction=share)
        counts = np.bincount(loaded.valid.labels)
        assert (np.abs(counts - 40 * share) <= 3 * np.sqrt(40 * share * (1 - share))).all()
        assert len(loaded.train.labels) + counts.sum() == 80 and len(loaded.test.labels) == 80
        assert f"--valid_fraction={share:g}" in loaded.notes[0] and "--test_fraction" not in loaded.notes[0]
    assert len(load(tmp_path, num_valids=4).valid.labels) == 4


@pytest.mark.parametrize("splits", [("train",), ("train", "valid"), ("train", "test"), ()])
def test_splits_that_are_not_there_are_split_off_and_images_that_are_added_move_no_other(tmp_path, splits):
    write_folder(tmp_path / "all", ("train", "valid", "test"), count=30)
    root = tmp_path / "data"
    root.mkdir()
    for split in splits:
        (tmp_path / "all" / split).rename(root / split)
    if not splits:  # class folders alone
        root.rmdir()
        (tmp_path / "all" / "train").rename(root)
    before = split_names(root, seed=3)
    own = sum(60 for split in ("valid", "test") if split in splits)
    assert sum(map(len, before.values())) == 60 + own and all(before.values())
    assert before != split_names(root, seed=4) or set(splits) == {"train", "valid", "test"}
    for split in ("train", "valid", "test"):
        assert split not in splits[1:] or len(before[split]) == 60
    target = root / "train" if splits else root
    for number in range(30):
        (target / "cat" / f"more{number}.png").write_bytes(encoded(images(1, 8, 3)[0]))
    after = split_names(root, seed=3)
    assert all(before[split] <= after[split] for split in before)
    assert sum(map(len, after.values())) == 90 + own


def test_class_folders_are_listed_once(tmp_path, monkeypatch):
    write_folder(tmp_path, ("train",), count=10)
    seen, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: seen.append(os.path.basename(path)) or scandir(path))
    load(tmp_path / "train")
    assert sorted(seen) == ["cat", "dog", "train"]


def test_a_flag_for_a_split_that_is_there_is_refused_and_shares_leave_some_for_training(tmp_path):
    write_folder(tmp_path)
    with pytest.raises(UserError, match="--test_fraction=0.2: .* has its own test images; expected 0"):
        load(tmp_path, test_fraction=0.2)
    with pytest.raises(UserError, match="--valid_fraction=0.5 and --test_fraction=0.5: expected shares"):
        load(tmp_path / "train", valid_fraction=0.5, test_fraction=0.5)


def test_few_images_of_a_class_are_for_training_first(tmp_path):
    write_folder(tmp_path, ("train",), ("ant", "bee", "cat"), count=3)
    for name, left in (("ant", 1), ("bee", 2)):
        for number in range(left, 3):
            (tmp_path / "train" / name / f"{number}.png").unlink()
    loaded = load(tmp_path)
    counts = {
        name: np.bincount(getattr(loaded, name).labels, minlength=3).tolist() for name in ("train", "valid", "test")
    }
    assert counts == {"train": [1, 1, 1], "valid": [0, 1, 1], "test": [0, 0, 1]}
    assert "warning: no test images of class 'ant', 'bee', which per-class figures leave out" in loaded.notes


def test_each_split_may_lie_in_a_folder_of_its_own(tmp_path):
    write_folder(tmp_path / "one", ("train", "valid", "test"))
    together = load(tmp_path / "one", cache="memory")
    for split, place in (("train", "a/x"), ("valid", "b"), ("test", "c/d/e")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / split).rename(tmp_path / place)
    apart = {"train_data_dir": tmp_path / "a/x", "val_data_dir": tmp_path / "b", "test_data_dir": tmp_path / "c/d/e"}
    apart = {name: str(path) for name, path in apart.items()}
    loaded = data.load(DataConfig(dataset="folder", **apart), 0)
    for split in ("train", "valid", "test"):
        assert np.array_equal(pixels(getattr(loaded, split)), pixels(getattr(together, split)))
        assert getattr(loaded, split).names == getattr(together, split).names
    with pytest.raises(UserError, match="--test_data_dir=nowhere: no such folder"):
        data.load(DataConfig(dataset="folder", **{**apart, "test_data_dir": "nowhere"}), 0)
    with pytest.raises(UserError, match="--test_data_dir=.*: no training images; expected .*or --train_data_dir"):
        data.load(DataConfig(dataset="folder", test_data_dir=apart["test_data_dir"]), 0)


def test_everything_that_is_no_image_is_left_out_and_counted(tmp_path):
    """36 files of six formats, with and without a name that says so, among what else lies in people's folders."""
    flat = np.full((9, 7, 3), (200, 40, 90), np.uint8)
    for split in ("train", "valid", "test"):
        for label in ("cat", "dog"):
            (tmp_path / split / label).mkdir(parents=True)
            for number, kind in enumerate((".png", ".jpg", ".webp", ".gif", ".bmp", ".tif")):
                name = f"{number}{kind.upper()}" if number % 2 else f"{number}"
                (tmp_path / split / label / name).write_bytes(encoded(flat, kind))
    misnamed = tmp_path / "train" / "cat" / "really_a_webp.jpg"
    misnamed.write_bytes(encoded(flat, ".webp"))
    for name in ("Thumbs.db", ".DS_Store", "notes.txt", "more.txt", "README"):
        (tmp_path / "train" / "cat" / name).write_text("BM or P6 begin some images, and this text")
    (tmp_path / "train" / "cat" / "old" / "er").mkdir(parents=True)
    (tmp_path / "train" / "cat" / "old" / "er" / "1.png").write_bytes(encoded(flat))
    (tmp_path / "train" / "stray.png").write_bytes(encoded(flat))
    (tmp_path / "holdout").mkdir()
    loaded = load(tmp_path)
    assert [len(getattr(loaded, split).labels) for split in ("train", "valid", "test")] == [13, 12, 12]
    assert loaded.notes == (
        f"left out of {tmp_path}: 1 that are no train, valid or test: holdout",
        f"left out of {tmp_path}/train: 7 files that are no images of a class: 1 .db (cat/Thumbs.db), "
        "2 .txt (cat/more.txt), 1 beside the class folders (stray.png), 1 hidden (cat/.DS_Store), "
        "1 in folders below a class (cat/old/er/1.png), "
        "1 without extension (cat/README)",
    )


def test_images_get_the_size_and_the_channel_asked_for(tmp_path):
    write_folder(tmp_path, count=10)
    assert load(tmp_path, img_size="5", channel=1).image_shape == (5, 5, 1)


def test_jpeg_and_extensions_in_any_case(tmp_path):
    write_folder(tmp_path, count=10)
    flat = np.full((9, 7, 3), (200, 40, 90), np.uint8)
    for name in ("a.JPG", "b.Jpeg", "c.jpg"):
        (tmp_path / "test" / "cat" / name).write_bytes(encoded(flat, ".jpg"))
    (tmp_path / "test" / "cat" / "d.PNG").write_bytes(encoded(flat))
    (tmp_path / "test" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "test" / "cat" / ".hidden.png").write_text("no image")
    (tmp_path / "test" / "cat" / "folder.png").mkdir()
    (tmp_path / "test" / ".git").mkdir()
    loaded = load(tmp_path)
    assert len(loaded.test.labels) == 24
    near = np.abs(pixels(loaded.test)[:, 3, 3].astype(int) - flat[0, 0]).max(axis=1) <= 3
    assert near.sum() == 4


def test_only_chosen_images_are_read(tmp_path, monkeypatch):
    write_folder(tmp_path, count=20)
    decoded = []
    original = image_tools.decode
    monkeypatch.setattr(
        image_tools, "decode", lambda bytes_, name, form: decoded.append(name) or original(bytes_, name, form)
    )
    load(tmp_path, max_train_images=4, max_valid_images=2, max_test_images=2)
    assert len(decoded) == 8


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_a_truncated_image_is_refused(tmp_path, extension):
    write_folder(tmp_path, count=10)
    whole = encoded(images(1, 40, 3)[0], extension)
    path = tmp_path / "test" / "dog" / f"broken{extension}"
    for cut in (0, 2, 30, len(whole) // 2, len(whole) - 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match=f"broken{extension}: .*expected a whole image") as caught:
            load(tmp_path)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole + b"trailing bytes")
    assert len(load(tmp_path).test.labels) == 21


def test_an_unreadable_image_is_named(tmp_path):
    write_folder(tmp_path, count=10)
    (tmp_path / "test" / "dog" / "text.png").write_text("no image at all")
    with pytest.raises(UserError, match="text.png: begins like no image"):
        load(tmp_path)


def test_a_missing_split_is_named(tmp_path):
    with pytest.raises(UserError, match="--data_dir=.*no such folder"):
        load(tmp_path / "nowhere")
    write_folder(tmp_path / "b", ("test",))
    with pytest.raises(UserError, match="--data_dir=.*: no training images; expected train/<class>"):
        load(tmp_path / "b")


def test_a_class_without_images_is_refused(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train" / "eel").mkdir()
    (tmp_path / "train" / "eel" / "readme.txt").write_text("")
    with pytest.raises(UserError, match="train: empty class 'eel'"):
        load(tmp_path)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_splits_with_other_classes_are_refused(tmp_path, split):
    write_folder(tmp_path, ("train", "valid", "test"))
    (tmp_path / split / "eel").mkdir()
    with pytest.raises(UserError, match=f"{split}: class folder 'eel' is not among"):
        load(tmp_path)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_class_that_a_split_lacks_is_told(tmp_path, split):
    write_folder(tmp_path, ("train", "valid", "test"))
    for file in (tmp_path / split / "dog").iterdir():
        file.unlink()
    for _ in "an empty folder", "none":
        loaded = load(tmp_path)
        assert set(getattr(loaded, split).labels) == {0} and set(loaded.train.labels) == {0, 1}
        assert loaded.notes == (f"warning: no {split} images of class 'dog', which per-class figures leave out",)
        if (tmp_path / split / "dog").exists():
            os.rmdir(tmp_path / split / "dog")


@pytest.mark.parametrize("classes", [(), ("cat",)])
def test_a_single_class_is_refused(tmp_path, classes):
    write_folder(tmp_path, classes=classes)
    (tmp_path / "train").mkdir(exist_ok=True)
    with pytest.raises(UserError, match=f"{len(classes)} class folders"):
        load(tmp_path)
