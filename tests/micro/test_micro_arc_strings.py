"""Arc strings of the micro space."""

from arc_strings import ArcStrings

from enas.micro import arc


class TestMicroArcStrings(ArcStrings):
    arc = arc
