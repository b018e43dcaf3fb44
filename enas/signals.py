"""SIGINT and SIGTERM: noted when they come, obeyed where a run may stop. Nothing here imports TensorFlow."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Protocol, TextIO

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# A module's variable, because signals come to the process.
_received: list[int] = []


class Log(Protocol):
    """The log of a run, e.g. a `RunDirectory`."""

    def log(self, line: str, /) -> None:
        """Writes one line."""
        ...


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end.

    Attributes:
      signal: its number.
      told_on: the stdout on which the user was told how to go on; None while nobody has told the user.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = number
        self.told_on: TextIO | None = None

    def tell(self, run: Log, words: str) -> None:
        """Logs where a run was stopped and how to go on, so that whoever ends the process need not do so."""
        run.log(f"{self} {words}")
        self.told_on = sys.stdout


def stop_at_once(number: int, _frame: FrameType | None = None) -> None:
    """Raises `Stopped`. It is the handler for as long as there is nothing to save."""
    raise Stopped(number)


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """A context in which SIGINT and SIGTERM are kept for `check`. A second SIGINT raises KeyboardInterrupt at once."""

    def note(number: int, _frame: FrameType | None) -> None:
        if _received and number == signal.SIGINT:
            # Not `Stopped`, after which a checkpoint is saved: variables and position may not agree at this moment.
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


def received() -> int:
    """Returns the number of the first signal that has come; 0 if none has."""
    return _received[0] if _received else 0


def check() -> None:
    """Raises `Stopped` if a signal has come. Call it where the run's variables and its position agree."""
    if _received:
        raise Stopped(_received[0])
