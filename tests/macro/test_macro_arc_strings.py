"""Arc strings of the macro space."""

from arc_strings import ArcStrings

from enas.macro import arc


class TestMacroArcStrings(ArcStrings):
    arc = arc
