"""Command lines of the scripts that have flags of their own: what is wrong is told in one line that names the flag."""

import argparse
import sys
from collections.abc import Callable, Collection
from typing import Any, NoReturn

from enas.errors import UserError

MOST = 10**9


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations, and ends with one line on stderr and exit code 2 where an argument is wrong."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def number(low: float, high: float = MOST, kind: type = int) -> Callable[[str], Any]:
    """A `type` for numbers of a range, both ends included."""

    def parse(word):
        try:
            value = kind(word)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"{word}: expected {'a whole' if kind is int else 'a'} number, {low} to {high}"
            )
        return value

    return parse


def some_of(names: Collection[str]) -> Callable[[str], list[str]]:
    """A `type` for names separated by commas; a list of them."""

    def parse(word):
        found = word.split(",")
        for name in found:
            if name not in names:
                raise argparse.ArgumentTypeError(f"{name!r}: expected some of {','.join(names)}, separated by commas")
        return found

    return parse


def run_script(main: Callable[[], int | None]) -> NoReturn:
    """Calls `main()` and exits with what it returns; a user's mistake and a file that can't be written are one line."""
    try:
        sys.exit(main())
    except UserError as error:
        line = str(error)
    except OSError as error:
        line = f"{error.filename}: {error.strerror}"
    print(f"error: {line}", file=sys.stderr)
    sys.exit(2)
