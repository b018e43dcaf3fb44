"""The main loop, with variables and checkpoints that are plain Python: stopped anywhere, it ends the same."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_worlds import EPOCHS, World

from enas import signals
from enas.errors import UserError
from enas.micro.config import SearchConfig
from enas.options.config import RunConfig
from enas.runs import run_directory, series
from enas.runs.position import Position


@pytest.mark.parametrize("minutes", [0.0, 1e9])
def test_a_run_that_crashes_at_any_moment_ends_as_one_that_does_not(tmp_path, alone, minutes):
    for first in range(alone[1]):
        world = World(tmp_path / f"{first}", minutes, crashes={first, first + 1, first + 9})
        assert world.outcome() == alone[0], first


def written_series(path):
    """{name: content} of the series of a run."""
    return {file.name: file.read_text() for file in sorted((path / "series").iterdir())}


def test_the_series_are_those_of_the_records_however_a_run_ends(tmp_path, monkeypatch):
    def as_the_records_say(path):
        found = written_series(path)
        config = SearchConfig(run=RunConfig(output_dir=str(path), num_epochs=EPOCHS))
        with run_directory.open_run(config, "search") as run:
            series.write(run)
        return found, written_series(path)

    killed = World(tmp_path / "killed")
    with monkeypatch.context() as patched:
        patched.setattr(series, "write", lambda _: None)  # as if each process were killed before that
        killed.outcome()
    killed.process()
    found, expected = as_the_records_say(killed.path)
    assert found == expected and len(expected["child_x.txt"].splitlines()) == 3 * EPOCHS

    stopped = World(tmp_path / "stopped", minutes=1e9, signal_at=4)
    with pytest.raises(signals.Stopped):
        stopped.process()
    found, expected = as_the_records_say(stopped.path)
    assert found == expected and len(expected["child_x.txt"].splitlines()) == 2

    bad = World(tmp_path / "bad")
    bad.process()
    bad.loop.config = RunConfig(max_bad_steps=1)
    bad.run.append("metrics.jsonl", {"kind": "child", "epoch": EPOCHS, "step": 9, "x": 7})
    with pytest.raises(UserError):
        batch_metric(bad.loop, [False, True, True])
    assert written_series(bad.path)["child_x.txt"].endswith("\n9 7\n")


def test_a_run_that_ends_early_ends_so_wherever_it_crashes(tmp_path):
    """The first arc of the second epoch is enough: that epoch is finished nevertheless, a third one not begun."""
    alone = World(tmp_path / "alone", enough=3)
    expected = alone.outcome()
    assert expected[1]["arcs.jsonl"].count(b"\n") == 4
    for first in range(alone.moments):
        assert World(tmp_path / f"{first}", crashes={first, first + 1}, enough=3).outcome() == expected, first


def test_a_run_that_is_stopped_at_any_moment_saves_and_ends_as_one_that_is_not(tmp_path, alone):
    rare = World(tmp_path / "alone", minutes=1e9)
    assert rare.outcome() == alone[0]
    for at in range(rare.moments):
        world = World(tmp_path / f"{at}", minutes=1e9, signal_at=at)
        assert world.outcome() == alone[0], at
        if at < rare.moments - 2:  # else it comes while the last checkpoint is saved, and the run is over
            log = (tmp_path / f"{at}" / "stdout").read_text()
            assert log.count("stopped by SIGTERM in epoch") == 1


def test_a_signal_stops_within_the_unit_and_the_next_process_goes_on_there(tmp_path):
    world = World(tmp_path / "run", minutes=1e9, signal_at=4)
    with pytest.raises(signals.Stopped) as stopped:
        world.process()
    assert stopped.value.told_on is sys.stdout
    assert (world.loop.position.epoch, world.loop.position.phase, world.loop.position.unit) == (0, 0, 2)
    assert f"run the same command again to go on (--output_dir={tmp_path}/run)" in (tmp_path / "run/stdout").read_text()
    moments = world.moments
    world.outcome()
    world_alone = World(tmp_path / "alone", minutes=1e9)
    world_alone.outcome()
    assert world.moments == world_alone.moments + 2  # those of the one checkpoint more: no unit was done twice
    assert moments < world.moments


def batch_metric(loop, finite, ordinary=False):
    check = SimpleNamespace(names=("the loss", "the gradient of a", "the gradient of b"))
    loop.count_bad_step("child", 7, check, np.array(finite), ordinary=ordinary)


def test_bad_steps_in_a_row_stop_the_run_by_name_and_single_ones_do_not(tmp_path):
    world = World(tmp_path / "run")
    world.process()
    loop = world.loop
    loop.config = RunConfig(max_bad_steps=3)
    for _ in range(5):
        batch_metric(loop, [False, True, False])
        batch_metric(loop, [True, False, True], ordinary=True)
        batch_metric(loop, [True, False, True])
        batch_metric(loop, [True, True, True])
    for _ in range(9):
        batch_metric(loop, [True, True, False], ordinary=True)
    batch_metric(loop, [False, False, False])
    batch_metric(loop, [True, True, False])
    with pytest.raises(UserError) as error:
        batch_metric(loop, [False, False, False])
    assert "child step 7: not finite: the loss, the gradient of a and 1 more" in str(error.value)
    assert "3 such steps in a row (--max_bad_steps=3)" in str(error.value)
    log = (tmp_path / "run" / "stdout").read_text()
    assert log.count("child step 7: not finite: the gradient of b; step skipped, nothing changed") == 10


def test_a_checkpoint_without_a_position_is_refused(tmp_path):
    good = vars(Position())
    wrong = {"unit": "3", "sizes": None, "epoch": -1, "phase": True, "minutes": 1, "bad_steps": {"child": "x"}}
    wrong = [{name: value} for name, value in wrong.items()]
    wrong += [{"sizes": {"arcs.jsonl": -1}}, {"sizes": {"arcs.jsonl": 0.5}}, {"scores": {"valid_accuracy": []}}]
    for metadata in ({}, *({**good, **value} for value in wrong)):
        world = World(tmp_path / "run")
        world.checkpoints.append((0, metadata))
        with pytest.raises(UserError, match="last-1.json: .* expected what a run of this program stores"):
            world.process()
