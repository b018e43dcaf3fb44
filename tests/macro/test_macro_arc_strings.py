"""Arc strings of the macro space."""

from arc_strings import ArcStrings

from enas.macro import arc
from enas.macro.space import SPACE


class TestMacroArcStrings(ArcStrings):
    arc = arc
    space = SPACE
