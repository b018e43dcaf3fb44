"""What holds of the arc strings of every search space: what is valid prints back, and what is not is refused with the place
and the range. Each space's folder has a test class that derives from `ArcStrings`.

Nothing here knows what an arc of a space looks like: valid ones are found by doing what the error messages say.
"""

import functools
import re

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from enas.errors import UserError
from enas.options import arc_input

OUT_OF_RANGE = r"arc: integer (\d+) of (\d+) \(.*\) is (-?\d+), expected (?:at least )?(-?\d+)(?: (?:to|or) (\d+))?"
NO_INTEGER = r"arc: (?:line \d+: )?word (\d+) of (\d+) is .*, expected an integer"
WRONG_COUNT = r"arc: expected .*, got (\d+)(; that fits --(no)?controller_search_whole_channels)?"
MOST = 48
NO_ARC = r"arc: .* arcs, .*"
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


def _comments(arc, draw):
    texts = st.text("0123456789 abc[],.#", max_size=12)
    return "".join(f"{line}  # {draw(texts)}\n\n" for line in arc.lines())


# What prints an arc: functions of the arc and Hypothesis' `draw`.
FORMS = {
    "the flag of a command line": lambda arc, _: f'--child_fixed_arc="{arc}"',
    "Python's list": lambda arc, _: str(arc.to_list()),
    "a tuple over several lines": lambda arc, _: "(" + ",\n ".join(map(str, arc.to_list())) + ",)",
    "floats as NumPy prints them": lambda arc, _: str(np.array(arc.to_list(), float)),
    "NumPy's repr": lambda arc, _: repr(np.array(arc.to_list(), np.int32)),
    "a list of NumPy's scalars": lambda arc, _: str(list(np.array(arc.to_list()))),
    "a file of numpy.savetxt": lambda arc, _: "\n".join(f"{value:.18e}" for value in arc.to_list()),
    "commas": lambda arc, _: ",".join(f"{value}.0" for value in arc.to_list()),
    "a log's lines": lambda arc, _: "".join(f"[{line}]\n" for line in arc.lines()),
    "a log's lines and score": lambda arc, _: "".join(f"[{line}]\n" for line in arc.lines()) + "val_acc = 0.9\n----\n",
    "a training's log": lambda arc, _: f"mnist: 5 images\narc: {arc}\ncost: 5 MACs\nepoch = 0  ch_step = 50\n",
    "a shell script of the ENAS authors": lambda arc, _: "".join(
        f'fixed_arc="{line}"\n' if i == 0 else f'fixed_arc="$fixed_arc {line}"\n' for i, line in enumerate(arc.lines())
    ),
    "labelled rows": lambda arc, _: "".join(f"layer {i}: [{line}]\n" for i, line in enumerate(arc.lines(), 1)),
    "PyTorch's repr": lambda arc, _: f"torch.tensor({arc.to_list()}, dtype=torch.int32)",
    "the table of flags in older logs": lambda arc, _: (
        f"batch_size{'.' * 67}128\nchild_fixed_arc{arc}\n./data/train\n'a', 1\n"
    ),
    "comments": _comments,
}


class ArcStrings:
    """The statements, for one space.

    Attributes:
      arc: the space's `arc` module.
      space: the `SearchSpace`.
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
            words = "".join(line.partition("#")[0] + " " for line in text.splitlines()).replace(",", " ").split()
            assert arc.to_list() == [float(word) for word in words]
            assert self.arc.parse(str(arc)) == arc

    @some
    @given(data=st.data())
    def test_an_arc_is_the_same_in_every_form_that_people_have_it_in(self, data):
        arc = self.arc.parse(" ".join(map(str, data.draw(arcs(self.arc)))))
        text = data.draw(st.sampled_from(sorted(FORMS)).map(FORMS.get))(arc, data.draw)
        assert self.read(text) == arc, text

    @some
    @given(data=st.data())
    def test_an_array_of_an_arc_is_the_arc_whatever_its_type(self, data, tmp_path_factory):
        arc = self.arc.parse(" ".join(map(str, data.draw(arcs(self.arc)))))
        path = tmp_path_factory.mktemp("arc") / "arc.npy"
        np.save(path, np.array(arc.to_list(), data.draw(st.sampled_from(["f8", "f4", "i8", "u1"]))))
        assert arc_input.from_file(str(path), self.space, self.space.train_config().child) == arc

    @some
    @given(data=st.data())
    def test_a_number_that_is_not_whole_is_refused_at_its_place(self, data):
        arc = self.arc.parse(" ".join(map(str, data.draw(arcs(self.arc)))))
        words = list(map(str, arc.to_list()))
        position = data.draw(st.integers(0, len(words) - 1))
        words[position] = data.draw(
            st.sampled_from(["1.5", "1e-1", "0x1", "nan", "1_0", "True", "10000000000", "1e999"])
        )
        try:
            self.read(data.draw(st.sampled_from([" ", ", ", "\n"])).join(words))
        except UserError as error:
            assert re.fullmatch(f"{NO_INTEGER}|{WRONG_COUNT}|{NO_ARC}", str(error)), str(error)
        else:
            raise AssertionError(words)

    @some
    @given(data=st.data())
    def test_the_best_of_a_whole_log_is_read_and_two_arcs_of_an_excerpt_are_refused(self, data):
        texts = [" ".join(map(str, values)) for values in data.draw(st.lists(arcs(self.arc), min_size=2, max_size=4))]
        found = [self.arc.parse(text) for text in texts]
        scores = data.draw(st.lists(st.integers(1, 9999), min_size=len(found), max_size=len(found), unique=True))
        blocks = ["".join(f"[{line}]\n" for line in arc.lines()) for arc in found]
        name = f"val_{self.space.metric.short}"
        log = "".join(f"{b}{name} = {s / 1e4:<6.4f}\n{'-' * 80}\n" for b, s in zip(blocks, scores, strict=True))
        sized = [self.fits(arc) for arc in found]
        assume(all(sized) or not any(sized))
        best = (max if self.space.metric.higher_is_better else min)(scores)
        assert (
            self.read(f"epoch = 0 ch_step = 50\nHere are {len(found)} architectures\n{log}")
            == found[scores.index(best)]
        )
        if len(set(texts)) > 1:
            try:
                self.read(log)
            except UserError as error:
                assert re.match(rf"arc: {len(found)} arcs, the first on lines? \d", str(error)), str(error)
            else:
                raise AssertionError(log)

    def read(self, text):
        return arc_input.from_text(text, self.space, self.space.train_config().child)

    def fits(self, arc):
        try:
            self.arc.for_child(arc.to_list(), self.space.train_config().child)
        except UserError:
            return False
        return True
