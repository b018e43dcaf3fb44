"""Arc strings of the micro space."""

from arc_strings import ArcStrings

from enas.micro import arc
from enas.micro.space import SPACE


class TestMicroArcStrings(ArcStrings):
    arc = arc
    space = SPACE
