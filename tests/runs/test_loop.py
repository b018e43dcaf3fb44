"""The main loop, with variables and checkpoints that are plain Python: stopped anywhere, it ends the same."""

import copy
import os
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from enas import signals
from enas.distributed.workers import Workers
from enas.errors import UserError
from enas.micro.config import SearchConfig
from enas.options.config import RunConfig
from enas.options.workers import WorkersConfig
from enas.runs import run_directory, series
from enas.runs.loop import Loop, OutOfTime
from enas.runs.phases import evaluation
from enas.runs.position import Position

EPOCHS = 3
# Of a process alone: its steps have one batch.
ALONE = Workers(WorkersConfig())
GRAPH = SimpleNamespace(training=SimpleNamespace(replicas=1))
TASK = SimpleNamespace(METRIC=SimpleNamespace(name="accuracy"), ADVICE="something else")


def context(config, run, last):
    """The run that a loop goes through, with `last` in the place of its checkpoints."""
    return SimpleNamespace(config=config, run=run, session=None, last=last, task=TASK, workers=ALONE, graph=GRAPH)


class Crash(BaseException):
    """The process is gone."""


class World:
    """What outlives a process: a run directory and checkpoints; and a run of three phases with moments to crash at.

    Args:
      path: the run directory.
      minutes: --checkpoint_every_minutes.
      crashes: moments, counted over all processes, at which the process is gone.
      signal_at: moment at which it gets a SIGTERM.
      enough: number of scored arcs from which on no more epochs are wanted.
    """

    def __init__(self, path, minutes=0.0, crashes=(), signal_at=None, enough=1e9):
        self.path, self.minutes, self.crashes, self.signal_at = path, minutes, crashes, signal_at
        self.enough = enough
        self.moments, self.checkpoints, self.x = 0, [], 0

    def save(self, _session, metadata):
        self.moment()
        self.checkpoints.append((self.x, copy.deepcopy(metadata)))
        self.moment()

    def restore(self, _session):
        if not self.checkpoints:
            return None
        self.x, metadata = copy.deepcopy(self.checkpoints[-1])
        return "last-1", metadata

    def moment(self):
        self.moments += 1
        if self.moments - 1 in self.crashes:
            raise Crash
        if self.moments - 1 == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def process(self):
        """One process, up to its end or to its crash."""
        self.x = 1
        config = SearchConfig(
            run=RunConfig(output_dir=str(self.path), num_epochs=EPOCHS, checkpoint_every_minutes=self.minutes)
        )
        with signals.noted(), run_directory.open_run(config, "search") as self.run:
            self.loop = Loop(context(config, self.run, self))
            self.loop.epochs([self.train, self.score, self.evaluate], self.is_over)

    def is_over(self):
        return len(self.run.read("arcs.jsonl")) >= self.enough

    def train(self, epoch, unit):
        for i in range(unit, 3):
            self.moment()
            self.x = self.x * 7 % 1000 + epoch + i
            self.moment()
            self.run.append("metrics.jsonl", {"kind": "child", "epoch": epoch, "step": i, "x": self.x})
            self.moment()
            yield

    def score(self, epoch, unit):
        for i in range(unit, 2):
            self.moment()
            signals.check()
            self.run.append("arcs.jsonl", {"epoch": epoch, "arc": i, "x": self.x})
            yield

    def evaluate(self, epoch, _unit):
        def accuracy(name):
            self.moment()
            signals.check()
            return self.x + len(name) / 10

        def finished(figures):
            self.run.append("metrics.jsonl", {"kind": "child", "epoch": epoch, **figures})

        yield from evaluation(self.loop, accuracy, finished)

    def outcome(self):
        """Runs processes until one ends by itself; returns all that is to be the same."""
        while True:
            try:
                self.process()
                break
            except (Crash, signals.Stopped):
                continue
        return self.x, {name: (self.path / name).read_bytes() for name in ("metrics.jsonl", "arcs.jsonl")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run that nothing stops: (outcome, its moments)."""
    world = World(tmp_path_factory.mktemp("alone"))
    return world.outcome(), world.moments


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


class Timed(World):
    """A world in which a unit takes a minute, and no other thing takes any time.

    Args:
      limits: --max_minutes of each process, one after the other; the last one is that of all further ones.
    """

    def __init__(self, path, limits, lr_by_time=False, **more):
        super().__init__(path, **more)
        self.limits, self.lr_by_time, self.rates = list(limits), lr_by_time, []

    def process(self):
        self.x, self.units = 1, 0
        limit = self.limits.pop(0) if len(self.limits) > 1 else self.limits[0]
        options = RunConfig(
            output_dir=str(self.path),
            num_epochs=EPOCHS,
            checkpoint_every_minutes=self.minutes,
            max_minutes=limit,
            lr_by_time=self.lr_by_time,
        )
        config = SearchConfig(run=options)
        with signals.noted(), run_directory.open_run(config, "search") as self.run:
            self.run.minutes = lambda: self.run.earlier_minutes + self.units
            self.loop = Loop(context(config, self.run, self))
            self.loop.epochs([self.timed(phase) for phase in (self.train, self.score, self.evaluate)], self.is_over)

    def timed(self, phase):
        def units(epoch, unit):
            for _ in phase(epoch, unit):
                self.units += 1
                self.rates.append(self.loop.scheduled(epoch + unit / 7))
                yield

        return units


UNITS = EPOCHS * 7  # three steps, two arcs and two sets


@pytest.mark.parametrize("minutes", [0.0, 1e9])
def test_a_time_limit_ends_a_run_at_a_unit_and_it_goes_on_as_if_there_had_been_none(tmp_path, alone, minutes):
    for limit in range(1, UNITS):
        world = Timed(tmp_path / f"{limit}", [limit, 0], minutes=minutes)
        with pytest.raises(OutOfTime):
            world.process()
        assert world.units == limit and world.loop.position.minutes == limit
        assert world.outcome() == alone[0], limit


def test_a_run_whose_time_is_over_does_nothing_until_it_has_a_larger_limit(tmp_path, alone):
    world = Timed(tmp_path / "run", [4, 4, 3, 9, 0], minutes=1e9)
    for units in (4, 0, 0, 5):
        with pytest.raises(OutOfTime):
            world.process()
        assert world.units == units
    assert world.outcome() == alone[0]


def test_the_time_of_lost_work_does_not_count_and_crashes_change_nothing(tmp_path, alone):
    for first in range(0, alone[1], 3):
        world = Timed(tmp_path / f"{first}", [5, 5, 5, 8, 8, 0], crashes={first})
        for _ in range(5):
            try:
                world.process()
            except (OutOfTime, Crash):
                assert world.loop.position.minutes <= 8
        assert world.outcome() == alone[0], first


def test_the_schedule_follows_the_time_and_never_goes_back(tmp_path):
    """The run, of 21 units, is stopped by a signal once within its limit of 10 minutes."""
    world = Timed(tmp_path / "run", [10], lr_by_time=True, minutes=1e9, signal_at=9)
    with pytest.raises(signals.Stopped):
        world.process()
    with pytest.raises(OutOfTime):
        world.process()
    last = np.nextafter(EPOCHS, 0)
    assert world.rates == pytest.approx([min(EPOCHS * minute / 10, last) for minute in range(1, 11)])
    assert world.rates[-1] < EPOCHS  # where a cosine with restarts would begin anew


def test_a_schedule_by_time_is_no_slower_than_the_epochs(tmp_path):
    world = Timed(tmp_path / "run", [1000], lr_by_time=True)
    world.process()
    assert world.rates[-1] == EPOCHS - 1 and world.units == UNITS


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
