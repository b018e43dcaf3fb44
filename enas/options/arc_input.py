"""Arcs as users hand them in, or want them: on the command line, or in a file: text, a log, JSON, .npy or a run directory.
What the integers mean is each search space's own `arc` module. Nothing here imports TensorFlow.
"""

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from enas.errors import UserError
from enas.files import write_bytes_atomically
from enas.options import arc_text
from enas.options.arc_text import Block

integers = arc_text.integers

_LARGEST_FILE = 1 << 26  # bytes: a log of a long search has some megabytes
_MOST_ROWS = 100  # of an arc: a macro arc has one for each layer
_NPY = b"\x93NUMPY"
_ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # Windows' PowerShell; all other texts are UTF-8
BEST = "best_arc.txt"


def from_text(text: str, space: Any, child: Any) -> Any:
    """Returns the arc of a text: its numbers, an excerpt of a log with one arc, or a whole log, of which the best counts.

    Args:
      text: see `arc_text`.
      space: the `SearchSpace`.
      child: settings of a child. The arc may be of any size; of several readings the one of the child's size counts.

    Raises:
      UserError: it holds no arc, or several.
    """
    return _chosen(_blocks(text), arc_text.is_whole_log(text), "the text", space, child)


def from_file(path: str, space: Any, child: Any) -> Any:
    """Returns the arc of a file, told by its content: NumPy's .npy (never unpickled), JSON (a list, an object whose "arc"
    is one or is a text, or such objects, one a line), or a text as for `from_text`. Of a run directory: its best arc so far.

    Args:
      path: the file.
      space, child: see `from_text`.

    Raises:
      UserError: the file can't be read, or holds no arc, or several; names --arc_file.
    """
    try:
        return _from_file(_in_run(str(path)), space, child)
    except OSError as error:
        raise UserError(f"--arc_file={path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"--arc_file={path}: can't be read: not a text, JSON or .npy file") from None
    except UserError as error:
        raise UserError(f"--arc_file={path}: {error}") from None


def _in_run(path):
    """The file with the arc of a run directory: a search's best one, a training's settings, or an older codebase's log."""
    if not os.path.isdir(path):
        return path
    best, settings, log = (os.path.join(path, name) for name in (BEST, "config.json", "stdout"))
    if os.path.isfile(best):
        return best
    if os.path.isfile(settings):
        with open(settings, encoding="utf-8") as file:
            if '"child_fixed_arc"' in file.read():
                return settings
    elif os.path.isfile(log):
        return log
    raise UserError(f"the directory holds no {BEST}; expected a run directory that has an arc already, or a file")


def _from_file(path, space, child):
    with open(path, "rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise UserError(f"more than {_LARGEST_FILE >> 20} MB; expected an arc, or the log of a search")
    if data.startswith(_NPY):
        return _chosen([_array(data)], False, path, space, child)
    text = data.decode(_ENCODINGS.get(data[:2], "utf-8-sig"))
    found = None
    if text.lstrip()[:1] == "{":
        found = arc_text.records(text, space.metric.name)
        if found is None:
            raise UserError("arc: not valid JSON: expected one object, or one a line")
    log = len(found) > 1 if found else arc_text.is_whole_log(text)
    return _chosen(found or _blocks(text), log, path, space, child)


def _blocks(text):
    found = arc_text.blocks(text)
    if not found:
        integers(text)  # tells the first word that is no number
    return found


def _chosen(blocks: Sequence[Block], log: bool, source: str, space: Any, child: Any) -> Any:
    """The arc among the blocks; says on stderr which it took where there was a choice.

    Args:
      log: the blocks are all that a search scored; the best is taken.
      source: where they come from.
    """
    if len(blocks) <= 1:
        return _of_block(blocks[0] if blocks else Block(()), space, child)
    arcs, errors = {}, []
    for block in blocks:
        try:
            arcs[block] = _of_block(block, space, child)
        except UserError as error:
            errors.append(f"arc: {_lines(block)}: {str(error).removeprefix('arc: ')}")
    if not arcs:
        raise UserError(errors[0])
    arcs = {block: arc for block, arc in arcs.items() if _fits(arc.to_list(), space, child)} or arcs
    ranked = [block for block in arcs if block.best] or [block for block in arcs if block.score is not None]
    if len({str(arc) for arc in arcs.values()}) > 1 and not (log and ranked):
        places = " and ".join(map(_lines, list(arcs)[:2]))
        raise UserError(f"arc: {len(arcs)} arcs, the first on {places}; expected one, or the whole log of a search")
    # Of equals the last: a log ends with the arc that the search recommends.
    best = max(reversed(ranked or list(arcs)), key=lambda block: space.metric.goodness(block.score))
    score = "" if best.score is None else f", val_{space.metric.short} = {best.score:.4f}"
    rest = f"the best of {len(arcs)} arcs" if len(arcs) > 1 else f"{len(errors)} other groups of numbers are no arc"
    print(f"arc: {_lines(best)} of {source}{score}, {rest}", file=sys.stderr)
    return arcs[best]


def _of_block(block, space, child):
    """The arc of one block; several arcs below each other are not taken for a larger one."""
    arc_error = None
    try:
        arc = space.arc.any_size(block.values, child)
    except UserError as error:
        arc_error = error
    if not _fits(block.values, space, child):
        as_logged = arc_error is None and [" ".join(map(str, row)) for row in block.rows] == arc.lines()
        for size, groups in _groups(block.rows, space, child):
            fitting = all(_fits(group, space, child) for group in groups)
            if arc_error or fitting or (size == 1 and not as_logged):
                each = "one a row" if size == 1 else f"each of {size} rows"
                raise UserError(f"arc: {len(groups)} arcs, {each}; expected one")
    if arc_error:
        raise arc_error
    return arc


def _groups(rows, space, child):
    """Yields (rows of a group, the groups' integers) for each way to part rows into groups of as many that are all arcs."""
    for size in range(1, min(len(rows) // 2, _MOST_ROWS) + 1):
        if len(rows) % size == 0:
            groups = [sum(rows[i : i + size], ()) for i in range(0, len(rows), size)]
            # A column of numbers is no list of arcs.
            if all(len(group) > size and _is_arc(group, space, child) for group in groups):
                yield size, groups


def _is_arc(values, space, child):
    return _accepted(space.arc.any_size, values, child)


def _fits(values, space, child):
    """Whether the integers are an arc of the child's own size."""
    return _accepted(space.arc.for_child, values, child)


def _accepted(build, values, child):
    try:
        build(values, child)
    except UserError:
        return False
    return True


def _lines(block):
    return f"line {block.first}" if block.first == block.last else f"lines {block.first} to {block.last}"


def named(config: Any, space: Any) -> Any:
    """Returns the arc that --child_fixed_arc or --arc_file names, of any size; or what a space trains in the place of one,
    as its flag names it.

    Args:
      config: a training's config.
      space: the `SearchSpace`.

    Raises:
      UserError: neither or both are given, or there is no arc, or several.
    """
    flag, value = config.arc.source()
    if flag == "arc_file":
        return from_file(value, space, config.child)
    if flag != "child_fixed_arc":
        return value
    try:
        return from_text(value, space, config.child)
    except UserError as error:
        raise UserError(f"--child_fixed_arc: {error}") from None


def given(config: Any, space: Any) -> Any:
    """Returns what `named` does; an arc has to be one for the config's child.

    Raises:
      UserError: see `named`, or the arc is not one for the child.
    """
    arc = named(config, space)
    return arc if isinstance(arc, str) else for_child(arc, config, space)


def for_child(arc: Any, config: Any, space: Any) -> Any:
    """Returns an arc of any size as one for the config's child.

    Raises:
      UserError: it is not one; names the flag that it came from.
    """
    flag, value = config.arc.source()
    try:
        return space.arc.for_child(arc.to_list(), config.child)
    except UserError as error:
        raise UserError(f"--{flag}={value}: {error}" if flag == "arc_file" else f"--{flag}: {error}") from None


def implied(arc: Any, space: Any, named: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what an arc says of its child, {flag: value}, e.g. its number of nodes.

    Args:
      named: {flag: value} of the flags that the user gave.

    Raises:
      UserError: one of them says otherwise.
    """
    found = space.arc.implied(arc)
    for name, value in found.items():
        if named.get(name, value) != value:
            raise UserError(f"--{name}={named[name]}: the arc has --{name}={value}; leave the flag out")
    return found


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
    return arc_text.array_block(array)
