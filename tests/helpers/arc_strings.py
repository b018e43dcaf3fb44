"""What holds of the arc strings of every search space: what is valid prints back, and what is not is refused with the place
and the range. Each space's folder has a test class that derives from `ArcStrings`.

Nothing here knows what an arc of a space looks like: valid ones are found by doing what the error messages say.
"""

import functools
import re

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from enas.errors import UserError

OUT_OF_RANGE = r"arc: integer (\d+) of (\d+) \(.*\) is (-?\d+), expected (?:at least )?(-?\d+)(?: (?:to|or) (\d+))?"
NO_INTEGER = r"arc: word (\d+) of (\d+) is .*, expected an integer"
WRONG_COUNT = r"arc: expected .*, got (\d+)(; that fits --(no)?controller_search_whole_channels)?"
MOST = 48
UNBOUNDED = 9

some = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors]
)


def refusal(arc, values):
    """The message that refuses a list of integers; None if it is an arc."""
    try:
        arc.parse(" ".join(map(str, values)))
    except UserError as error:
        return str(error)
    return None


@functools.cache
def lengths(arc):
    """The numbers of integers, up to `MOST`, that an arc may have."""
    return [n for n in range(MOST + 1) if not re.fullmatch(WRONG_COUNT, refusal(arc, [0] * n) or "")]


@st.composite
def arcs(draw, arc):
    """Integers that are an arc, from any integers: each one that is refused becomes one of the range that is allowed."""
    count = draw(st.sampled_from(lengths(arc)))
    values = draw(st.lists(st.integers(-2, 13), min_size=count, max_size=count))
    for _ in range(count):
        message = refusal(arc, values)
        if message is None:
            return values
        position, total, found, low, high = re.fullmatch(OUT_OF_RANGE, message).groups()
        assert (int(total), int(found)) == (count, values[int(position) - 1])
        low, high = int(low), int(high or low + UNBOUNDED)
        assert not low <= int(found) <= high
        values[int(position) - 1] = draw(st.integers(low, high))
    assert refusal(arc, values) is None
    return values


class ArcStrings:
    """The statements, for one space.

    Attributes:
      arc: the space's `arc` module.
    """

    @some
    @given(data=st.data())
    def test_an_arc_prints_back_as_it_was_parsed(self, data):
        values = data.draw(arcs(self.arc))
        text = " ".join(map(str, values))
        arc = self.arc.parse(text)
        assert str(arc) == text
        assert arc.to_list() == values
        assert self.arc.parse(str(arc)) == arc == self.arc.from_list(values)
        assert " ".join(arc.lines()) == text
        blanks = st.sampled_from([" ", "  ", "\n", "\t", "\r\n"])
        assert self.arc.parse("".join(word + data.draw(blanks) for word in text.split())) == arc

    @some
    @given(data=st.data())
    def test_an_arc_with_one_wrong_integer_is_refused_at_its_place(self, data):
        values = data.draw(arcs(self.arc))
        position = data.draw(st.integers(0, len(values) - 1))
        values[position] = data.draw(st.sampled_from([-1, 99, 10**8]))
        message = refusal(self.arc, values)
        assume(message is not None)  # macro: a first channel has no upper bound of its own
        found = re.fullmatch(OUT_OF_RANGE, message)
        assert found and (int(found[1]), int(found[2])) == (position + 1, len(values))
        assert not int(found[4]) <= values[position] <= int(found[5] or 10**9)

    @some
    @given(data=st.data())
    def test_any_text_is_the_arc_it_says_or_refused_at_a_place(self, data):
        text = list(" ".join(map(str, data.draw(arcs(self.arc)))))
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(text)))
            end = min(at + data.draw(st.integers(0, 3)), len(text))
            text[at:end] = data.draw(st.text("0123456789-+. \n\txé٣²\x00,", max_size=3))
        text = "".join(text)
        try:
            arc = self.arc.parse(text)
        except UserError as error:
            assert any(re.fullmatch(p, str(error), re.DOTALL) for p in (OUT_OF_RANGE, NO_INTEGER, WRONG_COUNT)), str(
                error
            )
            assert "\n" not in str(error)
        else:
            assert arc.to_list() == [int(word) for word in text.split()]
            assert self.arc.parse(str(arc)) == arc
