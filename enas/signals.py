"""SIGINT and SIGTERM: noted when they come, obeyed where a run may stop. Nothing here imports TensorFlow."""

import contextlib
import signal
import sys
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# Signals belong to the process, hence a module's variable.
_received = []


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end.

    Attributes:
      signal: its number.
      told_on: the stdout on which the user was told how to go on; None where nobody has told it yet.
    """

    def __init__(self, number):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal, self.told_on = number, None

    def tell(self, run, words):
        """Logs where a run was stopped and how to go on, so that whoever ends the process need not."""
        run.log(f"{self} {words}")
        self.told_on = sys.stdout


def stop_at_once(number, _frame=None):
    """A handler for the time when there is nothing to save: raises `Stopped`."""
    raise Stopped(number)


@contextlib.contextmanager
def noted():
    """Within it SIGINT and SIGTERM are only noted, for `check`; a second SIGINT is a plain KeyboardInterrupt, anywhere."""

    def note(number, _frame):
        if _received and number == signal.SIGINT:
            # Not `Stopped`, after which a checkpoint is saved: here variables and position may not agree.
            raise KeyboardInterrupt
        _received.append(number)

    if threading.current_thread() is not threading.main_thread():  # Python allows handlers in no other
        yield
        return
    _received.clear()
    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    finally:
        _received.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def check():
    """Raises `Stopped` if a signal has come. To be called where the run's variables and its position agree."""
    if _received:
        raise Stopped(_received[0])
