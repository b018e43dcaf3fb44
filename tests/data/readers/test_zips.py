"""Zip files of class folders: read in place; hostile ones are refused."""

import stat
import struct
import warnings
import zipfile

import numpy as np
import pytest
from data_files import encoded, images, pixels, write_folder, zip_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from enas import data
from enas.data.readers import folder, zips
from enas.data.readers.images import Form
from enas.errors import UserError
from enas.options.config import DataConfig


def load(root, **changes):
    return data.load(DataConfig(dataset="folder", data_dir=str(root), **changes), 0)


@pytest.fixture
def plain(tmp_path):
    """Class folders, 10 images a class."""
    write_folder(tmp_path / "plain", count=10)
    return tmp_path / "plain"


@pytest.fixture
def zipped(tmp_path, plain):
    """The same as train.zip and test.zip."""
    root = tmp_path / "zipped"
    root.mkdir()
    for split in ("train", "test"):
        zip_folder(plain / split, root / f"{split}.zip")
    return root


@pytest.mark.parametrize("prefixed", [False, True])
def test_same_as_folders_and_nothing_extracted(plain, zipped, prefixed):
    if prefixed:
        for split in ("train", "test"):
            zip_folder(plain / split, zipped / f"{split}.zip", f"{split}/")
    from_folders, from_zips = load(plain), load(zipped)
    for name in ("train", "valid", "test"):
        assert np.array_equal(pixels(getattr(from_folders, name)), pixels(getattr(from_zips, name)))
        assert np.array_equal(getattr(from_folders, name).labels, getattr(from_zips, name).labels)
    assert sorted(path.name for path in zipped.iterdir()) == ["test.zip", "train.zip"]


def test_a_validation_zip_file_is_read(zipped):
    (zipped / "valid.zip").write_bytes((zipped / "test.zip").read_bytes())
    assert len(load(zipped).valid.labels) == 20


def test_folder_wins(plain):
    (plain / "train.zip").write_bytes(b"not a zip file")
    assert load(plain).num_classes == 2


def test_clutter_is_ignored(zipped):
    with zipfile.ZipFile(zipped / "test.zip", "a") as archive:
        for name in ("__MACOSX/cat/0.png", "cat/.DS_Store", "cat/notes.txt", "readme.md", "cat/", ".git/x.png"):
            archive.writestr(name, b"")
    assert len(load(zipped).test.labels) == 20


def test_a_class_without_images_in_a_zip_file_is_refused(zipped):
    with zipfile.ZipFile(zipped / "train.zip", "a") as archive:
        archive.writestr("eel/", b"")
    with pytest.raises(UserError, match="train.zip: empty class 'eel'"):
        load(zipped)


def info(name, mode=None, **attributes):
    result = zipfile.ZipInfo("placeholder")
    result.filename = name
    if mode:
        result.external_attr = mode << 16
    for key, value in attributes.items():
        setattr(result, key, value)
    return result


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (info("../outside.png"), "leaves its folder"),
        (info("cat/../../outside.png"), "leaves its folder"),
        (info("/etc/outside.png"), "absolute path"),
        (info("C:/outside.png"), "absolute path"),
        (info("cat\\outside.png"), "absolute path"),
        (info("cat/link.png", stat.S_IFLNK | 0o777), "is a link"),
        (info("cat/pipe.png", stat.S_IFIFO | 0o666), "is a special file"),
        (info("cat/0.png"), "appears twice"),
        (info("cat/x.png", compress_type=zipfile.ZIP_BZIP2), "compressed by method 12"),
    ],
)
def test_hostile_members_of_a_zip_file_are_refused_and_write_nothing(zipped, member, words):
    with warnings.catch_warnings(), zipfile.ZipFile(zipped / "test.zip", "a") as archive:
        warnings.simplefilter("ignore")  # of the duplicate name
        archive.writestr(member, encoded(images(1, 4, 3)[0]))
    before = sorted(zipped.parent.rglob("*"))
    with pytest.raises(UserError, match=f"test.zip: member .*{words}") as caught:
        load(zipped)
    assert "\n" not in str(caught.value)
    assert sorted(zipped.parent.rglob("*")) == before


def test_an_encrypted_zip_file_is_refused(zipped):
    path = zipped / "test.zip"
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is encrypted"):
        load(zipped)


def test_a_member_that_unpacks_to_too_much_is_refused(zipped, monkeypatch):
    path = zipped / "test.zip"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/bomb.png", bytes(5 * 2**20))
    with pytest.raises(UserError, match="member 'cat/bomb.png' expands from"):
        load(zipped)
    monkeypatch.setattr(zips, "MAX_FILE_BYTES", 2**20)
    with pytest.raises(UserError, match="member 'cat/bomb.png' has 5,242,880 bytes"):
        load(zipped)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"cat/{number}.png", bytes(10**6))
    with pytest.raises(UserError, match="test.zip: .* bytes would expand to 4,000,000"):
        load(zipped)
    monkeypatch.setattr(zips, "MAX_MEMBERS", 3)
    with pytest.raises(UserError, match="train.zip: 20 members; expected at most 3"):
        load(zipped)


def test_member_that_lies_about_its_size(zipped):
    path = zipped / "test.zip"
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    size = struct.unpack_from("<I", content, entry + 24)[0]
    struct.pack_into("<I", content, entry + 24, size - 5)
    path.write_bytes(content)
    with pytest.raises(UserError, match="test.zip: member 'cat/0.png'"):
        load(zipped)


def test_a_damaged_or_truncated_zip_file_is_refused(zipped):
    path = zipped / "test.zip"
    good = path.read_bytes()
    for content in (b"", b"no zip", good[: len(good) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="test.zip: damaged zip"):
            load(zipped)
    broken = bytearray(good)
    broken[60] ^= 255  # inside the first member's data
    path.write_bytes(broken)
    with pytest.raises(UserError, match="test.zip: member 'cat/0.png': damaged"):
        load(zipped)


def test_a_broken_image_in_a_zip_file_is_named(zipped):
    with zipfile.ZipFile(zipped / "test.zip", "a") as archive:
        archive.writestr("cat/z.png", encoded(images(1, 9, 3)[0])[:-9])
    with pytest.raises(UserError, match="test.zip: member 'cat/z.png': truncated PNG"):
        load(zipped)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("mutated")
    write_folder(root, count=1, side=3)
    for split in ("train", "test"):
        zip_folder(root / split, root / f"{split}.zip")
        (root / split).rename(root / f"plain {split}")
    return root, (root / "train.zip").read_bytes()


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_mutations_end_in_user_errors_only(small, data):
    root, good = small
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (root / "train.zip").write_bytes(content)
    try:
        part = folder.read(root, Form(4, 4, 3)).train
        for index in range(len(part.labels)):
            assert part.files.decode(index).shape == (4, 4, 3)
    except UserError as error:
        assert "train" in str(error) or "test" in str(error)
