"""Signals are noted while a run may not stop, and obeyed where it may."""

import os
import signal
import threading

import pytest

from enas import signals


@pytest.mark.parametrize("number", signals.SIGNALS)
def test_a_signal_is_noted_and_obeyed_at_the_next_check(number):
    before = signal.getsignal(number)
    with signals.noted():
        signals.check()
        os.kill(os.getpid(), number)
        for _ in range(2):
            with pytest.raises(signals.Stopped, match=f"stopped by {signal.Signals(number).name}") as stopped:
                signals.check()
            assert stopped.value.signal == number
    assert signal.getsignal(number) == before
    signals.check()


def test_a_second_interrupt_stops_at_once_and_a_second_request_to_end_does_not():
    with signals.noted():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt) as caught:
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        assert caught.type is KeyboardInterrupt  # and not `Stopped`, after which a run would save what may not agree


def test_no_handler_of_ours_swallows_an_exception():
    """`Stopped` is no Exception: nothing that catches those keeps a process alive."""
    assert not issubclass(signals.Stopped, Exception) and issubclass(signals.Stopped, KeyboardInterrupt)


def test_outside_the_main_thread_signals_are_left_alone():
    def run():
        with signals.noted():
            signals.check()
        done.append(True)

    done, before = [], signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done and signal.getsignal(signal.SIGTERM) == before
