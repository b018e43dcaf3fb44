"""The run directory: resuming, refusing, and never deleting what is not a run."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from opened_runs import config_of, open_search

from enas.errors import UserError
from enas.micro.config import SearchConfig, TrainConfig
from enas.options.budget import BudgetConfig
from enas.options.config import RunConfig
from enas.runs import metadata, run_directory


def tree(path):
    """{relative path: content} of everything under a directory."""
    found = {}
    for folder, _, files in os.walk(path):
        for name in files:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found[os.path.relpath(os.path.join(folder, name), path)] = file.read()
    return found


def test_a_new_run_stores_its_flags_and_the_same_flags_resume_it(tmp_path):
    path = tmp_path / "deep" / "run"
    run = open_search(path, seed=3)
    assert not run.resumed
    stored = json.loads((path / "config.json").read_text())
    assert (stored["format"], stored["kind"]) == (metadata.MARK, "search")
    assert (stored["seed"], stored["child_scheme"], stored["controller_lr"]) == (3, "fp32", 0.001)
    assert (path / "checkpoints").is_dir()
    run.log("a line")
    again = open_search(path, seed=3)
    assert again.resumed
    again.log("another")
    assert (path / "stdout").read_text() == "a line\nanother\n"
    with pytest.raises(UserError, match="line 1 is no JSON"):
        again.read("stdout")


def test_an_empty_directory_may_be_used(tmp_path):
    assert not open_search(tmp_path).resumed


def test_a_resumed_run_may_change_only_what_is_flexible(tmp_path):
    open_search(tmp_path, num_epochs=2, log_every=5)
    assert open_search(tmp_path, num_epochs=7, log_every=1, eval_every_epochs=2).resumed
    assert json.loads((tmp_path / "config.json").read_text())["num_epochs"] == 7


def test_other_flags_are_refused_by_name_and_nothing_changes(tmp_path):
    open_search(tmp_path, seed=1)
    before = tree(tmp_path)
    with pytest.raises(UserError) as caught:
        open_search(tmp_path, seed=2, num_epochs=99, child={"lr_max": 0.2})
    message = str(caught.value)
    assert "--seed=2 (was 1)" in message and "--child_lr_max=0.2 (was 0.05)" in message
    assert "num_epochs" not in message and "--reset_output_dir" in message
    assert tree(tmp_path) == before


NEWER = ("child_recipe", "child_glue_scheme", "child_latent_optimizer", "child_latent_lr")


def make_older(path):
    """Takes from a run's config.json what runs did not have before there were recipes."""
    file = path / "config.json"
    values = json.loads(file.read_text())
    file.write_text(json.dumps({name: value for name, value in values.items() if name not in NEWER}))


@pytest.mark.parametrize("child", [{"scheme": "k4"}, {"search_precision": "fp32,binary"}])
def test_a_run_older_than_recipes_goes_on_as_published_and_no_other_way(tmp_path, child):
    as_published = {**child, "recipe": "published", "latent_optimizer": "sgd"}
    open_search(tmp_path, child=as_published)
    make_older(tmp_path)
    words = r"--child_recipe=low_bit \(was published\), --child_latent_optimizer=adam \(was sgd\); choose"
    with pytest.raises(UserError, match=words):
        open_search(tmp_path, child=child)
    assert open_search(tmp_path, child=as_published).resumed


def test_a_run_of_floats_that_is_older_than_recipes_goes_on_as_it_is(tmp_path):
    open_search(tmp_path, child={"scheme": "fp16"})
    make_older(tmp_path)
    assert open_search(tmp_path, child={"scheme": "fp16"}).resumed


def test_a_search_to_a_budget_of_bit_operations_that_were_counted_otherwise_is_refused(tmp_path):
    """Bytes are what they were."""
    child = {"scheme": "k4", "recipe": "published", "latent_optimizer": "sgd"}
    for cost in ("model_bytes", "bitops"):
        path = tmp_path / cost
        config = dataclasses.replace(config_of(path, child=child), budget=BudgetConfig(cost=cost, cost_target=2e7))
        for _ in ("begun", "resumed"):
            run_directory.open_run(config, "search").close()
        make_older(path)
        if cost == "model_bytes":
            run_directory.open_run(config, "search").close()
    with pytest.raises(UserError, match="--cost_target=2e[+]07: its search counts too few bit operations"):
        run_directory.open_run(config, "search")


