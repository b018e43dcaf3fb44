"""The macro space keeps what every search space promises."""

from space_contract import SpaceContract

from enas.macro.space import SPACE


class TestMacroSpace(SpaceContract):
    space = SPACE
