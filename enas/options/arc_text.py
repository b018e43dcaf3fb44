"""The forms that people have arcs in: what a text, a list or a log says, as blocks of whole numbers.

Numbers may be written as Python, NumPy or JSON write them, over any lines, with brackets, commas, quotes and `# comments`
between them, and behind a label such as `fixed_arc=` or `normal cell:`. Other lines of a log part one block from the next.
Nothing here imports TensorFlow, and nothing knows what the numbers of an arc mean.
"""

import dataclasses
import json
import math
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from enas.errors import UserError

# The table of flags in older logs fills up with dots, or with nothing where a value is long.
_LABEL = re.compile(
    r"(?:export )?(?:--?)?(?:(?:best |(?:child_)?(?:fixed_)?)arc\s*(?:[:=]|\.{3,})|child_fixed_arc(?=\d))"
    r"|^\s*layer[ _]?\d+\s*[:=]|^\s*[a-z][\w ]{0,40}[:=](?=[\s\[({]*(?:[0-9]+\.?[\s,]+){3})",
    re.IGNORECASE,
)
_SWAPPED = re.compile(r"^\s*reduc[^\n]*[:=].*^\s*(?:normal|conv)[^\n]*[:=]", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_SETTING_LINE = re.compile(r"\s*[A-Za-z]\w*(?:\s*[:=]|\.{3,})")
_BEST = re.compile(r"\s*best arc\b", re.IGNORECASE)
_COMMENT = re.compile(r"#|//")
_SCORE = re.compile(r"\s*(?:best_)?val(?:id)?_(?:acc|accuracy|ppl|perplexity)\s*[:=]\s*(\S+)")
# The ENAS authors' search of recurrent cells prints an arc and its reward, 80 / perplexity (arXiv 1802.03268, section 3.1).
_REWARD = re.compile(r"\brw ?= ?(\S{1,20})\s*$")
_REWARD_CONSTANT = 80.0
# What the ENAS authors' code, its ports and our own print before a search's scored arcs; their table of flags.
_WHOLE_LOG = re.compile(r"^\s*Here are \d+ architectures|^batch_size\.{3,}", re.MULTILINE)
_SCALAR = re.compile(r"\b(?:(?:np|numpy)\.)?(?:u?int|float)(?:\d+)?\(([^()]*)\)")
_ARRAY = re.compile(r"\b(?:(?:np|numpy)\.)?(?:asarray|array|list|tuple|(?:torch\.)?tensor)\s*\(")
_SETTING = re.compile(r"\b(?:dtype|shape)\s*=\s*(?:\([^()]*\)|[\w.'\"<>]+)")
_BETWEEN = re.compile(r"""[\[\](){},;"'\\]|\$\{?\w+\}?""")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WORD = re.compile(r"[^/]*\w[^/]*")  # neither a ruler nor a path
_MOST_DIGITS = 9


@dataclasses.dataclass(frozen=True)
class Block:
    """Whole numbers that nothing but blanks, brackets and comments part.

    Attributes:
      rows: the integers, as lines and inner brackets divide them.
      first, last: numbers of the lines they stand on, from 1.
      score: the validation metric that the log gives them; None: none, or one that is not a number.
      best: the log calls them its best arc.
    """

    rows: tuple[tuple[int, ...], ...]
    first: int = 1
    last: int = 1
    score: float | None = None
    best: bool = False

    @property
    def values(self) -> list[int]:
        """All of its integers."""
        return [value for row in self.rows for value in row]


def integers(text: str) -> list[int]:
    """Returns the whole numbers of a text that holds nothing else.

    Raises:
      UserError: a word is none.
    """
    rows = [row for line in text.splitlines() for row in _rows(_cleaned(line))]
    return _whole([word for row in rows for word in row])


def is_whole_log(text: str) -> bool:
    """Whether a text is a whole log, of a search with all that it scored, rather than an excerpt."""
    return bool(_WHOLE_LOG.search(text))


def blocks(text: str) -> list[Block]:
    """Returns the blocks of numbers in a text, in order.

    Raises:
      UserError: a word among numbers is no whole number, or labels say that the cells are in the wrong order.
    """
    log, several = is_whole_log(text), "\n" in text.strip()
    if not log and _SWAPPED.search(text):
        raise UserError("arc: the reduction cell is above the normal cell; expected the normal cell first")
    found: list[Block] = []
    rows: list[tuple[int, tuple[int, ...], bool]] = []  # of the block that is not at its end: (line, integers, "best")

    def end(score: float | None = None) -> None:
        if rows:
            lines, integers, best = zip(*rows, strict=True)
            found.append(Block(integers, lines[0], lines[-1], score, any(best)))
            rows.clear()

    for number, line in enumerate(text.splitlines(), 1):
        score, reward, cleaned = _SCORE.match(line), _REWARD.search(line), _cleaned(line)
        parts = [row for row in _rows(cleaned) if row]
        if score:
            end(_float(score[1]))
        elif parts and not _SETTING_LINE.match(cleaned) and _are_numbers([word for row in parts for word in row], log):
            where, best = f"line {number}: " if several else "", bool(_BEST.match(line))
            rows += [(number, tuple(_whole(row, where)), best) for row in parts]
        elif parts:
            end()
        if reward:
            value = _float(reward[1])
            end(_REWARD_CONSTANT / value if value else None)
    end()
    return found


def records(text: str, metric: str) -> list[Block] | None:
    """Returns the arcs of JSON objects, one for the whole text or one a line as in arcs.jsonl; None: it holds other things.

    Args:
      metric: name of the score in them.

    Raises:
      UserError: an object has no "arc", or not one of whole numbers.
    """
    try:
        pairs = [(1, json.loads(text))]
    except RecursionError:
        return None
    except ValueError:
        try:
            pairs = [(i, json.loads(line)) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        except (ValueError, RecursionError):
            return None
    if not all(isinstance(value, dict) for _, value in pairs):
        return None
    return [_record(number, value, metric) for number, value in pairs]


def _record(number: int, record: dict[str, Any], metric: str) -> Block:
    arc, score = record.get("arc", record.get("child_fixed_arc")), record.get(f"val_{metric}")
    if arc is None and {"kind", "output_dir"} <= set(record):
        raise UserError(
            f"arc: these are the settings of a run ({record['kind']}), which name no arc; expected its best_arc.txt, its "
            "arcs.jsonl, or the run directory itself"
        )
    if arc is None:
        raise UserError('arc: the JSON object has no "arc"; expected one, or a list of whole numbers')
    text = arc if isinstance(arc, str) else json.dumps(arc)
    rows = tuple(tuple(_whole(row)) for line in text.splitlines() for row in _rows(_cleaned(line)) if row)
    return Block(rows, number, number, float(score) if isinstance(score, int | float) else None)


def array_block(array: Any) -> Block:
    """Returns the block of a NumPy array of whole numbers, of any type and shape.

    Raises:
      UserError: its type is no number's, or a number is not whole.
    """
    if array.dtype.kind not in "iuf":
        raise UserError(f"arc: the .npy array's type is {array.dtype}, expected whole numbers")
    values = array.reshape(-1).tolist()
    for position, value in enumerate(values):
        if not (math.isfinite(value) and value == int(value) and abs(value) < 10**_MOST_DIGITS):
            raise UserError(f"arc: number {position + 1} of {len(values)} is {value!r}, expected an integer")
    width = array.shape[-1] if array.ndim > 1 else len(values)
    return Block(tuple(tuple(map(int, values[i : i + width])) for i in range(0, len(values), width or 1)))


def _cleaned(line: str) -> str:
    """A line without its comment, its label, a reward behind it, and the names of types around its numbers."""
    line = _REWARD.sub("", _COMMENT.split(line, maxsplit=1)[0])
    line = _SETTING.sub("", _ARRAY.sub("(", _SCALAR.sub(r" \1 ", line)))
    return _LABEL.sub("", line, count=1)


def _rows(cleaned: str) -> Iterator[list[str]]:
    """Yields the words of a line, parted where an inner bracket closes."""
    for part in re.split(r"[\])]", cleaned):
        yield _BETWEEN.sub(" ", part).split()


def _are_numbers(words: Sequence[str], log: bool) -> bool:
    """Whether a line is one of an arc. In an excerpt a word that is no number, among numbers or on its own, is a mistake to
    be told."""
    numbers = sum(bool(_NUMBER.fullmatch(word)) for word in words)
    if log:
        return numbers == len(words)
    return 2 * numbers >= len(words) or (len(words) == 1 and bool(_WORD.fullmatch(words[0])))


def _whole(words: Sequence[str], where: str = "") -> list[int]:
    values = []
    for position, word in enumerate(words):
        number = Decimal(word) if _NUMBER.fullmatch(word) else None
        if number is None or number.adjusted() >= _MOST_DIGITS or number != number.to_integral_value():
            raise UserError(f"arc: {where}word {position + 1} of {len(words)} is {word[:40]!r}, expected an integer")
        values.append(int(number))
    return values


def _float(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
