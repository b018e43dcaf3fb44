"""Arcs as users hand them in, or want them: integers on the command line, or in a text, JSON or .npy file. What the integers
mean is each search space's own `arc` module. Nothing here imports TensorFlow.
"""

import io
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from enas.errors import UserError
from enas.files import write_bytes_atomically

T = TypeVar("T")

_LARGEST_FILE = 1 << 20  # bytes
_NPY = b"\x93NUMPY"


def integers(text: str) -> list[int]:
    """The integers of a text, separated by blanks or line ends.

    Raises:
      UserError: a word is no integer.
    """
    words = text.split()
    for position, word in enumerate(words):
        if not re.fullmatch(r"-?[0-9]{1,9}", word, re.ASCII):
            raise UserError(f"arc: word {position + 1} of {len(words)} is {word[:40]!r}, expected an integer")
    return [int(word) for word in words]


def read(path: str) -> list[int]:
    """The integers of a file, told by its content: NumPy's .npy (an array of integers; never unpickled), JSON (a list,
    nested or not, or an object whose "arc" is one or is a text), or a text.

    Raises:
      UserError: the file can't be read, or holds something else; names --arc_file.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_FILE)
        if data.startswith(_NPY):
            return _array(data)
        text = data.decode("utf-8")
        return _json(text) if text.lstrip()[:1] in ("[", "{") else integers(text)
    except OSError as error:
        raise UserError(f"--arc_file={path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"--arc_file={path}: can't be read: not a text, JSON or .npy file") from None
    except UserError as error:
        raise UserError(f"--arc_file={path}: {error}") from None


def given(config: Any, space_arc: Any) -> Any:
    """The arc that --child_fixed_arc or --arc_file names; or what a space trains in the place of one, as its flag names it.

    Args:
      config: a training's config.
      space_arc: the search space's `arc` module.

    Raises:
      UserError: neither or both are given, or the arc is not one for the config's child.
    """
    flag, value = config.arc.source()
    if flag == "arc_file":
        return from_file(value, lambda values: space_arc.for_child(values, config.child))
    if flag != "child_fixed_arc":
        return value
    try:
        return space_arc.for_child(integers(value), config.child)
    except UserError as error:
        raise UserError(f"--child_fixed_arc: {error}") from None


def from_file(path: str, build: Callable[[list[int]], T]) -> T:
    """The arc `build(integers)` of a file's integers, errors naming --arc_file."""
    values = read(path)
    try:
        return build(values)
    except UserError as error:
        raise UserError(f"--arc_file={path}: {error}") from None


def write(path: str, arc: Any) -> None:
    """Writes an arc to a file, which is replaced whole: as JSON or .npy (int64) where its name ends so, else as text.

    Args:
      path: the file.
      arc: an arc of any space; its `to_list()` is written.

    Raises:
      UserError: it can't be written; names --recommended_arch.
    """
    if path.endswith(".npy"):
        import numpy as np

        buffer = io.BytesIO()
        np.save(buffer, np.array(arc.to_list(), np.int64), allow_pickle=False)
        data = buffer.getvalue()
    else:
        data = (json.dumps(arc.to_list()) if path.endswith(".json") else str(arc)).encode() + b"\n"
    try:
        write_bytes_atomically(path, data)
    except UserError as error:
        raise UserError(f"--recommended_arch={error}") from None


def _array(data):
    import numpy as np

    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    # A damaged header ends in nearly any exception: SyntaxError, TokenError, MemoryError...
    except Exception as error:
        what = "pickled Python objects, which are never read" if "pickle" in str(error) else "a damaged .npy array"
        raise UserError(f"arc: the file holds {what}; expected an .npy array of integers") from None
    if array.dtype.kind not in "iu":
        raise UserError(f"arc: the .npy array's type is {array.dtype}, expected integers")
    return array.reshape(-1).tolist()


def _json(text):
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"arc: not valid JSON: {str(error)[:80]}") from None
    if isinstance(value, dict):
        if "arc" not in value:
            raise UserError('arc: the JSON object has no "arc"')
        value = value["arc"]
    return integers(value) if isinstance(value, str) else list(_flat(value))


def _flat(value):
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif type(value) is int:
        yield value
    else:
        raise UserError(f"arc: JSON holds {json.dumps(value)[:40]}, expected integers only")
