"""Runs of a graph side by side. Nothing here imports TensorFlow."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from enas import signals

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_A_TIME = 2


def side_by_side(run: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Calls `run(item)` for each item, two at a time; returns the results in order.

    Where nothing is trained a network seldom keeps all cores busy: its ops wait for one another, and each is small.

    Args:
      run: function that may be called from several threads, such as a session's `run`. It changes no variable.

    Raises:
      signals.Stopped: a signal came; calls that had begun are finished.
    """

    def checked(item: Item) -> Result:
        signals.check()
        return run(item)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(checked, items))
