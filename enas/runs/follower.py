"""The run of a worker that is not the chief: it writes nothing and reads nothing."""

from collections.abc import Mapping
from typing import Any

from enas.runs.run_directory import RunDirectory


class Following(RunDirectory):
    """What stands for the run directory of such a worker. What it is told to record goes nowhere."""

    def __init__(self, path: str) -> None:
        super().__init__(path, resumed=False, lock=None)
        self.events = _NoEvents()

    def close(self) -> None:
        """Does nothing."""

    def log(self, line: str = "") -> None:
        """Does nothing: the chief logs."""

    def append_bytes(self, name: str, data: bytes) -> None:
        """Does nothing."""

    def read(self, name: str) -> list[Any]:  # noqa: ARG002
        """Returns []."""
        return []

    def remove(self, name: str) -> None:
        """Does nothing."""

    def write(self, name: str, text: str) -> None:
        """Does nothing."""

    def sizes(self) -> dict[str, int]:
        """Returns {}."""
        return {}

    def cut(self, sizes: Mapping[str, int]) -> None:
        """Does nothing."""

    def sync(self) -> None:
        """Does nothing."""


class _NoEvents:
    def scalars(self, step: int, **values: float) -> None:
        """Does nothing."""

    def picture(self, *_: Any) -> None:
        """Does nothing."""
