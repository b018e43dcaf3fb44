"""Arc strings of the recurrent space."""

from arc_strings import ArcStrings

from enas.rnn import arc
from enas.rnn.space import SPACE


class TestRnnArcStrings(ArcStrings):
    arc = arc
    space = SPACE
