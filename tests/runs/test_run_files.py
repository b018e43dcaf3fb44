"""What a run writes: records, files that are replaced whole, its log."""

import os
import resource
from pathlib import Path

import pytest
from opened_runs import open_search

from enas.errors import UserError


def test_records_are_appended_read_and_cut_back(tmp_path):
    run = open_search(tmp_path)
    assert run.read("metrics.jsonl") == []
    records = [{"epoch": epoch, "x": 0.1} for epoch in (1, 2, 3)]
    for record in records[:2]:
        run.append("metrics.jsonl", record)
    sizes = run.sizes()
    run.append("metrics.jsonl", records[2])
    run.append("arcs.jsonl", records[2])
    assert run.read("metrics.jsonl") == records
    assert run.missing(sizes) is None
    run.cut(sizes)
    assert run.read("metrics.jsonl") == records[:2]
    assert run.read("arcs.jsonl") == []
    run.cut({})
    assert run.read("metrics.jsonl") == []
    assert "metrics.jsonl has lost" in run.missing(sizes)


def test_a_record_cut_short_by_a_crash_is_dropped_and_the_next_one_is_whole(tmp_path):
    run = open_search(tmp_path)
    run.append("metrics.jsonl", {"epoch": 1})
    sizes = run.sizes()
    with open(run.file("metrics.jsonl"), "a", encoding="utf-8") as file:
        file.write('{"epoch": 1, "lo')
    assert run.read("metrics.jsonl") == [{"epoch": 1}]
    run.cut(sizes)
    run.append("metrics.jsonl", {"epoch": 2})
    assert run.read("metrics.jsonl") == [{"epoch": 1}, {"epoch": 2}]


@pytest.mark.parametrize("act", ["write", "append", "log"])
def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, act):
    run = open_search(tmp_path)
    run.write("best_arc.txt", "old\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
    try:
        with pytest.raises(UserError, match=f"{tmp_path}/.*: can't be written: File too large; make room and run"):
            {
                "write": lambda: run.write("best_arc.txt", 100 * "new"),
                "append": lambda: run.append("metrics.jsonl", {"x": 100 * "new"}),
                "log": lambda: run.log(100 * "new"),
            }[act]()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert (tmp_path / "best_arc.txt").read_text() == "old\n"
    assert not (tmp_path / "best_arc.txt.tmp").exists()
    assert run.read("metrics.jsonl") == []


def test_a_path_that_is_no_text_is_logged(tmp_path):
    run = open_search(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    run.log(f"in {run.path}")
    assert Path(run.file("stdout")).read_text() == f"in {tmp_path}/\\udcff\n"


def test_what_a_resumed_run_changes_is_logged(tmp_path):
    open_search(tmp_path / "run", num_epochs=2)
    open_search(tmp_path / "run", num_epochs=7)
    assert (tmp_path / "run" / "stdout").read_text() == "resuming with --num_epochs=7 (was 2)\n"


def test_writing_replaces_a_file_whole(tmp_path, monkeypatch):
    run = open_search(tmp_path)
    run.write("best_arc.txt", "a longer first version\n")
    run.write("best_arc.txt", "second\n")
    assert (tmp_path / "best_arc.txt").read_text() == "second\n"

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        run.write("best_arc.txt", "third\n")
    assert (tmp_path / "best_arc.txt").read_text() == "second\n"
