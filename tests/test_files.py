"""Files that are written and read carefully."""

import pytest

from enas import files
from enas.errors import UserError


def test_a_place_that_cannot_be_written_to_is_told_before_anything_slow(tmp_path):
    files.check_writable("json", "")
    files.check_writable("json", str(tmp_path / "new.json"))
    for path, words in (
        (tmp_path / "no" / "x", "no such folder"),
        (tmp_path, "is a folder"),
        ("/proc/1/x", "read-only"),
    ):
        with pytest.raises(UserError, match=f"--json={path}: .*{words}"):
            files.check_writable("json", str(path))
    assert not list(tmp_path.iterdir())


def test_a_place_is_tried_and_not_only_asked_for(tmp_path):
    name = "x" * 255  # there is room for it, but not for the file that it is made from
    with pytest.raises(UserError, match=f"--json=.*{name}: can't be written: File name too long"):
        files.check_writable("json", str(tmp_path / name))


def test_a_text_with_bytes_that_are_none_is_written_with_escapes(tmp_path):
    files.write_atomically(tmp_path / "x", "Größe cl\udcff\n")
    assert (tmp_path / "x").read_text(encoding="utf-8") == "Größe cl\\udcff\n"


def test_whatever_goes_wrong_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    files.write_atomically(tmp_path / "x", "old")
    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(tmp_path / "x", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "old")]


def test_a_printable_name_is_one_field_of_one_line():
    assert files.printable("a cat/ü.png") == "a cat/ü.png"
    assert files.printable("a\tb\nc\x1b[2J\udcff") == "a\\tb\\nc\\x1b[2J\\udcff"


def test_files_of_a_run_that_are_broken_are_named(tmp_path):
    path = tmp_path / "x.json"
    assert files.read_json(path) is None
    path.write_text('{"a": 1}')
    assert files.read_json(path) == {"a": 1}
    path.write_text('{"a": ')
    with pytest.raises(UserError, match=f"{path}: can't be read"):
        files.read_json(path)


def test_records_of_one_kind_are_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "a", "x": 1}\n{"kind": "b", "x": 2}\n{"kind": "a", "x": 3}\n')
    assert [record["x"] for record in files.read_records(path, "a")] == [1, 3]
    for broken in ("{", "[]", '{"x": 1}'):
        path.write_text(broken)
        with pytest.raises(UserError, match=f"{path}: can't be read as a run's records"):
            files.read_records(path, "a")
    with pytest.raises(UserError, match="No such file"):
        files.read_records(tmp_path / "none", "a")
