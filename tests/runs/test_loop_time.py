"""The main loop under a time limit, with variables and checkpoints that are plain Python."""

import numpy as np
import pytest
from made_up_worlds import EPOCHS, Crash, World, context

from enas import signals
from enas.micro.config import SearchConfig
from enas.options.config import RunConfig
from enas.runs import run_directory
from enas.runs.loop import Loop, OutOfTime


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