def test_a_run_of_another_kind_is_refused(tmp_path):
    open_search(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(UserError, match="holds a run of another kind: search, expected training; choose another"):
        run_directory.open_run(config_of(tmp_path, TrainConfig), "training")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    "files",
    [
        {"thesis.txt": "years of work"},
        {"config.json": "{}"},
        {"config.json": '{"format": "something else"}', "other": "x"},
        {"config.json": "[1, 2"},
        {"config.json": '["enas run directory, format 2"]'},
        {"config.json": ""},
        {"config.json": '"\\ud800"'},
    ],
)
def test_a_directory_that_is_no_run_is_refused_and_left_alone(tmp_path, files, reset):
    """With and without --reset_output_dir; a config.json that is broken, or someone else's, makes it no run."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=str(tmp_path)):
        open_search(tmp_path, reset_output_dir=reset)
    assert tree(tmp_path) == files


def test_a_config_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="can't be read as a run's configuration"):
        open_search(tmp_path, reset_output_dir=True)
    assert (tmp_path / "config.json").read_bytes() == b"\xff\xfe\x00"


def test_reset_deletes_a_run_and_starts_anew(tmp_path):
    path, outside = tmp_path / "run", tmp_path / "outside"
    outside.write_text("stays")
    open_search(path, seed=1).append("arcs.jsonl", {"epoch": 1})
    os.symlink(outside, path / "link")
    run = open_search(path, seed=2, reset_output_dir=True)
    assert not run.resumed
    assert run.read("arcs.jsonl") == []
    assert sorted(os.listdir(path)) == ["checkpoints", "config.json", "events", "lock"]
    assert outside.read_text() == "stays"


@pytest.mark.parametrize("suffix", ["", "/", "//", "/."])
def test_reset_does_not_follow_a_link(tmp_path, suffix):
    """Even to a run: what is behind it stays, however the link is written."""
    real, link = tmp_path / "real", tmp_path / "link"
    open_search(real)
    (real / "keep").write_text("x")
    os.symlink(real, link)
    before = tree(real)
    with pytest.raises(UserError, match="nothing was deleted"):
        open_search(f"{link}{suffix}", reset_output_dir=True)
    assert tree(real) == before and link.is_symlink()


def test_reset_of_an_empty_directory_deletes_nothing(tmp_path):
    """Nor does it stumble over a link to one."""
    (tmp_path / "empty").mkdir()
    os.symlink(tmp_path / "empty", tmp_path / "link")
    assert not open_search(tmp_path / "link", reset_output_dir=True).resumed
    assert (tmp_path / "link").is_symlink() and (tmp_path / "empty" / "config.json").exists()


def test_a_run_is_reset_however_its_path_is_written(tmp_path):
    for suffix in ("", "/", "//", "/."):
        path = f"{tmp_path / 'run'}{suffix}"
        open_search(path).append("arcs.jsonl", {"epoch": 1})
        assert open_search(path, reset_output_dir=True).read("arcs.jsonl") == []


def test_a_path_that_can_not_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        for reset in (False, True):
            with pytest.raises(UserError, match="can't be written"):
                open_search(path, reset_output_dir=reset)
    assert (tmp_path / "file").read_text() == "x"
    with pytest.raises(UserError, match="--output_dir=''"):
        run_directory.open_run(SearchConfig(run=RunConfig(output_dir="")), "search")


def test_a_second_run_in_the_directory_is_refused_until_the_first_ends(tmp_path):
    with run_directory.open_run(config_of(tmp_path), "search"):
        before = tree(tmp_path)
        for reset in (False, True):
            config = config_of(tmp_path, reset_output_dir=reset)
            for use in (run_directory.check_output_dir, run_directory.open_run):
                with pytest.raises(UserError, match=f"--output_dir={tmp_path}: another process is running in it"):
                    use(config, "search")
        assert tree(tmp_path) == before
    assert open_search(tmp_path).resumed


def test_the_lock_of_a_dead_process_holds_nobody(tmp_path):
    """A process that is killed while it holds the lock."""
    code = (
        "import os, signal, sys; from enas.runs import run_directory; from enas.options.config import RunConfig;"
        "from enas.micro.config import SearchConfig;"
        "run = run_directory.open_run(SearchConfig(run=RunConfig(output_dir=sys.argv[1])), 'search');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert open_search(tmp_path).resumed


def test_what_a_process_that_died_early_leaves_is_used(tmp_path):
    (tmp_path / "lock").write_text("")
    (tmp_path / "config.json.tmp").write_text("{")
    assert not open_search(tmp_path).resumed


@pytest.mark.parametrize("deleted", range(1, 5))
def test_a_reset_cut_short_can_be_repeated_and_is_never_half_a_run(tmp_path, monkeypatch, deleted):
    open_search(tmp_path).append("arcs.jsonl", {"epoch": 1})
    (tmp_path / "checkpoints" / "last-1.json").write_text("{}")
    calls = []

    def crash_later(remove):
        def call(*args, **kwargs):
            if len(calls) == deleted:
                raise KeyboardInterrupt
            calls.append(args)
            return remove(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "remove", crash_later(os.remove))
        patch.setattr(shutil, "rmtree", crash_later(shutil.rmtree))
        with pytest.raises(KeyboardInterrupt):
            open_search(tmp_path, reset_output_dir=True)
    assert (tmp_path / "config.json").exists()
    assert not (tmp_path / "checkpoints").exists()
    assert not open_search(tmp_path, reset_output_dir=True).resumed
    assert sorted(os.listdir(tmp_path)) == ["checkpoints", "config.json", "events", "lock"]
