"""Two runs at a time: results in order, and a signal ends them."""

import os
import signal
import threading

import pytest

from enas import signals
from enas.side_by_side import AT_A_TIME, side_by_side


def test_as_many_run_at_a_time_as_it_says_and_results_are_in_order():
    """Each call waits until another one has begun, so that one after the other they would never end."""
    together = threading.Barrier(AT_A_TIME, timeout=20)

    def run(item):
        together.wait()
        return item * item

    assert side_by_side(run, range(4 * AT_A_TIME)) == [item * item for item in range(4 * AT_A_TIME)]


def test_a_signal_ends_them_before_the_next_begins():
    begun = []

    def run(item):
        begun.append(item)
        os.kill(os.getpid(), signal.SIGTERM)
        noted.wait(20)

    with signals.noted():
        noted = threading.Event()
        handler = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda *of: (handler(*of), noted.set()))
        with pytest.raises(signals.Stopped):
            side_by_side(run, range(100))
    assert len(begun) <= 2 * AT_A_TIME


def test_what_a_run_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda item: 1 / item, [1, 0, 1])
