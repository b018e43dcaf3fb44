"""Arc strings of the recurrent space."""

from arc_strings import ArcStrings

from enas.rnn import arc


class TestRnnArcStrings(ArcStrings):
    arc = arc
